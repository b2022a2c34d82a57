import pickle
import sys
import types

import numpy as np
import pytest
import torch
from PIL import Image

from styleadapt.augment import ColorJitter, RandConv, StyleAugment
from styleadapt.augment.transform import ImageAugmentation, from_batch, to_batch

from ..conftest import smooth_noise


class Negative(ImageAugmentation):
    """Turns light and dark about, and keeps what it was given and what it drew."""

    def __init__(self, p=1.0, seed=0, **options):
        super().__init__(p, seed, **options)
        self.shapes, self.drawn = [], []

    def augment(self, images, random):
        self.shapes.append(tuple(images.shape))
        self.drawn.append(float(torch.rand(1, generator=random)))
        return -images


PHOTO = smooth_noise((20, 12), 0)
BYTES = torch.from_numpy(np.array(PHOTO)).permute(2, 0, 1)


def test_every_kind_of_image_comes_back_as_the_same_kind():
    negative = Negative()
    done = negative(PHOTO)
    assert isinstance(done, Image.Image) and np.array_equal(np.array(done), 255 - np.array(PHOTO))
    assert torch.equal(negative(BYTES), 255 - BYTES)
    assert torch.allclose(negative(BYTES.float() / 255), 1 - BYTES.float() / 255, atol=1e-6)
    assert negative(BYTES.half() / 255).dtype == torch.float16
    batch = torch.stack([BYTES, BYTES.flip(-1)])
    assert torch.equal(negative(batch), 255 - batch)
    array = np.array(PHOTO)
    assert np.array_equal(negative(array), 255 - array) and array[0, 0, 0] == np.array(PHOTO)[0, 0, 0]


@pytest.mark.parametrize("mode", ["L", "RGBA", "LA"])
def test_gray_and_transparent_pictures_keep_their_mode(mode):
    image = PHOTO.convert(mode)
    if "A" in mode:
        image.putalpha(Image.linear_gradient("L").resize(PHOTO.size))
    done = Negative()(image)
    assert done.mode == mode
    if "A" in mode:
        assert done.getchannel("A").tobytes() == image.getchannel("A").tobytes()


@pytest.mark.parametrize("kind", ["<u2", ">u2"])
def test_gray_of_16_bits_keeps_its_depth(kind):
    levels = np.arange(0, 65536, 256, np.uint16).reshape(8, 32)
    image = Image.fromarray(levels.astype(kind))
    done = Negative()(image)
    assert done.mode == image.mode and image.mode.startswith("I;16")
    assert np.array_equal(np.asarray(done), 65535 - levels)


@pytest.mark.parametrize("mode", ["P", "1", "CMYK"])
def test_modes_without_room_for_other_colors_become_rgb(mode):
    image = PHOTO.convert(mode)
    done = Negative()(image)
    assert done.mode == "RGB" and np.array_equal(np.array(done), 255 - np.array(image.convert("RGB")))
    assert Negative(p=0.0)(image).mode == "RGB", "also where the image is not drawn"


def test_samples_of_data_sets():
    negative = Negative()
    image, label = negative(BYTES, torch.tensor(3))
    assert torch.equal(image, 255 - BYTES) and int(label) == 3
    image, mask = negative((PHOTO, PHOTO))
    assert image.tobytes() != PHOTO.tobytes() and mask is PHOTO
    small = PHOTO.resize((8, 8))
    rows = negative({"image": [PHOTO, small, PHOTO], "label": [0, 1, 2], "mask": [PHOTO, small, PHOTO]})
    assert [im.size for im in rows["image"]] == [(20, 12), (8, 8), (20, 12)] and rows["label"] == [0, 1, 2]
    assert rows["mask"][0] is PHOTO and rows["image"][2].tobytes() == rows["image"][0].tobytes() != PHOTO.tobytes()
    assert negative.shapes[-2:] == [(2, 3, 12, 20), (1, 3, 8, 8)], "those of one size go together"
    assert Negative(keys=["scan"])({"scan": BYTES})["scan"][0, 0, 0] == 255 - BYTES[0, 0, 0]


def test_a_data_set_of_the_library_datasets():
    datasets = pytest.importorskip("datasets")
    rows = datasets.Dataset.from_dict({"image": [PHOTO, PHOTO.resize((8, 8))], "label": [0, 1]})
    rows = rows.cast_column("image", datasets.Image())
    mapped = rows.map(Negative(), batched=True, batch_size=2, load_from_cache_file=False, new_fingerprint="a")
    single = rows.map(Negative(), load_from_cache_file=False, new_fingerprint="b")
    rows.set_transform(Negative())
    expected = 255 - np.array(PHOTO)
    for made in (rows, mapped, single):
        assert np.array_equal(np.array(made[0]["image"]), expected) and made[1]["label"] == 1


class _TVTensor(torch.Tensor):
    pass


class _Image(_TVTensor):
    pass


class _Mask(_TVTensor):
    pass


