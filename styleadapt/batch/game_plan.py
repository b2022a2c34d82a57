"""What becomes of each file in a folder of game assets: painted, with its frames and as a texture, kept, or copied."""

import fnmatch
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import ImageError
from ..game import godot, tiled
from ..game.materials import COLOR, material_roles
from ..game.sheets import Frame, Grid, Sheet, read_sheets
from ..images.image_files import is_image, list_files

PAINT, KEEP, COPY = "painted", "kept", "copied"
OWN_FILES = ("manifest.jsonl", "settings.json", "set.safetensors", "palette.gpl", "palette.hex")
"""Of the command, in the folder of results; no asset can have such a name there."""

WRITTEN = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
# drawings and the files of their programs, which no engine shows as they are
_SOURCES = (".svg", ".svgz", ".ico", ".icns", ".cur", ".xcf", ".psd", ".psb", ".kra")

Layout = Sheet | Grid | None


@dataclass(frozen=True)
class FilePlan:
    """
    Args:
        name: path in the folder, with forward slashes.
        path: of the file.
        treatment: `PAINT`, `KEEP` for a map of a material, or `COPY` for what is no picture.
        role: of a picture in its material, see `game.materials`.
        layout: where its frames are.
        told_by: the files that tell so, or that its result depends on besides.
        tile: it, or each of its frames, repeats.
        key: color that stands for transparency in it.
        error: why nothing can be made of it.
    """

    name: str
    path: Path
    treatment: str
    role: str = COLOR
    layout: Layout = None
    told_by: tuple[Path, ...] = ()
    tile: bool = False
    key: tuple[int, int, int] | None = None
    error: str | None = None

    @property
    def version(self) -> str:
        """Changes when the file does, or one of `told_by`; "" if one cannot be asked, of which its reading tells."""
        try:
            states = [path.stat() for path in (self.path, *self.told_by)]
        except OSError:
            return ""
        return " ".join(f"{state.st_size}-{state.st_mtime_ns}" for state in states)

    def frames(self, size: tuple[int, int]) -> Sequence[Frame]:
        """The frames of the picture, whose size is given as width and height.

        Raises:
            ImageError: they do not fit the picture.
        """
        if isinstance(self.layout, Sheet):
            self.layout.check(size)
            return self.layout.frames
        return self.layout.frames(size) if self.layout else ()


def plan_folder(
    folder: Path,
    grid: Grid | None = None,
    tile: bool = False,
    tile_match: Sequence[str] = (),
) -> list[FilePlan]:
    """Decides for every file of a folder, sorted by name.

    The frames of a picture are those of its JSON file (of the same name, or that names it), else those that Godot's resources cut
    out of it, else the tiles of a Tiled tile set, else those of `grid`.

    Args:
        folder: of the assets.
        grid: of pictures whose frames no file tells.
        tile: all pictures repeat.
        tile_match: patterns of names, such as "textures/*", of those that do, else.

    Raises:
        FileNotFoundError: there is no picture to paint.
    """
    paths = sorted(list_files(folder))
    pictures = {path for path in paths if is_image(path)}
    layouts, keys, errors = _told_layouts(folder, paths, pictures)
    names = {path: path.relative_to(folder).as_posix() for path in paths}
    roles = material_roles(names[path] for path in paths if path in pictures)
    plans = []
    for path, name in names.items():
        error = errors.get(path)
        if name in OWN_FILES or name.startswith("manifest.part-"):
            error = "has a name that this command writes itself; rename it"
        if path not in pictures or path.suffix.lower() in _SOURCES:
            plans.append(FilePlan(name, path, COPY, error=error))
        elif roles[name] != COLOR:
            plans.append(FilePlan(name, path, KEEP, roles[name], error=error))
        else:
            if path.suffix.lower() not in WRITTEN:
                error = f"is of a format that is not written; save it as one of {', '.join(WRITTEN)}"
            layout, told_by = layouts.get(path, (grid, ()))
            tiles = tile or any(fnmatch.fnmatchcase(name, pattern) for pattern in tile_match)
            plans.append(FilePlan(name, path, PAINT, COLOR, layout, told_by, tiles, keys.get(path), error))
    if not any(plan.treatment == PAINT for plan in plans):
        raise FileNotFoundError(f"{folder} holds no picture to paint ({', '.join(WRITTEN)})")
    return plans


