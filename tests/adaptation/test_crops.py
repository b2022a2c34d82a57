import numpy as np
import pytest
import torch

from styleadapt.adaptation.crops import PhotoCrops
from styleadapt.errors import ImageError

from ..conftest import smooth_noise


def test_crops_are_square_and_the_same_for_a_seed():
    photos = [smooth_noise((90, 50), seed) for seed in range(3)]
    first, again, other = (PhotoCrops(photos, 32, 2.0, seed).cut(5) for seed in (1, 1, 2))
    assert [tuple(crop.shape) for crop in first] == [(1, 3, 32, 32)] * 5
    assert all(torch.equal(a, b) for a, b in zip(first, again))
    assert not all(torch.equal(a, b) for a, b in zip(first, other))
    assert all(float(crop.min()) >= -1 and float(crop.max()) <= 1 for crop in first)


def test_photos_are_dealt_evenly():
    shades = [20, 120, 220]
    photos = [smooth_noise((40, 40), 0).point(lambda _, value=shade: value) for shade in shades]
    crops = PhotoCrops(photos, 8, 1.0, 0).cut(6)
    seen = sorted(round((float(crop.mean()) + 1) * 127.5) for crop in crops)
    assert seen == [20, 20, 120, 120, 220, 220]


def test_zoom_enlarges_up_to_its_limit():
    """One column in four is white: its period in a crop tells the scale."""
    photo = smooth_noise((64, 64), 0).point(lambda _: 0)
    for x in range(0, 64, 4):
        photo.paste((255, 255, 255), (x, 0, x + 1, 64))
    brightness = [int((crop[0, 0, 16] > 0).sum()) for crop in PhotoCrops([photo], 32, 4.0, 0).cut(40)]
    assert PhotoCrops([photo], 32, 1.0, 0).cut(1)[0].shape == (1, 3, 32, 32)
    assert len(set(brightness)) > 3


def test_an_array_that_is_no_image_is_left_out():
    photos = [np.full((40, 40, 3), value, np.float32) for value in (0.5, np.nan, 0.5)]
    assert len(PhotoCrops(photos, 16, 2.0, 0).cut(6)) == 6


def test_unreadable_photos_are_left_out_by_name(tmp_path, caplog):
    (tmp_path / "broken.jpg").write_text("no image")
    smooth_noise((40, 40), 1).save(tmp_path / "good.png")
    files = [tmp_path / "broken.jpg", tmp_path / "good.png"]
    assert len(PhotoCrops(files, 16, 2.0, 0).cut(4)) == 4
    assert "broken.jpg" in caplog.text
    with pytest.raises(ImageError, match="none of the 1 content photos"):
        PhotoCrops(files[:1], 16, 2.0, 0).cut(1)
