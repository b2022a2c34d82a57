import pytest
from PIL import Image

from styleadapt.errors import ImageError
from styleadapt.images.resizing import resize_within, resized_to, working_size


@pytest.mark.parametrize(
    "size, expected",
    [
        ((100, 80), (100, 80)),
        ((1000, 1000), (512, 512)),
        ((32, 64), (64, 128)),
        ((1, 1), (64, 64)),
        ((1, 20_000), (64, 1024)),
        ((4000, 1000), (1024, 256)),
    ],
)
def test_resize_within(size, expected):
    assert resize_within(Image.new("RGB", size), 512 * 512, 64).size == expected


def test_a_picture_that_fits_is_worked_on_as_it_is():
    photo = Image.new("RGB", (60, 40))
    assert working_size(photo, None, 2400) is photo and working_size(photo, 60, 2400) is photo
    assert working_size(photo, 6, 24).size == (6, 4)


def test_too_many_pixels_are_refused_with_a_size_that_works():
    with pytest.raises(ImageError, match=r"60 x 40.*2,399.*`max_size=`, for instance 32"):
        working_size(Image.new("RGB", (60, 40)), None, 2399)


def test_an_image_of_the_wanted_size_is_not_resampled():
    image = Image.new("RGB", (6, 9), "red")
    assert resized_to(image, (6, 9)) is image
    assert resized_to(image, (3, 3)).size == (3, 3)
