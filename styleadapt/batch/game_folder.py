"""Stylizes a folder of game assets into another one: the same names, sizes and folders, told in a manifest and resumed.

What the pieces have in common is taken from the whole folder at the first run, and kept in `set.safetensors` beside the results:
a run that goes on, also one with new assets, paints them alike.
"""

import dataclasses
import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

from ..errors import ImageError
from ..game.materials import color_map_of, green_is_down, matching_normals
from ..game.palettes import read_palette, write_palette
from ..game.pieces import Asset, cut_asset, spread_order
from ..game.sheets import Grid
from ..images.formats import identified
from ..images.images import load_image, open_image, save_image, split_alpha
from ..images.whole_files import write_whole
from ..pipelines.game_assets import GameAssetPipeline, SetLook
from ..pipelines.image_io import ImageLike, as_list
from .game_plan import KEEP, OWN_FILES, PAINT, FilePlan, plan_folder
from .manifest import Entry, Manifest, fingerprint, prepare_folder
from .restoring import content_of

NORMALS = ("keep", "match")
_LOOK, _PALETTES = OWN_FILES[2], OWN_FILES[3:]
# that have frames; in the other formats there may be previews or pages
_ANIMATED = ("PNG", "WEBP")
_FILES_AT_A_TIME, _PIXELS_AT_A_TIME = 64, 1 << 21


class AssetProgress(NamedTuple):
    """
    Args:
        entry: of the file that was finished.
        finished: files that are.
        total: files that were to be made.
    """

    entry: Entry
    finished: int
    total: int


