import os
import time

import anyio
import gradio as gr
import pytest

from styleadapt.ui import disk
from styleadapt.ui.disk import housekeeping, own_cache, tidy, tidy_all


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


def put(folder, name, size=100, age=0.0):
    """A file in a folder of its own, as gradio stores it, last changed `age` seconds ago."""
    (folder / name).mkdir()
    path = folder / name / "picture.png"
    path.write_bytes(bytes(size))
    os.utime(path, (time.time() - age,) * 2)
    return path


@pytest.fixture
def ages(monkeypatch):
    """Let the age of a file be that of its content: a test cannot set the other time of a file."""
    monkeypatch.setattr(disk, "_changed", lambda state: state.st_mtime)


def test_old_files_go_and_young_ones_stay(cache, ages):
    old, young = put(cache, "a", age=100), put(cache, "b", age=10)
    tidy(cache, lifetime=50)
    assert not old.exists() and young.exists()


def test_the_oldest_go_when_all_are_too_large(cache, ages):
    files = [put(cache, name, age=age) for name, age in (("a", 3), ("b", 1), ("c", 2))]
    tidy(cache, quota=250)
    assert [file.exists() for file in files] == [False, True, True]


def test_what_the_page_itself_shows_stays(cache, ages):
    shown, other = put(cache, "a", age=100), put(cache, "b", age=100)
    tidy(cache, kept={str(shown)}, lifetime=50, quota=0)
    assert shown.exists() and not other.exists()


def test_a_broken_off_upload_goes_too(cache, ages):
    part = cache / "tmp1234"
    part.write_bytes(b"half")
    os.utime(part, (time.time() - 100,) * 2)
    tidy(cache, lifetime=50)
    assert not part.exists()


def test_empty_folders_go_but_not_one_that_was_just_made(cache):
    (cache / "new").mkdir()
    (cache / "old" / "inner").mkdir(parents=True)
    for folder in (cache / "old" / "inner", cache / "old"):
        os.utime(folder, (time.time() - 1000,) * 2)
    tidy(cache)
    # what held another one has changed just now
    assert [path.name for path in cache.iterdir() if path.name != "old"] == ["new"]
    assert not (cache / "old" / "inner").exists()
    assert cache.exists()


def test_an_absent_folder_is_nothing(tmp_path):
    tidy(tmp_path / "absent")


def test_gradio_forgets_files_that_are_gone(cache, visitors):
    with gr.Blocks() as blocks:
        gr.Image()
    blocks.visitors = visitors
    here, gone = put(cache, "a"), cache / "b"
    blocks.upload_file_set.update({str(here), str(gone)})
    tidy_all(blocks)
    assert blocks.upload_file_set == {str(here)}


def test_a_server_tidies_while_it_runs_and_goes_on_after_a_failure(monkeypatch):
    calls = []

    def fail(blocks):
        calls.append(blocks)
        raise OSError("disk")

    monkeypatch.setattr(disk, "tidy_all", fail)
    monkeypatch.setattr(disk, "TIDY_EVERY", 0.001)

    class Server:
        def get_blocks(self):
            return "blocks"

    async def serve():
        async with housekeeping(Server()):
            with anyio.fail_after(10):
                while len(calls) < 2:
                    await anyio.sleep(0.001)

    anyio.run(serve)
    assert calls[:2] == ["blocks", "blocks"]


def test_the_cache_is_a_folder_of_this_app_unless_the_user_names_one(monkeypatch, tmp_path):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    own_cache()
    assert os.environ["GRADIO_TEMP_DIR"] == str(tmp_path)
    monkeypatch.delenv("GRADIO_TEMP_DIR")
    own_cache()
    assert "styleadapt" in os.environ["GRADIO_TEMP_DIR"]
