"""Represents a training image from any source: encoded bytes or a path, a label, a name, and an error if it cannot be read."""

import logging
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from PIL import Image

from ..errors import ImageError, SourceError
from ..images.images import open_image

logger = logging.getLogger(__name__)

# WebDataset's builder puts a sample's name and its shard here.
_KEY, _SHARD = "__key__", "__url__"
_LABEL_COLUMNS = ("label", "labels", "cls")


class ImageSample(NamedTuple):
    """
    Args:
        image: mode "RGB", upright, of any size.
        label: class number, or None if the source has no labels.
        name: file or row, for people.
    """

    image: Image.Image
    label: int | None
    name: str


class Images(Protocol):
    """Images by number, such as `data.sources.ImageTable` or a list of samples."""

    def __len__(self) -> int: ...

    def __getitem__(self, n: int, /) -> ImageSample: ...


class EncodedImage(NamedTuple):
    """An image before it is decoded: a file's bytes, or a path or address; None where a row has no image."""

    data: bytes | str | None
    label: int | None
    name: str

    def decode(self) -> ImageSample:
        """
        Raises:
            ImageError: missing or unreadable; the message says what is wrong, without the name.
        """
        data = self.data
        if data is None:
            raise ImageError("there is no image in this row")
        try:
            if isinstance(data, str) and "://" in data:
                data = fetch(data)
            return ImageSample(open_image(data), self.label, self.name)
        except ImageError as error:
            spoken_of = self.data if isinstance(self.data, str) else "the image"
            raise ImageError(str(error).removeprefix(spoken_of).strip()) from None


class UnreadableImages:
    """The images of a source that could not be read, known to all worker processes; each is named in the log once.

    Args:
        slots: how many can be told apart.

    >>> unreadable = UnreadableImages(8)
    >>> unreadable.add(3, "c.png", "is empty")
    >>> unreadable.add(3, "c.png", "is empty")
    >>> len(unreadable), 3 in unreadable
    (1, True)
    """

    def __init__(self, slots: int):
        self._seen = torch.zeros(slots, dtype=torch.uint8).share_memory_()

    def __len__(self) -> int:
        return int(self._seen.sum(dtype=torch.int64))

    def __contains__(self, slot: int) -> bool:
        return bool(self._seen[slot])

    def add(self, slot: int, name: str, reason: str) -> None:
        if slot in self:
            return
        self._seen[slot] = 1
        logger.warning("skipping the image %s: %s (unreadable so far: %d)", name, reason, len(self))

    def slot(self, record: EncodedImage) -> int:
        """A slot for an image without a number, from its name and bytes."""
        data = record.data if isinstance(record.data, bytes) else b""
        return zlib.crc32(data, zlib.crc32(record.name.encode("utf-8", "surrogatepass"))) % len(self._seen)


@dataclass(frozen=True)
class Columns:
    """The columns of a data set that hold its images, labels and names.

    Args:
        images: columns of images; a row's image is the first of them that is filled (WebDataset has one for each file type).
        label: column of labels, or None.
        label_names: names of the classes, if known.
        by_name: the label column holds names and not numbers.
        extra: further columns that name a row.
    """

    images: tuple[str, ...]
    label: str | None = None
    label_names: tuple[str, ...] | None = None
    by_name: bool = False
    extra: tuple[str, ...] = ()

    @property
    def all(self) -> list[str]:
        return [*self.images, *([self.label] if self.label else []), *self.extra]

    def encoded(self, row: Mapping[str, Any], number: int | None = None) -> EncodedImage:
        """The image of a row whose image columns were cast to `datasets.Image(decode=False)`; `number` helps to name it."""
        value = next((row[c] for c in self.images if row[c] is not None), None)
        data = None if value is None else value["bytes"] if value["bytes"] is not None else value["path"]
        name = (value or {}).get("path") or row.get(_KEY)
        if row.get(_SHARD):
            name = f"{os.path.basename(row[_SHARD])}/{name}"
        if number is not None:
            name = f"{name} (row {number})" if name else f"row {number}"
        if not name:
            name = f"of {len(data)} bytes, crc {zlib.crc32(data):08x}" if isinstance(data, bytes) else "of an empty row"
        return EncodedImage(data, self._label(row), name)

    def _label(self, row: Mapping[str, Any]) -> int | None:
        return self.number_of(row[self.label]) if self.label else None

    def number_of(self, label: Any) -> int | None:
        """The class of an entry of the label column; None where there is none: nothing, no number, or one below 0, which many
        data sets have for unknown labels.

        Raises:
            SourceError: a fraction.

        >>> columns = Columns(("image",), "label", ("cat", "dog"), by_name=True)
        >>> columns.number_of("dog"), columns.number_of(None), Columns(("image",)).number_of(-1)
        (1, None, None)
        """
        if label is None or label != label:
            return None
        if self.by_name and self.label_names is not None:
            return self.label_names.index(label)
        if label != int(label):
            raise SourceError(f"the label column {self.label} holds {label}; labels are whole numbers or names")
        return None if label < 0 else int(label)


