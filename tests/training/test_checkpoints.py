import os
import shutil

import pytest

from styleadapt.errors import ConfigError
from styleadapt.training.checkpoints import (
    checkpoint_step,
    complete_checkpoints,
    replace_folder,
    require_none_after,
    resolve_checkpoint,
    save_checkpoint,
)


def write(text):
    return lambda folder: (folder / "state").write_text(text)


def test_the_newest_is_found_and_the_oldest_go(tmp_path):
    for step in (5, 10, 100):
        save_checkpoint(tmp_path, step, write(str(step)), limit=2)
    assert [p.name for p in complete_checkpoints(tmp_path)] == ["checkpoint-10", "checkpoint-100"]
    assert (resolve_checkpoint(tmp_path, "latest") / "state").read_text() == "100"


def test_a_limit_of_0_keeps_all(tmp_path):
    for step in (1, 2, 3):
        save_checkpoint(tmp_path, step, write("state"), limit=0)
    assert [folder.name for folder in complete_checkpoints(tmp_path)] == ["checkpoint-1", "checkpoint-2", "checkpoint-3"]


def test_a_save_that_dies_leaves_the_one_before(tmp_path):
    save_checkpoint(tmp_path, 1, write("good"), limit=2)

    def die(folder):
        (folder / "state").write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError):
        save_checkpoint(tmp_path, 2, die, limit=2)
    assert resolve_checkpoint(tmp_path, "latest").name == "checkpoint-1"


def test_a_folder_without_its_mark_is_skipped(tmp_path):
    save_checkpoint(tmp_path, 1, write("good"), limit=2)
    (tmp_path / "checkpoint-9").mkdir()
    assert resolve_checkpoint(tmp_path, "latest").name == "checkpoint-1"
    with pytest.raises(FileNotFoundError, match="checkpoint-1"):
        resolve_checkpoint(tmp_path, "checkpoint-9")


def test_a_truncated_newest_checkpoint_is_skipped_with_a_warning(tmp_path, caplog):
    for step in (1, 2):
        save_checkpoint(tmp_path, step, write("a whole state"), limit=2)
    (tmp_path / "checkpoint-2" / "state").write_text("a wh")
    assert resolve_checkpoint(tmp_path, "latest").name == "checkpoint-1"
    assert "checkpoint-2: state has 4 bytes, 13 were written" in caplog.text
    with pytest.raises(FileNotFoundError, match="no complete checkpoint at checkpoint-2"):
        resolve_checkpoint(tmp_path, "checkpoint-2")


def test_latest_of_a_new_run_is_none(tmp_path):
    assert resolve_checkpoint(tmp_path / "new", "latest") is None


@pytest.mark.parametrize("mark", ["", "{", "{}", '{"state": 13', "[]"])
def test_a_cut_mark_is_no_mark(tmp_path, caplog, mark):
    for step in (1, 2):
        save_checkpoint(tmp_path, step, write("a whole state"), limit=2)
    (tmp_path / "checkpoint-2" / "complete").write_text(mark)
    assert resolve_checkpoint(tmp_path, "latest").name == "checkpoint-1"
    assert "checkpoint-2: its list of files, 'complete', is empty or cut" in caplog.text


def test_a_broken_checkpoint_takes_no_whole_ones_place(tmp_path):
    for step in (1, 2, 3):
        save_checkpoint(tmp_path, step, write("whole"), limit=3)
    (tmp_path / "checkpoint-3" / "state").write_text("")
    save_checkpoint(tmp_path, 4, write("whole"), limit=2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint-2", "checkpoint-4"]


def test_a_save_drops_no_checkpoint_of_a_later_step(tmp_path):
    save_checkpoint(tmp_path, 9, write("other"), limit=1)
    save_checkpoint(tmp_path, 2, write("this"), limit=1)
    assert [p.name for p in complete_checkpoints(tmp_path)] == ["checkpoint-2", "checkpoint-9"]


def test_another_runs_checkpoints_are_refused_by_name(tmp_path):
    for step in (2, 4):
        save_checkpoint(tmp_path, step, write("state"), limit=2)
    require_none_after(tmp_path, 4)
    for step, names in ((0, "checkpoint-2, checkpoint-4"), (2, "checkpoint-4")):
        with pytest.raises(ConfigError, match=rf"{tmp_path}.*\({names}\).*--resume_from_checkpoint latest.*delete them"):
            require_none_after(tmp_path, step)
    (tmp_path / "checkpoint-4" / "state").write_text("")
    require_none_after(tmp_path, 2)


@pytest.mark.parametrize("killed_in", ["rename", "replace", "rmtree"])
def test_a_kill_while_a_folder_is_replaced_loses_neither(tmp_path, monkeypatch, killed_in):
    """The name belongs to a whole folder or to none, and the next save takes the leftovers away."""
    best = tmp_path / "best"
    replace_folder(best, write("old"))

    def killed(*args, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if killed_in == "rename":
            patch.setattr(type(best), "rename", killed)
        elif killed_in == "replace":
            patch.setattr(os, "replace", killed)
        else:
            real = shutil.rmtree
            patch.setattr(shutil, "rmtree", lambda path, **options: killed() if path.is_dir() else real(path, **options))
        with pytest.raises(KeyboardInterrupt):
            replace_folder(best, write("new"))
    assert not best.exists() or (best / "state").read_text() in ("old", "new")

    def fails(folder):
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError):
        replace_folder(best, fails)
    assert (best / "state").read_text() == ("new" if killed_in == "rmtree" else "old")
    replace_folder(best, write("newer"))
    assert [p.name for p in tmp_path.iterdir()] == ["best"] and (best / "state").read_text() == "newer"


def test_a_save_clears_what_killed_saves_left_and_nothing_else(tmp_path):
    for name in ("tmp-checkpoint-3", "tmp-old-checkpoint-2", "tmp-shared-3", "tmp-shared-4", "tmp-notes", "tmp-checkpoint"):
        (tmp_path / name).mkdir()
    save_checkpoint(tmp_path, 4, write("state"), limit=1)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint-4", "tmp-checkpoint", "tmp-notes", "tmp-shared-4"]


def test_a_folder_of_another_name_is_no_checkpoint(tmp_path):
    with pytest.raises(ConfigError, match="no checkpoint folder; they are called checkpoint-STEP"):
        checkpoint_step(tmp_path / "mine")
