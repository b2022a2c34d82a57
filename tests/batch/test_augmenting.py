import json
import os

import numpy as np
import pytest
import torch
from PIL import Image

from styleadapt.augment.style_augment import StyleAugment
from styleadapt.batch.augmenting import augment_photos, copied
from styleadapt.batch.photo_sources import FolderPhotos
from styleadapt.cli import main

from ..conftest import smooth_noise


@pytest.fixture
def classes(tmp_path):
    """Two photos of each of two classes, one of them transparent."""
    for n, name in enumerate(("cat/a.png", "cat/b.png", "dog/a.png", "dog/c.jpg")):
        file = tmp_path / "train" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        image = smooth_noise((40, 32), n)
        if name == "cat/b.png":
            image.putalpha(Image.linear_gradient("L").resize(image.size))
        image.save(file)
    return tmp_path / "train"


def pixels(folder) -> dict[str, np.ndarray]:
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".png", ".jpg"))
    return {path.relative_to(folder).as_posix(): np.array(Image.open(path)) for path in files}


def test_copies_keep_class_folders_names_sizes_and_transparency(classes, tmp_path):
    entries = augment_photos(StyleAugment(), FolderPhotos(classes), tmp_path / "out", {}, copies=2, seed=1)
    made = pixels(tmp_path / "out")
    assert list(made) == [
        *("cat/a-1.png", "cat/a-2.png", "cat/b-1.png", "cat/b-2.png", "dog/a-1.png", "dog/a-2.png", "dog/c-1.jpg", "dog/c-2.jpg")
    ]
    assert [entry.output for entry in entries] == list(made) and all(image.shape[:2] == (32, 40) for image in made.values())
    before = np.array(Image.open(classes / "cat" / "b.png"))
    assert np.array_equal(made["cat/b-1.png"][..., 3], before[..., 3])
    assert not np.array_equal(made["cat/b-1.png"][..., :3], before[..., :3])
    assert not np.array_equal(made["cat/a-1.png"], made["cat/a-2.png"])


def test_a_run_that_goes_on_makes_what_one_run_makes(classes, tmp_path):
    augment = StyleAugment(strength=(0.5, 0.9))
    augment_photos(augment, FolderPhotos(classes), tmp_path / "whole", {}, copies=2)
    whole = pixels(tmp_path / "whole")
    (tmp_path / "whole" / "dog" / "a-2.png").unlink()
    made: list[str] = []
    options = {"copies": 2, "callback": lambda progress: made.append(progress.entry.input)}
    augment_photos(augment, FolderPhotos(classes), tmp_path / "whole", {}, **options)
    assert made == ["dog/a.png copy 2"]
    again = pixels(tmp_path / "whole")
    assert whole.keys() == again.keys() and all(np.array_equal(whole[name], again[name]) for name in whole)


def test_another_seed_gives_other_pictures_and_is_refused_in_the_same_folder(classes, tmp_path):
    for seed in (0, 1):
        augment_photos(StyleAugment(), FolderPhotos(classes), tmp_path / str(seed), {}, seed=seed)
    one, other = pixels(tmp_path / "0"), pixels(tmp_path / "1")
    assert not any(np.array_equal(one[name], other[name]) for name in one)
    with pytest.raises(ValueError, match="`seed` is 2"):
        augment_photos(StyleAugment(), FolderPhotos(classes), tmp_path / "0", {}, seed=2)


def test_a_run_goes_on_where_the_codes_of_a_bank_are_rounded_otherwise(classes, tmp_path):
    for n in range(2):
        (tmp_path / str(n)).mkdir()
        smooth_noise((64, 64), n).save(tmp_path / str(n) / "style.png")
    augment = StyleAugment(bank=tmp_path / "0")
    augment_photos(augment, FolderPhotos(classes), tmp_path / "out", {})
    augment.bank = augment.bank * 1.0001
    made = []
    augment_photos(augment, FolderPhotos(classes), tmp_path / "out", {}, callback=made.append)
    assert not made
    with pytest.raises(ValueError, match="`bank` is"):
        augment_photos(StyleAugment(bank=tmp_path / "1"), FolderPhotos(classes), tmp_path / "out", {})


def test_a_file_name_that_is_no_utf_8_is_taken(tmp_path):
    (tmp_path / "train").mkdir()
    smooth_noise((40, 32), 0).save(os.fsdecode(os.fsencode(tmp_path / "train") + b"/caf\xe9.png"))
    (entry,) = augment_photos(StyleAugment(), FolderPhotos(tmp_path / "train"), tmp_path / "out", {})
    assert entry.error is None and (tmp_path / "out" / entry.output).is_file()


def test_copies_of_a_stream_are_not_counted_before_they_come(classes):
    stream = copied(iter(FolderPhotos(classes)), 3)
    assert not hasattr(stream, "__len__") and next(iter(stream)).name == "cat/a-1.png"
    assert len(copied(FolderPhotos(classes), 3)) == 12
    with pytest.raises(ValueError, match="copies"):
        augment_photos(StyleAugment(), FolderPhotos(classes), classes, {}, copies=0)


def test_the_command(classes, tmp_path, capsys):
    (classes / "dog" / "broken.png").write_bytes(b"nothing")
    out = tmp_path / "set"
    line = ["augment", classes, "-o", out, "--copies", 2, "--strength", 0.2, 0.4, "--output_format", "dataset", "--reject", 3]
    assert main([*map(str, line), "--device", "cpu"]) == 1
    told = capsys.readouterr()
    assert "8 copies" in told.out and "0 draws rejected" in told.out and "broken.png copy 1" in told.err
    rows = [json.loads(row) for row in (out / "train" / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 8 and (rows[0]["file_name"], rows[0]["label"]) == ("cat/a-1.png", "cat")
    with pytest.raises(SystemExit, match="lies in"):
        main(["augment", str(classes), "-o", str(classes / "out")])
    with pytest.raises(SystemExit):
        main(["augment", str(classes), "-o", str(tmp_path / "x"), "--copies", "0"])
    with pytest.raises(SystemExit, match="smaller one first"):
        main(["augment", str(classes), "-o", str(tmp_path / "x"), "--strength", "0.9", "0.1"])


def test_the_device_of_the_data_is_asked_for(classes, tmp_path, monkeypatch):
    seen = []
    augment = StyleAugment()
    paint = augment.augment
    monkeypatch.setattr(augment, "augment", lambda images, random: seen.append(images.device) or paint(images, random))
    augment_photos(augment, FolderPhotos(classes), tmp_path / "out", {}, device=torch.device("cpu"))
    assert seen == [torch.device("cpu")] * 4
