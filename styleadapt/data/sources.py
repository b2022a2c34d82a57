"""Opens training images from folders (with classes or not), parquet files, WebDataset shards and data sets of the Hub."""

import dataclasses
import glob
import itertools
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from ..errors import ImageError, SourceError
from ..images.formats import READABLE_EXTENSIONS
from ..images.image_files import is_image, list_files, list_images
from .records import Columns, EncodedImage, ImageSample, UnreadableImages, find_columns
from .streams import ImageStream

logger = logging.getLogger(__name__)

_SHARD_BUILDERS = {".parquet": "parquet", ".tar": "webdataset"}
_METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
UNLABELED = "unlabeled"  # a subfolder beside those of the classes
_SPLITS = ("train", "training", "validation", "valid", "val", "dev", "test", "testing", "eval", "evaluation")


class ImageTable(Dataset):
    """Images with random access: sample n is the same in every run and every process.

    An image that cannot be read is replaced by the next one that can; it is named in the log and counted.

    Args:
        rows: the images, encoded.
        name: what messages call the source.
        label_names: names of the classes, if there are labels with names.
    """

    def __init__(self, rows: Sequence[EncodedImage], name: str, label_names: tuple[str, ...] | None = None):
        self.rows, self.name, self.label_names = rows, name, label_names
        self.unreadable = UnreadableImages(len(rows))

    def __len__(self) -> int:
        """Number of images, with the unreadable ones."""
        return len(self.rows)

    def __getitem__(self, n: int) -> ImageSample:
        """
        Raises:
            IndexError: `n` is not in [0, len).
            SourceError: no image of the source can be read.
        """
        if not 0 <= n < len(self):
            raise IndexError(f"{self.name} has no image {n}, only {len(self)}, counted from 0")
        for step in range(len(self)):
            sample = self._read((n + step) % len(self))
            if sample is not None:
                return sample
        raise SourceError(f"none of the {len(self)} images in {self.name} can be read")

    def labels(self) -> list[int]:
        """Of all images in their order, -1 for those without; no image is read."""
        column = getattr(self.rows, "labels", None)
        found = column() if column is not None else [row.label for row in self.rows]
        return [-1 if label is None else label for label in found]

    def require(self, minimum: int) -> None:
        """Reads the first images, until so many could be read.

        Raises:
            SourceError: there are not so many; with counts.
        """
        readable = 0
        for n in range(len(self)):
            readable += self._read(n) is not None
            if readable >= minimum:
                return
        raise SourceError(f"{self.name} holds {len(self)} images, {readable} of them readable; {minimum} or more are needed")

    def first(self, count: int) -> Iterator[ImageSample]:
        """The first images that can be read, at most `count`."""
        readable = (sample for n in range(len(self)) if (sample := self._read(n)) is not None)
        return itertools.islice(readable, count)

    def drawn(self, count: int, seed: int) -> "ImageTable":
        """A table of `count` images of this one, drawn by `seed`, in their order here; the whole table if it has no more."""
        return self.part(sorted(np.random.default_rng(seed).permutation(len(self))[:count].tolist()), self.name)

    def part(self, numbers: list[int], name: str) -> "ImageTable":
        """A table of the images of these numbers alone: what stands in for an unreadable one is of the same part."""
        return ImageTable(_ChosenRows(self.rows, numbers), name, self.label_names)

    def _read(self, n: int) -> ImageSample | None:
        if n in self.unreadable:
            return None
        record = self.rows[n]
        try:
            return record.decode()
        except ImageError as error:
            self.unreadable.add(n, record.name, str(error))
            return None


class _ChosenRows(Sequence[EncodedImage]):
    """Some of the rows, by their numbers."""

    def __init__(self, rows: Sequence[EncodedImage], numbers: list[int]):
        self.rows, self.numbers = rows, numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, n):
        return self.rows[self.numbers[n]]


