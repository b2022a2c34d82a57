import pytest
from PIL import Image

from ..conftest import smooth_noise


def test_a_folder_with_a_bad_file_goes_on_and_lists_it(command, repo, painting, tmp_path):
    painting.save(tmp_path / "style.png")
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        smooth_noise((40, 30), 0).save(tmp_path / folder / "same.png")
    (tmp_path / "a" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    done = command(
        "stylize", "--content", tmp_path / "a", tmp_path / "b", "--style", tmp_path / "style.png", "--output", tmp_path / "out",
        "--pretrained_model_name_or_path", repo,
    )  # fmt: skip
    assert done.returncode == 1 and "1 of 3 photos failed" in done.stderr and "broken.jpg" in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["same-2.png", "same.png"]
    assert Image.open(tmp_path / "out" / "same.png").size == (40, 30)


def test_one_photo_to_one_file_at_a_strength(command, repo, painting, tmp_path):
    painting.save(tmp_path / "style.png")
    smooth_noise((40, 30), 0).save(tmp_path / "p.png")
    done = command(
        "stylize", "--content", tmp_path / "p.png", "--style", tmp_path / "style.png", "--strength", 0,
        "--output", tmp_path / "o.png", "--pretrained_model_name_or_path", repo,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert Image.open(tmp_path / "o.png").tobytes() == Image.open(tmp_path / "p.png").tobytes()


def test_without_style_or_adapter_it_says_so(command, tmp_path):
    done = command("stylize", "--content", "p.png", "--output", "o.png")
    assert done.returncode == 2 and "--style, --adapter" in done.stderr


def test_an_unreadable_style_ends_with_one_line(command, repo, tmp_path):
    smooth_noise((40, 30), 0).save(tmp_path / "p.png")
    options = ("--style", "absent.jpg", "--output", "o.png", "--pretrained_model_name_or_path", repo)
    done = command("stylize", "--content", tmp_path / "p.png", *options)
    assert done.returncode == 1 and "absent.jpg" in done.stderr and "Traceback" not in done.stderr


@pytest.fixture
def folder(painting, tmp_path):
    """A folder with two photos, and a style image beside it; `p.png` is the first photo."""
    painting.save(tmp_path / "style.png")
    (tmp_path / "photos").mkdir()
    for name in ("p.png", "q.jpg"):
        smooth_noise((40, 30), 0).save(tmp_path / "photos" / name)
    return tmp_path / "photos"


@pytest.mark.parametrize(
    "content, output, message",
    [
        ("photos/p.png", "photos/p.png", "photos/p.png would overwrite"),
        ("photos/p.png", "photos", "photos/p.png would overwrite"),
        ("photos", "photos/../photos", "p.png would overwrite"),
        ("photos/p.png", "style.png", "style.png would overwrite"),
        ("photos/p.png", "out.heic", "'.heic' is no image extension; use one of .jpg, .jpeg, .png"),
        ("photos", "out.v2", "'.v2' is no image extension"),
        ("photos", "out.png", "out.png is one file"),
    ],
)
def test_a_bad_output_is_refused_before_any_work(refusal, folder, content, output, message):
    before = {path: path.read_bytes() for path in folder.iterdir()}
    root = folder.parent
    line = refusal("stylize", "--content", root / content, "--style", root / "style.png", "--output", root / output)
    assert message in line and "\n" not in line
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_link_does_not_hide_the_photo(refusal, folder):
    link = folder.parent / "link.png"
    link.symlink_to(folder / "p.png")
    line = refusal("stylize", "--content", folder / "p.png", "--style", folder.parent / "style.png", "--output", link)
    assert "would overwrite" in line


def test_a_folder_with_a_dot_in_its_name_is_a_folder_once_it_exists(command, folder, repo):
    (folder.parent / "out.png").mkdir()
    options = ("--style", folder.parent / "style.png", "--pretrained_model_name_or_path", repo, "--device", "cpu")
    done = command("stylize", "--content", folder / "p.png", "--output", folder.parent / "out.png", *options)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (folder.parent / "out.png").iterdir()] == ["p.png"]


@pytest.mark.parametrize("option, value", [("--strength", "1.5"), ("--strength", "nan"), ("--max_size", "0")])
def test_a_number_out_of_range_is_reported_before_any_work(refusal, option, value):
    line = refusal("stylize", "--content", "p.png", "--style", "style.png", "--output", "out", option, value)
    assert f"{option} is {value}" in line


def test_an_unusable_device_ends_with_one_line(refusal):
    line = refusal("stylize", "--content", "p.png", "--style", "style.png", "--output", "out", "--device", "toaster")
    assert "'toaster' cannot be used here" in line and "\n" not in line
