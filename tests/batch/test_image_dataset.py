"""Results as a data set: opened by `datasets` without a network, and published to a stand-in for the Hub."""

import json
import os

import datasets
import huggingface_hub
import pytest
from PIL import Image

from styleadapt.batch import image_dataset
from styleadapt.batch.image_dataset import dataset_card, push_image_dataset, write_image_dataset
from styleadapt.batch.photo_sources import FolderPhotos, open_dataset_photos
from styleadapt.batch.stylizing import make_pictures
from styleadapt.errors import HubError
from styleadapt.images.images import load_image

from ..data.made_sets import make_folder, make_parquet
from ..hub.fake_hub import TOKEN, Fault, connected

SETTINGS = {"strength": 0.5, "preserve_color": False, "format | x": "a\nb"}


@pytest.fixture
def hub(monkeypatch):
    yield from connected(monkeypatch)


def made(photos, folder) -> str:
    entries = make_pictures(lambda data: load_image(data.encoded), photos, folder, SETTINGS, subfolder="train")
    write_image_dataset(folder, entries, SETTINGS)
    return str(folder)


@pytest.mark.parametrize("streaming", [False, True])
def test_datasets_opens_what_was_made_of_a_data_set(tmp_path, streaming):
    source = make_parquet(tmp_path / "set", 5, broken=[3])
    photos = open_dataset_photos(str(source), name_column="caption", cache_dir=str(tmp_path / "c"), streaming=streaming)
    out = made(photos, tmp_path / "out")
    loaded = datasets.load_dataset(out, split="train", cache_dir=str(tmp_path / "c"))
    assert loaded["caption"][:] == ["red 0", "red 1", "red 2", "red 4"] and loaded["label"][:] == [0, 1, 0, 0]
    assert loaded["input"][:] == ["red 0 (row 0)", "red 1 (row 1)", "red 2 (row 2)", "red 4 (row 4)"]
    assert [row["image"].getpixel((0, 0))[0] for row in loaded] == [0, 1, 2, 4]
    streamed = datasets.load_dataset(out, split="train", streaming=True)
    assert [row["image"].getpixel((0, 0))[0] for row in streamed] == [0, 1, 2, 4]


def test_labels_that_are_unknown_are_empty_and_names_of_files_are_no_pictures(tmp_path, caplog):
    names = ["x.jpg", "y.jpg", "z.jpg"]
    rows = {"image": [Image.new("RGB", (4, 4))] * 3, "label": [0, -1, 1], "orig_file_name": names, "orig_filename": ["a"] * 3}
    features = datasets.Features(
        image=datasets.Image(),
        label=datasets.ClassLabel(names=["cat", "dog"]),
        orig_file_name=datasets.Value("string"),
        orig_filename=datasets.Value("string"),
    )
    (tmp_path / "set").mkdir()
    datasets.Dataset.from_dict(rows, features).to_parquet(tmp_path / "set" / "0.parquet")
    out = made(open_dataset_photos(str(tmp_path / "set"), cache_dir=str(tmp_path / "c")), tmp_path / "out")
    assert "the column orig_file_name is called orig_filename_" in caplog.text
    loaded = datasets.load_dataset(out, split="train", cache_dir=str(tmp_path / "c"))
    assert loaded["label"][:] == ["cat", None, "dog"] and all(row["image"] for row in loaded)
    assert loaded["orig_filename_"][:] == names and loaded["orig_filename"][:] == ["a"] * 3


def test_classes_of_a_folder_are_labels(tmp_path):
    out = made(FolderPhotos(make_folder(tmp_path / "in", 3, classes=2)), tmp_path / "out")
    loaded = datasets.load_dataset(out, split="train", cache_dir=str(tmp_path / "c"))
    assert sorted(zip(loaded["input"][:], loaded["label"][:])) == [("c0/00.png", "c0"), ("c0/02.png", "c0"), ("c1/01.png", "c1")]


def test_the_card_tells_zeros():
    text = dataset_card("user/reds", 1, {"seed": 0, "mask_feather": 0.0, "strip": False, "mask": None}).text
    assert "| `seed` | 0 |" in text and "| `mask_feather` | 0.0 |" in text and "strip" not in text and "`mask`" not in text


