import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from styleadapt import ImageError, ModelLoadError, TranslationPipeline, UGATITDiscriminator, UGATITGenerator
from styleadapt.images.images import image_to_tensor, tensor_to_image

from ..conftest import smooth_noise


@pytest.fixture
def pipe():
    torch.manual_seed(0)
    return TranslationPipeline(
        generator_a2b=UGATITGenerator(channels=4, blocks=1, light=True),
        generator_b2a=UGATITGenerator(channels=4, blocks=1, image_size=32),
        discriminator_local_a=UGATITDiscriminator(channels=2, n_layers=4),
    )


def same(a: Image.Image, b: Image.Image) -> bool:
    return a.size == b.size and a.mode == b.mode and a.tobytes() == b.tobytes()


@pytest.mark.parametrize("direction", ["a2b", "b2a"])
@pytest.mark.parametrize("size", [(1, 1), (1, 300), (17, 5), (32, 32), (130, 97)])
def test_every_size_comes_back_with_its_heat_map(pipe, direction, size):
    out = pipe(smooth_noise(size, 0), direction=direction, return_attention=True)
    assert out.images[0].size == out.attentions[0].size == size
    assert out.images[0].mode == out.attentions[0].mode == "RGB"


def test_a_light_generator_sees_the_picture_as_it_is(pipe):
    photo = smooth_noise((48, 32), 1)
    with torch.inference_mode():
        expected = tensor_to_image(pipe.generator_a2b(image_to_tensor(photo)).sample)[0]
    assert same(pipe(photo).images[0], expected)


def test_a_full_generator_sees_its_own_size(pipe):
    photo = smooth_noise((50, 20), 1)
    square = photo.resize((32, 32), Image.Resampling.BILINEAR)
    with torch.inference_mode():
        expected = tensor_to_image(pipe.generator_b2a(image_to_tensor(square)).sample)[0]
    assert same(pipe(square, direction="b2a").images[0], expected)
    assert same(pipe(photo, direction="b2a").images[0], expected.resize((50, 20), Image.Resampling.BICUBIC))


def test_heat_maps_run_from_blue_to_red_where_the_network_looked(pipe, monkeypatch):
    forward = pipe.generator_a2b.forward

    def looks_right(x):
        out = forward(x)
        out.attention = torch.linspace(3, 5, x.shape[3] // 4).expand(1, 1, x.shape[2] // 4, -1)
        return out

    monkeypatch.setattr(pipe.generator_a2b, "forward", looks_right)
    heat = np.asarray(pipe(smooth_noise((64, 32), 0), return_attention=True).attentions[0], int)
    assert (heat == heat[:1]).all()
    red, green, blue = heat[0].T
    assert blue[0] > 100 and red[0] == 0 and red[-1] > 100 and blue[-1] == 0
    assert green[0] == green[-1] == 0 and green[32] == 255
    monkeypatch.setattr(pipe.generator_a2b, "forward", forward)
    assert pipe(smooth_noise((64, 32), 0)).attentions is None


def test_lists_and_paths(pipe, photo, tmp_path):
    photo.save(tmp_path / "p.png")
    out = pipe([photo, tmp_path / "p.png", str(tmp_path / "p.png")], return_attention=True)
    assert len(out.images) == len(out.attentions) == 3
    assert same(out.images[0], out.images[1]) and same(out.attentions[0], out.attentions[2])


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "I;16", "RGBA"])
def test_every_mode_is_taken(pipe, mode):
    gray = smooth_noise((40, 30), 0).convert("L")
    photo = Image.fromarray(np.asarray(gray).astype(np.uint16) * 257) if mode == "I;16" else gray.convert(mode)
    image = pipe(photo).images[0]
    assert image.size == (40, 30) and image.mode in ("RGB", "RGBA")


def test_alpha_comes_back_untouched(pipe):
    photo = smooth_noise((41, 30), 0).convert("RGBA")
    photo.putalpha(Image.linear_gradient("L").resize((41, 30)))
    for direction in ("a2b", "b2a"):
        image = pipe(photo, direction=direction).images[0]
        assert image.mode == "RGBA" and image.getchannel("A").tobytes() == photo.getchannel("A").tobytes()


