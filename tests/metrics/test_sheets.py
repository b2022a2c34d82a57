import numpy as np
import pytest
from PIL import Image

from styleadapt.metrics.sheets import captioned_sheet


def test_pictures_stand_below_their_captions():
    red, blue = (Image.new("RGB", (20, 20), c) for c in ("red", "blue"))
    sheet = np.array(captioned_sheet([[("one", red), ("a caption that is far too long for it", blue)], [("two", red)]], side=40))
    assert sheet.shape == (2 * 58, 84, 3)
    assert (sheet[20:56, 2:38] == (255, 0, 0)).all() and (sheet[20:56, 46:82] == (0, 0, 255)).all()
    # the text is black on white, and stays above its own picture
    assert sheet[:18, :40].min() < 100 and sheet[:18, 44:].min() < 100 and (sheet[:18, 40:44] == 255).all()
    assert (sheet[58:, 44:] == 255).all()


def test_no_rows():
    with pytest.raises(ValueError, match="1 row or more"):
        captioned_sheet([])