def stylize_folder(
    pipe: GameAssetPipeline,
    folder: str | os.PathLike,
    output_dir: str | os.PathLike,
    style: ImageLike | Sequence[ImageLike] | None = None,
    *,
    tile: bool = False,
    tile_match: Sequence[str] = (),
    grid: Grid | None = None,
    colors: int | None = None,
    palette: str | os.PathLike | None = None,
    dither: bool = False,
    strength: float = 1.0,
    pixel_art: bool = True,
    enlarge: int | None = None,
    shared_statistics: float | None = None,
    normals: str = "keep",
    overwrite: bool = False,
    callback: Callable[[AssetProgress], object] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> list[Entry]:
    """Stylizes all pictures below a folder as one set, and copies all other files.

    Args:
        pipe: what paints.
        folder: of the assets.
        output_dir: for the results, `manifest.jsonl`, `settings.json`, `set.safetensors` and, with colors, `palette.gpl` and
            `palette.hex`; new, empty, or of a run of the same settings.
        style, colors, palette, dither, strength, pixel_art, enlarge, shared_statistics: as of the pipeline.
        tile, tile_match, grid: as of `game_plan.plan_folder`.
        normals: "keep" normal maps as they are, or "match" them to the strokes of their stylized color maps.
        overwrite: make all anew, where `output_dir` holds results of other settings.
        callback: called with an `AssetProgress` after every file.
        stop: asked before every part of the work; what is finished then is kept.

    Returns:
        The entries of all files. One that could not be used has its reason in `error`.

    Raises:
        ManifestError: `output_dir` holds something else, or results of other settings.
        ValueError: arguments that do not go together, `output_dir` in `folder` or the other way round, or no picture that can be
            painted.
        OSError: no picture there, or the disk is full or cannot be written to. What is finished is kept.
    """
    folder, output = Path(folder), Path(output_dir)
    inside, outside = folder.resolve(), output.resolve()
    if outside.is_relative_to(inside) or inside.is_relative_to(outside):
        raise ValueError(f"{output} and {folder} lie in one another; name another folder for the results")
    if normals not in NORMALS:
        raise ValueError(f"`normals` is {normals!r}; it must be one of {', '.join(NORMALS)}")
    plans = plan_folder(folder, grid, tile, tile_match)
    colors_of = _color_maps(plans) if normals == "match" else {}
    plans = [
        # what is matched is made again when its color map changes
        dataclasses.replace(plan, told_by=(color.path, *color.told_by)) if (color := colors_of.get(plan.name)) else plan
        for plan in plans
    ]
    options: dict[str, Any] = {
        **{"colors": colors, "dither": dither, "strength": strength, "pixel_art": pixel_art, "enlarge": enlarge},
        "shared_statistics": shared_statistics,
    }
    given = None if palette is None else read_palette(palette)
    styles = None if style is None else [open_image(image) for image in as_list(style, "style")]
    pipe.stylizer.encode_style(styles)  # says what is wrong with the style before a folder is made
    settings = {
        "styles": [content_of(image) for image in styles or []],
        "adapters": _adapters(pipe),
        "model": pipe.stylizer.fingerprint,
        "tile": tile,
        "tile_match": list(tile_match),
        "grid": None if grid is None else f"{grid.width}x{grid.height}",
        "palette": None if given is None else given.tolist(),
        "normals": normals,
        **options,
    }
    prepare_folder(output, settings, overwrite)
    if overwrite:
        for name in (_LOOK, *_PALETTES):
            (output / name).unlink(missing_ok=True)
    run = _Run(pipe, output, fingerprint(settings), _look(pipe, plans, output, styles, given, options), colors_of)
    with Manifest(output, part=0) as manifest:
        due = [(number, plan) for number, plan in enumerate(plans) if not run.is_made(plan, manifest.entries.get(plan.name))]
        finished = 0
        for part in _parts(due):
            if stop():
                break
            for entry in run.entries(part):
                manifest.add(entry)
                finished += 1
                if callback is not None:
                    callback(AssetProgress(entry, finished, len(due)))
    return manifest.merge({plan.name for plan in plans})


def load_asset(plan: FilePlan) -> Asset:
    """The picture of a plan with its frames.

    Raises:
        ImageError: it cannot be read, or its frames do not fit it; an animation, or transparency that its format does not keep.
    """
    image = _load_picture(plan.path)
    with identified(plan.path) as header:
        frames = getattr(header, "n_frames", 1) if header.format in _ANIMATED else 1
    if frames > 1:
        raise ImageError(f"is an animation of {frames} frames, of which one would be left; save it as a sheet")
    return Asset(image, plan.frames(image.size), plan.tile, plan.key)


def save_asset(image: Image.Image, path: Path, exact: bool) -> None:
    """Writes a painted asset in the format of the path's extension.

    Args:
        image: of mode "RGB", "RGBA" or "P".
        path: with an extension of `game_plan.WRITTEN`.
        exact: its colors must not change.

    Raises:
        ImageError: the format does not keep colors.
        OSError: it cannot be written.
    """
    suffix = path.suffix.lower()
    if exact and suffix in (".jpg", ".jpeg"):
        raise ImageError("is a JPEG file, which cannot be held to a palette; save it as PNG")
    if image.mode == "P" and suffix != ".png":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    save_image(image, path, **({"exact": True, "lossless": exact} if suffix == ".webp" else {}))


@dataclasses.dataclass(frozen=True)
class _Run:
    """What is the same for all files.

    Args:
        colors_of: the color maps of the normal maps that are matched, by the names of these.
    """

    pipe: GameAssetPipeline
    output: Path
    settings: str
    look: SetLook
    colors_of: dict[str, FilePlan]

    def entries(self, part: Sequence[tuple[int, FilePlan]]) -> Iterator[Entry]:
        """Makes the results of some files, of which those that are painted are painted together."""
        start = time.perf_counter()
        done: dict[int, Entry] = {}
        loaded: list[tuple[int, FilePlan, Asset]] = []
        for number, plan in part:
            with _noting(done, self._entry(number, plan)):
                if plan.error:
                    raise ImageError(plan.error)
                if plan.treatment == PAINT:
                    asset = load_asset(plan)
                    cut_asset(asset, self.look.pixel_art)  # says what is wrong with one picture before all are painted
                    loaded.append((number, plan, asset))
                else:
                    self._keep(plan)
                    done[number] = self._done(number, plan, {})
        pictures = self.pipe.paint([asset for _, _, asset in loaded], self.look)
        for (number, plan, asset), picture in zip(loaded, pictures):
            with _noting(done, self._entry(number, plan)):
                save_asset(picture, self.output / plan.name, self.look.palette is not None)
                columns = {"frames": len(asset.frames)} if asset.frames else {}
                width, height = picture.size
                done[number] = dataclasses.replace(self._done(number, plan, columns), width=width, height=height)
        seconds = round((time.perf_counter() - start) / len(part), 4)
        for number, _ in part:
            yield dataclasses.replace(done[number], seconds=seconds, finished=time.time())

    def is_made(self, plan: FilePlan, entry: Entry | None) -> bool:
        return (
            entry is not None
            and entry.output == plan.name
            and (entry.version, entry.settings) == (plan.version, self.settings)
            and (self.output / plan.name).is_file()
        )

    def _keep(self, plan: FilePlan) -> None:
        """Copies a file, or matches a normal map."""
        target = self.output / plan.name
        target.parent.mkdir(parents=True, exist_ok=True)
        if plan.name in self.colors_of:
            save_asset(self._matched(plan, self.colors_of[plan.name]), target, exact=False)
            return
        try:
            data = plan.path.read_bytes()
        except OSError as error:
            raise ImageError(f"cannot be read: {error.strerror}") from error
        write_whole(target, data)

    def _matched(self, plan: FilePlan, color: FilePlan) -> Image.Image:
        # what lies under the alpha of a normal map, which often is a height, is no less a normal
        normals, alpha = split_alpha(_load_picture(plan.path))
        asset = load_asset(color)
        after = self.pipe.paint([asset], self.look)[0].convert("RGB")
        old, new = (
            np.asarray(image.convert("RGB").resize(normals.size, Image.Resampling.BICUBIC)) for image in (asset.image, after)
        )
        matched = Image.fromarray(matching_normals(np.asarray(normals), old, new, color.tile, green_is_down(plan.name)))
        if alpha is not None:
            matched.putalpha(alpha)
        return matched

    def _entry(self, number: int, plan: FilePlan) -> Entry:
        return Entry(number, plan.name, plan.version, None, self.settings, columns={"treatment": plan.treatment})

    def _done(self, number: int, plan: FilePlan, columns: dict[str, Any]) -> Entry:
        entry = self._entry(number, plan)
        return dataclasses.replace(entry, output=plan.name, columns={**entry.columns, "role": plan.role, **columns})


class _noting:
    """Notes what is wrong with one file as its entry, and lets what is wrong with the disk or the program pass."""

    def __init__(self, done: dict[int, Entry], entry: Entry):
        self.done, self.entry = done, entry

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, ValueError):
            return False
        reason = " ".join(str(error).split()).replace(f"{self.entry.input} ", "", 1)
        self.done[self.entry.number] = dataclasses.replace(self.entry, error=reason)
        return True


