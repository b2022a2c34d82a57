import copy
import functools
import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from styleadapt import ImageError, ModelLoadError, StyleTransferPipeline
from styleadapt.runtime.bands import render

from ..conftest import smooth_noise, stripes
from .adapted import FAST, adapted, difference

WHITE = Image.new("L", (8, 8), 255)


def left_half(photo: Image.Image) -> Image.Image:
    mask = Image.new("L", photo.size)
    mask.paste(255, (0, 0, photo.width // 2, photo.height))
    return mask


def halves(image: Image.Image) -> tuple[bytes, bytes]:
    middle = image.width // 2
    return image.crop((0, 0, middle, image.height)).tobytes(), image.crop((middle, 0, *image.size)).tobytes()


def count_encoded(pipe, monkeypatch) -> list[int]:
    """Grows by one entry for each image that the style encoder sees."""
    seen = []
    forward = pipe.style_encoder.forward
    monkeypatch.setattr(pipe.style_encoder, "forward", lambda images: seen.append(len(images)) or forward(images))
    return seen


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (17, 5), (64, 64), (130, 97)])
def test_every_size_comes_back(tiny_pipe, painting, size):
    assert tiny_pipe(smooth_noise(size, 0), style=painting).images[0].size == size


def test_photos_as_path_string_and_list(tiny_pipe, photo, painting, tmp_path):
    photo.save(tmp_path / "p.png")
    images = tiny_pipe([photo, tmp_path / "p.png", str(tmp_path / "p.png")], style=painting).images
    assert len(images) == 3 and difference(images[0], images[1]) == difference(images[0], images[2]) == 0


def test_the_same_call_gives_the_same_picture(tiny_pipe, photo, painting):
    assert difference(*(tiny_pipe(photo, style=painting).images[0] for _ in range(2))) == 0


def test_strength_0_is_the_photo_and_grows_from_there(tiny_pipe, photo, painting):
    strong = [difference(tiny_pipe(photo, style=painting, strength=s).images[0], photo) for s in (0, 0.1, 0.3, 0.5)]
    assert strong[0] == 0 and strong == sorted(strong)


def test_style_weights_choose_between_styles(tiny_pipe, photo, painting):
    other = smooth_noise((64, 64), 5)
    first = tiny_pipe(photo, style=painting).images[0]
    blended = tiny_pipe(photo, style=[painting, other], style_weights=[1.0, 0.0]).images[0]
    assert difference(first, blended) <= 1
    assert difference(first, tiny_pipe(photo, style=[painting, other], style_weights=[0, 1]).images[0]) > 0


def test_preserve_color_keeps_the_chroma(tiny_pipe, photo, painting):
    result = tiny_pipe(photo, style=painting, preserve_color=True).images[0]
    ours, theirs = (np.asarray(i.convert("YCbCr"), int)[..., 1:] for i in (result, photo))
    assert (
        np.abs(ours - theirs).mean()
        < np.abs(np.asarray(tiny_pipe(photo, style=painting).images[0].convert("YCbCr"), int)[..., 1:] - theirs).mean()
    )


def test_alpha_comes_back_untouched(tiny_pipe, painting):
    photo = smooth_noise((40, 30), 0).convert("RGBA")
    photo.putalpha(Image.linear_gradient("L").resize((40, 30)))
    result = tiny_pipe(photo, style=painting).images[0]
    assert result.mode == "RGBA" and result.getchannel("A").tobytes() == photo.getchannel("A").tobytes()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "I;16", "RGBA"])
def test_every_mode_is_taken(tiny_pipe, painting, mode):
    gray = smooth_noise((40, 30), 0).convert("L")
    photo = Image.fromarray(np.asarray(gray).astype(np.uint16) * 257) if mode == "I;16" else gray.convert(mode)
    result = tiny_pipe(photo, style=painting).images[0]
    assert result.size == (40, 30) and result.mode in ("RGB", "RGBA")


def test_max_size_works_small_and_gives_back_large(tiny_pipe, painting, monkeypatch):
    seen = []

    def watched(generator, photo, *arguments):
        seen.append(tuple(photo.shape))
        return render(generator, photo, *arguments)

    monkeypatch.setattr("styleadapt.pipelines.style_transfer.render", watched)
    assert tiny_pipe(smooth_noise((200, 100), 0), style=painting, max_size=50).images[0].size == (200, 100)
    assert seen == [(25, 50, 3)]


