import pytest

from styleadapt.images.whole_files import check_writable, write_whole


@pytest.mark.parametrize("name", ["a.bin", "n" * 240 + ".safetensors"])
def test_a_file_is_written_under_any_name_that_the_system_takes(tmp_path, name):
    check_writable(tmp_path / "new" / name)
    assert not list((tmp_path / "new").iterdir())
    write_whole(tmp_path / "new" / name, b"data")
    assert [file.read_bytes() for file in (tmp_path / "new").iterdir()] == [b"data"]


def test_what_cannot_be_written_is_known_before(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for name, reason in (("file/a.bin", "Not a directory: .*file"), ("folder", "Is a directory: .*folder"), ("n" * 300, "nnn")):
        with pytest.raises(OSError, match=reason):
            check_writable(tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_a_folder_that_is_read_only_is_known_before(tmp_path, monkeypatch):
    def touch(self, **options):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr("pathlib.Path.touch", touch)
    with pytest.raises(PermissionError, match=r"a\.bin"):
        check_writable(tmp_path / "a.bin")
