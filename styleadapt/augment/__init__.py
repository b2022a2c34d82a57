"""Augmentation: of what a discriminator sees (`ada`, `diffaugment`), and of a classifier's training images."""

from typing import TYPE_CHECKING

from ..lazy import attach

_PUBLIC = {
    "StyleAugment": "style_augment",
    "ColorJitter": "color_jitter",
    "RandConv": "randconv",
    "MixStyle": "mixstyle",
    "mixing": "mixstyle",
    "for_albumentations": "albumentations",
}
__getattr__, __dir__, __all__ = attach(__name__, _PUBLIC)

if TYPE_CHECKING:
    # ruff: noqa: F401
    from .albumentations import for_albumentations
    from .color_jitter import ColorJitter
    from .mixstyle import MixStyle, mixing
    from .randconv import RandConv
    from .style_augment import StyleAugment
