"""Stylizes a set of game assets into one ZIP file, and reports on the way."""

import contextlib
import os
import shutil
import tempfile
import time
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from styleadapt.batch.game_plan import PAINT, WRITTEN, FilePlan, plan_folder
from styleadapt.batch.result_names import portable_name
from styleadapt.errors import ImageError
from styleadapt.game.animation import frame_pictures, write_animation
from styleadapt.game.sheets import Grid, Sheet
from styleadapt.images.formats import identify
from styleadapt.images.images import load_image
from styleadapt.ui.errors import one_line
from styleadapt.ui.following import Followed, unwanted
from styleadapt.ui.limits import LIVE_PREVIEW_SIDE, MAX_ASSET_PIXELS
from styleadapt.ui.uploads import fit
from styleadapt.ui.wearing import wearing

if TYPE_CHECKING:
    from styleadapt import StyleTransferPipeline
    from styleadapt.batch.game_folder import AssetProgress
    from styleadapt.batch.manifest import Entry

_IN_ARCHIVE = (*WRITTEN, ".json", ".gpl", ".hex", ".jsonl")
_MOST_SHOWN = 12
_LEAST_FRAME_PIXELS = 64
"""That a frame counts as, since the network takes 8 x 8 pixels at least, and every frame takes time of its own."""


@dataclass(frozen=True)
class AssetsReport:
    """How far the set is.

    Parameters:
        done: files that are through.
        files: how many there are.
        seconds_left: estimated time left; None before the first file is through.
    """

    done: int
    files: int
    seconds_left: float | None = None


@dataclass(frozen=True)
class AssetsFinished:
    """The set has ended, and if it made pictures, they are in the ZIP file.

    Parameters:
        pictures: how many are in it.
        files: how many files there were.
        failed: name and reason of each file that was skipped.
        previews: small pictures with their names, textures that repeat as 3 x 3 of them.
        animated: the frames of the first sheet, or all pictures where they have one size, are an animation: the first ones, if
            there are more than `write_animation` takes.
        stopped: before all files were through.
    """

    pictures: int
    files: int
    failed: list[tuple[str, str]]
    previews: list[tuple[Image.Image, str]]
    animated: bool
    stopped: bool


def assets_live(
    pipeline: "StyleTransferPipeline",
    files: list[Path],
    styles: list[Image.Image] | None,
    adapter_file: Path | None,
    tile: bool,
    grid: Grid | None,
    options: dict[str, Any],
    zip_file: Path,
    animation_file: Path,
    stop_file: Path,
) -> Iterator[AssetsReport | AssetsFinished]:
    """Stylize `files`, pictures and the JSON files of sheets, as one set with `pipeline`.

    Files that cannot be used are skipped and listed at the end. Once `stop_file` exists, the pictures made so far become the ZIP
    file. A caller that closes the stream gets none, and an earlier `zip_file` stays.

    Parameters:
        tile, grid: as of `stylize_folder`.
        options: others of it: colors, dither and strength.

    Raises:
        ValueError: nothing can be painted, or all pictures or all frames together have too many pixels. Where every picture was
            damaged or of an unknown kind, nothing is raised: the set ends with none, and the list of them.
    """
    from styleadapt import GameAssetPipeline
    from styleadapt.batch.game_folder import stylize_folder

    session = wearing(pipeline, adapter_file)
    yield AssetsReport(0, len(files))
    followed: Followed[AssetsReport, list[Entry]] = Followed("assets", stop_file)
    # Inside the visitor's folder, so that the whole file takes its place in one step.
    with tempfile.TemporaryDirectory(prefix="assets-", dir=zip_file.parent, ignore_cleanup_errors=True) as folder:
        source, made, part = (Path(folder) / name for name in ("in", "out", "part.zip"))
        failed = gather(files, source)
        plans = plan_files(source, grid)
        if not plans and failed:
            yield AssetsFinished(0, len(files), failed, [], animated=False, stopped=False)
            return
        if not plans:
            raise ImageError("There is no picture to paint among the files; JSON files and maps of materials are not painted.")
        check_frames(plans)
        started = time.monotonic()

        def report(progress: "AssetProgress") -> None:
            left = (time.monotonic() - started) / progress.finished * (progress.total - progress.finished)
            followed.report(AssetsReport(len(failed) + progress.finished, len(files), left))

        def work() -> "list[Entry]":
            return stylize_folder(
                GameAssetPipeline(session),
                source,
                made,
                styles,
                tile=tile,
                grid=grid,
                callback=report,
                stop=lambda: unwanted(stop_file),
                **options,
            )

        with contextlib.closing(followed.reports(work)) as reports:
            yield from filter(None, reports)
        entries = followed.result
        failed += [(entry.input, one_line(entry.error)) for entry in entries if entry.error]
        painted = [entry.input for entry in entries if not entry.error and entry.columns["treatment"] != "copied"]
        animated = animate(plans, made, painted, tile, animation_file)
        if painted:
            with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
                for file in sorted(made.rglob("*")):
                    if file.suffix.lower() in _IN_ARCHIVE and file.name != "settings.json":
                        archive.write(file, file.relative_to(made).as_posix())
            os.replace(part, zip_file)
        previews = [(_preview(load_image(made / name), tile and grid is None), name) for name in painted[:_MOST_SHOWN]]
    stopped = len(entries) + len(failed) - sum(entry.error is not None for entry in entries) < len(files)
    yield AssetsFinished(len(painted), len(files), failed, previews, animated, stopped)


