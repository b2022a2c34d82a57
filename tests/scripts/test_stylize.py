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
