import numpy as np
import pytest
import torch

from styleadapt.models.restorer import Restorer
from styleadapt.runtime.restorer_bands import TILE, TILES, _places, estimate_levels, restore, sight


def tiny(widths=(8, 16), blocks=(1, 2)):
    torch.manual_seed(0)
    model = Restorer(widths=widths, blocks=blocks, estimator_widths=(8, 8))
    torch.nn.init.normal_(model.leave.weight, std=0.1)
    return model.eval()


def image(height, width):
    return np.random.default_rng(0).random((height, width, 3), np.float32) * 2 - 1


@pytest.mark.parametrize("widths, blocks", [((8, 16), (1, 2)), ((8, 8, 8), (1, 1, 1)), ((8,), (2,))])
def test_bands_give_what_the_whole_gives(widths, blocks):
    model, photo, levels = tiny(widths, blocks), image(203, 37), torch.tensor([25.0, 30.0, 1.0])
    whole = model(torch.from_numpy(photo).permute(2, 0, 1)[None], levels[None]).sample[0].permute(1, 2, 0)
    done = []
    banded = restore(model, photo, levels, band_pixels=37 * 16, advance=done.append)
    assert np.abs(banded - whole.detach().numpy()).max() < 1e-5
    assert len(done) == 13 and done[-1] == 1 and done == sorted(done)


def test_nothing_within_sight_is_cut_off_and_little_more_is_looked_at():
    model = tiny()
    photo, levels, reach = image(256, 8), torch.tensor([25.0, 0.0, 0.0]), sight(model)
    before = restore(model, photo, levels)
    changed = photo.copy()
    changed[128] += 1
    rows = np.flatnonzero(np.abs(restore(model, changed, levels) - before).max((1, 2)))
    assert reach // 2 < max(128 - rows[0], rows[-1] - 128) <= reach


def test_levels_are_those_of_most_squares():
    model, photo = tiny(), image(4 * TILE, 4 * TILE)
    torch.nn.init.ones_(model.opinions.bias)
    usual = estimate_levels(model, photo)
    spoilt = photo.copy()
    spoilt[:TILE] = 0
    assert estimate_levels(model, spoilt) == pytest.approx(usual, rel=0.05)
    assert estimate_levels(model, photo[:1, :1]).shape == (3,)


@pytest.mark.parametrize("size", [(1, 1), (TILE, TILE + 1), (5000, 60), (3000, 4000)])
def test_squares_are_within_the_image(size):
    places = _places(*size)
    assert 1 <= len(places) <= TILES and len(set(places)) == len(places)
    assert all(0 <= place[axis] <= max(size[axis] - TILE, 0) for place in places for axis in (0, 1))


def test_broken_weights_are_noticed():
    model = tiny()
    model.enter.weight.data.fill_(torch.inf)
    with pytest.raises(ValueError, match="NaN or infinite"):
        restore(model, image(8, 8), torch.zeros(3))
