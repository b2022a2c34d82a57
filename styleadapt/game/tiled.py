"""Tile sets and maps of the Tiled editor (.tsx, .tmx): which pictures they refer to, and where the tiles lie in them."""

import os
from pathlib import Path
from xml.etree import ElementTree

from ..errors import ImageError
from .sheets import Grid

SUFFIXES = (".tsx", ".tmx")


def read_tiled(path: Path) -> dict[Path, Grid | None]:
    """The pictures that a tile set or a map refers to, and the grid of tiles of each.

    Args:
        path: a `.tsx` or `.tmx` file. Tile sets outside of a map are those files' own.

    Returns:
        By path, not resolved but free of `..`, the grid; None for a picture that is one tile, or a layer.

    Raises:
        ImageError: broken XML, or a size that is no number.
        OSError: it cannot be read.
    """
    try:
        root = ElementTree.fromstring(path.read_bytes())
    except (ElementTree.ParseError, ValueError) as error:
        raise ImageError(f"{path.name} is broken XML: {error}") from None
    grids: dict[Path, Grid | None] = {}
    for image in root.iter("image"):
        if image.get("source"):
            grids[_beside(path, image.attrib["source"])] = None
    for tileset in [root] if root.tag == "tileset" else root.iter("tileset"):
        picture = tileset.find("image")
        if picture is not None and picture.get("source"):
            margin, spacing = _number(path, tileset, "margin", 0), _number(path, tileset, "spacing", 0)
            grids[_beside(path, picture.attrib["source"])] = Grid(
                _number(path, tileset, "tilewidth"),
                _number(path, tileset, "tileheight"),
                (margin, margin),
                (spacing, spacing),
                exact=False,
            )
    return grids


def _number(path: Path, element: ElementTree.Element, name: str, default: int | None = None) -> int:
    text = element.get(name, None if default is None else str(default))
    if text is None or not text.isdecimal():
        raise ImageError(f"{path.name}: a tile set has {name}={text!r}; it must be a number of pixels")
    return int(text)


def _beside(path: Path, source: str) -> Path:
    return Path(os.path.normpath(path.parent / source.replace("\\", "/")))
