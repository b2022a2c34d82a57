"""Resources of Godot (.tres, .tscn, .import): which pictures they refer to, and which parts of them are frames."""

import os
import re
from pathlib import Path

from ..errors import ImageError
from .sheets import Frame, Grid

SUFFIXES = (".tres", ".tscn", ".import")

_SECTION = re.compile(r"^\[(\w+)([^\n]*)\]\s*$", re.MULTILINE)
_ATTRIBUTE = re.compile(r'(\w+)\s*=\s*(?:"([^"]*)"|([\w.-]+))')
_EXTERNAL = re.compile(r'^(?:atlas|texture)\s*=\s*ExtResource\(\s*"?([\w.-]+)"?\s*\)', re.MULTILINE)
_REGION = re.compile(r"^region\s*=\s*Rect2i?\(([^)]*)\)", re.MULTILINE)
_PAIR = r"^{}\s*=\s*Vector2i?\(\s*(-?\d+)\s*,\s*(-?\d+)\s*\)"


def read_godot(path: Path, root: Path) -> dict[Path, list[Frame] | Grid | None]:
    """The pictures that a resource refers to, with the frames that it cuts out of each.

    Args:
        path: a `.tres`, `.tscn` or `.import` file, of Godot 3 or 4.
        root: folder of the project, which `res://` stands for.

    Returns:
        By path: the regions of `AtlasTexture`s, the grid of a `TileSetAtlasSource`, or None for a picture that is used whole.

    Raises:
        ImageError: a region that is no rectangle of pixels.
        OSError: it cannot be read.
    """
    text = path.read_text(encoding="utf-8", errors="replace")
    found: dict[Path, list[Frame] | Grid | None] = {}
    if path.suffix == ".import":
        source = re.search(r'^source_file\s*=\s*"res://([^"]+)"', text, re.MULTILINE)
        return {_inside(root, source[1]): None} if source else {}
    pictures = {}
    sections = list(_SECTION.finditer(text))
    for section, following in zip(sections, [*sections[1:], None]):
        attributes = {key: quoted or plain for key, quoted, plain in _ATTRIBUTE.findall(section[2])}
        body = text[section.end() : following.start() if following else len(text)]
        if section[1] == "ext_resource":
            if "Texture" in attributes.get("type", "") and attributes.get("path", "").startswith("res://"):
                pictures[attributes.get("id", "")] = _inside(root, attributes["path"].removeprefix("res://"))
                found.setdefault(pictures[attributes.get("id", "")], None)
            continue
        external = _EXTERNAL.search(body)
        if external is None or external[1] not in pictures:
            continue
        picture = pictures[external[1]]
        region = _REGION.search(body)
        size = re.search(_PAIR.format("texture_region_size"), body, re.MULTILINE)
        if region:
            frames = found[picture] if isinstance(found[picture], list) else []
            assert isinstance(frames, list)
            found[picture] = [*frames, Frame(attributes.get("id", str(len(frames))), _box(path, region[1]))]
        elif attributes.get("type") == "TileSetAtlasSource":
            wide, high = (int(size[1]), int(size[2])) if size else (16, 16)
            found[picture] = Grid(wide, high, _pair(body, "margins"), _pair(body, "separation"), exact=False)
    return found


def project_folder(path: Path, top: Path) -> Path:
    """The folder of the Godot project that a file belongs to: the nearest one above with a `project.godot`, or `top`."""
    for folder in path.parents:
        if folder == top or (folder / "project.godot").is_file():
            return folder
    return top


def _pair(body: str, name: str) -> tuple[int, int]:
    match = re.search(_PAIR.format(name), body, re.MULTILINE)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _box(path: Path, text: str) -> tuple[int, int, int, int]:
    try:
        left, top, width, height = (float(number) for number in text.split(","))
    except ValueError:
        raise ImageError(f"{path.name}: the region Rect2({text}) is no rectangle") from None
    box = (left, top, left + width, top + height)
    if any(number != int(number) for number in box) or width < 1 or height < 1:
        raise ImageError(f"{path.name}: the region Rect2({text}) is no rectangle of whole pixels")
    return int(box[0]), int(box[1]), int(box[2]), int(box[3])


def _inside(root: Path, path: str) -> Path:
    return Path(os.path.normpath(root / path))
