import functools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageChops

import styleadapt
from styleadapt import StyleTransferPipeline
from styleadapt.images.images import image_to_tensor, load_image
from styleadapt.models.vgg16 import load_vgg16
from styleadapt.pipelines import style_transfer
from styleadapt.pipelines.strokes import (
    AUTO_STROKE_SIZE,
    SNAP,
    STROKE_PIXELS,
    check_stroke_size,
    paint_in_levels,
    read_stroke_size,
    stroke_levels,
)

from ..conftest import smooth_noise, stripes
from .adapted import adapted, difference

WRONG = [0, -0.1, 1.5, math.nan, math.inf, True, "broad", "", None, [0.1]]


def inverted(image: Image.Image) -> Image.Image:
    return ImageChops.invert(image)


@pytest.mark.parametrize("value", WRONG)
def test_what_is_no_stroke_size_is_refused_with_its_value_and_the_range(value):
    with pytest.raises(ValueError, match="above 0 and up to 1") as error:
        check_stroke_size(value)
    assert "`stroke_size`" in str(error.value) and repr(value) in str(error.value)


def test_a_number_of_numpy_is_a_stroke_size():
    assert check_stroke_size(np.float32(0.5)) == 0.5


@pytest.mark.parametrize("text", ["0", "-1", "1.01", "nan", "inf", "True", "broad", "auto ", "AUTO", ""])
def test_texts_that_say_none_are_refused_under_their_own_name(text):
    with pytest.raises(ValueError, match="--stroke_size is .* above 0 and up to 1"):
        read_stroke_size(text, "--stroke_size")


@pytest.mark.parametrize("size", [(1, 1), (1, 20_000), (640, 480), (1030, 770), (2000, 1500), (4000, 3000), (12_000, 8000)])
@pytest.mark.parametrize("stroke_size", ["auto", 1e-9, 0.005, 0.02, 0.3, 1])
def test_levels_grow_in_like_steps_from_the_wished_size_to_the_photos(size, stroke_size):
    levels = stroke_levels(size, stroke_size)
    assert levels[-1] == size and all(min(level) >= 1 for level in levels)
    longer = [max(level) for level in levels]
    wished = STROKE_PIXELS / (AUTO_STROKE_SIZE if stroke_size == "auto" else stroke_size)
    if max(size) > SNAP * wished:
        assert longer[0] == round(wished)
        assert all(SNAP * 0.95 < fine / coarse < 2.9 for coarse, fine in zip(longer, longer[1:]))
    else:
        assert levels == [size]


def test_a_picture_of_one_level_is_painted_once_as_it_is():
    photo, seen = smooth_noise((30, 20), 0), []
    assert paint_in_levels(photo, lambda image: seen.append(image) or image, [(30, 20)]) is photo
    assert seen == [photo]


