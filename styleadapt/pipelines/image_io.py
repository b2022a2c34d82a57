"""Converts the images that pipelines accept, and returns results in the form that was asked for."""

import os
from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
import torch
from PIL import Image

from ..images.images import load_image

ImageLike = Image.Image | str | os.PathLike | np.ndarray | torch.Tensor
OutputType = Literal["pil", "np", "pt"]
Images = list[Image.Image] | np.ndarray | torch.Tensor


def as_list(value: Any, name: str) -> list[Any]:
    """The images of an argument that takes one or several: a list or tuple, or a batch `(B, H, W, C)` or `(B, C, H, W)`.

    Raises:
        ValueError: there is none.

    >>> len(as_list(np.zeros((5, 4, 3)), "image")), len(as_list(torch.zeros(5, 3, 4, 4), "image"))
    (1, 5)
    """
    batch = isinstance(value, (np.ndarray, torch.Tensor)) and value.ndim == 4
    items = list(value) if batch or isinstance(value, (list, tuple)) else [value]
    if not items:
        raise ValueError(f"`{name}` is empty; pass one image at least")
    return items


def check_output_type(output_type: str, note: str = "") -> None:
    """Raises ValueError for an unknown type, with a note at the end of the message.

    >>> check_output_type("jax")
    Traceback (most recent call last):
    ValueError: `output_type` is 'jax'; it must be one of 'pil', 'np', 'pt'
    """
    if output_type not in get_args(OutputType):
        raise ValueError(f"`output_type` is {output_type!r}; it must be one of 'pil', 'np', 'pt'{note}")


def photos_for(photos: Sequence[ImageLike], output_type: str) -> list[Any]:
    """The photos of a call, ready for results of a type; they are opened for one array or tensor alone, which asks for one size.

    Raises:
        ValueError: an unknown type, or photos of different sizes or with and without transparency for one array.
        ImageError: a photo that is opened here cannot be read.

    >>> photos_for(["a.jpg"], "latent")
    Traceback (most recent call last):
    ValueError: `output_type` is 'latent'; it must be one of 'pil', 'np', 'pt'. The generators have no latents
    """
    check_output_type(output_type, ". The generators have no latents" if output_type == "latent" else "")
    if output_type == "pil" or len(photos) == 1:
        return list(photos)
    opened = [load_image(photo) for photo in photos]
    forms = sorted({(image.size, image.mode) for image in opened})
    if len(forms) > 1:
        found = ", ".join(f"{width} x {height} {mode}" for (width, height), mode in forms)
        raise ValueError(f"`output_type` is {output_type!r}, one array for photos of one size and mode; these are {found}")
    return opened


def as_output(images: list[Image.Image], output_type: str) -> Images:
    """Images of one size and mode in a form of diffusers.

    Args:
        images: "RGB" or "RGBA".
        output_type: "pil" for the images themselves; "np" for a float32 array `(B, H, W, C)`, "pt" for a float32 tensor
            `(B, C, H, W)` on the CPU, both in [0, 1].

    >>> as_output([Image.new("RGB", (4, 3), "white")], "pt").shape
    torch.Size([1, 3, 3, 4])
    """
    if output_type == "pil":
        return images
    array = np.stack([np.asarray(image, np.float32) for image in images]) / np.float32(255)
    return array if output_type == "np" else torch.from_numpy(array.transpose(0, 3, 1, 2).copy())
