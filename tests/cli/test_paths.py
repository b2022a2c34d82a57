from pathlib import Path

import pytest

from styleadapt.cli.paths import check_not_read, check_outside


@pytest.fixture(autouse=True)
def disk_that_minds_case(tmp_path):
    """On which two names can be given to one file by hand."""
    (tmp_path / "a").touch()
    if (tmp_path / "A").exists():
        pytest.skip("this disk ignores case")


def test_a_photo_is_not_overwritten_under_another_of_its_names(tmp_path):
    photo, other = tmp_path / "IMG.JPG", tmp_path / "IMG.jpg"
    photo.write_bytes(b"photo")
    check_not_read([other], [photo, tmp_path / "gone.jpg"])
    # a second name, as every name in other letters is on a disk that ignores case
    other.hardlink_to(photo)
    with pytest.raises(ValueError, match="IMG.jpg would overwrite a file that is read"):
        check_not_read([tmp_path / "new.jpg", other], [photo])


def test_results_do_not_lie_in_the_folder_of_photos_under_another_of_its_names(tmp_path, monkeypatch):
    (tmp_path / "Photos").mkdir()
    (tmp_path / "PHOTOS").symlink_to(tmp_path / "Photos")
    # on a disk that ignores case both are names of the folder, and neither leads to the other
    monkeypatch.setattr(Path, "resolve", Path.absolute)
    for output in (tmp_path / "PHOTOS", tmp_path / "PHOTOS" / "new" / "out"):
        with pytest.raises(ValueError, match="lies in the folder of photos"):
            check_outside(str(output), str(tmp_path / "Photos"))
    check_outside(str(tmp_path / "Photos-2"), str(tmp_path / "Photos"))
