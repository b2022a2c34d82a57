"""Makes pictures of the photos of folders and data sets, divided among processes and resumable.

A manifest says what became of each photo. Every process sees the whole source and takes each n-th photo. It writes a result, then
the photo's line in the manifest, so that a run that is killed and started again makes only what is missing; photos that failed,
or have changed, are taken again. Results of other settings are refused, and never mixed.
"""

import dataclasses
import errno
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from accelerate import PartialState
from accelerate.utils import parse_flag_from_env

from ..images.metadata import ImageMetadata, read_metadata
from ..pipelines.picture_files import DEEP_FORMATS, PictureResult, has_alpha, picture_size, save_picture
from .manifest import Entry, Manifest, fingerprint, prepare_folder
from .photo_sources import Photo, PhotoData
from .result_names import FORMATS, ResultNames, result_suffix

METADATA = ("all", "no-location", "none")
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
# the fastest process waits for the slowest, which may have larger photos or a slower machine
_LONGEST_WAIT = timedelta(days=7)


class BatchProgress(NamedTuple):
    """
    Args:
        entry: of the photo that was finished.
        finished: photos that this process has finished in this run.
        total: photos of this process's share that were to be made; None of a stream.
    """

    entry: Entry
    finished: int
    total: int | None


def join_processes() -> PartialState:
    """This process among those that `accelerate launch` started; they may wait for each other for days.

    >>> join_processes().num_processes
    1
    """
    # unlike an Accelerator, a state that is made first does not ask the environment, and would be one process on CPUs
    return PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"), timeout=_LONGEST_WAIT)


def make_pictures(
    make: Callable[[PhotoData], PictureResult],
    photos: Iterable[Photo],
    output_dir: str | os.PathLike,
    settings: dict[str, Any],
    *,
    format: str = "keep",
    metadata: str = "all",
    subfolder: str = "",
    overwrite: bool = False,
    callback: Callable[[BatchProgress], object] | None = None,
    state: PartialState | None = None,
) -> list[Entry]:
    """Makes a picture of each photo of a source, in a folder, under the photos' names.

    Args:
        make: makes the picture of a photo.
        photos: `FolderPhotos`, `DatasetPhotos`, `StreamedPhotos` or another iterable.
        output_dir: folder for the results, `settings.json` and `manifest.jsonl`; shared by all processes.
        settings: what `make` and the source depend on, in plain JSON values.
        format: "keep" the photo's own (PNG if a picture is not well kept in it: GIF, AVIF, ...), "png", "jpeg" or "webp". A
            result with transparency becomes a PNG file where the format has none.
        metadata: "all", "no-location" (without GPS position) or "none", see `images.metadata`.
        subfolder: of `output_dir`, for the results.
        overwrite: make all anew, where `output_dir` holds results of other settings.
        callback: called with a `BatchProgress` after every photo of this process.
        state: of the processes; `join_processes()` if left out.

    Returns:
        In the main process the entries of all photos; in the others an empty list.

    Raises:
        ManifestError: `output_dir` holds something else, or results of other settings.
        ValueError: unknown `format` or `metadata`.
        OSError: the disk is full or cannot be written to. What is finished is kept.
    """
    if format != "keep" and format not in FORMATS:
        raise ValueError(f"`format` is {format!r}; it must be one of {', '.join(('keep', *FORMATS))}")
    if metadata not in METADATA:
        raise ValueError(f"`metadata` is {metadata!r}; it must be one of {', '.join(METADATA)}")
    state = state or join_processes()
    settings = {**settings, "format": format, "metadata": metadata, "subfolder": subfolder}
    if state.is_main_process:
        prepare_folder(output_dir, settings, overwrite)
    state.wait_for_everyone()
    manifest = Manifest(output_dir, state.process_index)
    run = _Run(make, Path(output_dir), subfolder, fingerprint(settings), format, metadata)
    inputs: set[str] = set()
    share: Iterable[tuple[Photo, str]] = run.share(photos, manifest.entries, state.process_index, state.num_processes, inputs)
    total = None
    if isinstance(photos, Sized):
        share = list(share)
        total = len(share)
    # nobody writes before all have read what was there
    state.wait_for_everyone()
    with manifest:
        for finished, (photo, stem) in enumerate(share, 1):
            entry = run.entry(photo, stem)
            manifest.add(entry)
            if callback is not None:
                callback(BatchProgress(entry, finished, total))
    state.wait_for_everyone()
    return manifest.merge(inputs) if state.is_main_process else []