def test_too_many_pixels_at_once_are_refused_with_a_way_out(tiny_pipe, painting, monkeypatch):
    monkeypatch.setattr("styleadapt.pipelines.style_transfer.MAX_WORKING_PIXELS", 1000)
    with pytest.raises(ImageError, match="max_size"):
        tiny_pipe(smooth_noise((50, 50), 0), style=painting)
    assert tiny_pipe(smooth_noise((50, 50), 0), style=painting, max_size=20).images[0].size == (50, 50)


@pytest.mark.parametrize(
    "options, message",
    [
        ({}, "no style"),
        ({"style": []}, "`style` is empty"),
        ({"style": "absent.png"}, "absent.png"),
        ({"style": stripes(64), "strength": 1.5}, "`strength` is 1.5"),
        ({"style": stripes(64), "strength": float("nan")}, "`strength` is nan"),
        ({"style": stripes(64), "max_size": 0}, "`max_size` is 0"),
        ({"style": [stripes(64)], "style_weights": [1, 2]}, "2 entries for 1"),
        ({"style": [stripes(64)], "style_weights": [float("nan")]}, "finite"),
        ({"style_weights": [1]}, "without `style`"),
        ({"style": stripes(64), "mask": []}, "`mask` is empty"),
        ({"style": stripes(64), "mask": "absent.png"}, "absent.png"),
        ({"style": stripes(64), "mask": [WHITE, Image.new("L", (9, 9))]}, "`mask` 2 of 2 is black"),
        ({"style": stripes(64), "mask": [WHITE, WHITE]}, "`mask` and `style` are 2 to 1"),
        ({"style": [stripes(64)] * 3, "mask": WHITE}, "`mask` and `style` are 1 to 3"),
        ({"style": [stripes(64)] * 2, "mask": WHITE, "style_weights": [1, 2]}, "`style_weights` blends styles"),
        ({"style": stripes(64), "mask": WHITE, "mask_feather": -0.1}, "`mask_feather` is -0.1"),
        ({"style": stripes(64), "adapter_blend": 0.5}, "no adapter is active"),
        ({"style": stripes(64), "adapter_blend": 2}, "`adapter_blend` is 2"),
    ],
)
def test_bad_arguments_are_refused_by_name(tiny_pipe, photo, options, message):
    with pytest.raises(ValueError, match=message):
        tiny_pipe(photo, **options)


def test_bad_files_are_refused_by_name(tiny_pipe, painting, tmp_path):
    (tmp_path / "text.jpg").write_text("no image")
    with pytest.raises(ImageError, match="text.jpg"):
        tiny_pipe(tmp_path / "text.jpg", style=painting)


def test_save_and_load_give_the_same_picture(tiny_pipe, photo, painting, tmp_path):
    before = tiny_pipe(photo, style=painting).images[0]
    tiny_pipe.save_pretrained(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"generator", "style_encoder", "discriminator", "model_index.json"}
    again = StyleTransferPipeline.from_pretrained(tmp_path)
    assert difference(again(photo, style=painting).images[0], before) == 0
    assert again.fingerprint == tiny_pipe.fingerprint


def test_inference_needs_no_discriminator(tiny_pipe, photo, painting, tmp_path):
    StyleTransferPipeline(tiny_pipe.generator, tiny_pipe.style_encoder).save_pretrained(tmp_path)
    assert not (tmp_path / "discriminator").exists()
    pipe = StyleTransferPipeline.from_pretrained(tmp_path)
    assert pipe(photo, style=painting).images[0].size == photo.size
    assert adapted(pipe).steps == 2


def test_bf16_pipeline_stays_close(tiny_pipe, photo, painting, tmp_path):
    tiny_pipe.save_pretrained(tmp_path)
    rough = StyleTransferPipeline.from_pretrained(tmp_path, dtype=torch.bfloat16)
    assert difference(rough(photo, style=painting).images[0], tiny_pipe(photo, style=painting).images[0]) < 6


def break_index(folder):
    (folder / "model_index.json").unlink()


def break_weights(folder):
    file = folder / "generator" / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:-50])


def break_class(folder):
    shutil.copytree(folder / "discriminator", folder / "generator", dirs_exist_ok=True)


