import logging
import os
from types import SimpleNamespace

import pytest

from styleadapt.images import image_files
from styleadapt.images.image_files import list_files, list_images


def make(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def listed(folder):
    return [file.relative_to(folder).as_posix() for file in list_images(folder)]


def test_files_are_found_below_the_folder_sorted(tmp_path):
    make(tmp_path, "b.PNG", "a.jpg", "sub/c.webp", "notes.txt")
    assert listed(tmp_path) == ["a.jpg", "b.PNG", "sub/c.webp"]


def test_missing_and_empty_folders_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no image"):
        list_images(tmp_path)
    with pytest.raises(FileNotFoundError, match="absent"):
        list_images(tmp_path / "absent")


@pytest.mark.parametrize(
    "name",
    [
        *("a.jfif", "a.JPE", "a.avif", "a.jp2", "a.j2k", "a.mpo", "a.apng", "a.dib", "a.pgm", "a.ppm"),
        *("a.HEIC", "a.heif", "a.nef", "a.CR3", "a.dng", "a.psd", "a.jxl", "a.tga", "a.svg"),
    ],
)
def test_what_looks_like_an_image_is_listed_whether_it_can_be_read_or_not(tmp_path, name):
    make(tmp_path, name)
    assert listed(tmp_path) == [name]


def test_what_systems_keep_beside_images_is_passed_over(tmp_path):
    make(tmp_path, "a.png", "._a.png", ".hidden.jpg", "dir.jpg/b.png")
    for folder in (".ipynb_checkpoints", ".thumbnails", "@eaDir", "__MACOSX", "$RECYCLE.BIN", "sub/@eaDir/a.png"):
        make(tmp_path / folder, "a.png")
    assert listed(tmp_path) == ["a.png", "dir.jpg/b.png"]


def test_a_folder_may_itself_be_hidden_or_a_link(tmp_path):
    make(tmp_path / ".photos", "a.png")
    (tmp_path / "link").symlink_to(tmp_path / ".photos")
    assert listed(tmp_path / ".photos") == listed(tmp_path / "link") == ["a.png"]


def test_linked_folders_are_entered_once_and_cycles_end(tmp_path):
    make(tmp_path / "elsewhere", "b.png")
    make(tmp_path / "in", "z/a.png")
    (tmp_path / "in" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in" / "again").symlink_to(tmp_path / "in" / "z")
    (tmp_path / "in" / "z" / "up").symlink_to(tmp_path / "in")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "in")
    assert listed(tmp_path / "in") == ["linked/b.png", "z/a.png"]


def test_a_dangling_link_to_an_image_is_listed_so_that_it_fails_by_name(tmp_path):
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    assert listed(tmp_path) == ["gone.png", "loop.png"]


def test_a_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch, caplog):
    make(tmp_path, "a.png", "locked/b.png")

    def scandir(folder):
        if folder.name == "locked":
            raise PermissionError(13, "Permission denied", str(folder))
        return os.scandir(folder)

    monkeypatch.setattr(image_files, "os", SimpleNamespace(scandir=scandir, path=os.path))
    with caplog.at_level(logging.WARNING):
        assert [file.name for file in list_files(tmp_path)] == ["a.png"]
    assert "locked cannot be read: Permission denied" in caplog.text
    with pytest.raises(PermissionError, match="locked"):
        list_files(tmp_path / "locked")


def test_a_folder_that_can_be_listed_but_not_entered_ends_nothing(tmp_path, monkeypatch, caplog):
    make(tmp_path, "a.png", "locked/b.png", "locked/deeper/c.png")
    stat = os.stat

    def refused(path, *arguments, **options):
        if "/locked/" in os.fsdecode(path):
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, *arguments, **options)

    monkeypatch.setattr(os, "stat", refused)
    assert [file.name for file in list_files(tmp_path)] == ["a.png", "b.png"]
    assert "deeper cannot be read: Permission denied" in caplog.text
