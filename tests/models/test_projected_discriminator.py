import pytest
import torch

from styleadapt.metrics.embedding import load_embedded_network
from styleadapt.models.projected_discriminator import ProjectedDiscriminator


@pytest.fixture(scope="module")
def discriminator():
    model = ProjectedDiscriminator(width=16, input_size=64, num_classes=3)
    model.load_trunk(load_embedded_network())
    return model


def test_network_and_projections_are_fixed(discriminator):
    fixed = {name for name, p in discriminator.named_parameters() if not p.requires_grad}
    assert all(name.startswith(("trunk.", "across_")) for name in fixed)
    assert {name.partition(".")[0] for name in fixed} == {"trunk", "across_channels", "across_scales"}
    other = ProjectedDiscriminator(width=16, input_size=64, num_classes=3)
    assert torch.equal(other.across_scales[1].weight, discriminator.across_scales[1].weight)
    assert not torch.equal(ProjectedDiscriminator(16, 64, seed=1).across_scales[1].weight, other.across_scales[1].weight)


def test_every_scale_counts_alike(discriminator):
    """Each of the four scales has a quarter of the logits, and the gradient of every scale reaches the image."""
    x = torch.randn(2, 3, 48, 48, requires_grad=True)
    logits = discriminator(x, torch.tensor([0, -1])).logits
    assert logits.shape == (2, 4 * 16 * 16)
    for part in logits.chunk(4, 1):
        (gradient,) = torch.autograd.grad(part.sum(), x, retain_graph=True)
        assert gradient.abs().sum() > 0


def test_a_label_changes_the_opinion_and_none_is_neutral(discriminator):
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    discriminator.eval()
    one, other, unlabeled, none = (discriminator(x, label).logits for label in (*map(torch.tensor, ([0], [1], [-1])), None))
    assert not torch.allclose(one, other) and torch.equal(unlabeled, none)
    with pytest.raises(ValueError, match="from -1 to 2"):
        discriminator(x, torch.tensor([3]))


def test_it_learns_to_tell_two_kinds_of_images_apart():
    torch.manual_seed(0)
    model = ProjectedDiscriminator(width=16, input_size=64)
    model.load_trunk(load_embedded_network())
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 2e-3, (0.0, 0.99))
    noise = torch.Generator().manual_seed(1)

    def pair():
        rough = torch.randn(4, 3, 64, 64, generator=noise).clamp(-1, 1)
        return rough, torch.nn.functional.avg_pool2d(rough, 5, 1, 2)

    for _ in range(12):
        rough, smooth = pair()
        loss = torch.relu(1 - model(rough).logits).mean() + torch.relu(1 + model(smooth).logits).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    rough, smooth = pair()
    assert model(rough).logits.mean(1).min() > model(smooth).logits.mean(1).max()


@pytest.mark.parametrize("arguments", [{"width": 6}, {"input_size": 30}, {"input_size": 16}])
def test_sizes_that_do_not_fit_are_refused(arguments):
    with pytest.raises(ValueError, match="multiples of 4 and 16"):
        ProjectedDiscriminator(**arguments)