def test_the_finest_picture_has_the_colors_of_the_coarsest_and_details_of_its_own():
    # far enough from black and white that nothing is cut off there
    photo = Image.eval(smooth_noise((160, 120), 1), lambda level: 80 + level // 3)
    levels = [(40, 30), (80, 60), (160, 120)]
    coarse = inverted(photo.resize(levels[0], Image.Resampling.LANCZOS))
    # a painter that would darken the picture at each pass, and draws lines
    lines = Image.fromarray((np.indices((120, 160))[1] % 2 * 60).astype(np.uint8)).convert("RGB")

    def paint(image):
        return ImageChops.add(image.point(lambda level: level * 0.6), lines.crop((0, 0, *image.size)))

    picture = paint_in_levels(photo, paint, levels, paint_coarsest=inverted)
    assert picture.size == photo.size
    kept = np.abs(np.int16(picture.resize(levels[0], Image.Resampling.BOX)) - np.int16(coarse))
    assert kept.mean() < 2 and kept.max() < 16
    assert np.abs(np.diff(np.int16(picture), axis=1)).mean() > 10


def test_the_coarsest_picture_may_come_from_elsewhere():
    seen = []
    coarsest = Image.new("RGB", (20, 15), "teal")
    levels = [(20, 15), (40, 30)]
    photo = Image.new("RGB", (40, 30), "white")
    picture = paint_in_levels(photo, lambda image: image, levels, lambda image: seen.append(image.size) or coarsest)
    assert seen == [(20, 15)] and picture.getpixel((20, 15)) == coarsest.getpixel((0, 0))


def test_the_photos_fine_detail_reaches_the_next_level():
    photo = Image.new("RGB", (80, 60), "gray")
    photo.putpixel((40, 30), (255, 255, 255))
    given = []
    paint_in_levels(photo, lambda image: given.append(image) or image, [(20, 15), (80, 60)])
    level = np.int16(given[1])[..., 0]
    assert level[30, 40] > 200 and abs(level[10, 10] - 128) <= 1


@pytest.fixture
def painted_sizes(monkeypatch):
    """Sizes of the passes of the pipeline."""
    seen = []
    paint = style_transfer.render
    monkeypatch.setattr(
        style_transfer, "render", lambda g, photo, *rest: seen.append(photo.shape[1::-1]) or paint(g, photo, *rest)
    )
    return seen


def test_the_pipeline_paints_small_first(tiny_pipe, painting, painted_sizes):
    photo = smooth_noise((160, 120), 2)
    coarse = tiny_pipe(photo, style=painting, stroke_size=0.25).images[0]
    assert painted_sizes == [(40, 30), (80, 60), (160, 120)] and coarse.size == photo.size
    plain = tiny_pipe(photo, style=painting).images[0]
    assert painted_sizes[3:] == [(160, 120)] and difference(coarse, plain) > 0
    assert difference(tiny_pipe(photo, style=painting, stroke_size=1e-4).images[0], plain) == 0
    assert difference(tiny_pipe(photo, style=painting, stroke_size=0.25).images[0], coarse) == 0


def test_it_goes_with_all_other_options(tiny_pipe, painting, painted_sizes):
    photo = smooth_noise((160, 120), 3).convert("RGBA")
    photo.putalpha(Image.linear_gradient("L").resize(photo.size))
    call = functools.partial(tiny_pipe, photo, stroke_size=0.25)
    assert call(style=painting, max_size=80).images[0].size == (160, 120)
    assert painted_sizes == [(40, 30), (80, 60)]
    mask = Image.new("L", (8, 8), 255)
    options = {"strength": 0.7, "preserve_color": True}
    masked, whole = (call(style=painting, **options, **extra).images[0] for extra in ({"mask": mask}, {}))
    assert difference(masked, whole) == 0
    assert whole.getchannel("A").tobytes() == photo.getchannel("A").tobytes()
    assert call(style=painting, strength=0).images[0].convert("RGB").tobytes() == photo.convert("RGB").tobytes()
    strip = tiny_pipe.strength_strip(photo, painting, strengths=(0, 1), stroke_size=0.25)
    assert strip.size == (320, 120)
    assert difference(strip.crop((160, 0, 320, 120)), call(style=painting).images[0]) == 0


def test_an_adapter_paints_all_levels(tiny_pipe, photo):
    adapted(tiny_pipe, steps=2)
    assert tiny_pipe(photo, stroke_size=0.3).images[0].size == photo.size


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (17, 5)])
def test_every_size_comes_back(tiny_pipe, painting, size):
    assert tiny_pipe(smooth_noise(size, 0), style=painting, stroke_size=1).images[0].size == size


@pytest.mark.parametrize("value", WRONG)
def test_the_pipeline_refuses_what_is_no_stroke_size(tiny_pipe, value):
    with pytest.raises(ValueError, match="`stroke_size` is .* above 0 and up to 1"):
        tiny_pipe(stripes(64), style=stripes(64), stroke_size=value)


def style_distance(picture: Image.Image, style: Image.Image) -> float:
    """Mean relative distance of the Gram matrices of VGG-16's four stages, of the picture as it is seen at 768 px."""
    network, found = load_vgg16(), []
    for image in (picture, style):
        image = image.resize([round(side * 768 / max(image.size)) for side in image.size], Image.Resampling.LANCZOS)
        with torch.inference_mode():
            maps = [features.flatten(2) for features in network(image_to_tensor(image)).values()]
        found.append([m @ m.mT / m.shape[-1] for m in maps])
    return float(np.mean([((a - b) ** 2).sum() / (b**2).sum() for a, b in zip(*found)]))


@pytest.mark.slow
def test_a_photo_looks_alike_at_any_number_of_megapixels():
    assets = Path(styleadapt.__file__).parent / "assets"
    style = load_image(assets / "styles" / "mosaic.jpg")
    large = load_image(assets / "photos" / "stream.jpg").resize((4000, 3175), Image.Resampling.BICUBIC)
    pipe = StyleTransferPipeline.from_pretrained()
    distances = {}
    for megapixels in (0.8, 3, 6, 12):
        scale = math.sqrt(megapixels * 1e6 / (large.width * large.height))
        photo = large.resize([round(side * scale) for side in large.size], Image.Resampling.LANCZOS)
        distances[megapixels] = style_distance(pipe(photo, style=style).images[0], style)
    assert max(distances.values()) < 1.1 * min(distances.values()), distances
