import itertools

import numpy as np
import pytest
from PIL import Image

from styleadapt.errors import ImageError
from styleadapt.game import animation
from styleadapt.game.animation import MOST_FRAMES, frame_pictures, write_animation
from styleadapt.game.sheets import Frame

from ..conftest import smooth_noise

SHEET = smooth_noise((32, 16), 1, cell=4)


def test_frames_are_turned_back_and_put_in_their_place():
    turned, placed = frame_pictures(
        SHEET, [Frame("a", (0, 0, 6, 16), rotated=True), Frame("b", (8, 0, 16, 8), size=(12, 10), offset=(3, 2))]
    )
    pixels = np.asarray(SHEET)
    assert (np.rot90(np.asarray(turned)[..., :3], -1) == pixels[:, :6]).all()
    assert (np.asarray(placed)[2:10, 3:11, :3] == pixels[:8, 8:16]).all()
    assert np.asarray(placed)[..., 3].sum() == 255 * 64


def test_an_animation_has_its_frames(tmp_path):
    frames = [SHEET.crop((n, 0, n + 16, 16)) for n in (0, 8, 16)]
    write_animation(frames, tmp_path / "a.webp", least_side=40)
    with Image.open(tmp_path / "a.webp") as read:
        assert (read.n_frames, read.size) == (3, (32, 32))
        read.seek(2)
        assert (np.asarray(read.convert("RGB"))[::2, ::2] == np.asarray(frames[2])).all()


def test_an_animation_of_many_or_large_frames_has_the_first_ones(tmp_path, monkeypatch):
    def written(side, **options):
        """Number and size of the frames, of a stream that has no end."""
        frames = (Image.new("RGB", (side, side), (n % 256, 0, 0)) for n in itertools.count())
        write_animation(frames, tmp_path / "a.webp", **options)
        with Image.open(tmp_path / "a.webp") as read:
            return read.n_frames, read.size

    assert written(2, least_side=4) == (MOST_FRAMES, (4, 4))
    monkeypatch.setattr(animation, "MOST_PIXELS", 256 * 100)
    assert written(3) == (256, (9, 9))
    assert written(80) == (4, (80, 80))
    assert written(200) == (2, (200, 200))


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ([(8, 8)], "two frames"),
        ([(8, 8), (8, 9)], "several sizes .8 x 8, 8 x 9"),
        ([(16384, 1)] * 2, "frames of 16384 x 1; 16383 is the longest"),
    ],
)
def test_what_is_no_animation_is_refused(tmp_path, sizes, said):
    with pytest.raises(ImageError, match=said):
        write_animation([Image.new("RGB", size) for size in sizes], tmp_path / "a.webp")
    assert not list(tmp_path.iterdir())
