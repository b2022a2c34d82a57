"""Frames of a sprite sheet: of a grid, or as Aseprite and TexturePacker tell them in JSON."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import ImageError

Box = tuple[int, int, int, int]
"""Left, top, right and bottom of pixels, right and bottom not included."""


@dataclass(frozen=True)
class Frame:
    """A frame of a sheet.

    Args:
        name: what the sheet calls it.
        box: where it lies in the sheet.
        rotated: it lies there turned by 90 degrees clockwise.
        size: width and height of the whole frame, of which the box may be a trimmed part.
        offset: left and top of the box in the whole frame.
    """

    name: str
    box: Box
    rotated: bool = False
    size: tuple[int, int] = (0, 0)
    offset: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        if self.size == (0, 0):
            object.__setattr__(self, "size", self.box_size)

    @property
    def box_size(self) -> tuple[int, int]:
        """Width and height of what is in the box, upright."""
        width, height = self.box[2] - self.box[0], self.box[3] - self.box[1]
        return (height, width) if self.rotated else (width, height)


@dataclass(frozen=True)
class Grid:
    """Frames of one size in rows and columns.

    Args:
        width, height: of a frame.
        margin: pixels around all frames.
        spacing: pixels between frames.
        exact: the frames have to fill the sheet.

    >>> [frame.box for frame in Grid(8, 16).frames((16, 16))]
    [(0, 0, 8, 16), (8, 0, 16, 16)]
    """

    width: int
    height: int
    margin: tuple[int, int] = (0, 0)
    spacing: tuple[int, int] = (0, 0)
    exact: bool = True

    def __post_init__(self) -> None:
        if min(self.width, self.height) < 1 or min(*self.margin, *self.spacing) < 0:
            raise ImageError(f"the grid has frames of {self.width} x {self.height}; they must be 1 x 1 at least")

    def frames(self, size: tuple[int, int]) -> list[Frame]:
        """The frames of a sheet of `size` (width, height), row by row.

        Raises:
            ImageError: they do not fill the sheet, or there is none.
        """
        if self.exact and (size[0] % self.width or size[1] % self.height):
            raise ImageError(
                f"is {size[0]} x {size[1]} pixels, which frames of {self.width} x {self.height} do not fill; give the grid "
                "of this sheet"
            )
        lefts, tops = (
            range(self.margin[n], size[n] - step + 1, step + self.spacing[n]) for n, step in enumerate((self.width, self.height))
        )
        if not lefts or not tops:
            raise ImageError(f"is {size[0]} x {size[1]} pixels, and has no room for a frame of {self.width} x {self.height}")
        boxes = [(left, top, left + self.width, top + self.height) for top in tops for left in lefts]
        return [Frame(str(number), box) for number, box in enumerate(boxes)]


@dataclass(frozen=True)
class Sheet:
    """What a JSON file tells of one sheet.

    Args:
        image: name of the picture, as it stands there; "" if none does.
        frames: in the file's order.
        size: of the picture, if it stands there.
        animations: names of the frames of each animation that the file names.
    """

    image: str
    frames: list[Frame]
    size: tuple[int, int] | None = None
    animations: dict[str, list[str]] = field(default_factory=dict)

    def check(self, size: tuple[int, int]) -> None:
        """Raises `ImageError` if the frames are not those of a picture of `size`, or an animation has several sizes."""
        if self.size is not None and self.size != size:
            raise ImageError(f"is {size[0]} x {size[1]} pixels, but its JSON file says {self.size[0]} x {self.size[1]}")
        for frame in self.frames:
            left, top, right, bottom = frame.box
            if left < 0 or top < 0 or right > size[0] or bottom > size[1]:
                raise ImageError(f"is {size[0]} x {size[1]} pixels, and its frame {frame.name!r} at {frame.box} lies outside")
        sizes = {frame.name: frame.size for frame in self.frames}
        for name, frames in self.animations.items():
            found = sorted({sizes[frame] for frame in frames})
            if len(found) > 1:
                told = ", ".join(f"{width} x {height}" for width, height in found)
                raise ImageError(f"has an animation {name!r} with frames of several sizes ({told}); give them one size")


def parse_grid(text: str) -> Grid:
    """A grid from text such as "32x48", width by height of a frame.

    Raises:
        ImageError: it has another form.

    >>> parse_grid("32x48").height
    48
    """
    match = re.fullmatch(r"\s*(\d{1,5})\s*[xX×]\s*(\d{1,5})\s*", text)
    if not match:
        raise ImageError(f"the grid is {text[:30]!r}; write width by height of a frame in pixels, such as 32x32")
    return Grid(int(match[1]), int(match[2]))


def read_sheets(path: Path) -> list[Sheet]:
    """The sheets that a JSON file tells, empty if it is JSON of another kind.

    Known are the exports of Aseprite (hash and array, with its `frameTags`), of TexturePacker (hash and array, with rotated and
    trimmed frames), and TexturePacker's list of `textures`.

    Raises:
        ImageError: broken JSON, or a frame without a whole rectangle.
        OSError: it cannot be read.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ImageError(f"{path.name} is broken JSON: {error}") from None
    return [_sheet(path, frames, meta) for frames, meta in _told_sheets(told)]


