"""Compiles the generator with `torch.compile`, once for each size of photo."""

import threading
from typing import Any

import torch

from ..models.generator import StyleGenerator
from .bands import render

MAX_PIXELS = 4_000_000  # above, the maps of the full resolution take gigabytes
MAX_SIZES = 7  # torch compiles a function eight times


class CompiledRender:
    """`bands.render`, compiled.

    The first photo of a size waits for the compiler; later ones of that size do not, whatever the adapter and for copies of the
    generator too. Photos of more sizes than `MAX_SIZES`, or of more than `MAX_PIXELS`, go to `bands.render` itself. A program for
    any size would take minutes to compile and save little.

    Args:
        mode: of `torch.compile`, such as "default" or "max-autotune-no-cudagraphs".

    Raises:
        ValueError: an unknown mode.
    """

    def __init__(self, mode: str = "default"):
        try:
            self._paint = torch.compile(_paint, dynamic=False, mode=mode)
        except RuntimeError as error:
            raise ValueError(f"`mode` is {mode!r}, which torch.compile does not know: {' '.join(str(error).split())}") from None
        self.mode = mode
        self._known: set[tuple] = set()
        # two threads that meet a new size would both compile it
        self._compiling = threading.Lock()

    def __call__(
        self, generator: StyleGenerator, photo: torch.Tensor, code: torch.Tensor, dtype: torch.dtype | None = None
    ) -> torch.Tensor:
        """As `bands.render`, and as it but for rounding."""
        program = (photo.shape, dtype)
        known = program in self._known
        if photo[..., 0].numel() > MAX_PIXELS or not (known or len(self._known) < MAX_SIZES):
            return render(generator, photo, code, dtype)
        if known:
            return self._run(generator, photo, code, dtype)
        with self._compiling:
            painted = self._run(generator, photo, code, dtype)
            self._known.add(program)
        return painted

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.mode,)

    def __deepcopy__(self, memo: dict) -> "CompiledRender":
        return self

    @torch.inference_mode()
    def _run(self, generator: StyleGenerator, photo: torch.Tensor, code: torch.Tensor, dtype: torch.dtype | None) -> torch.Tensor:
        device = generator.device
        with torch.autocast(device.type, dtype or torch.bfloat16, enabled=dtype is not None):
            painted = self._paint(generator, photo.to(device), code).cpu()
        return painted


def _paint(generator: StyleGenerator, photo: torch.Tensor, code: torch.Tensor) -> torch.Tensor:
    x = photo.permute(2, 0, 1)[None].to(code.dtype).div(127.5).sub(1)
    levels = generator(x, code).sample[0].float().add(1).mul(127.5)
    return levels.round().to(torch.uint8).permute(1, 2, 0).contiguous()