def test_words_in_file_names_make_no_splits(tmp_path):
    folder = tmp_path / "in"
    for name in ("test/0.png", "valid/train/1.png", "__hidden/2.png", ".hidden/3.png", "dev.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(folder / name)
    loaded = datasets.load_dataset(made(FolderPhotos(folder), tmp_path / "out"), cache_dir=str(tmp_path / "c"))
    assert list(loaded) == ["train"] and set(loaded["train"]["input"]) == {p.input for p in FolderPhotos(folder)}
    assert len(loaded["train"]) == 4  # hidden folders are passed over


def test_pictures_metadata_and_card_are_published_and_nothing_else(hub, tmp_path):
    out = made(FolderPhotos(make_folder(tmp_path / "in", 3, broken=[1])), tmp_path / "out")
    (tmp_path / "out" / ".secret").touch()
    options = {"token": TOKEN, "endpoint": hub.endpoint, "license": "cc-by-4.0", "private": True}
    address = push_image_dataset(out, "user/reds", SETTINGS, **options)
    assert address.endswith("/user/reds/commit/abc") and hub.visibility == {"user/reds": "private"}
    published = {path: data for (repo, branch, path), data in hub.files.items() if (repo, branch) == ("user/reds", "main")}
    assert sorted(published) == ["README.md", "train/00.png", "train/02.png", "train/metadata.jsonl"]
    assert published["train/02.png"] == (tmp_path / "out" / "train" / "02.png").read_bytes()
    card = published["README.md"].decode()
    assert 'load_dataset("user/reds", split="train")' in card and "2 photos" in card and "license: cc-by-4.0" in card
    assert "| `strength` | 0.5 |" in card and "preserve_color" not in card
    assert any(request.startswith("POST /api/datasets/user/reds/commit/main") for request in hub.requests)
    assert datasets.load_dataset(out, split="train", cache_dir=str(tmp_path / "c")).num_rows == 2, "it still opens here"


def test_a_failure_that_passes_is_tried_again_and_one_that_stays_is_one_line(hub, tmp_path):
    out = made(FolderPhotos(make_folder(tmp_path / "in", 1)), tmp_path / "out")
    hub.faults = [Fault("commit", 503, times=1)]
    push_image_dataset(out, "user/reds", SETTINGS, token=TOKEN, endpoint=hub.endpoint)
    assert 1.0 in hub.waits and ("user/reds", "main", "train/00.png") in hub.files
    with pytest.raises(HubError, match="could not create the data set stranger/reds: the token may not write") as refused:
        push_image_dataset(out, "stranger/reds", SETTINGS, token=TOKEN, endpoint=hub.endpoint)
    assert "\n" not in str(refused.value) and TOKEN not in str(refused.value)


def test_off_line_it_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    out = made(FolderPhotos(make_folder(tmp_path / "in", 1)), tmp_path / "out")
    with pytest.raises(HubError, match="HF_HUB_OFFLINE is set"):
        push_image_dataset(out, "user/reds", SETTINGS, token=TOKEN)


def test_more_files_than_the_hub_takes_are_refused_before_anything_is_sent(hub, monkeypatch, tmp_path):
    monkeypatch.setattr(image_dataset, "_MOST_FILES_A_FOLDER", 2)
    out = made(FolderPhotos(make_folder(tmp_path / "in", 2)), tmp_path / "out")
    with pytest.raises(HubError, match=r"holds 3 files, and the Hub takes 2 a folder: .*push_to_hub\('user/reds'\)"):
        push_image_dataset(out, "user/reds", SETTINGS, token=TOKEN, endpoint=hub.endpoint)
    assert hub.requests == []


def test_a_file_name_that_is_no_utf_8_spoils_nothing(tmp_path):
    folder = make_folder(tmp_path / "in", 2)
    (folder / "00.png").rename(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.png"))
    out = made(FolderPhotos(folder), tmp_path / "out")
    loaded = datasets.load_dataset(out, split="train", cache_dir=str(tmp_path / "c"))
    assert sorted(loaded["input"][:]) == ["01.png", "caf\\udce9.png"]


def test_numbers_that_json_does_not_know_become_empty(tmp_path):
    rows = {"image": [Image.new("RGB", (4, 4))] * 2, "weight": [float("nan"), 1.5], "file_name": ["x", "y"]}
    (tmp_path / "set").mkdir()
    features = datasets.Features(
        {"image": datasets.Image(), "weight": datasets.Value("float32"), "file_name": datasets.Value("string")}
    )
    datasets.Dataset.from_dict(rows, features).to_parquet(tmp_path / "set" / "0.parquet")
    out = made(open_dataset_photos(str(tmp_path / "set"), cache_dir=str(tmp_path / "c")), tmp_path / "out")
    lines = [json.loads(line) for line in (tmp_path / "out" / "train" / "metadata.jsonl").read_text().splitlines()]
    assert [(line["weight"], line["file_name"]) for line in lines] == [(None, "00000000.png"), (1.5, "00000001.png")]
    assert datasets.load_dataset(out, split="train", cache_dir=str(tmp_path / "c"))["weight"][:] == [None, 1.5]
