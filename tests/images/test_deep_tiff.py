import io

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image

from styleadapt.images.deep_tiff import encode_deep_tiff


def levels(channels, size=(37, 50)):
    return np.random.default_rng(0).integers(0, 65536, (*size, channels), np.uint16)


@pytest.mark.parametrize("compress_level", [0, 1, 9])
@pytest.mark.parametrize("channels", [3, 4])
def test_every_bit_comes_back(channels, compress_level):
    written = levels(channels)
    read = cv2.imdecode(np.frombuffer(encode_deep_tiff(written, compress_level), np.uint8), cv2.IMREAD_UNCHANGED)
    order = cv2.COLOR_BGRA2RGBA if channels == 4 else cv2.COLOR_BGR2RGB
    assert read.dtype == np.uint16 and np.array_equal(cv2.cvtColor(read, order), written)


def test_what_a_photo_says_is_written():
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "Ada"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ISOSpeedRatings] = 400
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    data = encode_deep_tiff(levels(3), exif=exif, icc_profile=b"profile", dpi=(300, 200))
    with Image.open(io.BytesIO(data)) as image:
        read = image.getexif()
        assert read[ExifTags.Base.Artist] == "Ada"
        assert read.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ISOSpeedRatings] == 400
        assert read.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] == "N"
        assert image.info["icc_profile"] == b"profile" and image.info["dpi"] == (300, 200)


def test_smooth_pictures_are_packed():
    ramp = np.broadcast_to(np.arange(0, 60000, 100, dtype=np.uint16)[None, :, None], (200, 600, 3))
    assert len(encode_deep_tiff(ramp)) < ramp.size // 50
