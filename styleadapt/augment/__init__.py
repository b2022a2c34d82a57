"""Augmentation: of what a discriminator sees (`ada`, `diffaugment`), and of a classifier's training images."""

import importlib
from typing import TYPE_CHECKING

_PUBLIC = {
    "StyleAugment": "style_augment",
    "ColorJitter": "color_jitter",
    "RandConv": "randconv",
    "MixStyle": "mixstyle",
    "mixing": "mixstyle",
    "for_albumentations": "albumentations",
}
__all__ = sorted(_PUBLIC)

if TYPE_CHECKING:
    # ruff: noqa: F401
    from .albumentations import for_albumentations
    from .color_jitter import ColorJitter
    from .mixstyle import MixStyle, mixing
    from .randconv import RandConv
    from .style_augment import StyleAugment


def __getattr__(name: str):
    """Imports a public name when it is first used."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
