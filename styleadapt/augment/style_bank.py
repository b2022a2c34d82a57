"""A bank of style codes to augment with: the packaged one, one of the user's images, or codes as they are."""

import hashlib
import os
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from ..images.image_files import list_images
from ..images.images import image_to_tensor, open_image
from ..images.resizing import resize_within
from ..models.style_encoder import StyleEncoder

PACKAGED_BANK = resources.files("styleadapt") / "assets" / "augment" / "style_codes.safetensors"
WEIGHTS = resources.files("styleadapt") / "assets" / "weights"
STYLE_PIXELS = 256 * 256

Bank = torch.Tensor | str | os.PathLike | Image.Image | Sequence[Any]


@cache
def packaged_bank() -> torch.Tensor:
    """The packaged style codes `(N, D)`: of paintings and of the styles of `drawn`, chosen so that they differ.

    >>> packaged_bank().shape[1]
    192
    """
    return torch.cat([codes.float() for _, codes in sorted(load_file(str(PACKAGED_BANK)).items())])


def read_bank(bank: Bank | None = None) -> torch.Tensor:
    """Style codes `(N, D)` of whatever a bank was given as.

    Args:
        bank: None, the packaged codes; codes `(N, D)`; a safetensors file of such; an image file or a folder of them; or images,
            as PIL images or paths.

    Raises:
        ValueError: none in it, codes of another length than the packaged weights take, or not finite.
        ImageError: an image that cannot be read.
        FileNotFoundError: there is no such file or folder, or no image in it.

    >>> read_bank(torch.zeros(3, 192)).shape
    torch.Size([3, 192])
    """
    if bank is None:
        return packaged_bank()
    codes = bank.detach().float().cpu() if isinstance(bank, torch.Tensor) else _read_elsewhere(bank)
    length = packaged_bank().shape[1]
    if codes.ndim != 2 or not len(codes) or codes.shape[1] != length:
        raise ValueError(f"`bank` has shape {tuple(codes.shape)}; style codes are (N, {length}), one of them at least")
    if not torch.isfinite(codes).all():
        raise ValueError("`bank` holds NaN or infinity; style codes are finite numbers")
    return codes


def bank_digest(bank: Bank | None = None) -> str:
    """Sixteen hexadecimal digits of what a bank was given as: of its codes, or of its images, whose codes are rounded otherwise
    by another device or number of threads.

    Raises:
        ValueError, ImageError, FileNotFoundError: as `read_bank`.

    >>> bank_digest() == bank_digest(packaged_bank()) != bank_digest(torch.zeros(1, 192))
    True
    """
    digest = hashlib.sha256()
    images = _images(bank)
    if images is None:
        digest.update(read_bank(bank).numpy().tobytes())
    for image in images or []:
        file = isinstance(image, (str, os.PathLike)) and Path(image).is_file()
        digest.update(Path(image).read_bytes() if file else open_image(image).tobytes())
    return digest.hexdigest()[:16]


def draw_codes(bank: torch.Tensor, count: int, random: torch.Generator, mixed: float = 0.5) -> torch.Tensor:
    """Style codes drawn from a bank: one of it, or a point on the line between two.

    Args:
        bank: `(N, D)`.
        count: how many.
        random: on the CPU.
        mixed: share of codes that lie between two.

    Returns:
        `(count, D)`.

    >>> draw_codes(torch.ones(2, 4), 3, torch.Generator().manual_seed(0))[0]
    tensor([1., 1., 1., 1.])
    """
    first, second = torch.randint(len(bank), (2, count), generator=random)
    share, whether = torch.rand(2, count, generator=random, dtype=torch.float32)
    share = share * (whether < mixed)
    return torch.lerp(bank[first], bank[second], share[:, None])


def farthest_points(points: torch.Tensor, count: int) -> torch.Tensor:
    """Which points differ the most: the one nearest to the mean first, then always the one that is farthest from all chosen
    (Gonzalez, "Clustering to minimize the maximum intercluster distance", 1985).

    Args:
        points: `(N, D)`.
        count: how many; all of them if there are no more.

    Returns:
        Their numbers, `(count,)`, in the order they were chosen.

    >>> farthest_points(torch.tensor([[0.0], [1.0], [5.0], [-4.0]]), 3).tolist()
    [0, 2, 3]
    """
    chosen = [int((points - points.mean(0)).norm(dim=1).argmin())]
    distance = (points - points[chosen[0]]).norm(dim=1)
    while len(chosen) < min(count, len(points)):
        chosen.append(int(distance.argmax()))
        distance = torch.minimum(distance, (points - points[chosen[-1]]).norm(dim=1))
    return torch.tensor(chosen)


@torch.no_grad()
def encode_styles(encoder: nn.Module, images: Sequence[Any]) -> torch.Tensor:
    """Style codes `(N, D)` of images, given as PIL images or as paths; one after the other, since their sizes differ.

    Raises:
        ImageError: an image that cannot be read.
    """
    small = (resize_within(open_image(image), STYLE_PIXELS, 64) for image in images)
    return torch.cat([encoder(image_to_tensor(image)) for image in small])


def _images(bank: Any) -> list[Any] | None:
    """The images that a bank was given as; None for codes."""
    if bank is None or isinstance(bank, torch.Tensor):
        return None
    if isinstance(bank, (str, os.PathLike)):
        path = Path(bank)
        if path.suffix == ".safetensors":
            return None
        return list_images(path) if path.is_dir() else [path]
    return [bank] if isinstance(bank, Image.Image) else list(bank)


def _read_elsewhere(bank: Any) -> torch.Tensor:
    images = _images(bank)
    if images is None:
        return _read_codes(Path(bank))
    if not images:
        raise ValueError("`bank` is empty; give one style image at least, or None for the packaged codes")
    return encode_styles(StyleEncoder.from_pretrained(str(WEIGHTS), subfolder="style_encoder"), images)


def _read_codes(path: Path) -> torch.Tensor:
    if not path.is_file():
        raise FileNotFoundError(f"no style codes at {path}")
    try:
        return torch.cat([codes.float() for _, codes in sorted(load_file(str(path)).items())])
    except (SafetensorError, RuntimeError) as error:
        raise ValueError(f"{path} holds no style codes (N, D): {' '.join(str(error).split())}") from None
