import logging

import numpy as np
import pytest
import torch
from PIL import Image

from styleadapt.data.datasets import PhotoPaintingDataset, jitter_colors, random_crop
from styleadapt.data.sources import open_folder
from styleadapt.images.image_files import list_images
from styleadapt.images.images import open_image

from ..conftest import smooth_noise


@pytest.mark.parametrize("size", [(300, 40), (40, 300), (10, 10), (1, 1)])
def test_crops_have_their_size_and_range_whatever_the_image(size):
    crop = random_crop(smooth_noise(size, 0), 32, (32, 64), np.random.default_rng(0))
    assert crop.shape == (3, 32, 32) and crop.min() >= -1 and crop.max() <= 1


def test_the_short_side_sets_how_much_is_seen():
    """Of a horizontal ramp, a crop at the smallest scale spans all, one at four times the scale a quarter."""
    ramp = Image.fromarray(np.tile(np.linspace(0, 255, 256, dtype=np.uint8), (256, 1))).convert("RGB")
    spans = {}
    for side in (64, 256):
        crop = random_crop(ramp, 64, (side, side), np.random.default_rng(0))
        spans[side] = float(crop.max() - crop.min())
    assert spans[64] > 1.9 and spans[256] == pytest.approx(0.5, abs=0.05)


def test_jitter_changes_colors_within_range():
    image = torch.rand(3, 16, 16) * 2 - 1
    results = [jitter_colors(image, np.random.default_rng(seed)) for seed in range(8)]
    assert all(r.shape == image.shape and r.abs().max() <= 1 for r in results)
    assert len({float(r.sum()) for r in results}) == 8


def dataset(image_folders, **options):
    photos, paintings = (open_folder(folder) for folder in image_folders)
    groups = [paintings, [paintings[0]]]
    return PhotoPaintingDataset(photos, groups, [1, 1], 32, (32, 64), [(32, 48), (32, 48)], **options)


def test_item_n_depends_on_seed_and_n_alone(image_folders):
    one, same, other = (dataset(image_folders, seed=s) for s in (1, 1, 2))
    for key in ("photo", "style"):
        assert torch.equal(one[5][key], same[5][key])
        assert not torch.equal(one[5][key], one[6][key])
        assert not torch.equal(one[5][key], other[5][key])


def test_workers_change_nothing(image_folders):
    loaders = [torch.utils.data.DataLoader(dataset(image_folders, length=6), 2, num_workers=w) for w in (0, 2)]
    for plain, parallel in zip(*loaders):
        assert torch.equal(plain["photo"], parallel["photo"])


def test_the_draws_are_a_number_of_the_photo_a_crop_a_group_a_number_of_the_painting_and_a_crop(image_folders):
    """The order in which random numbers are drawn is what makes a run repeatable by later versions."""
    rng = np.random.default_rng((7, 11))
    photos, paintings = (list_images(folder) for folder in image_folders)
    photo = random_crop(open_image(photos[rng.integers(4)]), 32, (32, 64), rng)
    files = (paintings, paintings[:1])[rng.choice(2, p=[0.5, 0.5])]
    style = random_crop(open_image(files[rng.integers(len(files))]), 32, (32, 48), rng)
    item = dataset(image_folders, seed=7)[11]
    assert torch.equal(item["photo"], photo) and torch.equal(item["style"], style)


def test_a_bad_file_gives_way_to_the_next_and_changes_no_other_draw(image_folders, caplog):
    whole = dataset(image_folders)
    before = [whole[n]["photo"] for n in range(20)]
    (image_folders[0] / "2.png").write_bytes(b"broken")
    last_first = dataset(image_folders)[19]["photo"]
    damaged = dataset(image_folders)
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        after = [damaged[n]["photo"] for n in range(20)]
    assert torch.equal(after[19], last_first)  # whatever was read before
    changed = [n for n in range(20) if not torch.equal(before[n], after[n])]
    drawn = [n for n in range(20) if np.random.default_rng((0, n)).integers(4) == 2]
    assert changed == drawn and drawn
    assert caplog.text.count("2.png: ") == 1 and len(damaged.photos.unreadable) == 1