class _DatasetRows(Sequence[EncodedImage]):
    """The rows of a `datasets.Dataset` whose image columns were cast to `Image(decode=False)`."""

    def __init__(self, dataset: Any, columns: Columns):
        self.dataset, self.columns = dataset, columns

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, n):
        return self.columns.encoded(self.dataset[n], n)

    def labels(self) -> list[int | None]:
        column = self.columns.label
        return [None] * len(self) if column is None else [self.columns.number_of(label) for label in self.dataset[column]]


def open_folder(folder: str | os.PathLike) -> ImageTable:
    """The image files below a folder, sorted, whatever else lies there.

    Raises:
        FileNotFoundError: `folder` does not exist or holds no image file.
        SourceError: none of its images can be read; with counts.
    """
    table = ImageTable([EncodedImage(str(file), None, str(file)) for file in list_images(folder)], str(folder))
    table.require(1)
    return table


def open_source(
    train_data_dir: str | os.PathLike | None = None,
    dataset_name: str | None = None,
    dataset_config_name: str | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    split: str = "train",
    streaming: bool = False,
    cache_dir: str | os.PathLike | None = None,
    minimum: int = 1,
    seed: int = 0,
    shuffle_buffer: int = 1000,
    labeled: bool = False,
) -> ImageTable | ImageStream:
    """Opens a source of training images, and makes sure that enough of them can be read.

    Args:
        train_data_dir: a folder of images, searched to any depth; of one subfolder a class, and perhaps `unlabeled` beside
            them for images without; of images with `metadata.csv`,
            `.jsonl` or `.parquet`; of `.parquet` files or WebDataset `.tar` shards. Or a pattern of such files
            (`data/train-*.tar`), on this machine or at an address that fsspec knows (`hf://`, `https://`).
        dataset_name: a data set of the Hub, or a folder, see `open_dataset`.
        dataset_config_name: configuration of `dataset_name`.
        image_column: column of images; found by its type if left out.
        label_column: column of labels; if left out, `label`, `labels` or `cls` where one of them holds whole numbers or classes.
            In a plain folder `label` asks for a subfolder a class.
        split: of `dataset_name`.
        streaming: read while training instead of downloading and converting first; the result is an `ImageStream`.
        cache_dir: where `datasets` keeps what it downloads and converts.
        minimum: so many images at least must be readable.
        seed, shuffle_buffer: of a stream, see `ImageStream`.
        labeled: the images must have labels. Then a column `label`, `labels` or `cls` may hold names, too, or lack some entries,
            and a plain folder must have a subfolder a class.

    Returns:
        An `ImageTable` (random access), or an `ImageStream` if `streaming`.

    Raises:
        SourceError: none or two sources named, nothing there, no images, unknown column, configuration or split, too few
            readable images, or no labels where they are asked for.

    >>> open_source("nowhere")
    Traceback (most recent call last):
    styleadapt.errors.SourceError: `train_data_dir` is 'nowhere': no such folder or files
    """
    if (train_data_dir is None) == (dataset_name is None):
        raise SourceError("name one source of images: `train_data_dir` (a folder or files) or `dataset_name` (of the Hub)")
    source: ImageTable | ImageStream
    if dataset_name is not None:
        name = dataset_name
        dataset = open_dataset(name, dataset_config_name, split, streaming, cache_dir)
    else:
        assert train_data_dir is not None
        name = str(train_data_dir)
        builder, files = _recognize(name)
        if builder == "folder" and not streaming:
            source = _open_folder(name, files, label_column or ("label" if labeled else None))
            source.require(minimum)
            return source
        dataset = _load_files(name, builder, files, streaming, cache_dir)
    if dataset.features is None:
        raise SourceError(f"{name} does not say what its columns hold; convert it to parquet")
    columns = find_columns(dataset.features, name, image_column, label_column, labeled)
    dataset = _undecoded(dataset, columns)
    if streaming:
        if columns.by_name:
            raise SourceError(f"the labels of {name} are names, whose numbers a stream cannot know; use whole numbers")
        source = ImageStream(dataset, columns, name, seed, shuffle_buffer)
    else:
        if columns.by_name:
            labels = sorted(label for label in dataset.unique(columns.label) if label is not None)
            columns = dataclasses.replace(columns, label_names=tuple(labels))
        source = ImageTable(_DatasetRows(dataset, columns), name, columns.label_names)
    source.require(minimum)
    return source


