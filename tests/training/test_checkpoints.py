import pytest

from styleadapt.training.checkpoints import complete_checkpoints, resolve_checkpoint, save_checkpoint


def write(text):
    return lambda folder: (folder / "state").write_text(text)


def test_the_newest_is_found_and_the_oldest_go(tmp_path):
    for step in (5, 10, 100):
        save_checkpoint(tmp_path, step, write(str(step)), limit=2)
    assert [p.name for p in complete_checkpoints(tmp_path)] == ["checkpoint-10", "checkpoint-100"]
    assert (resolve_checkpoint(tmp_path, "latest") / "state").read_text() == "100"


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
