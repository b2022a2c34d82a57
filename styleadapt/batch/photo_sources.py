"""Iterates over large collections of photos: folders, or the rows of data sets. A photo is read when its turn comes."""

import functools
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..data.records import Columns, fetch, find_columns
from ..data.sources import folder_classes, open_dataset
from ..errors import ImageError, SourceError
from ..images.image_files import list_images

# of a folder that `datasets` reads as images with metadata
_RESERVED_COLUMNS = ("image", "file_name")


@dataclass(frozen=True)
class PhotoData:
    """A photo as it was stored.

    Args:
        encoded: path of its file, or the file's bytes.
        columns: what else its row holds in text, numbers and truth values; class labels by name, and none that is unknown.
        copy: tells several results of one photo apart, where its maker draws numbers.
    """

    encoded: str | bytes
    columns: dict[str, Any] = field(default_factory=dict)
    copy: str = ""


@dataclass(frozen=True)
class Photo:
    """One of the photos of a source.

    Args:
        number: its place in the source, counted from 0.
        input: what people call it, no two of a source the same: path inside the folder, or row.
        name: that its result is named after.
        version: changes when the photo does, as far as can be told without decoding it; "" if nothing can be told.
        read: gives the photo; raises `ImageError` if there is none.
    """

    number: int
    input: str
    name: str
    version: str
    read: Callable[[], PhotoData]


