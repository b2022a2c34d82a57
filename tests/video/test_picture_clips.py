import av
import numpy as np
import pytest
from PIL import Image

from styleadapt.video.picture_clips import write_pictures
from styleadapt.video.reading import Picture, VideoReader


@pytest.mark.parametrize("name", ["a.mp4", "a.webm"])
@pytest.mark.parametrize("height", [64, 640])
def test_colors_of_a_clip_are_those_of_its_pictures(tmp_path, name, height):
    color = (0, 200, 0)
    write_pictures([Image.new("RGB", (64, height), color)] * 2, tmp_path / name, rate=10)
    with VideoReader(tmp_path / name) as clip:
        items = [item for item in clip if isinstance(item, Picture)]
    assert [item.pts * clip.time_base for item in items] == pytest.approx([0, 0.1])
    assert np.abs(items[0].pixels.astype(int) - color).max() < 8
    with av.open(str(tmp_path / name)) as file:
        assert next(file.decode(video=0)).colorspace == av.video.reformatter.Colorspace.ITU709


@pytest.mark.parametrize("rate, milliseconds", [(10, 100), (24, 40), (60, 20), (100, 20)])
def test_a_gif_has_the_nearest_delay_that_browsers_keep(tmp_path, rate, milliseconds):
    write_pictures([Image.new("L", (8, 8), level).convert("RGB") for level in (0, 200)], tmp_path / "a.gif", rate)
    assert Image.open(tmp_path / "a.gif").info["duration"] == milliseconds
