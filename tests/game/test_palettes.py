import numpy as np
import pytest

from styleadapt.errors import ImageError
from styleadapt.game.palettes import from_oklab, make_palette, palette_indexes, read_palette, to_oklab, write_palette

from ..conftest import smooth_noise

COLORS = np.uint8([[0, 0, 0], [200, 30, 40], [20, 200, 60], [255, 255, 255]])


def test_oklab_is_that_of_its_author():
    """Of the table of pairs in Ottosson's article: sRGB red, green and blue, as other libraries print them."""
    expected = [[0.628, 0.225, 0.126], [0.866, -0.234, 0.179], [0.452, -0.032, -0.312]]
    assert np.abs(to_oklab(np.uint8([[255, 0, 0], [0, 255, 0], [0, 0, 255]])) - expected).max() < 1e-3


def test_every_color_comes_back_from_oklab():
    colors = np.random.default_rng(0).integers(0, 256, (500, 3), np.uint8)
    assert (from_oklab(to_oklab(colors)) == colors).all()


@pytest.mark.parametrize("suffix", [".gpl", ".hex"])
def test_a_palette_is_read_as_it_was_written(tmp_path, suffix):
    write_palette(COLORS, tmp_path / f"p{suffix}")
    assert (read_palette(tmp_path / f"p{suffix}") == COLORS).all()


def test_palettes_of_other_programs_are_read(tmp_path):
    (tmp_path / "a.gpl").write_text("GIMP Palette\r\nName: x\r\nColumns: 4\r\n# c\r\n 255  0   1\tRed\r\n255 0 1\r\n", "utf-8")
    (tmp_path / "b.hex").write_text("\ufeff#FF0001\n; c\n\n00ff00\n", "utf-8")
    assert read_palette(tmp_path / "a.gpl").tolist() == [[255, 0, 1]]
    assert read_palette(tmp_path / "b.hex").tolist() == [[255, 0, 1], [0, 255, 0]]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.gpl", "GIMP Palette\nName: x\n", "holds no color"),
        ("a.hex", "\n", "holds no color"),
        ("a.gpl", "JASC-PAL\n", "first line"),
        ("a.gpl", "GIMP Palette\n300 0 0\n", "line 2"),
        ("a.hex", "00ff\n", "line 1"),
        ("a.hex", "\n".join(f"{n:06x}" for n in range(257)), "256 at most"),
        ("a.pal", "", "use a .gpl or a .hex file"),
    ],
)
def test_a_bad_palette_is_refused(tmp_path, name, text, said):
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(ImageError, match=said):
        read_palette(tmp_path / name)


def test_a_made_palette_has_as_many_colors_and_fits_better_than_a_coarser_one():
    pixels = np.asarray(smooth_noise((64, 48), 1)).reshape(-1, 3)
    errors = []
    for colors in (4, 16, 64):
        palette = make_palette([pixels[:1000], pixels[1000:]], colors)
        assert len(palette) <= colors and len(np.unique(palette, axis=0)) == len(palette)
        chosen = palette[palette_indexes(pixels[None], palette)[0]]
        errors.append(float(((to_oklab(chosen) - to_oklab(pixels)) ** 2).sum(1).mean()))
    assert errors[0] > 2 * errors[1] > 4 * errors[2]
    assert (make_palette([pixels], 16) == make_palette([pixels], 16)).all()


def test_a_small_bright_detail_keeps_a_color():
    pixels = np.full((10_000, 3), 40, np.uint8)
    pixels[:5000] += np.random.default_rng(0).integers(0, 20, (5000, 1), np.uint8)
    pixels[:20] = 255, 30, 30
    assert np.abs(make_palette([pixels], 4).astype(int) - [255, 30, 30]).sum(1).min() < 6


def test_few_colors_stay_themselves():
    assert sorted(make_palette([COLORS.repeat(9, 0)], 16).tolist()) == sorted(COLORS.tolist())


def test_the_nearest_color_is_that_of_oklab():
    pixels = np.random.default_rng(1).integers(0, 256, (7, 5, 3), np.uint8)
    distance = ((to_oklab(pixels)[:, :, None] - to_oklab(COLORS)) ** 2).sum(-1)
    assert (palette_indexes(pixels, COLORS) == distance.argmin(-1)).all()


def test_dithering_mixes_two_colors_and_repeats_every_four_pixels():
    ends = np.uint8([[0, 0, 0], [255, 255, 255]])
    gray = from_oklab(np.float32([[[0.5, 0, 0]]])).repeat(8, 0).repeat(8, 1)
    pattern = palette_indexes(gray, ends, dither=True)
    assert pattern.mean() == 0.5 and (pattern[:4, :4] == pattern[4:, 4:]).all() and 0 < pattern[0].mean() < 1
    assert palette_indexes(gray, ends).std() == 0


@pytest.mark.parametrize("colors", [0, 257])
def test_other_numbers_of_colors_are_refused(colors):
    with pytest.raises(ValueError, match="1 to 256"):
        make_palette([COLORS], colors)
