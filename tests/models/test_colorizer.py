import pytest
import torch

from styleadapt.models.colorizer import _LAYERS, Colorizer, colorize
from styleadapt.models.lab import rgb_to_lab


def features(height=64, width=64, batch=1):
    generator = torch.Generator().manual_seed(0)
    return {n: torch.rand(batch, c, -(-height // s), -(-width // s), generator=generator) for n, (c, s) in _LAYERS.items()}


def tiny():
    torch.manual_seed(0)
    return Colorizer(width=8, code_dim=4).eval()


@pytest.mark.parametrize("size", [(64, 64), (37, 90)])
def test_colors_are_a_mean_of_those_on_the_grid(size):
    model = tiny()
    out = model(features(*size, batch=2))
    assert out.ab.shape == (2, 2, -(-size[0] // 4), -(-size[1] // 4)) and out.logits.shape[1] == len(model.colors)
    assert out.ab[:, 0].min() >= model.colors[:, 0].min() and out.ab[:, 1].max() <= model.colors[:, 1].max()


def test_the_palette_matters_and_none_is_a_row_of_zeros():
    model, seen = tiny(), features()
    torch.nn.init.normal_(model.palette.weight)
    without = model(seen).logits
    assert torch.equal(model(seen, torch.zeros(1, 4)).logits, without)
    assert not torch.equal(model(seen, torch.ones(1, 4)).logits, without)


def test_targets_mix_to_the_colors_that_they_stand_for():
    model = tiny()
    ab = torch.rand(2, 2, 5, 6, generator=torch.Generator().manual_seed(0)) * 60 - 30
    shares = model.targets(ab)
    assert torch.allclose(shares.sum(1), torch.ones(2, 5, 6)) and shares.min() >= 0 and (shares > 0).sum(1).max() <= 4
    assert torch.allclose(torch.einsum("bkhw,kc->bchw", shares, model.colors), ab, atol=1e-4)
    far = model.targets(torch.full((1, 2, 1, 1), 200.0))
    assert far.sum() == 1 and far.max() == 1


def test_the_grid_holds_what_a_screen_has():
    model = tiny()
    assert 80 < len(model.colors) < 200
    assert (model.colors == 0).all(1).any()
    primaries = torch.tensor([[1.0, -1, -1], [-1, 1, -1], [-1, -1, 1]])[..., None, None]
    assert (model.targets(rgb_to_lab(primaries)[:, 1:]).max(1).values > 0.2).all()


def test_rare_colors_weigh_more_and_the_mean_weight_is_one():
    model = tiny()
    prior = torch.rand(len(model.colors), generator=torch.Generator().manual_seed(0))
    model.prior.copy_(prior / prior.sum())
    weights = model.weights()
    assert float((weights * model.prior).sum()) == pytest.approx(1, abs=1e-5)
    assert weights[model.prior.argmin()] == weights.max()
    assert torch.allclose(model.weights(1.0), torch.ones(len(weights)), atol=1e-5)


def test_colors_follow_the_edges_of_the_lightness():
    light = torch.full((1, 1, 64, 64), 30.0)
    light[..., 30:] = 80
    ab = torch.zeros(1, 2, 16, 16)
    ab[:, 0, :, :7], ab[:, 0, :, 7] = 40, 20
    found = rgb_to_lab(colorize(light, ab))
    assert torch.allclose(found[:, :1], light, atol=0.5)
    assert found[0, 1, :, 29].min() > 25 and found[0, 1, :, 31].max() < 15


def test_it_is_small_saves_and_loads(tmp_path):
    assert sum(p.numel() for p in Colorizer().parameters()) < 250_000
    model, seen = tiny(), features()
    model.prior.copy_(torch.rand(len(model.prior)))
    model.save_pretrained(tmp_path)
    loaded = Colorizer.from_pretrained(tmp_path)
    assert torch.equal(loaded(seen).ab, model(seen).ab) and torch.equal(loaded.prior, model.prior)
    for options in ({"width": 6}, {"temperature": 0.0}):
        with pytest.raises(ValueError, match="must be"):
            Colorizer(**options)
