"""Refinement through the pipeline's call; the engine itself is tested in tests/adaptation/test_refinement.py."""

import math
from importlib import resources

import pytest
import torch
from PIL import Image, ImageOps

from styleadapt import StyleTransferPipeline
from styleadapt.adaptation.refinement import RefinementConfig
from styleadapt.images.images import image_to_tensor, open_image
from styleadapt.losses.content import self_similarity_loss
from styleadapt.losses.style import gram_matrix
from styleadapt.models.vgg16 import load_vgg16
from styleadapt.pipelines import refining

from ..conftest import smooth_noise, stripes
from .adapted import adapted, difference

TINY = {"refine": 2, "refine_config": RefinementConfig(sides=(64,), photo_share=0.0)}


@pytest.fixture(autouse=True)
def shallow_network(monkeypatch):
    """Two stages of VGG-16: a tenth of the time."""
    network = load_vgg16(depth=2)
    monkeypatch.setattr(refining, "_feature_network", lambda device: network)


def refined(pipe, photo, style, **options) -> Image.Image:
    return pipe(photo, style=style, **{**TINY, **options}).images[0]


def test_a_refined_picture_starts_from_the_generators_and_has_the_photos_size(tiny_pipe, photo, painting):
    first = []
    result = refined(
        tiny_pipe, photo, painting, refine_callback=lambda progress: progress.step == 0 and first.append(progress.preview())
    )
    plain = tiny_pipe(photo, style=painting).images[0]
    assert difference(first[0], plain.resize(first[0].size, Image.Resampling.LANCZOS)) <= 1
    assert result.size == photo.size and difference(result, plain) > 0
    assert difference(result, refined(tiny_pipe, photo, painting)) == 0


@pytest.mark.parametrize("off", [None, 0, 0.0, "0s"])
def test_without_refinement_all_is_as_before(tiny_pipe, photo, painting, off):
    assert difference(refined(tiny_pipe, photo, painting, refine=off), tiny_pipe(photo, style=painting).images[0]) == 0


def test_it_works_inside_inference_mode_and_leaves_no_gradients(tiny_pipe, photo, painting):
    with torch.inference_mode():
        inside = refined(tiny_pipe, photo, painting)
    assert difference(inside, refined(tiny_pipe, photo, painting)) == 0
    assert all(p.grad is None for p in tiny_pipe.generator.parameters())


def test_alpha_and_every_photo_of_a_list_come_back(tiny_pipe, painting):
    see_through = smooth_noise((40, 30), 0).convert("RGBA")
    see_through.putalpha(Image.linear_gradient("L").resize((40, 30)))
    one, other = tiny_pipe([see_through, smooth_noise((50, 20), 1)], style=painting, **TINY).images
    assert one.mode == "RGBA" and one.getchannel("A").tobytes() == see_through.getchannel("A").tobytes()
    assert other.size == (50, 20)


def test_going_on_from_a_picture(tiny_pipe, photo, painting):
    first = refined(tiny_pipe, photo, painting)
    starts = []
    refined(
        tiny_pipe,
        photo,
        painting,
        refine_from=first,
        refine_callback=lambda progress: progress.step == 0 and starts.append(progress.preview()),
    )
    assert difference(starts[0], first.resize(starts[0].size, Image.Resampling.LANCZOS)) <= 1


def test_going_on_does_not_blend_with_the_photo_again(tiny_pipe, photo, painting):
    start = smooth_noise(photo.size, 9)
    result = refined(tiny_pipe, photo, painting, strength=0.1, refine_from=start)
    assert difference(result, start) < difference(result, photo)


