import numpy as np
import pytest
from PIL import Image

from styleadapt.ui.example_clip import FRAMES, SIZE, write_example_clip

av = pytest.importorskip("av", reason="needs av")


@pytest.mark.parametrize("size", [(300, 200), (200, 300)])
def test_the_camera_moves_from_the_top_left_to_the_bottom_right(tmp_path, size):
    Image.linear_gradient("L").resize(size).save(tmp_path / "photo.png")
    write_example_clip(tmp_path / "photo.png", tmp_path / "clip.mp4")
    with av.open(str(tmp_path / "clip.mp4")) as clip:
        assert clip.streams.video[0].codec_context.name == "h264"
        frames = [frame.to_ndarray(format="gray") for frame in clip.decode(video=0)]
    assert len(frames) == FRAMES and frames[0].shape == SIZE[::-1]
    brightness = [frame.mean() for frame in frames]
    assert brightness[-1] > brightness[0] + 50 and (np.diff(brightness) > -1).all()
