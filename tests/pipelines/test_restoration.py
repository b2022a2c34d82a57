import numpy as np
import pytest
import torch
from PIL import Image

from styleadapt.errors import ImageError
from styleadapt.models.colorizer import Colorizer
from styleadapt.models.inpainter import Inpainter
from styleadapt.models.restorer import Restorer
from styleadapt.models.style_encoder import StyleEncoder
from styleadapt.pipelines.restoration import RestorationPipeline, RestorationStopped

from ..conftest import smooth_noise


def restorer(seed=0):
    torch.manual_seed(seed)
    model = Restorer(widths=(8, 16), blocks=(1, 1), estimator_widths=(8, 8))
    torch.nn.init.normal_(model.leave.weight, std=0.05)
    torch.nn.init.zeros_(model.opinions.weight)
    model.opinions.bias.data = torch.tensor([0.2, 0.5, 0.4, 0.0, 0.0, 0.0])
    return model


def inpainter(seed=0):
    torch.manual_seed(seed)
    model = Inpainter(widths=(8, 8, 8), dilations=(1, 2))
    torch.nn.init.normal_(model.leave.weight, std=0.05)
    return model


@pytest.fixture
def pipe():
    return RestorationPipeline(restorer(0), restorer(1), inpainter(0), inpainter(1))


def array(image):
    return np.asarray(image).astype(int)


def hole(size=(96, 72), box=(30, 20, 60, 40)):
    mask = Image.new("L", size)
    mask.paste(255, box)
    return mask


@pytest.mark.parametrize("task", ["denoise", "jpeg", "deblur", "auto"])
def test_every_task_gives_a_picture_of_the_same_size_and_says_what_it_assumed(pipe, photo, task):
    out = pipe(photo, task=task)
    assert out.images[0].size == photo.size and out.images[0].mode == "RGB"
    estimated = {"noise": 0.2 * 127.5, "jpeg": 50, "blur": 1.6}
    used = {"denoise": ["noise"], "jpeg": ["jpeg"], "deblur": ["noise", "blur"], "auto": ["noise", "jpeg", "blur"]}[task]
    expected = {name: value if name in used else 0 for name, value in estimated.items()}
    assert out.levels[0] == pytest.approx(expected, rel=0.01)


def test_a_level_is_in_the_units_of_its_task(pipe, photo):
    given = {"denoise": (25, {"noise": 25, "jpeg": 0, "blur": 0}), "jpeg": (30, {"noise": 0, "jpeg": 70, "blur": 0})}
    for task, (level, expected) in given.items():
        assert pipe(photo, task=task, level=level).levels[0] == pytest.approx(expected)
    assert pipe(photo, task="deblur", level=2.0).levels[0]["blur"] == 2
    assert not np.array_equal(array(pipe(photo, "denoise", 10).images[0]), array(pipe(photo, "denoise", 50).images[0]))


def test_what_is_not_damaged_comes_back_as_it_is(pipe, photo):
    pipe.restorer.opinions.bias.data.fill_(0.001)
    out = pipe(photo)
    assert np.array_equal(array(out.images[0]), array(photo)) and out.levels == [{"noise": 0, "jpeg": 0, "blur": 0}]


def test_fidelity_mixes_the_weights_of_both_networks(pipe, photo):
    levels = torch.tensor([[25.0, 0.0, 0.0]])
    half = pipe._network("restorer", 0.5, "denoise")
    for key, value in half.state_dict().items():
        both = pipe.restorer.state_dict()[key], pipe.restorer_natural.state_dict()[key]
        assert torch.allclose(value, sum(both) / 2)
    natural = pipe._network("restorer", 0.0, "denoise")
    x = torch.rand(1, 3, 16, 16)
    assert torch.allclose(natural(x, levels).sample, pipe.restorer_natural(x, levels).sample)
    results = [array(pipe(photo, "denoise", 25, fidelity=f).images[0]) for f in (1.0, 0.5, 0.0, 1.0)]
    assert np.array_equal(results[0], results[3]) and not np.array_equal(results[0], results[2])
    pipe = RestorationPipeline(restorer())
    with pytest.raises(ValueError, match="`fidelity` is 0.5, but these weights have no restorer_natural"):
        pipe(photo, fidelity=0.5)


def test_mixed_weights_follow_the_pipeline_to_another_precision(pipe):
    pipe._network("restorer", 0.5, "denoise")
    assert pipe.to(torch.bfloat16) is pipe
    assert pipe._network("restorer", 0.5, "denoise").dtype == torch.bfloat16


def test_alpha_gray_and_16_bits_are_kept(pipe, photo):
    photo.putalpha(Image.linear_gradient("L").resize(photo.size))
    result = pipe(photo, "denoise", 25).images[0]
    assert result.mode == "RGBA" and np.array_equal(array(result.getchannel("A")), array(photo.getchannel("A")))
    assert pipe(photo.convert("L"), "denoise", 25).images[0].mode == "L"
    deep = np.random.default_rng(0).integers(0, 65536, (20, 24, 3), np.uint16)
    assert pipe(deep, "denoise", 25).images[0].dtype == np.uint16
    assert pipe(Image.new("RGB", (1, 1)), "denoise").images[0].size == (1, 1)