def test_each_region_is_refined_toward_its_own_style(tiny_pipe, photo, painting):
    mask = Image.new("L", photo.size)
    mask.paste(255, (0, 0, photo.width // 2, photo.height))
    other = smooth_noise((64, 64), 5)
    seen = []
    both = refined(tiny_pipe, photo, [painting, other], mask=mask, mask_feather=0, refine_callback=seen.append)
    assert [progress.step for progress in seen] == [0, 1, 2] * 2
    left, right = (0, 0, photo.width // 2, photo.height), (photo.width // 2, 0, *photo.size)
    assert both.crop(left).tobytes() == refined(tiny_pipe, photo, painting).crop(left).tobytes()
    assert both.crop(right).tobytes() == refined(tiny_pipe, photo, other).crop(right).tobytes()


def test_strength_0_is_the_photo_and_colors_can_be_kept(tiny_pipe, photo, painting):
    assert difference(refined(tiny_pipe, photo, painting, strength=0), photo) == 0
    kept = refined(tiny_pipe, photo, painting, preserve_color=True)
    luminance = refined(tiny_pipe, photo, painting).convert("L")
    _, *chroma = photo.convert("YCbCr").split()
    assert difference(kept, Image.merge("YCbCr", (luminance, *chroma)).convert("RGB")) == 0


def test_an_adapter_needs_the_style_image_too_and_then_paints_the_start(tiny_pipe, photo, painting):
    adapted(tiny_pipe)
    with pytest.raises(ValueError, match="`refine` needs the pixels of the style.* pass `style=`"):
        tiny_pipe(photo, **TINY)
    first = []
    refined(tiny_pipe, photo, painting, refine_callback=lambda progress: first.append(progress.preview()))
    plain = tiny_pipe(photo, style=painting).images[0]
    assert difference(first[0], plain.resize(first[0].size, Image.Resampling.LANCZOS)) <= 1


@pytest.mark.parametrize("bad", [-1, -2.0, math.nan, True, "abc", "60 steps"])
def test_budgets_that_cannot_be_are_refused(tiny_pipe, photo, painting, bad):
    with pytest.raises(ValueError, match="`refine` is .* steps such as 200, seconds such as 60.0 or '60s'"):
        tiny_pipe(photo, style=painting, refine=bad)


def test_pictures_to_go_on_from_must_match(tiny_pipe, photo, painting):
    with pytest.raises(ValueError, match="`refine_from` has 1 pictures for 2 photos"):
        tiny_pipe([photo, photo], style=painting, **TINY, refine_from=photo)
    with pytest.raises(ValueError, match="`refine_from` is given and `refine` is None"):
        tiny_pipe(photo, style=painting, refine_from=photo)


def test_a_large_photo_takes_the_refined_picture_as_its_coarse_one(tiny_pipe, painting):
    photo = stripes(300, 24)
    result = refined(tiny_pipe, photo, painting, stroke_size=0.1)
    assert result.size == photo.size and difference(result, tiny_pipe(photo, style=painting, stroke_size=0.1).images[0]) > 0


@pytest.mark.slow
@pytest.mark.parametrize("style", ["mosaic.jpg", "woodcut.jpg"])
def test_the_packaged_weights_come_within_a_quarter_of_zero_shots_style_distance(monkeypatch, style):
    monkeypatch.undo()
    assets = resources.files("styleadapt") / "assets"
    photo, painting = (ImageOps.fit(open_image(str(assets / name)), (256, 256)) for name in ("photos/cat.jpg", f"styles/{style}"))
    pipe = StyleTransferPipeline.from_pretrained()
    pictures = pipe(photo, style=painting).images[0], pipe(photo, style=painting, refine=150).images[0]
    network = load_vgg16()
    of_photo, of_style, *found = (network(image_to_tensor(image)) for image in (photo, painting, *pictures))
    wanted = {name: gram_matrix(f) for name, f in of_style.items()}
    distances = [
        sum(float((gram_matrix(f[name]) - gram).square().sum() / gram.square().sum()) for name, gram in wanted.items())
        for f in found
    ]
    structure = [float(self_similarity_loss(f["relu3_3"], of_photo["relu3_3"], 32)) for f in found]
    assert distances[1] < 0.25 * distances[0] and distances[1] / 4 < 0.07
    assert structure[1] < 1.05 * max(structure[0], 0.5)