def open_dataset(name: str, config: str | None, split: str, streaming: bool, cache_dir: str | os.PathLike | None) -> Any:
    """A data set of the Hub, or a folder, with `datasets`.

    A folder of images is one split, `train`, whatever its files are called, unless its README.md declares splits or all of its
    subfolders are named after some (`train`, `test`, ...). Folders of other files are divided as `datasets.load_dataset` does.

    Args:
        name: of the data set, or path of the folder.
        config: its configuration.
        split: which part of it.
        streaming: read row by row instead of downloading and converting first.
        cache_dir: where `datasets` keeps what it downloads and converts.

    Returns:
        A `datasets.Dataset`, or a `datasets.IterableDataset` if `streaming`.

    Raises:
        SourceError: it cannot be loaded.
    """
    folder = Path(name)
    files = list_files(folder) if folder.is_dir() else []
    kinds = {file.suffix.lower() for file in files}
    plain = any(map(is_image, files)) and not kinds & {*_SHARD_BUILDERS, ".zip"}
    if not plain or config is not None or _declares_splits(folder):
        return load_dataset(name, name, name=config, split=split, streaming=streaming, cache_dir=cache_dir)
    if split != "train":
        raise SourceError(f"`split` is {split!r}; {name} is a folder of images with one split, 'train'")
    return _load_files(name, *_recognize(name), streaming, cache_dir)


def _declares_splits(folder: Path) -> bool:
    card = folder / "README.md"
    if card.is_file() and "configs:" in card.read_text(encoding="utf-8", errors="replace"):
        return True
    entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    subfolders = [entry.name.lower() for entry in entries if entry.is_dir()]
    return bool(subfolders) and set(subfolders) <= set(_SPLITS) and not any(map(is_image, entries))


def _load_files(name: str, builder: str, files: list[str], streaming: bool, cache_dir: str | os.PathLike | None) -> Any:
    """One split of the files that `_recognize` found."""
    if builder == "folder":
        return _dataset_of_images(name, files, streaming)
    # `datasets` takes names for patterns
    patterns = [file if "://" in file else glob.escape(file) for file in files]
    data_files = {"train": patterns}
    dataset = load_dataset(name, builder, data_files=data_files, split="train", streaming=streaming, cache_dir=cache_dir)
    if builder == "imagefolder" and not streaming:
        images = sum(map(is_image, list_files(Path(name))))
        if images > len(dataset):
            logger.warning("%s holds %d images, and its metadata names %d: the rest is left out", name, images, len(dataset))
    return dataset


def _dataset_of_images(folder: str, files: list[str], streaming: bool) -> Any:
    """A data set of image files, with a column `label` if they lie in classes. `datasets` would infer splits from their names."""
    from datasets import ClassLabel, Dataset, Features
    from datasets import Image as ImageFeature

    columns: dict[str, list] = {"image": files}
    features = Features(image=ImageFeature())
    if classes := folder_classes(folder, files):
        columns["label"] = [name if (name := Path(file).parent.name) in classes else None for file in files]
        features["label"] = ClassLabel(names=classes)
    dataset = Dataset.from_dict(columns, features=features)
    return dataset.to_iterable_dataset() if streaming else dataset