def break_config(folder):
    file = folder / "generator" / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "chanels": [1]}))


def break_components(folder):
    file = folder / "model_index.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "generator": ["diffusers", "UNet2DModel"]}))


def break_json(folder):
    (folder / "model_index.json").write_text("{")


@pytest.mark.parametrize("damage", [break_index, break_weights, break_class, break_config, break_components, break_json])
def test_damaged_repos_are_refused(tiny_pipe, tmp_path, damage):
    tiny_pipe.save_pretrained(tmp_path)
    damage(tmp_path)
    with pytest.raises(ModelLoadError):
        StyleTransferPipeline.from_pretrained(tmp_path)


def test_an_unknown_repo_off_line_says_how_to_go_on(monkeypatch):
    with pytest.raises(ModelLoadError, match="folder"):
        StyleTransferPipeline.from_pretrained("nobody/nothing", local_files_only=True)


def test_a_clone_shares_nothing_that_changes(tiny_pipe, photo, painting):
    before = tiny_pipe(photo, style=painting).images[0]
    clone = tiny_pipe.clone()
    adapted(clone)
    assert tiny_pipe.get_active_adapters() == []
    assert difference(tiny_pipe(photo, style=painting).images[0], before) == 0


def test_a_clone_of_an_adapted_pipeline_is_the_base(tiny_pipe, photo, painting):
    before = tiny_pipe(photo, style=painting).images[0]
    adapted(tiny_pipe)
    assert difference(tiny_pipe.clone()(photo, style=painting).images[0], before) == 0


def test_saving_writes_the_base_whatever_is_active(tiny_pipe, photo, painting, tmp_path):
    before = tiny_pipe(photo, style=painting).images[0]
    adapted(tiny_pipe)
    tiny_pipe.save_pretrained(tmp_path)
    assert tiny_pipe.get_active_adapters() == ["adapted"]
    assert difference(StyleTransferPipeline.from_pretrained(tmp_path)(photo, style=painting).images[0], before) == 0


def test_a_budget_that_is_none_leaves_the_active_adapter(tiny_pipe):
    adapted(tiny_pipe)
    with pytest.raises(ValueError, match="`steps`"):
        tiny_pipe.adapt(stripes(64), steps=0)
    assert tiny_pipe.get_active_adapters() == ["adapted"]


def test_a_clone_keeps_the_name_of_its_base(tiny_pipe, tmp_path):
    tiny_pipe.save_pretrained(tmp_path / "base")
    clone = StyleTransferPipeline.from_pretrained(tmp_path / "base").clone()
    assert adapted(clone).base_name == "base"


def test_content_may_be_a_folder(tiny_pipe, image_folders):
    assert tiny_pipe.adapt(stripes(72), steps=1, content=image_folders[0], config=FAST).steps == 1


def test_strength_0_keeps_the_photo_to_the_bit_whatever_else_is_asked(tiny_pipe, photo, painting):
    result = tiny_pipe(photo, style=painting, strength=0, preserve_color=True, mask=WHITE).images[0]
    assert result.tobytes() == photo.tobytes()


OPTIONS = [{}, {"strength": 0.7, "preserve_color": True}, {"max_size": 40}]


@pytest.mark.parametrize("options", OPTIONS)
def test_a_mask_gives_its_region_the_style_and_leaves_the_photo(tiny_pipe, photo, painting, options):
    whole = tiny_pipe(photo, style=painting, **options).images[0]
    masked = tiny_pipe(photo, style=painting, mask=left_half(photo), mask_feather=0, **options).images[0]
    assert halves(masked) == (halves(whole)[0], halves(photo)[1]) and halves(whole)[1] != halves(photo)[1]
    assert difference(tiny_pipe(photo, style=painting, mask=WHITE, **options).images[0], whole) == 0