def broken_references(folder: Path, output: Path, names: Iterable[str]) -> list[tuple[str, str]]:
    """The pictures that Tiled and Godot find from files of `folder`, and would not from their copies in `output`.

    Args:
        names: of the files in both folders.

    Returns:
        Pairs of the name of a file and of the picture it refers to.
    """
    broken = []
    for name in names:
        path = folder / name
        if path.suffix not in (*tiled.SUFFIXES, *godot.SUFFIXES):
            continue
        try:
            pictures = _references(folder, path)
        except (ImageError, OSError):
            continue
        for picture in pictures:
            if picture.is_file() and picture.is_relative_to(folder):
                inside = picture.relative_to(folder)
                if not (output / inside).is_file():
                    broken.append((name, inside.as_posix()))
    return broken


def _references(folder: Path, path: Path) -> Iterable[Path]:
    if path.suffix in tiled.SUFFIXES:
        return tiled.read_tiled(path)
    return godot.read_godot(path, godot.project_folder(path, folder))


def _told_layouts(
    folder: Path, paths: Sequence[Path], pictures: set[Path]
) -> tuple[dict[Path, tuple[Layout, tuple[Path, ...]]], dict[Path, tuple[int, int, int] | None], dict[Path, str]]:
    """What files tell of the frames of pictures, the strongest last; of their keys; and what is wrong with which file."""
    keys: dict[Path, tuple[int, int, int] | None] = {}
    layouts: dict[Path, tuple[Layout, tuple[Path, ...]]] = {}
    errors: dict[Path, str] = {}
    for path in paths:
        if path.suffix in tiled.SUFFIXES:
            try:
                for picture, told in tiled.read_tiled(path).items():
                    layouts[picture], keys[picture] = (told.grid, (path,)), told.key
            except (ImageError, OSError) as error:
                errors[path] = str(error)
    _add_regions(folder, paths, layouts, errors)
    for path in paths:
        if path.suffix.lower() != ".json":
            continue
        namesakes = [picture for picture in pictures if picture.parent == path.parent and picture.stem == path.stem]
        try:
            sheets = read_sheets(path)
        except (ImageError, OSError) as error:
            errors |= dict.fromkeys(namesakes, str(error))
            continue
        for sheet in sheets:
            named = Path(os.path.normpath(path.parent / sheet.image.replace("\\", "/"))) if sheet.image else None
            for picture in [named] if named in pictures else namesakes:
                assert picture is not None  # it is one of `pictures`
                layouts[picture] = sheet, (path,)
    return layouts, keys, errors


def _add_regions(
    folder: Path, paths: Sequence[Path], layouts: dict[Path, tuple[Layout, tuple[Path, ...]]], errors: dict[Path, str]
) -> None:
    """What Godot's resources cut out; several may cut one picture."""
    regions: dict[Path, list[Frame]] = {}
    told_by: dict[Path, tuple[Path, ...]] = {}
    for path in paths:
        if path.suffix not in (".tres", ".tscn"):
            continue
        try:
            found = godot.read_godot(path, godot.project_folder(path, folder))
        except (ImageError, OSError) as error:
            errors[path] = str(error)
            continue
        for picture, cut in found.items():
            if isinstance(cut, Grid):
                layouts[picture] = cut, (path,)
            elif cut:
                regions.setdefault(picture, []).extend(cut)
                told_by[picture] = (*told_by.get(picture, ()), path)
    for picture, frames in regions.items():
        layouts[picture] = Sheet("", frames), told_by[picture]
