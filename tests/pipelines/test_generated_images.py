import numpy as np
import pytest
from torch.utils.data import ConcatDataset

from styleadapt import GeneratedImages

from ..tiny_generation import tiny_generation


def test_classes_are_balanced_and_a_picture_is_the_same_in_any_order():
    pipe = tiny_generation(3)
    images = GeneratedImages(pipe, per_class=4, seed=7, truncation=0.8)
    assert len(images) == 12 and images.classes == ["c0", "c1", "c2"]
    forward, backward = [images[n] for n in range(12)], [images[n] for n in reversed(range(12))]
    assert [label for _, label in forward] == [0, 1, 2] * 4
    for (one, _), (other, _) in zip(forward, reversed(backward)):
        assert np.array_equal(np.asarray(one), np.asarray(other))
    assert len({one.tobytes() for one, _ in forward}) == 12
    assert np.array_equal(np.asarray(forward[4][0]), np.asarray(pipe(1, seed=8, truncation=0.8, label=1).images[0]))


def test_it_stands_beside_other_images_and_is_transformed():
    images = GeneratedImages(tiny_generation(2), per_class=1, transform=lambda picture: picture.size)
    assert list(ConcatDataset([[("real", 0)], images])) == [("real", 0), ((16, 16), 0), ((16, 16), 1)]


def test_what_has_no_labels_or_no_pictures_is_refused():
    with pytest.raises(ValueError, match="no classes"):
        GeneratedImages(tiny_generation(), per_class=1)
    with pytest.raises(ValueError, match="`per_class` is 0"):
        GeneratedImages(tiny_generation(2), per_class=0)
    with pytest.raises(IndexError, match="no number 2"):
        GeneratedImages(tiny_generation(2), per_class=1)[2]
