import numpy as np

from styleadapt.drawn.abstracts import planes, shapes


def edges(image):
    """Share of pixels that differ by more than 60 levels from the pixel two further on."""
    pixels = np.asarray(image.convert("L"), int)
    return (np.abs(pixels[:, 2:] - pixels[:, :-2]) > 60).mean()


def test_planes_are_smooth_and_shapes_are_outlined():
    smooth, outlined = (np.mean([edges(draw(256, seed)) for seed in range(3)]) for draw in (planes, shapes))
    assert smooth < 0.06 < outlined


def test_palettes_change_with_the_seed():
    hues = [np.asarray(shapes(64, seed), float).mean((0, 1)).argmax() for seed in range(12)]
    assert len(set(hues)) == 3


def test_planes_are_quieter_in_color_than_shapes():
    def chroma(image):
        pixels = np.asarray(image, float)
        return (pixels.max(2) - pixels.min(2)).mean()

    assert np.mean([chroma(planes(128, s)) for s in range(4)]) < np.mean([chroma(shapes(128, s)) for s in range(4)])
