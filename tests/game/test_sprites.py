import io

import numpy as np
import pytest
from PIL import Image

from styleadapt.game.sprites import bleed, indexed_image, pixel_scale

RNG = np.random.default_rng(0)
ART = RNG.integers(0, 256, (9, 12, 3), np.uint8)


def test_hidden_pixels_take_the_nearest_color_and_seen_ones_stay():
    alpha = np.zeros((9, 12), np.uint8)
    alpha[2:5, 2:4], alpha[6, 9] = 255, 1
    filled = bleed(ART, alpha)
    assert (filled[alpha > 0] == ART[alpha > 0]).all()
    assert (filled[0, 2] == ART[2, 2]).all() and (filled[8, 11] == ART[6, 9]).all()
    hidden = ART.copy()
    hidden[alpha == 0] = 77
    assert (bleed(hidden, alpha) == filled).all()


def test_nothing_to_bleed_changes_nothing():
    for alpha in (None, np.zeros((9, 12), np.uint8), np.full((9, 12), 3, np.uint8)):
        assert bleed(ART, alpha) is ART


@pytest.mark.parametrize("scale", [1, 2, 5])
def test_the_grid_of_pixel_art_is_found(scale):
    assert pixel_scale(ART.repeat(scale, 0).repeat(scale, 1)) == scale


def test_hidden_pixels_do_not_hide_the_grid():
    art, alpha = ART.repeat(4, 0).repeat(4, 1), np.full((9, 12), 255, np.uint8)
    alpha[0] = 0
    alpha = alpha.repeat(4, 0).repeat(4, 1)
    art[1, 1] = 0
    assert pixel_scale(art) == 1 and pixel_scale(art, alpha) == 4


def test_other_pictures_have_no_grid():
    assert pixel_scale(np.full((16, 16, 3), 9, np.uint8)) == 0
    halves = np.zeros((32, 32, 3), np.uint8)
    halves[16:] = 255
    assert pixel_scale(halves) == 1


@pytest.mark.parametrize("alphas", [[0, 255], [0, 80, 255]])
def test_an_indexed_png_keeps_colors_and_alpha(alphas):
    palette = RNG.integers(0, 256, (40, 3), np.uint8)
    indexes = RNG.integers(0, 40, (30, 30)).astype(np.uint8)
    alpha = RNG.choice(np.uint8(alphas), (30, 30))
    file = io.BytesIO()
    image = indexed_image(indexes, palette, alpha)
    image.save(file, "PNG")
    with Image.open(file) as read:
        assert read.mode == "P"
        shown = np.asarray(read.convert("RGBA"))
    assert (shown[..., 3] == alpha).all()
    assert (shown[..., :3][alpha > 0] == palette[indexes][alpha > 0]).all()


def test_more_pairs_than_an_index_has_become_true_color():
    indexes, alpha = np.arange(4, dtype=np.uint8).repeat(256).reshape(32, 32), np.tile(np.arange(256, dtype=np.uint8), 4)
    image = indexed_image(indexes, ART.reshape(-1, 3)[:4], alpha.reshape(32, 32))
    assert image.mode == "RGBA" and (np.asarray(image)[..., 3] == alpha.reshape(32, 32)).all()