def test_two_styles_go_to_their_regions_and_a_third_takes_the_rest(tiny_pipe, photo, painting):
    styles = [painting, smooth_noise((64, 64), 5), stripes(64, 4)]
    first, second, third = (tiny_pipe(photo, style=style).images[0] for style in styles)
    left = left_half(photo)
    right = Image.eval(left, lambda level: 255 - level)
    upper = Image.new("L", photo.size)
    upper.paste(255, (0, 0, photo.width, 20))
    both = tiny_pipe(photo, style=styles[:2], mask=[left, right], mask_feather=0).images[0]
    assert halves(both) == (halves(first)[0], halves(second)[1])
    assert difference(tiny_pipe(photo, style=styles[:2], mask=left, mask_feather=0).images[0], both) == 0
    three = tiny_pipe(photo, style=styles, mask=[left, Image.composite(right, left.point(lambda _: 0), upper)], mask_feather=0)
    assert halves(three.images[0])[0] == halves(first)[0]
    expected = second.copy()
    expected.paste(third.crop((0, 20, *photo.size)), (0, 20))
    assert halves(three.images[0])[1] == halves(expected)[1]


def test_a_border_is_soft_unless_asked_otherwise(tiny_pipe, photo, painting):
    whole = tiny_pipe(photo, style=painting).images[0]
    soft = np.asarray(tiny_pipe(photo, style=painting, mask=left_half(photo), mask_feather=0.2).images[0], float)
    full, ground = np.asarray(whole, float), np.asarray(photo, float)
    share = ((soft - ground) * (full - ground)).sum((0, 2)) / ((full - ground) ** 2).sum((0, 2))
    assert share[:37] == pytest.approx(1, abs=0.02) and share[-37:] == pytest.approx(0, abs=0.02)
    assert (np.diff(share[43:53]) < 0).all() and 0.9 > share[43] > share[52] > 0.1


def test_masks_leave_alpha_alone_and_serve_every_photo(tiny_pipe, painting, tmp_path):
    photo = smooth_noise((40, 30), 0).convert("RGBA")
    photo.putalpha(Image.linear_gradient("L").resize((40, 30)))
    left_half(photo).save(tmp_path / "mask.png")
    results = tiny_pipe([photo, smooth_noise((70, 90), 1)], style=painting, mask=str(tmp_path / "mask.png")).images
    assert [result.size for result in results] == [(40, 30), (70, 90)]
    assert results[0].getchannel("A").tobytes() == photo.getchannel("A").tobytes()


def test_an_adapter_fills_a_region_and_blends_with_the_style_images(tiny_pipe, photo):
    adapted(tiny_pipe, steps=60)
    other = smooth_noise((64, 64), 7)
    own = tiny_pipe(photo).images[0]
    assert halves(tiny_pipe(photo, mask=left_half(photo), mask_feather=0).images[0]) == (halves(own)[0], halves(photo)[1])
    shares = {share: tiny_pipe(photo, style=other, adapter_blend=share).images[0] for share in (0, 0.5, 1)}
    assert difference(shares[0], tiny_pipe(photo, style=other).images[0]) == 0
    assert difference(shares[1], own) < 0.1
    whole = difference(shares[0], own)
    assert whole > 0.2 and 0.1 < difference(shares[0.5], own) < whole
    regions = tiny_pipe(photo, style=other, adapter_blend=1, mask=left_half(photo), mask_feather=0).images[0]
    assert halves(regions) == (halves(shares[1])[0], halves(photo)[1])


def test_a_strip_shows_the_photo_at_each_strength(tiny_pipe, photo, painting, tmp_path):
    options = {"preserve_color": True, "mask": left_half(photo)}
    strip = tiny_pipe.strength_strip(photo, painting, (0, 0.4, 1), **options)
    assert strip.size == (3 * photo.width, photo.height)
    for position, strength in enumerate((0, 0.4, 1)):
        shown = strip.crop((position * photo.width, 0, (position + 1) * photo.width, photo.height))
        assert difference(shown, tiny_pipe(photo, style=painting, strength=strength, **options).images[0]) == 0
    for strengths in (np.array((0, 0.4, 1)), iter((0, 0.4, 1))):
        assert difference(tiny_pipe.strength_strip(photo, painting, strengths, **options), strip) == 0
    clear = photo.convert("RGBA")
    clear.putalpha(99)
    clear.save(tmp_path / "clear.png")
    strip = tiny_pipe.strength_strip(tmp_path / "clear.png", style=painting)
    assert (strip.mode, strip.size) == ("RGBA", (5 * photo.width, photo.height)) and strip.getpixel((450, 9))[3] == 99


