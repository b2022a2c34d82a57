import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from styleadapt import AdaptationConfig, AdapterError, ImageError, ModelLoadError, StyleAdapter, StyleTransferPipeline

from ..conftest import smooth_noise, stripes

FAST = AdaptationConfig(rank=2, crop_size=64, pool_size=4, check_every=2, batch_size=1, frozen_layers=1)


def adapted(pipe, steps=2, styles=None, **options):
    return pipe.adapt(styles or [stripes(72)], steps=steps, content=[smooth_noise((80, 72), 0)], config=FAST, **options)


def difference(a: Image.Image, b: Image.Image) -> float:
    return float(np.abs(np.asarray(a, float) - np.asarray(b, float)).mean())


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
    grey = smooth_noise((40, 30), 0).convert("L")
    photo = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257) if mode == "I;16" else grey.convert(mode)
    result = tiny_pipe(photo, style=painting).images[0]
    assert result.size == (40, 30) and result.mode in ("RGB", "RGBA")


def test_max_size_works_small_and_gives_back_large(tiny_pipe, painting, monkeypatch):
    seen = []
    forward = tiny_pipe.generator.forward
    monkeypatch.setattr(tiny_pipe.generator, "forward", lambda x, code: seen.append(tuple(x.shape[-2:])) or forward(x, code))
    assert tiny_pipe(smooth_noise((200, 100), 0), style=painting, max_size=50).images[0].size == (200, 100)
    assert seen == [(25, 50)]


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


def test_an_adapter_is_active_and_knows_its_style(tiny_pipe, photo, painting, tmp_path):
    zero_shot = tiny_pipe(photo, style=painting).images[0]
    adapter = adapted(tiny_pipe, steps=20, styles=[painting])
    assert tiny_pipe.get_active_adapters() == ["adapted"]
    own = tiny_pipe(photo).images[0]
    assert difference(own, zero_shot) > 0
    fresh = tiny_pipe.clone()
    fresh.load_adapter(adapter.save(tmp_path / "a.safetensors"), name="monet")
    assert difference(fresh(photo).images[0], own) < 1
    fresh.set_adapters(["monet"], [0.0])
    assert difference(fresh(photo).images[0], zero_shot) < 1


def test_unloading_restores_the_base_bit_for_bit(tiny_pipe):
    before = {k: v.clone() for k, v in tiny_pipe.generator.state_dict().items()}
    adapted(tiny_pipe)
    tiny_pipe.set_adapters(["adapted"], [0.7])
    tiny_pipe.unload_adapters()
    assert all(torch.equal(v, before[k]) for k, v in tiny_pipe.generator.state_dict().items())
    with pytest.raises(ValueError, match="loaded: none"):
        tiny_pipe.set_adapters(["adapted"])


def test_adapting_twice_starts_from_the_base_each_time(tiny_pipe):
    first = adapted(tiny_pipe)
    again = adapted(tiny_pipe)
    assert all(torch.equal(first.deltas[k], again.deltas[k]) for k in first.deltas)


def test_two_adapters_blend(tiny_pipe, photo):
    a = adapted(tiny_pipe, steps=4)
    b = adapted(tiny_pipe, steps=4, styles=[smooth_noise((64, 64), 7)])
    tiny_pipe.load_adapter(a, name="a")
    tiny_pipe.load_adapter(b, name="b")
    pictures = {}
    for weights in ([1, 0], [0.5, 0.5], [0, 1]):
        tiny_pipe.set_adapters(["a", "b"], weights)
        pictures[weights[0]] = tiny_pipe(photo).images[0]
    whole = difference(pictures[1], pictures[0])
    assert whole > 0
    assert difference(pictures[1], pictures[0.5]) < whole and difference(pictures[0], pictures[0.5]) < whole


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


def test_an_adapter_for_another_base_is_refused_naming_both(tiny_pipe):
    adapter = adapted(tiny_pipe)
    torch.nn.init.normal_(tiny_pipe.generator.to_rgb.weight)
    stranger = StyleTransferPipeline(tiny_pipe.generator, tiny_pipe.style_encoder)
    with pytest.raises(AdapterError, match=f"{adapter.base}.*{stranger.fingerprint}"):
        stranger.load_adapter(adapter)


def test_misshapen_deltas_are_refused_and_nothing_is_loaded(tiny_pipe):
    adapter = adapted(tiny_pipe)
    before = {k: v.clone() for k, v in tiny_pipe.generator.state_dict().items()}
    name = next(k for k in adapter.deltas if k.endswith(".delta"))
    broken = StyleAdapter(**{**vars(adapter), "deltas": {**adapter.deltas, name: torch.zeros(3, 3)}})
    with pytest.raises(AdapterError, match=name.removesuffix(".delta")):
        tiny_pipe.load_adapter(broken, name="broken")
    assert all(torch.equal(v, before[k]) for k, v in tiny_pipe.generator.state_dict().items())


@pytest.mark.parametrize(
    "names, weights, message", [(["x"], None, "'x'"), (["adapted"], [1, 2], "2 entries"), (["adapted"], [float("nan")], "nan")]
)
def test_bad_adapter_settings_are_refused(tiny_pipe, names, weights, message):
    adapted(tiny_pipe)
    with pytest.raises(ValueError, match=message):
        tiny_pipe.set_adapters(names, weights)


@pytest.mark.parametrize("part", ["code", "start_code"])
def test_a_style_code_of_another_length_is_refused(tiny_pipe, part):
    adapter = adapted(tiny_pipe)
    with pytest.raises(AdapterError, match="style code is"):
        tiny_pipe.load_adapter(StyleAdapter(**{**vars(adapter), part: torch.zeros(1, 3)}))


def test_a_half_precision_pipeline_adapts_and_shares_adapters(tiny_pipe, photo, tmp_path):
    tiny_pipe.save_pretrained(tmp_path)
    half = StyleTransferPipeline.from_pretrained(tmp_path, dtype=torch.bfloat16)
    assert half.fingerprint == tiny_pipe.fingerprint
    tiny_pipe.load_adapter(adapted(half), name="half")
    assert tiny_pipe(photo).images[0].size == half(photo).images[0].size


def test_an_adapter_may_lie_in_a_folder(tiny_pipe, tmp_path):
    adapted(tiny_pipe).save(tmp_path / "adapter.safetensors")
    tiny_pipe.load_adapter(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(AdapterError, match="empty/adapter.safetensors"):
        tiny_pipe.load_adapter(tmp_path / "empty")


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
