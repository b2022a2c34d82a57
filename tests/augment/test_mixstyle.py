import pytest
import torch
from torch import nn

from styleadapt.augment import MixStyle, mixing
from styleadapt.models.efficientnet import EfficientNetLite0


def features(count: int = 8) -> torch.Tensor:
    random = torch.Generator().manual_seed(0)
    scale = torch.arange(1, count + 1).view(-1, 1, 1, 1)
    return torch.randn(count, 4, 6, 6, generator=random) * scale + 10 * scale


def test_what_is_mixed_are_means_and_deviations():
    x = features()
    done = MixStyle(p=1.0, seed=0)(x)
    normal = [(v - v.mean((2, 3), keepdim=True)) / v.std((2, 3), keepdim=True) for v in (x, done)]
    assert torch.allclose(*normal, atol=1e-3)
    means, others = done.mean((2, 3)), x.mean((2, 3))
    assert (means >= others.amin(0) - 1e-3).all() and (means <= others.amax(0) + 1e-3).all()
    assert not torch.allclose(means, others, atol=0.1)


def test_shares_follow_the_beta_distribution():
    for alpha, variance in ((0.1, 0.25 / 1.2), (1.0, 1 / 12)):
        shares = MixStyle(alpha=alpha, seed=0)._beta(20_000)
        assert float(shares.mean()) == pytest.approx(0.5, abs=0.02)
        assert float(shares.var()) == pytest.approx(variance, rel=0.05)


def test_no_gradient_flows_through_the_statistics():
    x = features().requires_grad_()
    (MixStyle(p=1.0, seed=0)(x).sum((1, 2, 3))[0]).backward()
    assert x.grad[0].abs().sum() > 0 and x.grad[1:].abs().sum() == 0


def test_it_rests_in_evaluation_and_at_its_probability():
    x = features()
    assert MixStyle(p=1.0).eval()(x) is x and MixStyle(p=0.0)(x) is x
    half = MixStyle(p=0.5, seed=0)
    assert 60 < sum(half(x) is x for _ in range(200)) < 140


def test_mixing_hooks_layers_while_the_model_trains_and_leaves_none_behind():
    model = nn.Sequential(nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3))
    x = features()
    plain = model(x)
    with mixing(model, ["1"], MixStyle(p=1.0, seed=0)):
        assert not torch.allclose(model.train()(x), plain)
        assert torch.equal(model.eval()(x), plain)
    assert torch.equal(model.train()(x), plain)


def test_blocks_that_give_several_maps_are_mixed_in_the_first():
    trunk = EfficientNetLite0().train()
    images = torch.rand(4, 3, 64, 64) * torch.tensor([0.2, 0.6, 1, 2]).view(-1, 1, 1, 1)
    plain = trunk(images)
    with mixing(trunk, ["blocks.2"], MixStyle(p=1.0, seed=0)):
        mixed = trunk(images)
    assert torch.equal(plain["block2.depthwise"], mixed["block2.depthwise"]), "that of the block itself comes before"
    assert not torch.allclose(plain["block11.expand"], mixed["block11.expand"])


def test_wrong_values_and_unknown_layers_are_refused():
    with pytest.raises(ValueError, match="alpha"):
        MixStyle(alpha=0)
    with pytest.raises(ValueError, match="no layer 'stage9'"), mixing(nn.Sequential(nn.ReLU()), ["stage9"], MixStyle()):
        pass