def gather(files: Sequence[Path], folder: Path) -> list[tuple[str, str]]:
    """Copies uploads into a new folder under names of ours.

    Returns:
        Name and reason of each file that was left out.

    Raises:
        ImageError: the pictures have too many pixels together.
    """
    folder.mkdir()
    failed, pixels = [], 0
    for file in files:
        suffix = file.suffix.lower()
        name = portable_name(file.name).removesuffix(".json") + suffix
        try:
            if suffix not in (*WRITTEN, ".json"):
                raise ImageError(f"is no picture of a kind that is written ({', '.join(WRITTEN)}), nor a JSON file")
            if (folder / name).exists():
                raise ImageError("has the name of another file")
            if suffix != ".json":
                with open(file, "rb") as opened:
                    width, height = identify(opened).size
                pixels += width * height
        # Pillow raises nearly every type of exception on damaged files.
        except Exception as error:
            failed.append((file.name, one_line(str(error)) or "is damaged"))
            continue
        if pixels > MAX_ASSET_PIXELS:
            raise _too_many("the pictures", "")
        shutil.copyfile(file, folder / name)
    return failed


def plan_files(folder: Path, grid: Grid | None) -> list[FilePlan]:
    """What becomes of the gathered files; empty if none of them is a picture to paint."""
    try:
        return plan_folder(folder, grid)
    # its message names a folder that the visitor does not know
    except FileNotFoundError:
        return []


def check_frames(plans: Sequence[FilePlan]) -> None:
    """Raises `ImageError` if the frames of all sheets are more work than is taken here.

    Their JSON files may tell of frames that are larger than the sheet, or overlap. A sheet that cannot be used is passed over.
    """
    pixels = 0
    for plan in plans:
        if plan.treatment != PAINT or plan.error or plan.layout is None:
            continue
        with open(plan.path, "rb") as opened:
            width, height = identify(opened).size
        if isinstance(plan.layout, Sheet):
            try:
                # of frames in one place one is painted
                sizes = {frame.box: frame.size for frame in plan.frames((width, height))}.values()
            except ImageError:
                continue
            pixels += sum(max(wide * high, _LEAST_FRAME_PIXELS) for wide, high in sizes)
        else:
            # before there is an object for each of so many frames
            count = (width // plan.layout.width) * (height // plan.layout.height)
            pixels += count * max(plan.layout.width * plan.layout.height, _LEAST_FRAME_PIXELS)
    if pixels > MAX_ASSET_PIXELS:
        raise _too_many("the frames of the sheets", f" (each counts as {_LEAST_FRAME_PIXELS} at least)")


def animate(plans: Sequence[FilePlan], made: Path, painted: Sequence[str], tile: bool, file: Path) -> bool:
    """Writes the animation of the first sheet, or of the pictures, if there is one; says whether."""
    file.unlink(missing_ok=True)
    pictures = [load_image(made / name) for name in painted]
    named = {plan.name: plan for plan in plans}
    for name, picture in zip(painted, pictures):
        frames = named[name].frames(picture.size)
        if len(frames) > 1:
            shown: Iterable[Image.Image] = frame_pictures(picture, frames)
            break
    else:
        if tile:
            return False
        shown = pictures
    try:
        write_animation(shown, file)
    except ImageError:
        return False
    return True


def _too_many(what: str, how: str) -> ImageError:
    return ImageError(
        f"{what} have more than {MAX_ASSET_PIXELS:,} pixels together{how}, which is the limit here; send fewer, or use "
        "`styleadapt assets`"
    )


def _preview(picture: Image.Image, tile: bool) -> Image.Image:
    shown = picture.convert("RGBA" if picture.mode == "RGBA" else "RGB")
    if not tile:
        return fit(shown, LIVE_PREVIEW_SIDE)
    return fit(Image.fromarray(np.tile(np.asarray(shown), (3, 3, 1))), 2 * LIVE_PREVIEW_SIDE)
