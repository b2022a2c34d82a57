import unicodedata
from pathlib import PurePosixPath, PureWindowsPath

import pytest

from styleadapt.batch.result_names import ResultNames, portable_name

HOSTILE = [
    "../../etc/passwd", "/etc/passwd", "..", ".", "", "   ", "a/../../b", "..\\..\\windows\\win.ini", "C:\\x.png", "C:x.png",
    "\\\\host\\share\\x", "a\0b.png", "line\nbreak", "con", "CON.png", "nul.tar.gz", "com1", "COM¹.txt", "aux .png", "lpt9/x.jpg",
    "conin$", "trailing. . .", "a:b*c?.jpg", ".git/config", ".hidden.png", "__MACOSX/x.png", "~", "-rf", "x" * 5000,
    "ü" * 300 + ".png", "a/" * 300 + "x", "\u202egnp.exe", "\ud800broken", "...", "/", "\\", ".png", "a/.png", "con.",
    "%2e%2e%2fetc", "x\x7f", "/" * 50,
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_leaves_its_folder_or_offends_a_file_system(name, tmp_path):
    made = portable_name(name)
    path = PurePosixPath(made)
    assert made and not path.is_absolute() and not PureWindowsPath(made).is_absolute() and not PureWindowsPath(made).drive
    assert len(path.parts) <= 8
    for part in path.parts:
        assert part not in ("", ".", "..") and not part.startswith(".") and not part.endswith((" ", "."))
        assert part.isprintable() and not set(part) & set('<>:"|?*\\') and len(part.encode()) <= 120
        assert part.split(".")[0].strip().lower() not in ("con", "aux", "nul", "com1", "com¹", "lpt9", "conin$")
    target = tmp_path / f"{made}.png"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.touch()
    assert target.resolve().is_relative_to(tmp_path.resolve())
    assert portable_name(made) == made, "a portable name stays as it is"


@pytest.mark.parametrize("name", ["cat", "holiday/2020/cat", "v1.5", "Ærø – sommer (2)", "写真", "a_b-c", "_x", "a__b"])
def test_a_portable_name_is_kept(name):
    assert portable_name(name) == name
    assert portable_name(f"{name}.jpg") == name
    assert portable_name(f"{name}.JPEG") == name


def test_a_folder_is_never_called_as_a_picture():
    assert portable_name("a.png/b.PNG") == "a.png_/b"


def test_names_that_are_cut_stay_different():
    assert portable_name("x" * 500 + "1") != portable_name("x" * 500 + "2")


def test_all_names_are_different_whatever_the_case_and_the_composition():
    composed, decomposed = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
    wanted = ["a", "a", "A", "a-2", "a.jpg", "straße", "STRASSE", composed, decomposed, "..", "_", "b/a", "B/A", "con", "con_"]
    names = ResultNames()
    taken = [names.take(name) for name in wanted]
    assert len({unicodedata.normalize("NFC", name.casefold()) for name in taken}) == len(wanted)
    assert taken[:5] == ["a", "a-2", "A-3", "a-2-2", "a-4"]


def test_many_of_one_name_take_no_longer_than_many_names():
    names = ResultNames()
    assert [names.take("x") for _ in range(20_000)][-1] == "x-20000"
