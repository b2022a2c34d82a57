import itertools
import json
import logging

import pytest
from torch.utils.data import DataLoader

from styleadapt.data.sources import open_folder, open_source
from styleadapt.errors import SourceError

from .made_sets import MAKERS, encoded, level, make_folder, make_parquet, make_tars


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("kind", MAKERS)
def test_every_kind_gives_every_image(tmp_path, cache, kind, streaming):
    source = open_source(MAKERS[kind](tmp_path / kind, 6), streaming=streaming, cache_dir=cache)
    samples = list(itertools.islice(source, 6)) if streaming else [source[n] for n in range(len(source))]
    assert sorted(level(s) for s in samples) == [0, 1, 2, 3, 4, 5]
    assert all(s.image.mode == "RGB" and f"{level(s)}" in s.name for s in samples)
    labels = {level(s): s.label for s in samples}
    assert labels == {k: None if kind == "folder" else k % 2 for k in range(6)}


@pytest.mark.parametrize("streaming", [False, True])
def test_subfolders_are_classes(tmp_path, cache, streaming):
    source = open_source(make_folder(tmp_path / "set", 6, classes=2), streaming=streaming, cache_dir=cache)
    assert source.label_names == ("c0", "c1")
    assert all(s.label == level(s) % 2 for s in itertools.islice(source, 6))


@pytest.mark.parametrize("streaming", [False, True])
def test_a_subfolder_of_unlabeled_images_is_no_class(tmp_path, cache, streaming):
    folder = make_folder(tmp_path / "set", 6, classes=3)
    (folder / "c2").rename(folder / "unlabeled")
    source = open_source(folder, streaming=streaming, cache_dir=cache)
    assert source.label_names == ("c0", "c1")
    assert {level(s): s.label for s in itertools.islice(source, 6)} == {0: 0, 1: 1, 2: None, 3: 0, 4: 1, 5: None}
    if not streaming:
        assert sorted(source.labels()) == [-1, -1, 0, 0, 1, 1]


def test_labels_that_are_missing_in_a_table(tmp_path, cache):
    folder = make_folder(tmp_path / "set", 4)
    for column, label_names in (("2,,0,-1", None), ("dog,,cat,", ("cat", "dog"))):
        rows = "".join(f"{n:02}.png,{label}\n" for n, label in enumerate(column.split(",")))
        (folder / "metadata.csv").write_text("file_name,kind\n" + rows)
        source = open_source(folder, label_column="kind", cache_dir=cache)
        expected = [2, -1, 0, -1] if label_names is None else [1, -1, 0, -1]
        assert source.label_names == label_names and source.labels() == expected
        assert [s.label for s in source] == [None if n < 0 else n for n in expected]
    (folder / "metadata.csv").write_text("file_name,kind\n00.png,0.5\n01.png,1\n")
    with pytest.raises(SourceError, match="holds 0.5; labels are whole numbers"):
        open_source(folder, label_column="kind", cache_dir=cache)


def test_images_of_several_depths_have_no_labels(tmp_path):
    make_folder(tmp_path / "set", 4, classes=2)
    make_folder(tmp_path / "set", 1)
    source = open_source(tmp_path / "set")
    assert source.label_names is None and source[0].label is None


def test_metadata_gives_labels_and_names_become_numbers(tmp_path, cache):
    folder = make_folder(tmp_path / "set", 3)
    (folder / "metadata.csv").write_text("file_name,painter\n00.png,monet\n01.png,claude\n02.png,monet\n")
    source = open_source(folder, label_column="painter", cache_dir=cache)
    assert source.label_names == ("claude", "monet") and [s.label for s in source] == [1, 0, 1]
    assert open_source(folder, cache_dir=cache)[0].label is None
    with pytest.raises(SourceError, match="a stream cannot know"):
        open_source(folder, label_column="painter", streaming=True)


def test_a_data_set_by_name_with_its_split_and_columns(tmp_path, cache):
    make_parquet(tmp_path / "set", 6, files=2)
    options = {"dataset_name": str(tmp_path / "set"), "cache_dir": cache}
    source = open_source(**options, image_column="picture", label_column="label")
    assert sorted(level(s) for s in source) == list(range(6))
    with pytest.raises(SourceError, match="validation"):
        open_source(**options, split="validation")
    with pytest.raises(SourceError, match="`image_column` is 'pictures', .* picture, label, caption"):
        open_source(**options, image_column="pictures")
    with pytest.raises(SourceError, match="`image_column` is 'caption', which holds string and no images"):
        open_source(**options, image_column="caption")