def test_max_size_works_small_and_gives_back_large(pipe, monkeypatch):
    seen = []
    forward = pipe.generator_a2b.forward
    monkeypatch.setattr(pipe.generator_a2b, "forward", lambda x: seen.append(tuple(x.shape[-2:])) or forward(x))
    out = pipe(smooth_noise((200, 100), 0), max_size=50, return_attention=True)
    assert out.images[0].size == out.attentions[0].size == (200, 100)
    assert seen == [(28, 52)]


def test_too_many_pixels_at_once_are_refused_with_a_way_out(pipe, monkeypatch):
    monkeypatch.setattr("styleadapt.pipelines.translation.MAX_WORKING_PIXELS", 1000)
    photo = smooth_noise((50, 50), 0)
    with pytest.raises(ImageError, match="max_size"):
        pipe(photo)
    assert pipe(photo, max_size=20).images[0].size == (50, 50)
    assert pipe(photo, direction="b2a").images[0].size == (50, 50)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"image": []}, "`image` is empty"),
        ({"image": "absent.png"}, "absent.png"),
        ({"direction": "a->b"}, "`direction` is 'a->b'; it must be 'a2b' or 'b2a'"),
        ({"max_size": 0}, "`max_size` is 0"),
    ],
)
def test_bad_arguments_are_refused_by_name(pipe, photo, options, message):
    with pytest.raises(ValueError, match=message):
        pipe(**{"image": photo, **options})


def test_save_and_load_give_the_same_pictures(pipe, photo, tmp_path):
    pipe.save_pretrained(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {
        "generator_a2b",
        "generator_b2a",
        "discriminator_local_a",
        "model_index.json",
    }
    assert str(tmp_path) not in (tmp_path / "model_index.json").read_text()
    again = TranslationPipeline.from_pretrained(tmp_path)
    for direction in ("a2b", "b2a"):
        a, b = (np.asarray(p(photo, direction=direction).images[0], int) for p in (pipe, again))
        assert np.abs(a - b).max() <= 1
    lean = TranslationPipeline.from_pretrained(tmp_path, discriminator_local_a=None)
    assert lean.discriminator_local_a is None and lean(photo).images[0].size == photo.size


def test_bf16_stays_close(pipe, photo, tmp_path):
    pipe.save_pretrained(tmp_path)
    rough = TranslationPipeline.from_pretrained(tmp_path, dtype=torch.bfloat16)
    assert rough.generator_a2b.dtype == torch.bfloat16
    a, b = (np.asarray(p(photo, return_attention=True).images[0], int) for p in (pipe, rough))
    assert np.abs(a - b).mean() < 6


def edit_index(folder, **changes):
    file = folder / "model_index.json"
    index = {**json.loads(file.read_text()), **changes}
    file.write_text(json.dumps({key: value for key, value in index.items() if value is not None}))


def remove_index(folder):
    (folder / "model_index.json").unlink()


def truncate_weights(folder):
    file = folder / "generator_a2b" / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:-50])


def swap_class(folder):
    shutil.copytree(folder / "discriminator_local_a", folder / "generator_a2b", dirs_exist_ok=True)


@pytest.mark.parametrize(
    "damage, message",
    [
        (remove_index, "no model_index.json"),
        (lambda f: (f / "model_index.json").write_text("{"), "not a valid JSON"),
        (lambda f: edit_index(f, _class_name="StyleTransferPipeline"), "describes StyleTransferPipeline, but this class"),
        (lambda f: edit_index(f, generator_b2a=None), "has nothing for `generator_b2a`, expected a UGATITGenerator"),
        (lambda f: edit_index(f, generator_b2a=[None, None]), "for `generator_b2a`, expected a UGATITGenerator"),
        (lambda f: edit_index(f, generator_b2a=["subprocess", "Popen"]), r"has \['subprocess', 'Popen'\]"),
        (truncate_weights, "not a whole safetensors file"),
        (swap_class, "expected a UGATITGenerator in `_class_name`"),
        (lambda f: shutil.rmtree(f / "generator_a2b"), "no file `config.json`"),
    ],
)
def test_damaged_repos_are_refused(pipe, tmp_path, damage, message):
    pipe.save_pretrained(tmp_path)
    damage(tmp_path)
    with pytest.raises(ModelLoadError, match=message):
        TranslationPipeline.from_pretrained(tmp_path)


def test_an_unknown_repo_off_line_says_how_to_go_on():
    with pytest.raises(ModelLoadError, match="pass a folder"):
        TranslationPipeline.from_pretrained("nobody/nothing", local_files_only=True)
