from PIL import Image


def test_one_style_at_a_size(command, tmp_path):
    done = command("draw_styles", "--output", tmp_path / "new", "--size", 64, "--names", "comic")
    assert done.returncode == 0, done.stderr
    assert Image.open(tmp_path / "new" / "comic.jpg").size == (64, 64)
