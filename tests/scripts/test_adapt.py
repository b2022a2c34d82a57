import pytest
from PIL import Image

from ..conftest import smooth_noise


def test_adapt_then_stylize_with_the_adapter(command, repo, painting, image_folders, tmp_path):
    painting.save(tmp_path / "style.png")
    smooth_noise((40, 30), 0).save(tmp_path / "p.png")
    adapter, base = tmp_path / "new" / "a.safetensors", ("--pretrained_model_name_or_path", repo)
    style = ("--style", tmp_path / "style.png", "--content", image_folders[0])
    done = command("adapt", *style, "--steps", 2, "--output", adapter, *base, "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert "2 steps" in done.stdout and "style" in done.stdout and adapter.stat().st_size < 1 << 20
    assert all(f"\n{figure}: " in done.stdout for figure in ("Style gained", "Content kept", "Memorization"))
    options = ("--adapter", adapter, "--adapter_weight", 0.5, "--output", tmp_path / "o.png", *base)
    done = command("stylize", "--content", tmp_path / "p.png", *options)
    assert done.returncode == 0, done.stderr
    assert Image.open(tmp_path / "o.png").size == (40, 30)


def test_the_wrong_suffix_is_refused_before_any_work(command):
    done = command("adapt", "--style", "a.png", "--output", "a.pt")
    assert done.returncode == 2 and ".safetensors" in done.stderr


def test_an_empty_content_folder_ends_with_one_line(command, repo, painting, tmp_path):
    painting.save(tmp_path / "style.png")
    (tmp_path / "empty").mkdir()
    options = ("--content", tmp_path / "empty", "--output", tmp_path / "a.safetensors", "--pretrained_model_name_or_path", repo)
    done = command("adapt", "--style", tmp_path / "style.png", *options)
    assert done.returncode == 1 and "no image file" in done.stderr and "Traceback" not in done.stderr


def test_an_unusable_device_ends_with_one_line(refusal, tmp_path):
    line = refusal("adapt", "--style", "a.png", "--output", tmp_path / "new" / "a.safetensors", "--device", "toaster")
    assert "'toaster' cannot be used here" in line and "\n" not in line
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("output, reason", [("file/a.safetensors", "Not a directory"), ("folder.safetensors", "Is a directory")])
def test_an_output_that_cannot_be_written_is_refused_before_any_work(refusal, tmp_path, output, reason):
    (tmp_path / "file").touch()
    (tmp_path / "folder.safetensors").mkdir()
    line = refusal("adapt", "--style", "a.png", "--output", tmp_path / output, "--device", "cpu")
    assert reason in line and "\n" not in line
