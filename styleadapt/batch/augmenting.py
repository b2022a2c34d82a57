"""Augments folders and data sets by the machinery of `batch`: stylized copies of each training image, the same for a seed."""

import dataclasses
import hashlib
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sized
from pathlib import PurePosixPath
from typing import Any

import torch
from accelerate import PartialState
from PIL import Image

from ..augment.style_augment import StyleAugment
from ..augment.style_paint import weights_fingerprint
from ..augment.transform import from_batch, to_batch
from ..images.images import load_image, split_alpha
from .manifest import Entry
from .photo_sources import Photo, PhotoData
from .stylizing import BatchProgress, make_pictures


def augment_photos(
    augment: StyleAugment,
    photos: Iterable[Photo],
    output_dir: str | os.PathLike,
    settings: dict[str, Any],
    *,
    copies: int = 1,
    seed: int = 0,
    device: torch.device | None = None,
    format: str = "keep",
    metadata: str = "all",
    subfolder: str = "",
    overwrite: bool = False,
    callback: Callable[[BatchProgress], object] | None = None,
    state: PartialState | None = None,
) -> list[Entry]:
    """Stylizes all photos of a source several times into a folder, under their names, in their subfolders.

    What a copy looks like depends on the seed, the photo's name and the copy's number alone, so that several processes, and a run
    that goes on, make what one run would have made.

    Args:
        augment: what stylizes; its `p` and its seed do not count.
        photos, output_dir, format, metadata, subfolder, overwrite, callback, state: as of `make_pictures`. `cat.jpg` becomes
            `cat-1.jpg`, `cat-2.jpg` and so on.
        settings: what tells the source, and a judge of rejection, from others, in plain JSON values.
        copies: of each photo.
        seed: of the draws.
        device: where the generator paints; the CPU if left out.

    Returns:
        In the main process the entries of all copies; in the others an empty list.

    Raises:
        ValueError: no copies.
        ManifestError, OSError: as `make_pictures`.
    """
    if copies < 1:
        raise ValueError(f"`copies` is {copies}; it must be 1 at least")
    told = {
        **settings,
        "model": weights_fingerprint(),
        "bank": augment.bank_digest,
        "strength": list(augment.strength),
        "mixed": augment.mixed,
        "size": augment.size,
        "tries": augment.tries,
        "copies": copies,
        "seed": seed,
    }
    return make_pictures(
        lambda data: _augmented(augment, data, seed, device or torch.device("cpu")),
        copied(photos, copies),
        output_dir,
        told,
        format=format,
        metadata=metadata,
        subfolder=subfolder,
        overwrite=overwrite,
        callback=callback,
        state=state,
    )


def copied(photos: Iterable[Photo], copies: int) -> Iterable[Photo]:
    """Every photo as many times, with the copy's number in its name.

    >>> once = Photo(1, "cats/a.jpg", "cats/a.jpg", "", lambda: PhotoData(b""))
    >>> [(photo.number, photo.name) for photo in copied([once], 2)]
    [(2, 'cats/a-1.jpg'), (3, 'cats/a-2.jpg')]
    """
    every = itertools.chain.from_iterable(_copies(photo, copies) for photo in photos)
    return list(every) if isinstance(photos, Sized) else every


def _copies(photo: Photo, copies: int) -> Iterator[Photo]:
    name = PurePosixPath(photo.name)
    for copy in range(1, copies + 1):
        numbered = f"{photo.name.removesuffix(name.suffix)}-{copy}{name.suffix}"
        label = f"{photo.input} copy {copy}"
        read = lambda label=label: dataclasses.replace(photo.read(), copy=label)  # noqa: E731
        yield Photo(photo.number * copies + copy - 1, label, numbered, photo.version, read)


def _augmented(augment: StyleAugment, data: PhotoData, seed: int, device: torch.device) -> Image.Image:
    image, alpha = split_alpha(load_image(data.encoded))
    # a file's name may hold bytes that are no UTF-8
    digest = hashlib.sha256(f"{seed} {data.copy}".encode("utf-8", "surrogatepass")).digest()
    random = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
    done = augment.augment(to_batch(image).to(device), random)
    result: Image.Image = from_batch(done, image, torch.ones(1, dtype=torch.bool))
    if alpha is not None:
        result.putalpha(alpha)
    return result
