import numpy as np
import pytest
import torch
from PIL import Image

from styleadapt.data.records import ImageSample
from styleadapt.data.square_crops import SquareCrops, middle_square


def numbered(width, height):
    """An image whose red and green say where a pixel is."""
    y, x = np.mgrid[:height, :width]
    return ImageSample(Image.fromarray(np.stack([x, y, 0 * x], -1).astype(np.uint8)), None, "numbered")


def places(sample):
    return ((sample["image"] + 1) * 127.5).round().long()[:2]


def test_a_crop_depends_on_seed_and_number_alone():
    images = [numbered(30, 20), numbered(40, 50)]
    one, again, other = (SquareCrops(images, 16, (16, 24), seed=seed) for seed in (3, 3, 4))
    assert torch.equal(one[7]["image"], again[7]["image"]) and not torch.equal(one[7]["image"], other[7]["image"])


def test_wrapped_crops_go_on_at_the_opposite_edge():
    crops = SquareCrops([numbered(20, 16)], 16, (16, 16), flip=False, wrap=True)
    seen = False
    for n in range(20):
        x, y = places(crops[n])
        assert torch.equal((x[:, 1:] - x[:, :-1]) % 20, torch.ones(16, 15, dtype=torch.long))
        assert torch.equal((y[1:] - y[:-1]) % 16, torch.ones(15, 16, dtype=torch.long))
        seen |= bool((x[:, 1:] < x[:, :-1]).any())
    assert seen


def test_crops_without_wrapping_stay_inside():
    crops = SquareCrops([numbered(20, 16)], 16, (16, 16), flip=False)
    lefts = {int(places(crops[n])[0, 0, 0]) for n in range(40)}
    assert lefts == {0, 1, 2, 3, 4}


def test_labels_travel_along():
    image = Image.new("RGB", (8, 8))
    crops = SquareCrops([ImageSample(image, 2, "a"), ImageSample(image, None, "b")], 8, (8, 8))
    assert {int(crops[n]["label"]) for n in range(20)} == {2, -1}


class Labeled(list):
    def labels(self):
        return [-1 if sample.label is None else sample.label for sample in self]


def test_a_share_of_the_labeled_images():
    image = Image.new("RGB", (8, 8))
    images = Labeled([ImageSample(image, None, "a")] * 9 + [ImageSample(image, 2, "b")])
    crops = SquareCrops(images, 8, (8, 8), labeled_share=0.5)
    found = [int(crops[n]["label"]) for n in range(300)]
    # half of them, and a tenth of the others
    assert 0.47 < found.count(2) / 300 < 0.63
    with pytest.raises(ValueError, match="none of the images has a label"):
        SquareCrops(Labeled(images[:9]), 8, (8, 8), labeled_share=0.5)


@pytest.mark.parametrize("size", [(7, 90), (90, 7), (16, 16), (1, 1)])
def test_the_middle_of_any_image(size):
    assert middle_square(Image.new("RGB", size), 16).size == (16, 16)


def test_the_middle_is_as_large_as_it_can_be():
    image = Image.new("RGB", (60, 20), "red")
    image.paste("blue", (20, 0, 40, 20))
    assert middle_square(image, 20).getcolors() == [(400, (0, 0, 255))]