@pytest.mark.parametrize("strengths, message", [((), "`strengths` is empty"), ((0, 1.5), "`strengths` is 1.5")])
def test_a_strip_of_bad_strengths_is_refused(tiny_pipe, photo, painting, strengths, message):
    with pytest.raises(ValueError, match=message):
        tiny_pipe.strength_strip(photo, painting, strengths)


def test_a_style_image_is_encoded_once_for_all_calls_and_clones(tiny_pipe, photo, painting, monkeypatch):
    seen = count_encoded(tiny_pipe, monkeypatch)
    first = tiny_pipe(photo, style=painting).images[0]
    assert difference(tiny_pipe(photo, style=painting.copy()).images[0], first) == 0
    assert difference(tiny_pipe.clone()(photo, style=painting).images[0], first) == 0
    assert seen == [1]
    tiny_pipe.strength_strip(photo, painting)
    assert seen == [1, 1]  # the photo's own code, once
    changed = painting.copy()
    changed.putpixel((3, 3), (0, 0, 0))
    tiny_pipe(photo, style=[changed, painting])
    assert seen == [1, 1, 1]


def test_a_copy_of_a_used_pipeline_stylizes_alike(tiny_pipe, photo, painting):
    first = tiny_pipe(photo, style=painting).images[0]
    assert difference(copy.deepcopy(tiny_pipe)(photo, style=painting).images[0], first) == 0


@pytest.mark.parametrize("fast", [True, False])
def test_auto_calculates_in_bfloat16_where_that_is_fast_and_holds_float32(
    tiny_pipe, photo, painting, tmp_path, monkeypatch, fast
):
    monkeypatch.setattr("styleadapt.runtime.precision.supports_bf16", lambda device: fast)
    tiny_pipe.save_pretrained(tmp_path)
    pipe = StyleTransferPipeline.from_pretrained(tmp_path, dtype="auto")
    assert pipe.compute_dtype == pipe.clone().compute_dtype == (torch.bfloat16 if fast else torch.float32)
    changed = difference(pipe(photo, style=painting).images[0], tiny_pipe(photo, style=painting).images[0])
    assert 0 < changed < 3 if fast else changed == 0
    assert {p.dtype for p in pipe.generator.parameters()} == {torch.float32}
    assert pipe.fingerprint == tiny_pipe.fingerprint and adapted(pipe).steps == 2


def test_auto_is_chosen_anew_on_another_device(tiny_pipe, tmp_path, monkeypatch):
    monkeypatch.setattr("styleadapt.runtime.precision.supports_bf16", lambda device: False)
    tiny_pipe.save_pretrained(tmp_path)
    pipe = StyleTransferPipeline.from_pretrained(tmp_path, torch_dtype="auto").clone()
    monkeypatch.setattr("styleadapt.runtime.precision.supports_bf16", lambda device: device.type == "meta")
    assert pipe.to("meta").compute_dtype == torch.bfloat16
    plain = StyleTransferPipeline.from_pretrained(tmp_path)
    assert plain.to("meta").compute_dtype == torch.float32


def test_a_dtype_that_is_none_is_refused(tmp_path):
    with pytest.raises(ValueError, match="`dtype` is 'half'; it must be a torch.dtype or 'auto'"):
        StyleTransferPipeline.from_pretrained(tmp_path, dtype="half")


def test_a_compiled_pipeline_stylizes_adapts_saves_and_clones_as_before(tiny_pipe, photo, painting, tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))
    plain = tiny_pipe.clone()
    tiny_pipe.compile()
    keys = list(plain.generator.state_dict())
    expected = plain(photo, style=painting).images[0]
    for pipe in (tiny_pipe, tiny_pipe.clone(), copy.deepcopy(tiny_pipe)):
        with monkeypatch.context() as patch:
            patch.setattr("styleadapt.pipelines.style_transfer.render", None)
            assert difference(pipe(photo, style=painting).images[0], expected) <= 0.01
    assert torch.equal(adapted(tiny_pipe).code, adapted(plain).code)
    assert difference(tiny_pipe(photo).images[0], plain(photo).images[0]) <= 0.01
    tiny_pipe.save_pretrained(tmp_path)
    assert list(tiny_pipe.generator.state_dict()) == keys
    assert StyleTransferPipeline.from_pretrained(tmp_path).fingerprint == plain.fingerprint
