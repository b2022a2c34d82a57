import os

import datasets
import pytest

from styleadapt.batch.photo_sources import FolderPhotos, open_dataset_photos
from styleadapt.errors import ImageError, SourceError
from styleadapt.images.images import load_image

from ..data.made_sets import make_folder, make_parquet


def red(data) -> int:
    return load_image(data.encoded).getpixel((0, 0))[0]


def test_a_folder_is_read_file_by_file(tmp_path):
    photos = FolderPhotos(make_folder(tmp_path / "in", 4, classes=2))
    assert len(photos) == 4
    assert [photo.input for photo in photos] == ["c0/00.png", "c0/02.png", "c1/01.png", "c1/03.png"]
    assert [red(photo.read()) for photo in photos] == [0, 2, 1, 3]


def test_a_changed_file_is_another_version(tmp_path):
    photos = FolderPhotos(make_folder(tmp_path / "in", 1))
    (before,) = (photo.version for photo in photos)
    assert [photo.version for photo in photos] == [before]
    os.utime(tmp_path / "in" / "00.png", ns=(1, 1))
    (after,) = (photo.version for photo in photos)
    assert after != before


@pytest.mark.parametrize("streaming", [False, True])
def test_a_changed_row_is_another_version(tmp_path, streaming):
    def versions(kind) -> list[str]:
        photos = open_dataset_photos(str(tmp_path / kind), cache_dir=str(tmp_path / "cache"), streaming=streaming)
        return [photo.version for photo in photos]

    make_parquet(tmp_path / "rows", 3)
    make_folder(tmp_path / "files", 3)
    before = {kind: versions(kind) for kind in ("rows", "files")}
    assert before == {kind: versions(kind) for kind in before} and all(len(set(found)) == 3 for found in before.values())
    make_parquet(tmp_path / "rows", 3, broken=[1])
    os.utime(tmp_path / "files" / "01.png", ns=(1, 1))
    for kind, found in before.items():
        assert [old == new for old, new in zip(found, versions(kind), strict=True)] == [True, False, True]
    (tmp_path / "files" / "01.png").unlink()
    assert versions("files")[1] == before["files"][2], "the second row is now another file"


@pytest.fixture
def parquet(tmp_path) -> dict:
    return {"dataset_name": str(make_parquet(tmp_path / "set", 5, broken=[3])), "cache_dir": str(tmp_path / "cache")}


@pytest.mark.parametrize("streaming", [False, True])
def test_rows_are_named_by_number_or_by_a_column(parquet, streaming):
    photos = open_dataset_photos(**parquet, streaming=streaming)
    assert [(p.number, p.input, p.name) for p in photos][:2] == [(0, "row 0", "00000000"), (1, "row 1", "00000001")]
    named = open_dataset_photos(**parquet, streaming=streaming, name_column="caption")
    assert [(p.input, p.name) for p in named][4] == ("red 4 (row 4)", "red 4")
    numbered = open_dataset_photos(**parquet, streaming=streaming, name_column="label")
    assert [(p.input, p.name) for p in numbered][1] == ("1 (row 1)", "1")
    good = [photo.read() for photo in photos if photo.number != 3]
    assert [red(data) for data in good] == [0, 1, 2, 4]
    assert good[1].columns == {"label": 1, "caption": "red 1"}


def test_class_labels_are_given_by_name(tmp_path):
    folder = make_folder(tmp_path / "in", 4, classes=2)
    photos = open_dataset_photos(str(folder), cache_dir=str(tmp_path / "cache"))
    assert sorted((photo.read().columns["label"], red(photo.read())) for photo in photos) == [
        ("c0", 0), ("c0", 2), ("c1", 1), ("c1", 3)
    ]  # fmt: skip


def test_sub_folders_of_a_folder_are_classes(tmp_path):
    folder = make_folder(tmp_path / "in", 4, classes=2)
    (folder / "unlabeled").mkdir()
    (folder / "c1" / "03.png").rename(folder / "unlabeled" / "03.png")
    labels = [photo.read().columns for photo in FolderPhotos(folder)]
    assert labels == [{"label": "c0"}, {"label": "c0"}, {"label": "c1"}, {}]
    (folder / "c0" / "00.png").rename(folder / "00.png")
    assert not any(photo.read().columns for photo in FolderPhotos(folder)), "not every photo lies in a sub-folder"


@pytest.mark.parametrize("streaming", [False, True])
def test_a_row_without_an_image_fails_when_it_is_read(tmp_path, streaming):
    rows = {"image": [None, {"bytes": b"x", "path": None}], "weight": [0.5, 1.5]}
    features = datasets.Features({"image": datasets.Image(), "weight": datasets.Value("float32")})
    (tmp_path / "set").mkdir()
    datasets.Dataset.from_dict(rows, features).to_parquet(tmp_path / "set" / "0.parquet")
    photos = list(open_dataset_photos(str(tmp_path / "set"), cache_dir=str(tmp_path / "cache"), streaming=streaming))
    with pytest.raises(ImageError, match="no image in this row"):
        photos[0].read()
    assert photos[1].read().encoded == b"x" and photos[1].read().columns == {"weight": 1.5}


@pytest.mark.parametrize(
    "option, message",
    [
        ({"name_column": "title"}, "`name_column` is 'title'; the columns of .* are picture, label, caption"),
        ({"name_column": "picture"}, "`name_column` is 'picture', which holds a structure; names are text or whole numbers"),
        ({"image_column": "caption"}, "`image_column` is 'caption', which holds string and no images"),
        ({"split": "test"}, "cannot load .*test"),
        ({"dataset_name": "nowhere/at-all"}, "cannot load nowhere/at-all"),
    ],
)
def test_what_cannot_be_opened_is_refused_in_one_line(parquet, option, message):
    with pytest.raises(SourceError, match=message) as refused:
        open_dataset_photos(**{**parquet, **option})
    assert "\n" not in str(refused.value)
