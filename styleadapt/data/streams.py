"""Streams training images: shuffled by seed, divided among processes and workers, and resumed at the exact sample."""

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, default_collate, get_worker_info

from ..errors import ImageError, SourceError
from .records import Columns, EncodedImage, ImageSample, UnreadableImages

Transform = Callable[[ImageSample, np.random.Generator], Any]
_SLOTS = 1 << 20
# With so many shards a part, parts that differ by one shard differ little.
_SHARDS_PER_PART = 8


@dataclasses.dataclass(frozen=True)
class StreamPosition:
    """A place in one part of a stream.

    Args:
        epoch, block: which pass over the data, and which block of the shuffling in it.
        offset: how many samples after the start of that block.
        count: how many samples from the start of the stream.
        source: state of the `datasets.IterableDataset` at the start of the block, or None at the start of the epoch.
    """

    epoch: int = 0
    block: int = 0
    offset: int = 0
    count: int = 0
    source: dict | None = None


class ImageStream:
    """Images of a streamed data set, without end: epoch after epoch, each in another order.

    The order is a function of the seed, the part and the number of parts. Whole blocks of `shuffle_buffer` samples are
    shuffled, instead of a sliding buffer, so that no sample is lost or repeated when a run resumes. An image that cannot be
    read is replaced by the next one that can; it is named in the log and counted.

    Args:
        dataset: a `datasets.IterableDataset` whose image columns were cast to `Image(decode=False)`.
        columns: where it keeps images and labels.
        name: what messages call it.
        seed: of the order.
        shuffle_buffer: samples that are held, encoded, and shuffled at a time; 1 keeps the order within shards.
    """

    def __init__(self, dataset: Any, columns: Columns, name: str, seed: int = 0, shuffle_buffer: int = 1000):
        if shuffle_buffer < 1:
            raise ValueError(f"`shuffle_buffer` is {shuffle_buffer}; it must be 1 at least")
        self.dataset, self.columns, self.name = dataset, columns, name
        self.seed, self.shuffle_buffer = seed, shuffle_buffer
        self.unreadable = UnreadableImages(_SLOTS)
        self._read = torch.zeros(_SLOTS, dtype=torch.uint8).share_memory_()

    @property
    def images_read(self) -> int:
        """About how many different images this process and its workers have read since it started: a stream does not know its
        length. Other training processes are not counted."""
        return int(self._read.sum(dtype=torch.int64))

    @property
    def label_names(self) -> tuple[str, ...] | None:
        """Names of the classes, if the source has labels with names."""
        return self.columns.label_names

    def __iter__(self) -> Iterator[ImageSample]:
        return (sample for sample, _ in self.samples())

    def require(self, minimum: int) -> None:
        """Reads the first images, until so many could be read.

        Raises:
            SourceError: the stream ends before that; with counts.
        """
        seen = readable = 0
        for row in self._part(0, 1, epoch=0).iter(batch_size=1):
            seen += 1
            readable += self._decode(self._encoded(row)) is not None
            if readable == minimum:
                return
        raise SourceError(f"{self.name} holds {seen} images, {readable} of them readable; {minimum} or more are needed")

    def samples(
        self, part: int = 0, parts: int = 1, start: StreamPosition | None = None
    ) -> Iterator[tuple[ImageSample, StreamPosition]]:
        """The samples of one of `parts` disjoint parts of the stream, each with the position behind it.

        Args:
            part, parts: one for each process and worker. Parts are made of whole shards where their number allows it; else every
                part reads the whole stream and decodes its share.
            start: where to go on, a position of the same part. `StreamPosition(offset=n, count=n)` passes over n samples.

        Raises:
            SourceError: a part without images, or without a readable one.
        """
        skipped: list[StreamPosition] = []
        for record, position in self._records(part, parts, start or StreamPosition()):
            sample = self._decode(record)
            if sample is None:
                skipped.append(position)
                if position.epoch > skipped[0].epoch + 1:
                    raise SourceError(
                        f"{self.name} has no readable image in part {part + 1} of {parts}; use fewer `dataloader_num_workers`"
                    )
                continue
            for place in skipped:
                yield sample, place
            skipped.clear()
            yield sample, position

    def _records(self, part: int, parts: int, start: StreamPosition) -> Iterator[tuple[EncodedImage, StreamPosition]]:
        to_skip, count = start.offset, start.count - start.offset
        epoch, number, source = start.epoch, start.block, start.source
        while True:
            first, whole = count, number == 0
            dataset = self._part(part, parts, epoch)
            if source is not None:
                dataset.load_state_dict(source)
            rows = dataset.iter(batch_size=1)
            block = list(itertools.islice(rows, self.shuffle_buffer))
            if whole and not block:
                raise SourceError(
                    f"{self.name} holds fewer images than there are processes x workers ({parts}); "
                    "use fewer `dataloader_num_workers`"
                )
            while block:
                next_source = dataset.state_dict()
                following: list[dict] = []
                order = np.random.default_rng((self.seed, part, epoch, number)).permutation(len(block))
                for offset, index in enumerate(order, 1):
                    # one in, one out: reading is spread evenly, and no more than a block is held
                    following += itertools.islice(rows, 1)
                    row, block[index] = block[index], None
                    count += 1
                    if to_skip:
                        to_skip -= 1
                        continue
                    yield self._encoded(row), StreamPosition(epoch, number, offset, count, source)
                block, number, source = following, number + 1, next_source
            if whole and to_skip:
                epochs = to_skip // (count - first)
                epoch, to_skip, count = epoch + epochs, to_skip % (count - first), count + epochs * (count - first)
            epoch, number, source = epoch + 1, 0, None

    def _part(self, part: int, parts: int, epoch: int) -> Any:
        """A fresh data set that holds the part, its shards in the epoch's order."""
        from datasets.distributed import split_dataset_by_node

        shards = self.dataset.num_shards
        if shards % parts == 0 or shards >= _SHARDS_PER_PART * parts:
            dataset = self.dataset.shard(num_shards=parts, index=part, contiguous=False)
        else:
            dataset = split_dataset_by_node(self.dataset, rank=part, world_size=parts)
        dataset.set_epoch(1 + int(np.random.SeedSequence((self.seed, epoch)).generate_state(1)[0]))
        return dataset

    def _encoded(self, row: dict[str, list]) -> EncodedImage:
        return self.columns.encoded({column: values[0] for column, values in row.items()})

    def _decode(self, record: EncodedImage) -> ImageSample | None:
        slot = self.unreadable.slot(record)
        try:
            sample = record.decode()
        except ImageError as error:
            self.unreadable.add(slot, record.name, str(error))
            return None
        self._read[slot] = 1
        return sample


