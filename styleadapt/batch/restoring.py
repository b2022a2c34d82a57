"""Restores the photos of folders and data sets, divided among processes, resumable, and recorded in a manifest."""

import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from PIL import Image

from ..images.images import ImageSource, load_image
from ..pipelines.loading_checks import StrictPipeline
from ..pipelines.picture_files import PictureResult
from ..pipelines.restoration import RestorationPipeline, RestorationProgress, Task
from .manifest import Entry
from .photo_sources import Photo
from .stylizing import BatchProgress, make_pictures


def restore_photos(
    pipe: RestorationPipeline,
    photos: Iterable[Photo],
    output_dir: str | os.PathLike,
    source: dict[str, Any] | None = None,
    *,
    task: Task = "auto",
    level: float | str = "auto",
    fidelity: float = 1.0,
    mask: ImageSource | None = None,
    reference: ImageSource | None = None,
    format: str = "keep",
    metadata: str = "all",
    overwrite: bool = False,
    callback: Callable[[BatchProgress], object] | None = None,
    state: PartialState | None = None,
) -> list[Entry]:
    """Restores all photos of a source into a folder, under their names.

    Args:
        pipe: what restores.
        photos: `FolderPhotos`, `DatasetPhotos`, `StreamedPhotos` or another iterable.
        output_dir: folder for the results, `settings.json` and `manifest.jsonl`; shared by all processes.
        source: what tells the source from another, in plain JSON values.
        task, level, fidelity, reference: as of the pipeline.
        mask: of `"inpaint"`, one for all photos, which then must have its size; without one the holes are where they are
            transparent.
        format, metadata, overwrite, callback, state: as of `batch.make_pictures`. With "keep" a color photo of 16 bits a
            channel becomes a file of 16 bits, TIFF if it was one, else PNG.

    Returns:
        In the main process the entries of all photos; in the others an empty list.

    Raises:
        ValueError: arguments that do not go together, or that these weights cannot follow, before the first photo.
        ManifestError, OSError: as `batch.make_pictures`.
    """
    make = photo_restorer(pipe, task, level, fidelity, mask, reference)
    settings = {
        **(source or {}),
        "model": fingerprint_of(pipe),
        "task": task,
        "level": level,
        "fidelity": fidelity,
        "mask": content_of(mask),
        "reference": content_of(reference),
    }
    return make_pictures(
        lambda data: make(data.encoded),
        photos,
        output_dir,
        settings,
        format=format,
        metadata=metadata,
        overwrite=overwrite,
        callback=callback,
        state=state,
    )


def photo_restorer(
    pipe: RestorationPipeline,
    task: Task = "auto",
    level: float | str = "auto",
    fidelity: float = 1.0,
    mask: ImageSource | None = None,
    reference: ImageSource | None = None,
    callback: Callable[[RestorationProgress], object] | None = None,
) -> Callable[[str | bytes], PictureResult]:
    """Returns a function that restores a photo, given as a path or as the bytes of its file. Its arguments are those of
    `restore_photos`, and the callback is that of the pipeline.

    Raises:
        ValueError: arguments that do not go together, or that these weights cannot follow.
    """
    probe = Image.new("RGBA", (64, 64), "gray")
    pipe.check_inputs(probe, task, level, mask, fidelity, reference)
    options: dict[str, Any] = {"task": task, "level": level, "fidelity": fidelity}
    if reference is not None:
        options["reference"] = load_image(reference)
    probe.paste((0, 0, 0, 0), (24, 24, 40, 40))
    # which has a hole of its own
    pipe(probe, **options)
    if mask is not None:
        options["mask"] = load_image(mask)

    def make(encoded: str | bytes) -> PictureResult:
        # as a path it is never an address
        return pipe(encoded if isinstance(encoded, bytes) else Path(encoded), **options, callback=callback).images[0]

    return make


def fingerprint_of(pipe: StrictPipeline) -> str:
    """Hashes the weights of a pipeline to sixteen hexadecimal digits, the same at every precision that holds them."""
    digest = hashlib.sha256()
    for name, model in sorted(pipe.components.items()):
        if model is None:
            continue
        for key, value in sorted(model.state_dict().items()):
            digest.update(f"{name}.{key}".encode())
            digest.update(value.detach().to("cpu", torch.bfloat16).contiguous().view(torch.int16).numpy().tobytes())
    return digest.hexdigest()[:16]


def content_of(image: ImageSource | None) -> str | None:
    """Sixteen hexadecimal digits of what an image shows."""
    if image is None:
        return None
    shown = np.ascontiguousarray(load_image(image))
    return hashlib.sha256(str(shown.shape).encode() + shown.tobytes()).hexdigest()[:16]
