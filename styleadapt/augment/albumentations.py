"""Our augmentations among those of the library albumentations."""

from typing import Any

import numpy as np

from .transform import ImageAugmentation


def for_albumentations(augmentation: ImageAugmentation) -> Any:
    """An `albumentations.ImageOnlyTransform` that augments the image, with the augmentation's own probability, and leaves masks,
    boxes and key points as they are.

    Args:
        augmentation: `StyleAugment`, `ColorJitter` or `RandConv`; its seed holds, not that of `Compose`.

    Raises:
        ImportError: albumentations is not installed.
    """
    try:
        from albumentations import ImageOnlyTransform
    except ImportError as error:
        raise ImportError("for_albumentations needs the package albumentations: pip install albumentations") from error

    class Augmented(ImageOnlyTransform):
        def __init__(self) -> None:
            super().__init__(p=1.0)

        def apply(self, img: np.ndarray, **params: Any) -> np.ndarray:
            return augmentation(img)

    return Augmented()
