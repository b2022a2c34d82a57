import itertools
import json
import logging

import pytest
import torch

from styleadapt.data.sources import open_source
from styleadapt.data.streams import StreamLoader
from styleadapt.errors import SourceError

from .made_sets import MAKERS, level, make_folder, make_parquet, make_tars


def numbered(sample, rng):
    """The image's number, and a random number of its own."""
    return {"level": torch.tensor(level(sample)), "draw": torch.tensor(rng.random())}


def open_stream(folder, **options):
    return open_source(folder, streaming=True, **{"shuffle_buffer": 3, **options})


def batches(loader, count):
    return [(b["level"].tolist(), b["draw"].tolist()) for b in itertools.islice(loader, count)]


@pytest.mark.parametrize("kind", MAKERS)
def test_the_order_is_a_function_of_the_seed_and_changes_by_epoch(tmp_path, kind):
    folder = MAKERS[kind](tmp_path / kind, 6)
    one, same, other = ([level(s) for s in itertools.islice(open_stream(folder, seed=s), 12)] for s in (1, 1, 2))
    assert one == same != other
    assert sorted(one[:6]) == sorted(one[6:]) == list(range(6)) and one[:6] != one[6:]


@pytest.mark.parametrize("files", [4, 3])
@pytest.mark.parametrize("make", [make_parquet, make_tars])
def test_two_processes_of_two_workers_see_each_image_once(tmp_path, make, files):
    """By whole shards where their number allows it, else by images."""
    stream = open_stream(make(tmp_path / "set", 12, files=files))
    loaders = [StreamLoader(stream, numbered, 3, 2, process, 2) for process in (0, 1)]
    seen = [k for loader in loaders for levels, _ in batches(loader, 2) for k in levels]
    assert sorted(seen) == list(range(12))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("make", [make_parquet, make_tars, make_folder])
def test_a_resumed_loader_goes_on_as_an_unbroken_one(tmp_path, make, workers):
    """Over several epochs, with unreadable images, at a batch that is not the first worker's turn."""
    stream = open_stream(make(tmp_path / "set", 11, broken=[2, 7]))
    whole = batches(StreamLoader(stream, numbered, 2, workers, 1, 2), 16)
    for stop in (1, 5, 8) if workers == 0 else (5,):
        passing_over = StreamLoader(stream, numbered, 2, workers, 1, 2, first_batch=stop)
        assert batches(passing_over, 3) == whole[stop : stop + 3]
        loaded = StreamLoader(stream, numbered, 2, workers, 1, 2)
        loaded.load_state_dict(json.loads(json.dumps(passing_over.state_dict())))
        assert batches(loaded, 4) == whole[stop + 3 : stop + 7]


def test_a_state_of_another_division_is_refused(tmp_path):
    stream = open_stream(make_tars(tmp_path / "set", 4))
    state = StreamLoader(stream, numbered, 2, num_processes=2).state_dict()
    with pytest.raises(SourceError, match="'processes': 2.*'processes': 1"):
        StreamLoader(stream, numbered, 2).load_state_dict(state)


def test_a_saved_state_leaves_out_the_shards_that_are_done(tmp_path):
    """The first shard may be gone by then; passing over would read it again."""
    folder = make_tars(tmp_path / "set", 12, files=2)
    stream = open_stream(folder, shuffle_buffer=2)
    loader = StreamLoader(stream, numbered, 2)
    seen = batches(loader, 5)
    resumed = StreamLoader(stream, numbered, 2)
    resumed.load_state_dict(loader.state_dict())
    shard = seen[0][0][0] % 2
    (folder / f"{shard}.tar").unlink()
    left = batches(resumed, 1)[0][0]
    assert sorted(k for levels, _ in seen for k in levels) == sorted(set(range(12)) - set(left))


def test_unreadable_images_give_way_to_the_next_and_are_counted(tmp_path, caplog):
    folder = make_parquet(tmp_path / "set", 5, broken=[1, 2])
    with caplog.at_level(logging.WARNING):
        stream = open_stream(folder, shuffle_buffer=1)
        assert [level(s) for s in itertools.islice(stream, 10)] == [0, 3, 3, 3, 4] * 2
    named = [r.getMessage() for r in caplog.records if "skipping the image" in r.message]
    assert len(named) == len(stream.unreadable) == 2 and "1.png" in named[0] and "2.png" in named[1]


def test_parts_without_images_are_an_error_and_not_a_silence(tmp_path):
    stream = open_stream(make_tars(tmp_path / "few", 2))
    with pytest.raises(SourceError, match="fewer images than there are processes x workers"):
        next(stream.samples(part=2, parts=3))
    bad = open_stream(make_tars(tmp_path / "bad", 4, broken=[1, 3]))
    with pytest.raises(SourceError, match="no readable image in part 2 of 2"):
        next(bad.samples(part=1, parts=2))
    with pytest.raises(ValueError, match="`shuffle_buffer` is 0"):
        open_stream(tmp_path / "few", shuffle_buffer=0)
