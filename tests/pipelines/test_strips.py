import numpy as np
import pytest
from PIL import Image

from styleadapt.pipelines.strength_strip import side_by_side


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_pictures_stand_from_left_to_right(mode):
    pictures = [Image.new(mode, (3, 2), (level,) * len(mode)) for level in (10, 20, 30)]
    strip = side_by_side(pictures)
    assert (strip.mode, strip.size) == (mode, (9, 2))
    assert np.asarray(strip)[1, :, 0].tolist() == [10] * 3 + [20] * 3 + [30] * 3
    assert (np.asarray(strip) == np.asarray(strip)[..., :1]).all()


def test_no_picture_is_refused():
    with pytest.raises(ValueError, match="1 picture or more"):
        side_by_side([])
