import numpy as np
import pytest

from styleadapt.drawn.styles import STYLES, draw_style


@pytest.mark.parametrize("name", STYLES)
def test_drawing_depends_on_the_seed_alone(name):
    first, again, other = (np.asarray(draw_style(name, 64, seed), int) for seed in (1, 1, 2))
    assert (first == again).all()
    assert np.abs(first - other).mean() > 4


@pytest.mark.parametrize("name", STYLES)
@pytest.mark.parametrize("size", [32, 97])
def test_size_is_respected(name, size):
    image = draw_style(name, size)
    assert image.size == (size, size) and image.mode == "RGB"


@pytest.mark.parametrize("name", STYLES)
def test_a_style_looks_alike_at_every_size(name):
    small, large = (np.asarray(draw_style(name, size).resize((8, 8), 4), int) for size in (96, 160))
    assert np.abs(small - large).mean() < 24


@pytest.mark.parametrize("name", STYLES)
def test_tones_are_rich(name):
    gray = np.asarray(draw_style(name, 128).convert("L"))
    low, high = np.percentile(gray, (5, 95))
    counts = np.bincount(gray.ravel() // 16, minlength=16) / gray.size
    assert high - low > 90
    assert (counts > 0.01).sum() >= 8
    assert counts.max() < 0.6


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match="'mosiac'.*mosaic.*woodcut"):
        draw_style("mosiac")


@pytest.mark.parametrize("arguments", [{"size": 8}, {"size": 100_000}, {"seed": -1}])
def test_values_out_of_range_are_refused(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        draw_style("mosaic", **arguments)
