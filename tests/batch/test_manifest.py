import os

import pytest

from styleadapt.batch.manifest import Entry, Manifest, fingerprint, prepare_folder
from styleadapt.errors import ManifestError


def entry(number: int, output: str | None, **values) -> Entry:
    return Entry(number, f"{number}.png", "", output, "f00", **values)


def test_entries_of_all_processes_are_merged_in_the_photos_order(tmp_path):
    for part, numbers in enumerate([(4, 0, 2), (3, 1)]):
        with Manifest(tmp_path, part) as manifest:
            for number in numbers:
                manifest.add(entry(number, f"{number}.png"))
    assert [e.number for e in Manifest(tmp_path, 0).merge(())] == [0, 1, 2, 3, 4]
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.jsonl"]
    assert list(Manifest(tmp_path, 7).entries) == [f"{n}.png" for n in range(5)]


def test_the_last_entry_of_a_photo_and_of_a_result_stands(tmp_path):
    with Manifest(tmp_path, 0) as later, Manifest(tmp_path, 1) as earlier:
        later.add(entry(0, "0.png", finished=20.0, seconds=2.0))
        later.add(Entry(9, "new.png", "", "1.png", "f00", finished=21.0))
        earlier.add(entry(0, None, finished=10.0, error="is empty"))
        earlier.add(entry(1, "1.png", finished=11.0))
    merged = Manifest(tmp_path, 0).merge(())
    assert [(e.input, e.output) for e in merged] == [("0.png", "0.png"), ("new.png", "1.png")]
    assert merged[0].error is None and merged[0].seconds == 2.0


def test_failures_stay_while_their_photos_do(tmp_path):
    with Manifest(tmp_path, 0) as manifest:
        manifest.add(entry(0, None, error="is empty"))
        manifest.add(entry(1, None, error="is empty"))
    assert [e.input for e in Manifest(tmp_path, 0).merge({"1.png"})] == ["1.png"]


def test_what_is_no_entry_is_not_read(tmp_path):
    lines = ["null", "[]", "{}", '{"number": 1}', "no json", "\0\xff", entry(0, "0.png").line().strip(), '{"numb']
    (tmp_path / "manifest.part-0.jsonl").write_bytes("\n".join(lines).encode("latin1"))
    with Manifest(tmp_path, 0) as manifest:
        assert list(manifest.entries) == ["0.png"]
        manifest.add(entry(1, "1.png"))
    assert list(Manifest(tmp_path, 0).entries) == ["0.png", "1.png"], "a new entry does not join half a line"


def test_settings_that_are_damaged_or_of_another_kind_are_reported(tmp_path):
    prepare_folder(tmp_path / "out", {"a": [1, 2.5, None]})
    prepare_folder(tmp_path / "out", {"a": [1, 2.5, None]})
    with pytest.raises(ManifestError, match="`b` is 1, but .* were made with None"):
        prepare_folder(tmp_path / "out", {"a": [1, 2.5, None], "b": 1})
    for text in ("[1]", "{", ""):
        (tmp_path / "out" / "settings.json").write_text(text)
        with pytest.raises(ManifestError, match="settings.json is damaged"):
            prepare_folder(tmp_path / "out", {"a": 1})


def test_what_a_full_disk_and_the_finder_leave_is_nothing(tmp_path, monkeypatch):
    def full(*paths):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(os, "replace", full)
        prepare_folder(tmp_path, {})
    assert not list(tmp_path.iterdir())
    for name in (".0123.partial", ".DS_Store"):
        (tmp_path / name).touch()
    prepare_folder(tmp_path, {})
    assert sorted(path.name for path in tmp_path.iterdir()) == [".DS_Store", "settings.json"]


def test_a_fingerprint_depends_on_values_alone():
    assert fingerprint({"a": 1, "b": None}) == fingerprint({"b": None, "a": 1}) != fingerprint({"a": 1, "b": 0})
