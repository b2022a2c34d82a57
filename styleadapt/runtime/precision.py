"""Choosing the dtypes of weights and of computation."""

from typing import Any

import torch

from ..devices.cpu import supports_bf16

DTYPES: dict[str, Any] = {"auto": "auto", "float32": torch.float32, "bfloat16": torch.bfloat16}
"""What the command lines call the `dtype` of `from_pretrained`."""


def loading_dtype(wanted: torch.dtype | str, backend: str) -> torch.dtype:
    """Returns the dtype that a backend loads its networks in, given the `dtype` of `from_pretrained`.

    For torch "auto" is float32, since adaptation needs such weights: there it decides what is calculated in alone.

    Raises:
        ValueError: neither a `torch.dtype` nor "auto".

    >>> loading_dtype("auto", "torch"), loading_dtype(torch.float16, "torch")
    (torch.float32, torch.float16)
    """
    if wanted == "auto":
        fast = backend == "openvino" and supports_bf16(torch.device("cpu"))
        return torch.bfloat16 if fast else torch.float32
    if not isinstance(wanted, torch.dtype):
        raise ValueError(f"`dtype` is {wanted!r}; it must be a torch.dtype or 'auto'")
    return wanted


def fast_compute_dtype(device: torch.device, weights: torch.dtype) -> torch.dtype | None:
    """bfloat16 for float32 weights on a device where it is faster; None to calculate in the type of the weights.

    >>> fast_compute_dtype(torch.device("cpu"), torch.float16) is None
    True
    """
    return torch.bfloat16 if weights == torch.float32 and supports_bf16(device) else None
