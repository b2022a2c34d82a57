import pytest
import torch

from styleadapt.losses import adversarial, consistency, content, modules, regularization, style


def images(seed, count=3, size=16):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


X, Y = images(0), images(1)
F, G = {"a": X, "b": X[..., ::2, ::2]}, {"a": Y, "b": Y[..., ::2, ::2]}
AXES = torch.eye(3)
CASES = [
    (modules.GramLoss(), (F, G), style.gram_loss(style.style_statistics(F), style.style_statistics(G))),
    (modules.MeanStdLoss(), (F, G), style.mean_std_loss(style.style_statistics(F), style.style_statistics(G))),
    (modules.DiscriminatorStyleLoss(), (F, G), style.discriminator_style_loss(F, G)),
    (modules.SlicedColorLoss(100), (X, Y, AXES), style.sliced_color_loss(X, Y, AXES, 100)),
    (modules.ContentLoss(("b",)), (F, G), content.content_loss(F, G, ("b",))),
    (modules.SelfSimilarityLoss(4, 0.5), (X, Y), content.self_similarity_loss(X, Y, 4, 0.5)),
    (modules.ToneLoss(4), (X, Y), content.tone_loss(X, Y, 4)),
    (modules.IdentityLoss(), (X, Y), content.identity_loss(X, Y)),
    (modules.TotalVariation(), (X,), regularization.total_variation(X)),
    (modules.CorrespondenceLoss(), (F, G), consistency.correspondence_loss(F, G)),
    (modules.CAMLoss(), (X, Y), adversarial.cam_loss(X, Y)),
    (modules.DiscriminatorLoss("lsgan", 0.1), (X, Y), adversarial.adversarial_losses("lsgan", 0.1)[0](X, Y)),
    *((modules.GeneratorLoss(form), (X, Y), losses[1](X, Y)) for form, losses in adversarial.ADVERSARIAL_LOSSES.items()),
]


@pytest.mark.parametrize("module, inputs, expected", CASES, ids=lambda value: type(value).__name__)
def test_a_module_is_its_function(module, inputs, expected):
    assert torch.equal(module(*inputs), expected)
    assert not list(module.parameters())


@pytest.mark.parametrize(
    "module, function",
    [
        (modules.R1Penalty(), regularization.r1_penalty),
        (modules.R2Penalty(), regularization.r2_penalty),
        (modules.WGANGPPenalty(0.5), lambda logits, x: regularization.wgan_gp_penalty(logits, x, 0.5)),
    ],
)
def test_a_penalty_is_its_function(module, function):
    x = X.clone().requires_grad_()
    logits = x.square().sum(1)
    assert torch.equal(module(logits, x), function(x.square().sum(1), x))
