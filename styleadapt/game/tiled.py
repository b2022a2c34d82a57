"""Tile sets and maps of the Tiled editor (.tsx, .tmx): which pictures they refer to, and where the tiles lie in them."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from ..errors import ImageError
from .sheets import Grid

SUFFIXES = (".tsx", ".tmx")


@dataclass(frozen=True)
class TiledImage:
    """
    Args:
        grid: of its tiles; None for a picture that is one tile, or a layer.
        key: the color that stands for transparency.
    """

    grid: Grid | None = None
    key: tuple[int, int, int] | None = None


def read_tiled(path: Path) -> dict[Path, TiledImage]:
    """The pictures that a tile set or a map refers to.

    Args:
        path: a `.tsx` or `.tmx` file. Tile sets outside of a map are those files' own.

    Returns:
        By path, not resolved but free of `..`.

    Raises:
        ImageError: broken XML, or a size that is no number.
        OSError: it cannot be read.
    """
    try:
        root = ElementTree.fromstring(path.read_bytes())
    except (ElementTree.ParseError, ValueError) as error:
        raise ImageError(f"{path.name} is broken XML: {error}") from None
    found: dict[Path, TiledImage] = {}
    for image in root.iter("image"):
        if image.get("source"):
            found[_beside(path, image.attrib["source"])] = TiledImage(key=_key(image))
    for tileset in [root] if root.tag == "tileset" else root.iter("tileset"):
        picture = tileset.find("image")
        if picture is not None and picture.get("source"):
            margin, spacing = _number(path, tileset, "margin", 0), _number(path, tileset, "spacing", 0)
            grid = Grid(
                _number(path, tileset, "tilewidth"),
                _number(path, tileset, "tileheight"),
                (margin, margin),
                (spacing, spacing),
                exact=False,
            )
            found[_beside(path, picture.attrib["source"])] = TiledImage(grid, _key(picture))
    return found


def _key(image: ElementTree.Element) -> tuple[int, int, int] | None:
    match = re.fullmatch("#?([0-9a-fA-F]{6})", image.get("trans", ""))
    if match is None:
        return None
    red, green, blue = bytes.fromhex(match[1])
    return red, green, blue


def _number(path: Path, element: ElementTree.Element, name: str, default: int | None = None) -> int:
    text = element.get(name, None if default is None else str(default))
    if text is None or not text.isdecimal():
        raise ImageError(f"{path.name}: a tile set has {name}={text!r}; it must be a number of pixels")
    return int(text)


def _beside(path: Path, source: str) -> Path:
    return Path(os.path.normpath(path.parent / source.replace("\\", "/")))