def find_columns(
    features: Mapping[str, Any], where: str, image_column: str | None, label_column: str | None, labeled: bool = False
) -> Columns:
    """Image and label columns of a data set, by their features; what is not named is looked for.

    Args:
        features: `datasets.Features`.
        where: name of the data set, for messages.
        image_column, label_column: names of columns; if left out, the columns of images, and `label`, `labels` or `cls` if it
            holds classes.
        labeled: there must be labels, which may then be names in such a column, too, or numbers of which some are missing.

    Raises:
        SourceError: no such column, or one that holds no images or no labels.
    """
    from datasets import ClassLabel
    from datasets import Image as ImageFeature

    for option, column in (("image_column", image_column), ("label_column", label_column)):
        if column is not None and column not in features:
            raise SourceError(f"`{option}` is {column!r}, {where} has the columns {', '.join(features)}")
    images = [c for c, f in features.items() if isinstance(f, ImageFeature)]
    images = images or [c for c, f in features.items() if _holds_bytes(f)]
    if image_column is not None:
        if not isinstance(features[image_column], ImageFeature) and not _holds_bytes(features[image_column]):
            raise SourceError(f"`image_column` is {image_column!r}, which holds {_kind(features[image_column])} and no images")
        images = [image_column]
    if not images:
        raise SourceError(f"{where} has no column of images: {', '.join(f'{c} ({_kind(f)})' for c, f in features.items())}")
    if "image" in images:
        images = ["image"]
    known = [c for c in _LABEL_COLUMNS if c in features]
    label = label_column or next((c for c in known if _is_class(features[c])), known[0] if labeled and known else None)
    if labeled and label is None:
        raise SourceError(
            f"{where} has no column {', '.join(_LABEL_COLUMNS)}, but {', '.join(features)}; name the labels' by `label_column`"
        )
    names, by_name = None, False
    if label is not None:
        feature = features[label]
        by_name = _kind(feature) in ("string", "large_string")
        # a column of a csv file that is empty in some rows is read as float64
        if not _is_class(feature) and not by_name and _kind(feature) != "float64":
            raise SourceError(f"`label_column` is {label!r}, which holds {_kind(feature)}; labels are whole numbers or names")
        names = tuple(feature.names) if isinstance(feature, ClassLabel) else None
    return Columns(tuple(images), label, names, by_name, tuple(c for c in (_KEY, _SHARD) if c in features))


def _holds_bytes(feature: Any) -> bool:
    if isinstance(feature, Mapping):
        return {"bytes", "path"} == set(feature)
    return _kind(feature) in ("binary", "large_binary")


def _is_class(feature: Any) -> bool:
    return type(feature).__name__ == "ClassLabel" or _kind(feature).startswith(("int", "uint"))


def _kind(feature: Any) -> str:
    """A feature in a word: `string`, `int64`, `Image`, ..."""
    return "a structure" if isinstance(feature, Mapping) else getattr(feature, "dtype", None) or type(feature).__name__


def fetch(address: str) -> bytes:
    """The bytes at an address of any file system that fsspec knows; a failing network is no failing image and is raised."""
    import fsspec

    try:
        with fsspec.open(address, "rb") as file:
            return file.read()
    except FileNotFoundError:
        raise ImageError("does not exist") from None