@pytest.fixture
def tv_tensors(monkeypatch):
    """The types that torchvision has, where torchvision itself is not installed or does not load."""
    module = types.ModuleType("torchvision.tv_tensors")
    module.TVTensor, module.Image, module.Mask = _TVTensor, _Image, _Mask
    module.wrap = lambda values, like: values.as_subclass(type(like))
    parent = types.ModuleType("torchvision")
    parent.tv_tensors = module
    monkeypatch.setitem(sys.modules, "torchvision", parent)
    monkeypatch.setitem(sys.modules, "torchvision.tv_tensors", module)
    return module


def test_torchvision_types_say_what_is_an_image(tv_tensors):
    image, mask = BYTES.as_subclass(_Image), BYTES.as_subclass(_Mask)
    done, target = Negative()(image, {"mask": mask, "deep": [image], "label": torch.tensor(1)})
    assert type(done) is _Image and torch.equal(done.as_subclass(torch.Tensor), 255 - BYTES)
    assert target["mask"] is mask and int(target["label"]) == 1
    assert type(target["deep"][0]) is _Image and int(target["deep"][0][0, 0, 0]) == 255 - int(BYTES[0, 0, 0])


def test_a_share_is_augmented_and_the_others_are_exactly_as_they_were():
    batch = torch.rand(400, 3, 4, 4)
    done = Negative(p=0.25)(batch)
    same = (done == batch).flatten(1).all(1)
    assert 0.65 < same.float().mean() < 0.85
    assert torch.allclose(done[~same], 1 - batch[~same], atol=1e-6)
    assert Negative(p=0.0)(PHOTO) is PHOTO


def test_a_seed_gives_the_same_and_calls_differ():
    first, again, other = (Negative(seed=seed) for seed in (5, 5, 6))
    for augmentation in (first, again, other):
        augmentation(BYTES), augmentation(BYTES)
    assert first.drawn == again.drawn != other.drawn and first.drawn[0] != first.drawn[1]
    torch.manual_seed(3)
    free = Negative(seed=None)
    free(BYTES)
    torch.manual_seed(3)
    same = Negative(seed=None)
    same(BYTES)
    assert free.drawn == same.drawn
    copy = pickle.loads(pickle.dumps(first))
    copy(BYTES), first(BYTES)
    assert copy.drawn == first.drawn


@pytest.mark.parametrize("cls", [StyleAugment, ColorJitter, RandConv])
def test_torchs_default_type_changes_nothing(cls):
    pictures = []
    for dtype in (torch.float32, torch.float64):
        torch.set_default_dtype(dtype)
        try:
            pictures.append([cls(p=0.5, seed=1)([PHOTO] * 4), cls(p=1.0, seed=1)(Image.new("I;16", (8, 8), 999))])
        finally:
            torch.set_default_dtype(torch.float32)
    (several, deep), (same, same_deep) = pictures
    assert [image.tobytes() for image in several] == [image.tobytes() for image in same]
    assert deep.tobytes() == same_deep.tobytes()


class _Drawing(torch.utils.data.Dataset):
    def __init__(self):
        self.negative = Negative(seed=1)

    def __len__(self):
        return 4

    def __getitem__(self, n):
        self.negative(BYTES)
        return self.negative.drawn[-1]


def test_workers_and_epochs_draw_numbers_of_their_own_and_a_seeded_loader_repeats_them():
    def epochs():
        loader = torch.utils.data.DataLoader(_Drawing(), 1, num_workers=2, generator=torch.Generator().manual_seed(0))
        return [float(value) for _ in range(2) for value in loader]

    values = epochs()
    assert len(set(values)) == 8 and values == epochs()


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.zeros(1, 8, 8), "expand"),
        (torch.zeros(8, 8), "no color image"),
        (torch.zeros(3, 0, 8), "no color image"),
        (torch.zeros(3, 8, 8, dtype=torch.int64), "int64"),
        (torch.full((3, 8, 8), -1.0), "before you normalize"),
        (torch.full((3, 8, 8), torch.nan), "lies in"),
        (np.zeros((8, 8), np.uint8), "no color image"),
        (Image.new("I", (8, 8)), 'mode "I" has no scale'),
        (Image.new("F", (8, 8)), 'mode "F" has no scale'),
    ],
)
def test_what_is_no_image_is_refused(image, message):
    with pytest.raises(ValueError, match=message):
        Negative()(image)


def test_a_sample_without_images_and_a_wrong_probability_are_refused():
    with pytest.raises(TypeError, match="image, img, pixel_values"):
        Negative()({"picture": PHOTO})
    with pytest.raises(TypeError, match="str"):
        Negative()("cat.jpg")
    with pytest.raises(ValueError, match="probability"):
        Negative(p=1.5)


def test_bytes_survive_the_way_to_a_batch_and_back():
    levels = torch.arange(256, dtype=torch.uint8).view(1, 16, 16).expand(3, -1, -1)
    assert torch.equal(from_batch(to_batch(levels), levels, torch.ones(1, dtype=torch.bool)), levels)
    assert to_batch(torch.zeros(0, 3, 4, 4)).shape == (0, 3, 4, 4) and len(Negative()(torch.zeros(0, 3, 4, 4))) == 0