def test_files_can_be_chosen_by_a_pattern(tmp_path, cache):
    folder = make_tars(tmp_path / "set", 8, files=4)
    assert len(open_source(folder / "[01].tar", cache_dir=cache)) == 4
    assert len(open_source(folder / "2.tar", cache_dir=cache)) == 2


def test_item_n_is_the_same_in_any_worker(tmp_path, cache):
    source = open_source(make_parquet(tmp_path / "set", 6), cache_dir=cache)
    levels = [level(source[n]) for n in range(6)]
    again = open_source(tmp_path / "set", cache_dir=cache)
    loaded = DataLoader(again, None, num_workers=2, collate_fn=level)
    assert list(loaded) == levels


@pytest.mark.parametrize("kind", MAKERS)
def test_unreadable_images_give_way_to_the_next_and_are_named_once(tmp_path, cache, kind, caplog):
    with caplog.at_level(logging.WARNING):
        source = open_source(MAKERS[kind](tmp_path / kind, 5, broken=[1, 2, 4]), cache_dir=cache)
        for _ in range(2):
            assert [level(source[n]) for n in range(5)] == [0, 3, 3, 3, 0]
    named = [r.getMessage() for r in caplog.records if "skipping the image" in r.message]
    assert len(named) == len(source.unreadable) == 3
    assert [sum(f"{k}.png" in m for m in named) for k in (1, 2, 4)] == [1, 1, 1]
    assert "unreadable so far: 3" in named[-1]


def test_workers_share_what_is_unreadable(tmp_path):
    source = open_source(make_folder(tmp_path / "set", 6, broken=[3, 5]))
    assert sorted(DataLoader(source, None, num_workers=2, collate_fn=level)) == [0, 0, 1, 2, 4, 4]
    assert len(source.unreadable) == 2


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("kind", MAKERS)
def test_too_few_readable_images_are_an_error_with_counts(tmp_path, cache, kind, streaming):
    folder = MAKERS[kind](tmp_path / kind, 4, broken=[0, 2])
    options = {"streaming": streaming, "cache_dir": cache}
    open_source(folder, **options, minimum=2)
    with pytest.raises(SourceError, match="holds 4 images, 2 of them readable; 3 or more are needed"):
        open_source(folder, **options, minimum=3)
    MAKERS[kind](tmp_path / "bad", 3, broken=[0, 1, 2])
    with pytest.raises(SourceError, match="holds 3 images, 0 of them readable; 1 or more are needed"):
        open_source(tmp_path / "bad", **options)


def test_what_is_no_source_is_named(tmp_path, cache):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="name one source"):
        open_source()
    with pytest.raises(SourceError, match="name one source"):
        open_source(tmp_path, "user/repo")
    for absent in ("absent", "absent/*.tar"):
        with pytest.raises(SourceError, match="absent.*no such folder or files"):
            open_source(tmp_path / absent)
    with pytest.raises(SourceError, match="holds 0 files and no image"):
        open_source(tmp_path / "empty")
    with pytest.raises(SourceError, match="cannot load nobody/nothing"):
        open_source(dataset_name="nobody/nothing", cache_dir=cache)
    make_tars(tmp_path / "both", 1)
    make_folder(tmp_path / "both", 1)
    with pytest.raises(SourceError, match=r"holds images and \.tar; name one kind"):
        open_source(tmp_path / "both")
    with pytest.raises(SourceError, match="`label_column` is 'label'"):
        open_source(make_folder(tmp_path / "plain", 1), label_column="label")


def test_a_truncated_shard_is_an_error_before_training(tmp_path, cache):
    (make_tars(tmp_path / "set", 2) / "0.tar").write_bytes(b"no tar at all" * 100)
    with pytest.raises(SourceError, match="cannot load .*set"):
        open_source(tmp_path / "set", cache_dir=cache)


def test_a_folder_is_opened_whatever_lies_beside_its_images(tmp_path):
    folder = make_folder(tmp_path / "set", 4, classes=2)
    (folder / "metadata.csv").write_text("file_name\n")
    (folder / "c0" / "00.png").write_bytes(b"broken")
    table = open_folder(folder)
    assert [level(sample) for sample in table.first(9)] == [2, 1, 3] and len(table) == 4 and len(table.unreadable) == 1
    assert [level(sample) for sample in table.first(2)] == [2, 1]