class FolderPhotos:
    """The image files below a folder, sorted. If each lies in one of two or more subfolders, that is its column `label`.

    Raises:
        FileNotFoundError: `folder` does not exist or holds no image file.

    >>> from importlib import resources
    >>> photos = FolderPhotos(str(resources.files("styleadapt") / "assets" / "photos"))
    >>> next(iter(photos)).input
    'admiral.jpg'
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder, self.files = Path(folder), list_images(folder)

    def __len__(self) -> int:
        return len(self.files)

    def __iter__(self) -> Iterator[Photo]:
        classes = set(folder_classes(str(self.folder), list(map(str, self.files))))
        for number, file in enumerate(self.files):
            name = file.relative_to(self.folder).as_posix()
            columns = {"label": file.parent.name} if file.parent.name in classes else {}
            yield Photo(number, name, name, _file_version(file), functools.partial(PhotoData, str(file), columns))


class DatasetPhotos:
    """The images of a `datasets.Dataset`, each read when it is asked for.

    Args:
        dataset: with its image columns cast to `Image(decode=False)`.
        columns: where it keeps the images.
        name_column: column of text or numbers that results are named after; the row's number if left out.
    """

    def __init__(self, dataset: Any, columns: Columns, name_column: str | None = None):
        self.dataset, self.columns, self.name_column = dataset, columns, name_column

    def __len__(self) -> int:
        return len(self.dataset)

    def __iter__(self) -> Iterator[Photo]:
        names = self.dataset[self.name_column] if self.name_column else [None] * len(self)
        # without the other columns, which may be large
        rows = self.dataset.select_columns(self.columns.all)
        for number, (name, row) in enumerate(zip(names, rows)):
            version = _stored_version(self.columns.encoded(row).data)
            yield Photo(number, _row(number, name), _result_name(number, name), version, lambda n=number: self._read(n))  # type: ignore[misc]

    def _read(self, number: int) -> PhotoData:
        return _photo_data(self.dataset[number], self.columns, self.dataset.features)


class StreamedPhotos:
    """The images of a `datasets.IterableDataset` in its order; every process reads the whole stream and decodes its share.

    Args:
        dataset, columns, name_column: as of `DatasetPhotos`.
    """

    def __init__(self, dataset: Any, columns: Columns, name_column: str | None = None):
        self.dataset, self.columns, self.name_column = dataset, columns, name_column

    def __iter__(self) -> Iterator[Photo]:
        for number, row in enumerate(self.dataset):
            name = row[self.name_column] if self.name_column else None
            read = lambda row=row: _photo_data(row, self.columns, self.dataset.features)  # noqa: E731
            version = _stored_version(self.columns.encoded(row).data)
            yield Photo(number, _row(number, name), _result_name(number, name), version, read)


def open_dataset_photos(
    dataset_name: str,
    dataset_config_name: str | None = None,
    split: str = "train",
    image_column: str | None = None,
    name_column: str | None = None,
    streaming: bool = False,
    cache_dir: str | None = None,
) -> DatasetPhotos | StreamedPhotos:
    """The photos of a data set.

    Args:
        dataset_name: a data set of the Hub, or a folder, see `data.sources.open_dataset`.
        dataset_config_name, split: which part of it.
        image_column: column of images; found by its type if left out.
        name_column: column of text or whole numbers that results are named after; the row's number if left out.
        streaming: read row by row instead of downloading and converting first.
        cache_dir: where `datasets` keeps what it downloads and converts.

    Raises:
        SourceError: nothing there, no images, unknown column, configuration or split.
    """
    dataset = open_dataset(dataset_name, dataset_config_name, split, streaming, cache_dir)
    if dataset.features is None:
        raise SourceError(f"{dataset_name} does not say what its columns hold; convert it to parquet")
    columns = find_columns(dataset.features, dataset_name, image_column, None)
    if name_column is not None:
        _check_name_column(dataset.features, dataset_name, name_column)
    from datasets import Image as ImageFeature

    for column in columns.images:
        dataset = dataset.cast_column(column, ImageFeature(decode=False))
    return (StreamedPhotos if streaming else DatasetPhotos)(dataset, columns, name_column)


def _check_name_column(features: Mapping[str, Any], where: str, column: str) -> None:
    if column not in features:
        raise SourceError(f"`name_column` is {column!r}; the columns of {where} are {', '.join(features)}")
    kind = str(getattr(features[column], "dtype", "a structure"))
    if kind not in ("string", "large_string") and not kind.startswith(("int", "uint")):
        raise SourceError(f"`name_column` is {column!r}, which holds {kind}; names are text or whole numbers")


def _row(number: int, name: Any) -> str:
    return f"row {number}" if name is None else f"{name} (row {number})"


def _result_name(number: int, name: Any) -> str:
    return f"{number:08d}" if name is None else str(name)


def _photo_data(row: Mapping[str, Any], columns: Columns, features: Mapping[str, Any]) -> PhotoData:
    encoded = columns.encoded(row).data
    if encoded is None:
        raise ImageError("there is no image in this row")
    if isinstance(encoded, str) and "://" in encoded:
        encoded = fetch(encoded)
    return PhotoData(encoded, dict(_plain_columns(row, columns.images, features)))


def _plain_columns(
    row: Mapping[str, Any], images: Iterable[str], features: Mapping[str, Any]
) -> Iterator[tuple[str, str | int | float | bool]]:
    for column, value in row.items():
        if column in images or column in _RESERVED_COLUMNS or not isinstance(value, (str, int, float)):
            continue
        if type(features[column]).__name__ == "ClassLabel" and isinstance(value, int):
            # below 0 the class is unknown, and a number among names would make a column of two types
            if value < 0:
                continue
            value = features[column].int2str(value)
        yield column, value


def _file_version(file: Path) -> str:
    """Size and time of change; "" for a file that cannot be asked, which `read` reports."""
    try:
        status = file.stat()
    except OSError:
        return ""
    return f"{status.st_size}-{status.st_mtime_ns}"


def _stored_version(encoded: bytes | str | None) -> str:
    """Length and check sum of the bytes in a row; of a path, which file it names, and that file's version."""
    if encoded is None:
        return ""
    if isinstance(encoded, bytes):
        return f"{len(encoded)}-{zlib.crc32(encoded):08x}"
    named = f"{zlib.crc32(os.fsencode(encoded)):08x}"
    return named if "://" in encoded else f"{named}-{_file_version(Path(encoded))}"
