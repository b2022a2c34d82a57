"""Stylizes many photos into one ZIP file, and yields reports of its progress."""

import os
import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from styleadapt.batch.result_names import ResultNames
from styleadapt.images.images import save_image
from styleadapt.images.metadata import ImageMetadata, read_metadata
from styleadapt.ui.before_after import kept_suffix
from styleadapt.ui.errors import one_line
from styleadapt.ui.limits import LIVE_PREVIEW_SIDE, MAX_WORK_SIDE, MAX_ZIP_BYTES
from styleadapt.ui.uploads import fit, read_image
from styleadapt.ui.wearing import wearing

if TYPE_CHECKING:
    from styleadapt import StyleTransferPipeline
    from styleadapt.pipelines.strokes import StrokeSize


@dataclass(frozen=True)
class BatchReport:
    """The progress of a batch.

    Parameters:
        done: photos that are through, the skipped ones among them.
        photos: how many there are.
        seconds_left: estimated time left; None before the first photo is through.
        preview: the photo just done, small; None when it was skipped, and at the start.
    """

    done: int
    photos: int
    seconds_left: float | None = None
    preview: Image.Image | None = None

    @property
    def fraction(self) -> float:
        return self.done / self.photos


@dataclass(frozen=True)
class BatchFinished:
    """The batch has ended, and if it made pictures, they are in the ZIP file.

    Parameters:
        pictures: how many are in it.
        photos: how many photos there were.
        failed: name and reason of each photo that was skipped.
    """

    pictures: int
    photos: int
    failed: list[tuple[str, str]]

    @property
    def stopped(self) -> bool:
        return self.pictures + len(self.failed) < self.photos


def batch_live(
    pipeline: "StyleTransferPipeline",
    photos: list[Path],
    styles: list[Image.Image] | None,
    adapter_file: Path | None,
    strength: float,
    preserve_color: bool,
    zip_file: Path,
    stop_file: Path,
    stroke_size: "StrokeSize" = "auto",
) -> Iterator[BatchReport | BatchFinished]:
    """Stylize `photos` with `pipeline` into `zip_file`, in the style of `styles` or of the adapter.

    Photos that cannot be used are skipped and listed at the end. Once `stop_file` exists, the pictures made so far become the ZIP
    file. A caller that closes the stream gets none, and an earlier `zip_file` stays.
    """
    session = wearing(pipeline, adapter_file)
    names = ResultNames()
    pictures, failed = 0, []
    started = time.monotonic()
    yield BatchReport(0, len(photos))
    # Inside the visitor's folder, so that the whole file takes its place in one step.
    with tempfile.TemporaryDirectory(prefix="batch-", dir=zip_file.parent, ignore_cleanup_errors=True) as folder:
        part = Path(folder) / "part.zip"
        # Stored, since pictures do not compress further.
        with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
            for done, photo in enumerate(photos, 1):
                # The folder goes with the visitor, and then the work is for nobody.
                if not stop_file.parent.exists():
                    return
                if stop_file.exists():
                    break
                preview = None
                try:
                    if part.stat().st_size > MAX_ZIP_BYTES:
                        raise ValueError(f"the ZIP file is full at {MAX_ZIP_BYTES // 1_000_000} MB: send it in another batch")
                    image = read_image(str(photo))
                    picture = session(
                        image,
                        style=styles,
                        strength=strength,
                        preserve_color=preserve_color,
                        max_size=MAX_WORK_SIDE,
                        stroke_size=stroke_size,
                    ).images[0]
                    metadata = read_metadata(photo).without_location()
                    name = names.take(photo.name) + kept_suffix(photo, picture, metadata)
                    _add(archive, picture, name, Path(folder), metadata)
                    preview = fit(picture, LIVE_PREVIEW_SIDE)
                    pictures += 1
                except ValueError as error:
                    failed.append((photo.name, one_line(str(error))))
                yield BatchReport(done, len(photos), (time.monotonic() - started) / done * (len(photos) - done), preview)
        if pictures:
            os.replace(part, zip_file)
    yield BatchFinished(pictures, len(photos), failed)


def _add(archive: zipfile.ZipFile, picture: Image.Image, name: str, folder: Path, metadata: ImageMetadata) -> None:
    """Write `picture` as `name` into `archive`, through a file in `folder` that is named by us."""
    file = folder / f"picture{Path(name).suffix}"
    # A level for PNG, without effect elsewhere: on 12 megapixels the default takes several seconds more.
    save_image(picture, file, compress_level=1, **metadata.options(file.suffix, picture.size))
    archive.write(file, name)
    file.unlink()
