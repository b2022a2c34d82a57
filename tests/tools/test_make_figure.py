import pytest
from PIL import Image


@pytest.mark.slow
def test_four_pictures_a_row(command, tmp_path):
    options = ("--max_seconds", 3, "--size", 48, "--pairs", "cat:mosaic", "--output", tmp_path / "f.jpg")
    done = command("make_figure", *options)
    assert done.returncode == 0, done.stderr
    figure = Image.open(tmp_path / "f.jpg")
    assert figure.size == (192, 48)
    photo, zero_shot = figure.crop((0, 0, 48, 48)), figure.crop((96, 0, 144, 48))
    assert photo.tobytes() != zero_shot.tobytes()