def test_a_hole_is_filled_and_nothing_else_is_touched(pipe, photo):
    mask = hole()
    truth = np.asarray(mask) > 0
    ones = truth.astype(np.uint8)
    for given in (
        mask,
        np.asarray(mask),
        truth,
        ones,
        torch.from_numpy(ones),
        truth.astype(np.uint16) * 65535,
        mask.convert("RGB"),
    ):
        result = array(pipe(photo, "inpaint", mask=given).images[0])
        changed = (result != array(photo)).any(-1)
        assert changed[20:40, 30:60].mean() > 0.9 and not changed[np.asarray(mask) == 0].any()
    transparent = photo.copy()
    transparent.putalpha(mask.point(lambda v: 255 - v))
    out = pipe(transparent, "inpaint").images[0]
    assert out.mode == "RGB" and np.array_equal(array(out), array(pipe(photo, "inpaint", mask=mask).images[0]))
    brush = Image.new("RGBA", photo.size)
    brush.paste((255, 0, 0, 255), (30, 20, 60, 40))
    assert np.array_equal(array(pipe(photo, "inpaint", mask=brush).images[0]), array(out))


def test_what_was_in_the_hole_does_not_matter(pipe, photo):
    spoilt = photo.copy()
    spoilt.paste((255, 0, 255), (30, 20, 60, 40))
    results = [array(pipe(p, "inpaint", mask=hole()).images[0]) for p in (photo, spoilt)]
    assert np.array_equal(*results)


def test_large_holes_are_filled_at_a_smaller_scale(pipe):
    photo = smooth_noise((1300, 900), 2, cell=200)
    mask = hole(photo.size, (300, 100, 1100, 800))
    result = array(pipe(photo, "inpaint", mask=mask).images[0])
    assert np.array_equal(result[np.asarray(mask) == 0], array(photo)[np.asarray(mask) == 0])


def test_half_precision_colorizes_with_a_reference(photo):
    torch.manual_seed(0)
    encoder = StyleEncoder().to(torch.bfloat16)
    code_dim = encoder(torch.zeros(1, 3, 64, 64, dtype=torch.bfloat16)).shape[1]
    pipe = RestorationPipeline(colorizer=Colorizer(width=8, code_dim=code_dim), style_encoder=encoder).to(torch.bfloat16)
    assert pipe(photo, "colorize", reference=photo).images[0].mode == "RGB"


def test_the_packaged_style_encoder_is_loaded_in_the_dtype_asked_for():
    others = dict.fromkeys(("restorer_natural", "inpainter", "inpainter_natural"))
    for name in ("dtype", "torch_dtype"):
        pipe = RestorationPipeline.from_pretrained(**others, **{name: torch.bfloat16})
        assert pipe.style_encoder.dtype == pipe.colorizer.dtype == torch.bfloat16


def test_an_empty_mask_leaves_the_photo_alone(pipe, photo):
    out = pipe(photo, "inpaint", mask=Image.new("L", photo.size)).images[0]
    assert np.array_equal(array(out), array(photo))


def test_several_photos_and_a_callback(pipe, photo):
    seen = []
    out = pipe([photo, photo.convert("L")], "denoise", callback=seen.append)
    assert [image.mode for image in out.images] == ["RGB", "L"] and len(out.levels) == 2
    assert [(p.image, p.images) for p in seen] == [(0, 2), (1, 2)] and seen[-1].fraction == 1
    with pytest.raises(RestorationStopped, match="photo 1 of 2"):
        pipe([photo, photo], callback=lambda progress: progress.stop())


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"task": "sharpen"}, "`task` is 'sharpen'; it must be one of denoise"),
        ({"task": "denoise", "level": 0}, "`level` is 0; for task 'denoise' it is the standard deviation"),
        ({"task": "denoise", "level": 300}, "up to 255"),
        ({"task": "denoise", "level": "much"}, "or 'auto'"),
        ({"task": "denoise", "level": float("nan")}, "`level` is nan"),
        ({"task": "jpeg", "level": 101}, "the JPEG quality, from 1 to 100"),
        ({"task": "auto", "level": 25}, "has no level of its own"),
        ({"fidelity": 1.5}, "`fidelity` is 1.5"),
        ({"task": "denoise", "mask": hole()}, "`mask` is of task 'inpaint'"),
        ({"task": "inpaint"}, "needs a hole"),
        ({"task": "inpaint", "mask": hole((10, 10))}, "the mask has 10 x 10 pixels and the photo 96 x 72"),
        ({"task": "inpaint", "mask": Image.new("L", (96, 72), 255)}, "covers the whole photo"),
        ({"task": "inpaint", "mask": hole().point(lambda v: v // 255)}, "marks nothing: its lightest pixel has 0.0039 of white"),
        ({"task": "inpaint", "mask": [hole(), hole()]}, "2 entries for 1 photos"),
    ],
)
def test_what_does_not_go_together_is_refused(pipe, photo, arguments, message):
    with pytest.raises(ValueError, match=message):
        pipe(photo, **arguments)


def test_bad_photos_are_refused(pipe):
    with pytest.raises(ImageError, match="NaN"):
        pipe(np.full((8, 8, 3), np.nan))
    with pytest.raises(ValueError, match="`image` is empty"):
        pipe([])


def test_it_saves_and_loads_with_what_it_has(photo, tmp_path):
    pipe = RestorationPipeline(restorer(), inpainter=inpainter())
    pipe.save_pretrained(tmp_path)
    loaded = RestorationPipeline.from_pretrained(tmp_path)
    assert loaded.restorer_natural is None
    assert np.array_equal(array(loaded(photo).images[0]), array(pipe(photo).images[0]))
    loaded = RestorationPipeline.from_pretrained(tmp_path, inpainter=None)
    with pytest.raises(ValueError, match="these weights have no inpainter, which `task='inpaint'` needs"):
        loaded(photo, "inpaint", mask=hole())