def save_result(
    picture: PictureResult,
    target: Path,
    source: ImageMetadata,
    metadata: str = "all",
    encoded: str | os.PathLike | bytes | None = None,
) -> None:
    """Writes a result with what is carried over from its photo.

    Args:
        target: file, with an extension of `save_image`.
        source: of the photo.
        metadata: as in `make_pictures`.
        encoded: the photo's path or bytes, of which a picture of 16 bits a channel takes the color profile.

    Raises:
        ImageError, OSError: as `save_picture`.
    """
    if metadata == "no-location":
        source = source.without_location()
    # without the profile the pixels would still be right, so it is no metadata to be left out
    kept = ImageMetadata(profiled=source.profiled) if metadata == "none" else source
    save_picture(picture, target, kept, encoded)


def photo_failure(error: Exception, path: str = "") -> str | None:
    """What is wrong with one photo, or with its size, in one line; None for a defect of the program, which is neither.

    Args:
        path: of the photo, which the line leaves out if the error begins with it.

    >>> photo_failure(ValueError("a.png is empty"), "a.png"), photo_failure(MemoryError()), photo_failure(KeyError("a"))
    ('is empty', 'MemoryError', None)
    """
    # on the CPU torch has no type of its own for it
    no_memory = isinstance(error, RuntimeError) and any(text in str(error) for text in ("DefaultCPUAllocator", "allocate memory"))
    if not no_memory and not isinstance(error, (ValueError, OSError, MemoryError, torch.OutOfMemoryError)):
        return None
    return " ".join(str(error).split()).removeprefix(path).lstrip() or type(error).__name__


@dataclasses.dataclass(frozen=True)
class _Run:
    """What is the same for all photos."""

    make: Callable[[PhotoData], PictureResult]
    folder: Path
    subfolder: str
    settings: str
    format: str
    metadata: str

    def share(
        self, photos: Iterable[Photo], made: dict[str, Entry], part: int, parts: int, inputs: set[str]
    ) -> Iterator[tuple[Photo, str]]:
        """The photos of a process's share that are still to be made, with the results' paths without extension; `inputs` gets
        all photos of the source."""
        names = ResultNames()
        for photo in photos:
            inputs.add(photo.input)
            stem = (Path(self.subfolder) / names.take(photo.name)).as_posix()
            if photo.number % parts == part and not self._is_made(photo, stem, made.get(photo.input)):
                yield photo, stem

    def entry(self, photo: Photo, stem: str) -> Entry:
        """Makes a photo's result, and says what became of it."""
        start = time.perf_counter()
        entry = Entry(photo.number, photo.input, photo.version, None, self.settings)
        data = PhotoData(b"")
        try:
            data = photo.read()
            source = read_metadata(data.encoded)
            picture = self.make(data)
            source_suffix = Path(data.encoded).suffix if isinstance(data.encoded, str) else ""
            suffix = result_suffix(self.format, source, source_suffix, has_alpha(picture))
            # other formats do not keep all of its bits
            shallow = suffix.lower() not in DEEP_FORMATS and self.format == "keep" and isinstance(picture, np.ndarray)
            output = stem + (".png" if shallow else suffix)
            save_result(picture, self.folder / output, source, self.metadata, data.encoded)
        except Exception as error:
            if isinstance(error, OSError) and error.errno in _NO_ROOM:
                hint = "what is finished is kept, and the same run goes on when that is mended"
                raise OSError(error.errno, f"{error.strerror}; {hint}", error.filename) from error
            reason = photo_failure(error, data.encoded if isinstance(data.encoded, str) else "")
            if reason is None:
                raise
            return dataclasses.replace(entry, error=reason, finished=time.time(), seconds=_since(start))
        width, height = picture_size(picture)
        return dataclasses.replace(
            entry,
            output=output,
            width=width,
            height=height,
            columns=data.columns,
            finished=time.time(),
            seconds=_since(start),
        )

    def _is_made(self, photo: Photo, stem: str, entry: Entry | None) -> bool:
        return (
            entry is not None
            and entry.output is not None
            and os.path.splitext(entry.output)[0] == stem
            and (entry.version, entry.settings) == (photo.version, self.settings)
            and (self.folder / entry.output).is_file()
        )


def _since(start: float) -> float:
    return round(time.perf_counter() - start, 3)