def renamed_sheet(text: str, before: str, after: str) -> str:
    """A sheet's JSON for a picture that was given another name; nothing else of it changes, and nothing of JSON of another kind.

    >>> renamed_sheet('{"frames": {}, "meta": {"image": "a.png", "app": "x"}}', "a.png", "b.png")
    '{"frames": {}, "meta": {"image": "b.png", "app": "x"}}'
    """
    told = json.loads(text)
    naming = [meta for _, meta in _told_sheets(told) if meta.get("image") == before]
    if not naming:
        return text
    for meta in naming:
        meta["image"] = after
    # in the file's own form
    found = re.search(r"\n([ \t]+)\S", text)
    return json.dumps(told, indent=found[1] if found else None, ensure_ascii=False)


def _told_sheets(told: Any) -> list[tuple[dict | list, dict[str, Any]]]:
    """The frames of every sheet in parsed JSON, and what tells of its picture; empty for JSON of another kind."""
    if not isinstance(told, dict):
        return []
    textures, frames, meta = told.get("textures"), told.get("frames"), told.get("meta")
    if isinstance(textures, list) and all(isinstance(t, dict) and isinstance(t.get("frames"), (dict, list)) for t in textures):
        return [(texture["frames"], texture) for texture in textures]
    if isinstance(frames, (dict, list)) and "meta" in told:
        return [(frames, meta if isinstance(meta, dict) else {})]
    return []


def _sheet(path: Path, frames: dict | list, meta: dict[str, Any]) -> Sheet:
    named = frames.items() if isinstance(frames, dict) else enumerate(frames)
    found = [_frame(path, str(name), frame) for name, frame in named]
    size = meta.get("size")
    return Sheet(
        image=str(meta.get("image") or ""),
        frames=found,
        size=(_whole(path, "size", size, "w"), _whole(path, "size", size, "h")) if isinstance(size, dict) else None,
        animations=_animations(found, meta),
    )


def _frame(path: Path, name: str, told: Any) -> Frame:
    box = told.get("frame") if isinstance(told, dict) else None
    if not isinstance(box, dict):
        raise ImageError(f"{path.name}: frame {name!r} has no rectangle `frame`")
    name = str(told.get("filename", name))
    left, top, width, height = (_whole(path, name, box, key) for key in "xywh")
    if width < 1 or height < 1:
        raise ImageError(f"{path.name}: frame {name!r} is {width} x {height} pixels")
    rotated = bool(told.get("rotated", False))
    wide, high = (height, width) if rotated else (width, height)
    whole, place = told.get("sourceSize"), told.get("spriteSourceSize")
    size, offset = (width, height), (0, 0)
    if isinstance(whole, dict) and isinstance(place, dict):
        size = _whole(path, name, whole, "w"), _whole(path, name, whole, "h")
        offset = _whole(path, name, place, "x"), _whole(path, name, place, "y")
        if min(offset) < 0 or offset[0] + width > size[0] or offset[1] + height > size[1]:
            raise ImageError(f"{path.name}: frame {name!r} does not lie in its `sourceSize` of {size[0]} x {size[1]}")
    return Frame(name, (left, top, left + wide, top + high), rotated, size, offset)


def _animations(frames: list[Frame], meta: dict[str, Any]) -> dict[str, list[str]]:
    """Aseprite's tags, which count frames from 0 to the last one, that is included."""
    animations = {}
    tags = meta.get("frameTags")
    for tag in tags if isinstance(tags, list) else []:
        if isinstance(tag, dict) and isinstance(tag.get("from"), int) and isinstance(tag.get("to"), int):
            animations[str(tag.get("name", ""))] = [frame.name for frame in frames[tag["from"] : tag["to"] + 1]]
    return animations


def _whole(path: Path, name: str, values: dict[str, Any], key: str) -> int:
    value = values.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or (isinstance(value, float) and not value.is_integer()):
        raise ImageError(f"{path.name}: {name!r} has {value!r} for `{key}`; it must be a whole number of pixels")
    return int(value)
