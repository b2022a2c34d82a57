import sys
import types

import numpy as np
import pytest

from styleadapt.augment import ColorJitter, for_albumentations


class _ImageOnlyTransform:
    """What the library's class does with an image, as far as it matters here."""

    def __init__(self, p):
        self.p = p

    def __call__(self, image, **others):
        return {"image": self.apply(image), **others}


def test_the_image_is_augmented_and_the_rest_is_not(monkeypatch):
    library = types.ModuleType("albumentations")
    library.ImageOnlyTransform = _ImageOnlyTransform
    monkeypatch.setitem(sys.modules, "albumentations", library)
    image = np.random.default_rng(0).integers(0, 255, (16, 12, 3), np.uint8)
    transform = for_albumentations(ColorJitter(seed=0))
    done = transform(image=image, mask=image)
    assert transform.p == 1.0 and done["mask"] is image
    assert np.array_equal(done["image"], ColorJitter(seed=0)(image)) and not np.array_equal(done["image"], image)


def test_without_the_library_the_error_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "albumentations", None)
    with pytest.raises(ImportError, match="pip install albumentations"):
        for_albumentations(ColorJitter())


def test_within_the_library_itself():
    albumentations = pytest.importorskip("albumentations")
    image = np.random.default_rng(0).integers(0, 255, (16, 12, 3), np.uint8)
    chain = albumentations.Compose([for_albumentations(ColorJitter(seed=0))])
    done = chain(image=image, mask=image[..., 0])
    assert not np.array_equal(done["image"], image) and np.array_equal(done["mask"], image[..., 0])