def _load_picture(path: Path) -> Image.Image:
    image = load_image(path)
    if path.suffix.lower() == ".bmp" and image.mode == "RGBA" and image.getchannel("A").getextrema() != (255, 255):
        raise ImageError("is a BMP file with transparency, which is not written; save it as PNG")
    return image


def _color_maps(plans: Sequence[FilePlan]) -> dict[str, FilePlan]:
    """The color maps that can be painted, by the names of their normal maps."""
    painted = {plan.name: plan for plan in plans if plan.treatment == PAINT and not plan.error}
    normals = [plan.name for plan in plans if plan.treatment == KEEP and plan.role == "normal"]
    return {name: painted[color] for name in normals if (color := color_map_of(name, painted)) is not None}


def _look(
    pipe: GameAssetPipeline,
    plans: Sequence[FilePlan],
    output: Path,
    style: Any,
    palette: np.ndarray | None,
    options: dict[str, Any],
) -> SetLook:
    file = output / _LOOK
    if file.is_file():
        return SetLook.load(file)
    reasons: list[str] = []
    usable = [plan for plan in plans if plan.treatment == PAINT]

    def assets() -> Iterator[Asset]:
        for number in spread_order(len(usable)):
            plan = usable[number]
            try:
                if plan.error:
                    raise ImageError(plan.error)
                asset = load_asset(plan)
                cut_asset(asset, options["pixel_art"])
            except ValueError as error:
                reasons.append(f"{plan.name}: {' '.join(str(error).split())}")
            else:
                yield asset

    try:
        look = pipe.prepare(assets(), style, palette=palette, **options)
    except ValueError as error:
        if len(reasons) == len(usable):
            raise ImageError(f"no picture can be painted; the first of {len(reasons)}: {reasons[0]}") from error
        raise
    look.save(file)
    if look.palette is not None:
        for name in _PALETTES:
            write_palette(look.palette, output / name)
    return look


def _parts(due: Sequence[tuple[int, FilePlan]]) -> Iterator[list[tuple[int, FilePlan]]]:
    """Files that are worked on together, so many that their pixels are not too many."""
    part: list[tuple[int, FilePlan]] = []
    pixels = 0
    for number, plan in due:
        part.append((number, plan))
        pixels += _pixels(plan) if plan.treatment == PAINT else 0
        if len(part) == _FILES_AT_A_TIME or pixels > _PIXELS_AT_A_TIME:
            yield part
            part, pixels = [], 0
    if part:
        yield part


def _pixels(plan: FilePlan) -> int:
    try:
        with identified(plan.path) as header:
            return header.width * header.height
    # whether it can be used is said by `load_image`
    except Exception:
        return 0


def _adapters(pipe: GameAssetPipeline) -> list[list[Any]]:
    """Content and weight of each active adapter. A style code would not do, since it differs with the number of threads."""
    found = []
    for adapter, weight in pipe.stylizer.weighted_adapters:
        digest = hashlib.sha256()
        for key, tensor in sorted(adapter.tensors.items()):
            digest.update(key.encode() + tensor.detach().to("cpu", torch.float16).numpy().tobytes())
        found.append([digest.hexdigest()[:16], weight])
    return found