@dataclasses.dataclass(frozen=True)
class StreamedDataset:
    """A stream and what is made of each of its samples, see `StreamLoader`: what the trainer takes in place of a data set."""

    stream: ImageStream
    transform: Transform


class StreamLoader:
    """Endless batches of one process's share of a stream, loaded by worker processes; resumes at the very batch.

    Not to be prepared by Accelerate, which would divide the batches among processes once more.

    Args:
        stream: the images.
        transform: makes of a sample what is collated, tensors or a mapping of them. Its random generator depends on the seed
            and the sample's place alone.
        batch_size: samples a batch.
        num_workers: processes that read and decode; 0 reads in this one.
        process_index, num_processes: this training process, and how many there are.
        first_batch: so many batches are passed over, read but not decoded. Batches of all processes and workers then equal those
            of an unbroken run, given the same `batch_size`, `num_workers` and `num_processes`.

    Example:
        loader = StreamLoader(open_source(dataset_name="user/repo", streaming=True), transform, batch_size=4, num_workers=2)
        batches = iter(loader)
        batch = next(batches)
    """

    def __init__(
        self,
        stream: ImageStream,
        transform: Transform,
        batch_size: int,
        num_workers: int = 0,
        process_index: int = 0,
        num_processes: int = 1,
        first_batch: int = 0,
    ):
        self.stream, self.transform, self.batch_size, self.num_workers = stream, transform, batch_size, num_workers
        self.process_index, self.num_processes = process_index, num_processes
        self._batches = first_batch
        turns = max(num_workers, 1)
        # worker w loads batches w, w + turns, w + 2 turns, ...
        passed = [(first_batch - worker + turns - 1) // turns * batch_size for worker in range(turns)]
        self._positions = [StreamPosition(offset=n, count=n) for n in passed]

    def __iter__(self) -> Iterator[Any]:
        """Batches from where the last iteration stopped."""
        loader = DataLoader(
            _WorkerSamples(self, self._batches),
            self.batch_size,
            num_workers=self.num_workers,
            prefetch_factor=4 if self.num_workers else None,
            collate_fn=_collate,
        )
        for batch, position in loader:
            self._positions[self._batches % len(self._positions)] = position
            self._batches += 1
            yield batch

    def state_dict(self) -> dict[str, Any]:
        """Returns the position of this process, in plain numbers and strings. `load_state_dict` continues there without reading
        again what whole shards before it hold, as `first_batch` would."""
        positions = [dataclasses.asdict(position) for position in self._positions]
        return {"batches": self._batches, "positions": positions, "made_for": self._division()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """
        Raises:
            SourceError: the state was made with another division of the data.
        """
        if state["made_for"] != self._division():
            raise SourceError(
                f"the position in {self.stream.name} was saved with {state['made_for']}, this run has {self._division()}; "
                "resume with the same"
            )
        self._batches = state["batches"]
        self._positions = [StreamPosition(**position) for position in state["positions"]]

    def part_of(self, worker: int) -> int:
        """Number of the part that a worker reads."""
        return self.process_index * len(self._positions) + worker

    def start_of(self, worker: int) -> StreamPosition:
        """Position at which a worker goes on."""
        return self._positions[worker]

    def parts(self) -> int:
        """Number of parts of all processes and workers."""
        return self.num_processes * len(self._positions)

    def _division(self) -> dict[str, int]:
        return {
            "train_batch_size": self.batch_size,
            "dataloader_num_workers": self.num_workers,
            "process": self.process_index,
            "processes": self.num_processes,
            "seed": self.stream.seed,
            "shuffle_buffer": self.stream.shuffle_buffer,
        }


class _WorkerSamples(IterableDataset):
    """What one worker loads: transformed samples of its part, with positions."""

    def __init__(self, loader: StreamLoader, batches: int):
        self.loader, self.batches = loader, batches

    def __iter__(self) -> Iterator[tuple[Any, StreamPosition]]:
        loader, info = self.loader, get_worker_info()
        # the DataLoader asks its worker 0 first; the batch that is due may have been another one's
        worker = (self.batches + info.id) % info.num_workers if info else 0
        part = loader.part_of(worker)
        for sample, position in loader.stream.samples(part, loader.parts(), loader.start_of(worker)):
            rng = np.random.default_rng((loader.stream.seed, part, position.count))
            yield loader.transform(sample, rng), position


def _collate(items: list[tuple[Any, StreamPosition]]) -> tuple[Any, StreamPosition]:
    return default_collate([sample for sample, _ in items]), items[-1][1]
