"""Style codes: those that a caller gives, and those of images, which are remembered, so that none is encoded twice.

Encoding a style image takes about as long as stylizing a photo of 512 px, so that `pipe(photo, style=painting)` in a loop, and a
visitor who presses Stylize again, would take twice the time. Who holds a code (`encode_style`, `style_code=`) does not need this.
"""

import hashlib
import itertools
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch import nn

from ..images.images import image_to_tensor
from ..images.resizing import resize_within

_STYLE_PIXELS = 512 * 512


class StyleCodes:
    """The style codes used last, by the pixels of the image and by what encoded it.

    Threads and pipelines may share one. A copy, and one that was pickled, starts empty.

    Args:
        capacity: how many codes are kept; the one that was unused the longest goes first.

    >>> codes, encoder = StyleCodes(), nn.AdaptiveAvgPool2d(1)
    >>> code = codes.of(Image.new("RGB", (9, 9), "white"), encoder, torch.device("cpu"), torch.float32)
    >>> codes.of(Image.new("RGB", (9, 9), "white"), encoder, torch.device("cpu"), torch.float32) is code
    True
    """

    def __init__(self, capacity: int = 64):
        self.capacity = capacity
        # the encoder beside its code, so that no other can get its id as long as that is in a key
        self._codes: OrderedDict[tuple, tuple[nn.Module, torch.Tensor]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._codes)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.capacity,)

    def of(self, image: Image.Image, encoder: nn.Module, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
        """The code `(1, D)` of an "RGB" image, not to be changed in place.

        Args:
            encoder: from `(1, 3, H, W)` in [-1, 1] to the code.
            device, dtype: where the encoder is, and what it takes.
        """
        digest = hashlib.blake2b(image.tobytes(), digest_size=16).digest()
        key = (image.size, digest, id(encoder), _changes(encoder), device, dtype)
        with self._lock:
            if key in self._codes:
                self._codes.move_to_end(key)
                return self._codes[key][1]
        code = encoder(image_to_tensor(image).to(device, dtype))
        with self._lock:
            self._codes[key] = encoder, code
            while len(self._codes) > self.capacity:
                self._codes.popitem(last=False)
        return code


def encoding_size(image: Image.Image) -> Image.Image:
    """A style image as small as its style code is read from."""
    return resize_within(image, _STYLE_PIXELS, 64)  # the encoder's trunk needs 64 px


def given_codes(style_code: torch.Tensor | Sequence[torch.Tensor], length: int) -> torch.Tensor:
    """Style codes from a caller, one or several, as `(n, D)`.

    Args:
        length: D.

    Raises:
        ValueError: no code, codes of another shape, or values that are not finite.
    """
    given = [style_code] if isinstance(style_code, torch.Tensor) else list(style_code)
    for code in given:
        shape = tuple(code.shape) if isinstance(code, torch.Tensor) else type(code).__name__
        if not isinstance(code, torch.Tensor) or code.ndim != 2 or code.shape[1] != length or not len(code):
            raise ValueError(f"`style_code` is {shape}; it must be a tensor (1, {length}), as `encode_style` gives it")
        if not torch.isfinite(code).all():
            raise ValueError("`style_code` holds values that are not finite")
    if not given:
        raise ValueError("`style_code` is empty; pass one code at least")
    return torch.cat(given)


def _changes(encoder: nn.Module) -> int:
    """How often weights were changed in place, by an optimizer for instance; what goes through `.data` is not counted."""
    weights = itertools.chain(encoder.parameters(), encoder.buffers())
    return sum(weight._version for weight in weights if not weight.is_inference())
