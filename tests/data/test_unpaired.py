from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from styleadapt.data.sources import open_source
from styleadapt.data.unpaired import UnpairedDataset, resized_crop

from ..conftest import smooth_noise


def dataset(image_folders, **options):
    return UnpairedDataset(*(open_source(folder) for folder in image_folders), size=32, **options)


def test_item_n_depends_on_seed_and_n_alone(image_folders):
    one, same, other = (dataset(image_folders, seed=seed) for seed in (1, 1, 2))
    for key in ("a", "b"):
        assert one[5][key].shape == (3, 32, 32)
        assert torch.equal(one[5][key], same[5][key])
        assert not torch.equal(one[5][key], one[6][key])
        assert not torch.equal(one[5][key], other[5][key])


def test_images_of_the_domains_meet_in_every_combination():
    gray = [SimpleNamespace(image=Image.new("RGB", (20, 20), (level,) * 3)) for level in (0, 80, 160, 240)]
    draws = UnpairedDataset(gray, gray[:3], 8)
    pairs = {tuple(round(float(draws[n][key].mean()), 3) for key in ("a", "b")) for n in range(200)}
    assert len(pairs) == 12


def test_the_augmentation_of_the_authors():
    """The whole image squeezed to a square, a window of it, and its mirror image."""
    image = smooth_noise((90, 60), 0)
    square = np.asarray(image.resize((36, 36), Image.Resampling.BILINEAR), np.float32) / 127.5 - 1
    windows = [square[y : y + 32, x : x + 32] for y in range(5) for x in range(5)]
    windows += [window[:, ::-1] for window in windows]
    found = set()
    for seed in range(60):
        crop = resized_crop(image, 32, 36 / 32, np.random.default_rng(seed)).permute(1, 2, 0).numpy()
        found.add(next(i for i, window in enumerate(windows) if np.abs(window - crop).max() < 1e-5))
    assert {i // 25 for i in found} == {0, 1} and {0, 4} <= {i % 25 // 5 for i in found} and {0, 4} <= {i % 5 for i in found}


def test_transparent_pixels_are_white_and_broken_files_are_passed_over(tmp_path, caplog):
    for name in "ab":
        (tmp_path / name).mkdir()
        Image.new("RGBA", (20, 20), (200, 0, 0, 0)).save(tmp_path / name / "clear.png")
    (tmp_path / "a" / "broken.png").write_bytes(b"\x89PNG no more")
    draws = dataset((tmp_path / "a", tmp_path / "b"))
    assert all(float(draws[n][key].min()) == 1 for n in range(6) for key in ("a", "b"))
    assert "broken.png" in caplog.text


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_change_nothing(image_folders, workers):
    data = dataset(image_folders, length=4)
    loader = torch.utils.data.DataLoader(data, 2, num_workers=workers)
    found = torch.cat([batch["a"] for batch in loader])
    torch.testing.assert_close(found, torch.stack([data[n]["a"] for n in range(4)]))