def test_a_folder_without_a_readable_image_is_refused_with_counts(tmp_path):
    folder = make_folder(tmp_path / "set", 3)
    for file in folder.iterdir():
        file.write_bytes(b"broken")
    with pytest.raises(SourceError, match="set holds 3 images, 0 of them readable; 1 or more are needed"):
        open_folder(folder)


@pytest.mark.parametrize("kind", ["folder", "parquet"])
def test_some_images_are_drawn_by_seed(tmp_path, cache, kind):
    table = open_source(MAKERS[kind](tmp_path / kind, 6), cache_dir=cache)
    drawn = [[level(sample) for sample in table.drawn(3, seed).first(6)] for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] == sorted(drawn[0]) and len(set(drawn[0])) == 3 and drawn[2] != drawn[0]
    assert len(table.drawn(9, 0)) == 6


NAMES = {
    "a word that is a split": ["steam train.png", "b.png", "c.png"],
    "another split alone": ["test_a.png", "b.png", "c.png"],
    "patterns": ["x[1].png", "b?.png", "__c.png"],
    "folders": ["sub/train.png", "test/b.png", "c.png"],
}


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("option", ["train_data_dir", "dataset_name"])
@pytest.mark.parametrize("metadata", [None, "csv", "jsonl"])
@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
def test_a_folder_is_one_split_whatever_its_files_are_called(tmp_path, cache, names, metadata, option, streaming):
    for k, name in enumerate(names):
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / name).write_bytes(encoded(k))
    if metadata == "csv":
        (tmp_path / "set" / "metadata.csv").write_text("file_name,who\n" + "".join(f"{name},ann\n" for name in names))
    if metadata == "jsonl":
        rows = [json.dumps({"file_name": name, "who": "ann"}) for name in names]
        (tmp_path / "set" / "metadata.jsonl").write_text("\n".join(rows))
    source = open_source(**{option: str(tmp_path / "set")}, streaming=streaming, cache_dir=cache)
    assert sorted(level(sample) for sample in itertools.islice(source, 3)) == [0, 1, 2]
    if not streaming:
        assert len(source) == 3


def test_folders_named_after_splits_are_splits_of_a_data_set(tmp_path, cache):
    make_folder(tmp_path / "set" / "train", 2)
    make_folder(tmp_path / "set" / "test", 3)
    for split, count in (("train", 2), ("test", 3)):
        assert len(open_source(dataset_name=str(tmp_path / "set"), split=split, cache_dir=cache)) == count
    assert len(open_source(tmp_path / "set")) == 5
    (tmp_path / "set" / "train").rename(tmp_path / "set" / "car")
    assert len(open_source(dataset_name=str(tmp_path / "set"), cache_dir=cache)) == 5, "classes, one of which is called test"
    with pytest.raises(SourceError, match="`split` is 'test'; .* one split, 'train'"):
        open_source(dataset_name=str(tmp_path / "set"), split="test", cache_dir=cache)


@pytest.mark.parametrize("kind", ["parquet", "tars"])
def test_shards_are_found_below_a_folder_with_brackets_in_its_name(tmp_path, cache, kind):
    assert len(open_source(MAKERS[kind](tmp_path / "set [1]", 4, files=2), cache_dir=cache)) == 4


def test_an_image_that_cannot_be_read_is_named_with_a_hint(tmp_path, caplog):
    (make_folder(tmp_path / "set", 1) / "b.heic").write_bytes(b"\0\0\0\x18ftypheic")
    source = open_source(tmp_path / "set")
    with caplog.at_level(logging.WARNING):
        assert [level(sample) for sample in source.first(9)] == [0] and len(source) == 2
    assert "b.heic: is a HEIC picture" in caplog.text and "pillow-heif" in caplog.text


def test_images_without_a_row_in_the_metadata_are_told(tmp_path, cache, caplog):
    folder = make_folder(tmp_path / "set", 3)
    (folder / "metadata.csv").write_text("file_name\n00.png\n02.png\n")
    with caplog.at_level(logging.WARNING):
        assert [level(sample) for sample in open_source(folder, cache_dir=cache)] == [0, 2]
    assert "holds 3 images, and its metadata names 2" in caplog.text