def _recognize(place: str) -> tuple[str, list[str]]:
    """What a folder or pattern holds: `folder`, `imagefolder` or a builder of shards; and its files.

    Of an `imagefolder` these are the files of metadata, which name the images.
    """
    suffix = Path(place).suffix.lower()
    if suffix in _SHARD_BUILDERS and not Path(place).is_dir():
        if "://" not in place:
            pattern = Path(place)
            found = [place] if pattern.is_file() else sorted(str(p) for p in pattern.parent.glob(pattern.name))
            if not found:
                raise SourceError(f"`train_data_dir` is {place!r}: no such folder or files")
            return _SHARD_BUILDERS[suffix], found
        return _SHARD_BUILDERS[suffix], [place]
    if not Path(place).is_dir():
        raise SourceError(f"`train_data_dir` is {place!r}: no such folder or files")
    files = list_files(Path(place))
    images = [str(p) for p in files if is_image(p)]
    metadata = [str(p) for p in files if p.name in _METADATA]
    shards = {s: [str(p) for p in files if p.suffix.lower() == s and p.name not in _METADATA] for s in _SHARD_BUILDERS}
    kinds = [kind for kind, found in [("images", images), *shards.items()] if found]
    if len(kinds) > 1:
        example = os.path.join(place, "*" + kinds[-1])
        raise SourceError(f"{place} holds {' and '.join(kinds)}; name one kind, for instance {example}")
    if not kinds:
        raise SourceError(
            f"{place} holds {len(files)} files and no image among them: no {', '.join(READABLE_EXTENSIONS)}, no .parquet, no .tar"
        )
    if images:
        return ("imagefolder", metadata) if metadata else ("folder", images)
    return _SHARD_BUILDERS[kinds[0]], shards[kinds[0]]


def folder_classes(folder: str, files: list[str]) -> list[str]:
    """Names of the classes, if each image lies in one of two or more subfolders, or in `unlabeled` beside them; else none."""
    inside = [Path(file).relative_to(folder).parts for file in files]
    names = sorted({parts[0] for parts in inside} - {UNLABELED}) if all(len(parts) == 2 for parts in inside) else []
    return names if len(names) > 1 else []


def _open_folder(folder: str, files: list[str], label_column: str | None) -> ImageTable:
    """Images of a plain folder; labeled if each lies in one of two or more subfolders."""
    classes = folder_classes(folder, files)
    if label_column is not None and (label_column != "label" or not classes):
        raise SourceError(
            f"`label_column` is {label_column!r}, but {folder} is a folder of images without it: "
            "use a subfolder for each class and `label`, or a metadata.csv with file_name and that column"
        )
    numbers = {name: number for number, name in enumerate(classes)}
    rows = [EncodedImage(f, numbers.get(Path(f).parent.name), f) for f in files]
    return ImageTable(rows, folder, tuple(classes) or None)


def load_dataset(where: str, path: str, **options: Any) -> Any:
    """Calls `datasets.load_dataset`, and turns its failures into one line that says what could not be loaded.

    Args:
        where: what a message calls it.
        path, options: of `datasets.load_dataset`; `cache_dir` among them.

    Raises:
        SourceError: it cannot be loaded.
        ImportError: datasets is not installed.
    """
    try:
        import datasets
    except ImportError as error:
        raise ImportError(f'reading {where} needs the package datasets: pip install "styleadapt[train]"') from error

    if options["cache_dir"] is not None:
        options["cache_dir"] = str(options["cache_dir"])
    try:
        return datasets.load_dataset(path, **options)
    # The builders let errors of pyarrow, tarfile, fsspec and the Hub pass as they come.
    except Exception as error:
        reason = error.__cause__ if isinstance(error, datasets.exceptions.DatasetGenerationError) else error
        text = " ".join(str(reason or error).split()) or type(error).__name__
        raise SourceError(f"cannot load {where}: {text[:300]}") from error


def _undecoded(dataset: Any, columns: Columns) -> Any:
    """The data set with the columns that are needed, images as bytes or paths."""
    from datasets import Image as ImageFeature

    dataset = dataset.select_columns(columns.all)
    for column in columns.images:
        dataset = dataset.cast_column(column, ImageFeature(decode=False))
    return dataset
