import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from styleadapt import GameAssetPipeline, ImageError, ModelLoadError
from styleadapt.game.pieces import Asset
from styleadapt.game.sheets import Grid
from styleadapt.pipelines import game_assets
from styleadapt.pipelines.game_assets import SetLook

from ..conftest import smooth_noise
from .adapted import adapted


@pytest.fixture
def pipe(tiny_pipe):
    with torch.no_grad():
        for noise in (tiny_pipe.generator.noise8, tiny_pipe.generator.noise4, tiny_pipe.generator.noise2):
            torch.nn.init.normal_(noise.gain.weight, std=0.3)
    return GameAssetPipeline(tiny_pipe)


def sprite(seed: int, size=(24, 24)) -> Image.Image:
    """Clouds in a disk, whose rim is half transparent, and rubbish around it."""
    y, x = np.mgrid[: size[1], : size[0]]
    far = np.hypot(y - size[1] / 2 + 0.5, x - size[0] / 2 + 0.5) / min(size)
    alpha = np.where(far < 0.35, 255, np.where(far < 0.45, 90, 0)).astype(np.uint8)
    rgb = np.array(smooth_noise(size, seed, cell=4))
    rgb[alpha == 0] = seed * 37 % 256
    return Image.fromarray(np.dstack([rgb, alpha]))


def array(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


def test_alpha_and_size_stay_and_what_is_hidden_does_not_matter(pipe, painting):
    images = [sprite(1), sprite(2), sprite(3, (40, 30)), smooth_noise((50, 20), 4)]
    output = pipe(images, style=painting)
    for before, after in zip(images, output.images):
        assert after.size == before.size and after.mode == before.mode
    assert (array(output.images[0])[..., 3] == array(images[0])[..., 3]).all()
    other = array(images[0])
    other[other[..., 3] == 0] = 200, 10, 255, 0
    other = Image.fromarray(other.astype(np.uint8))
    seen = array(images[0])[..., 3] > 0
    assert (array(pipe([other], look=output.look).images[0])[seen] == array(output.images[0])[seen]).all()
    assert np.abs(array(output.images[0])[seen] - array(images[0])[seen])[:, :3].mean() > 5


def test_a_frame_of_a_sheet_is_the_frame_alone(pipe, painting):
    frames = [sprite(n) for n in range(4)]
    sheet = Image.new("RGBA", (48, 48))
    for n, frame in enumerate(frames):
        sheet.paste(frame, (n % 2 * 24, n // 2 * 24))
    output = pipe([sheet], style=painting, grid="24x24")
    alone = pipe(frames, look=output.look).images
    for n, picture in enumerate(alone):
        left, top = n % 2 * 24, n // 2 * 24
        part = output.images[0].crop((left, top, left + 24, top + 24))
        seen = array(picture)[..., 3] > 0
        assert np.abs(array(part)[seen] - array(picture)[seen]).max() <= 1


def test_nothing_leaks_from_one_frame_into_another(pipe, painting):
    sheet = smooth_noise((48, 24), 1, cell=4)
    output = pipe([sheet], style=painting, grid="24x24")
    other = sheet.copy()
    other.paste("white", (24, 0, 48, 24))
    changed = pipe([other], look=output.look, grid=Grid(24, 24)).images[0]
    assert (array(changed)[:, :24] == array(output.images[0])[:, :24]).all()
    assert (array(changed)[:, 24:] != array(output.images[0])[:, 24:]).any()


def test_a_rolled_texture_is_the_rolled_picture(pipe, painting):
    texture = smooth_noise((48, 40), 5, cell=6)
    rolls = (16, 8)
    rolled = Image.fromarray(np.roll(array(texture), rolls, (0, 1)).astype(np.uint8))
    output = pipe([texture], style=painting, tile=True)
    again = pipe([rolled], style=painting, tile=True).images[0]
    assert np.abs(np.roll(array(output.images[0]), rolls, (0, 1)) - array(again)).max() <= 1


@pytest.mark.parametrize("strength", [1.0, 0.3])
def test_a_texture_that_repeats_within_itself_goes_on_to(pipe, painting, strength):
    texture = Image.fromarray(np.tile(array(smooth_noise((16, 24), 5, cell=6)), (2, 4, 1)).astype(np.uint8))
    painted = array(pipe([texture], style=painting, tile=True, strength=strength).images[0])
    assert painted.shape == (48, 64, 3) and (np.roll(painted, (24, 16), (0, 1)) == painted).all()


def test_a_texture_of_another_size_has_no_seam(pipe, painting):
    y, x = np.mgrid[:30, :45]
    waves = np.dstack([128 + 100 * np.sin(2 * np.pi * (x / 45 * a + y / 30 * b)) for a, b in ((1, 2), (2, -1), (3, 1))])
    texture = Image.fromarray(waves.astype(np.uint8))
    seams = []
    for tile in (True, False):
        painted = array(pipe([texture], style=painting, tile=tile, enlarge=1).images[0])
        steps = [np.abs(painted - np.roll(painted, 1, axis)).mean((1 - axis, 2)) for axis in (0, 1)]
        seams.append([step[0] / step[1:].max() for step in steps])
    assert max(seams[0]) < 1 and sum(seams[0]) < 0.7 * sum(seams[1])


def test_one_palette_for_the_whole_set(pipe, painting, tmp_path):
    images = [sprite(1), sprite(2), smooth_noise((30, 30), 3)]
    output = pipe(images, style=painting, colors=5)
    assert 2 <= len(output.look.palette) <= 5
    colors = {tuple(color) for color in output.look.palette.tolist()}
    for before, after in zip(images, output.images):
        after.save(tmp_path / "a.png")
        with Image.open(tmp_path / "a.png") as read:
            assert read.mode == "P"
            shown = np.asarray(read.convert("RGBA"))
        assert {tuple(color) for color in shown[shown[..., 3] > 0][:, :3].tolist()} <= colors
        assert (shown[..., 3] == np.asarray(before.convert("RGBA"))[..., 3]).all()
    given = pipe(images, style=painting, palette=np.uint8([[0, 0, 0], [255, 0, 0]]), dither=True).images[2]
    assert {color for _, color in given.convert("RGB").getcolors()} == {(0, 0, 0), (255, 0, 0)}


def test_pixel_art_keeps_its_grid(pipe, painting):
    art = sprite(1).resize((72, 72), Image.Resampling.NEAREST)
    painted = array(pipe([art], style=painting).images[0])
    assert (painted[::3, ::3].repeat(3, 0).repeat(3, 1) == painted).all()
    free = array(pipe([art], style=painting, pixel_art=False).images[0])
    assert (free[::3, ::3].repeat(3, 0).repeat(3, 1) != free).any()


@pytest.mark.parametrize("colors", [None, 4])
def test_a_key_color_stays_and_is_never_seen(pipe, painting, colors):
    image = smooth_noise((32, 32), 1)
    image.paste((255, 0, 255), (0, 0, 10, 32))
    keyed = Asset(image, key=(255, 0, 255))
    look = pipe.prepare([keyed], painting, colors=colors)
    painted = array(pipe.paint([keyed], look)[0].convert("RGB"))
    assert (painted[:, :10] == (255, 0, 255)).all()
    other = image.copy()
    other.paste((0, 255, 0), (0, 0, 10, 32))
    same = pipe.paint([Asset(other, key=(0, 255, 0))], look)[0]
    assert (array(same.convert("RGB"))[:, 10:] == painted[:, 10:]).all()


def test_strength_goes_from_the_asset_to_the_style(pipe, painting):
    image = smooth_noise((32, 32), 1)
    assert (array(pipe([image], style=painting, strength=0).images[0]) == array(image)).all()
    far = [np.abs(array(pipe([image], style=painting, strength=s).images[0]) - array(image)).mean() for s in (0.2, 0.4, 1)]
    assert 0 < far[0] < far[1] < far[2]


def test_a_look_comes_back_from_its_file(pipe, painting, tmp_path):
    output = pipe([sprite(1)], style=painting, colors=4, dither=True)
    output.look.save(tmp_path / "set.safetensors")
    look = SetLook.load(tmp_path / "set.safetensors")
    assert (look.dither, look.strength, look.pixel_art, look.enlarge) == (True, 1.0, True, 4)
    assert (array(pipe([sprite(1)], look=look).images[0]) == array(output.images[0])).all()
    (tmp_path / "set.safetensors").write_bytes(b"rubbish")
    with pytest.raises(ModelLoadError, match="no look"):
        SetLook.load(tmp_path / "set.safetensors")


def test_a_large_set_is_represented_by_a_part(pipe, painting, monkeypatch):
    monkeypatch.setattr(game_assets, "SAMPLE_PIXELS", 1500)
    read = []

    def assets():
        for n in range(10):
            read.append(n)
            yield Asset(smooth_noise((24, 24), n))

    pipe.prepare(assets(), painting)
    assert read == [0, 1, 2]


def test_of_a_large_piece_the_part_is_taken_in_which_most_is_seen(pipe, painting, monkeypatch):
    monkeypatch.setattr(game_assets, "_SAMPLE_SIDE", 24)
    sheet = Image.new("RGBA", (80, 60))
    sheet.paste(sprite(1), (50, 30))
    sheet.putpixel((0, 0), (255, 0, 0, 255))
    [piece] = game_assets._sample([Asset(sheet)], pixel_art=True)
    alpha = np.asarray(sheet)[..., 3] > 0
    assert piece.pixels.shape == (24, 24, 3) and piece.seen.sum() == alpha.sum() - 1
    assert pipe([sheet], style=painting).images[0].size == sheet.size
    # of a picture that is seen everywhere it is the first
    whole = smooth_noise((40, 30), 2)
    [piece] = game_assets._sample([Asset(whole)], pixel_art=True)
    assert (piece.pixels == array(whole)[:24, :24]).all()


def test_small_pieces_are_painted_larger_and_all_of_a_set_alike(pipe, painting):
    small, large = smooth_noise((30, 20), 1), smooth_noise((200, 150), 2)
    for images, times in (([small, small, large], 4), ([small, large, large], 1)):
        assert pipe(images, style=painting).look.enlarge == times
    assert pipe([large], style=painting, enlarge=2).look.enlarge == 2
    twice = small.resize((60, 40), Image.Resampling.NEAREST)
    look = pipe([small], style=painting, enlarge=2).look
    [by_hand] = pipe([twice], look=dataclasses.replace(look, enlarge=1, pixel_art=False)).images
    by_hand = np.rint(array(by_hand).reshape(20, 2, 30, 2, 3).mean((1, 3)))
    assert np.abs(array(pipe([small], look=look).images[0]) - by_hand).max() <= 1


def test_an_adapter_knows_its_style_and_the_models_are_shared(pipe, painting):
    adapter = adapted(pipe.stylizer, styles=[painting])
    image = smooth_noise((32, 32), 1)
    painted = pipe([image]).images[0]
    pipe.stylizer.unload_adapters()
    assert (array(painted) != array(pipe([image], style_code=adapter.code).images[0])).any()
    with pytest.raises(ValueError, match="no style"):
        pipe([image])


@pytest.mark.parametrize("dither", [False, True])
def test_nothing_is_painted_in_a_key_color_of_the_palette(pipe, painting, dither):
    gray, image = (128, 128, 128), smooth_noise((32, 32), 1)
    image.paste(gray, (0, 0, 10, 32))
    asset = Asset(image, key=gray)
    look = pipe.prepare([asset], painting, palette=np.uint8([gray, (0, 0, 0), (255, 255, 255)]), dither=dither)
    for picture in (asset, dataclasses.replace(asset, image=image.crop((10, 0, 32, 32)))):
        painted = array(pipe.paint([picture], look)[0].convert("RGB"))
        assert ((painted == gray).all(2) == picture.keyed).all()


def test_nothing_is_painted_in_the_key_color_without_a_palette(pipe, painting):
    asset = Asset(smooth_noise((32, 32), 1))
    look = pipe.prepare([asset], painting)
    key = pipe.paint([asset], look)[0].getpixel((5, 5))
    keyed = dataclasses.replace(asset, key=key)
    assert not keyed.keyed.any() and not (array(pipe.paint([keyed], look)[0]) == key).all(2).any()


def test_a_palette_of_the_key_color_alone_is_used(pipe, painting):
    asset = Asset(smooth_noise((32, 32), 1), key=(0, 0, 0))
    look = pipe.prepare([asset], painting, palette=[(0, 0, 0)])
    assert not array(pipe.paint([asset], look)[0].convert("RGB")).any()


def test_numbers_of_other_types_are_taken(pipe, painting, tmp_path):
    images, colors = [smooth_noise((32, 32), 1)], [(0, 0, 0), (255, 255, 255)]
    plain = pipe(images, style=painting, palette=np.uint8(colors), enlarge=2, strength=0.5)
    for palette, enlarge, strength in ((colors, 2.0, np.float32(0.5)), (np.array(colors), np.int64(2), 0.5)):
        output = pipe(images, style=painting, palette=palette, enlarge=enlarge, strength=strength)
        assert output.images[0].tobytes() == plain.images[0].tobytes()
        output.look.save(tmp_path / "look.safetensors")
        assert SetLook.load(tmp_path / "look.safetensors").enlarge == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"colors": 0}, "1 to 256"),
        ({"colors": 4, "palette": "a.hex"}, "both given"),
        ({"dither": True}, "without"),
        ({"strength": 2}, "between 0 and 1"),
        ({"shared_statistics": -0.1}, "between 0 and 1"),
        ({"enlarge": 9}, "1 to 8"),
        ({"enlarge": 1.5}, "whole number"),
        ({"grid": "7x7"}, "do not fill"),
        ({"palette": np.zeros((0, 3), np.uint8)}, r"must be \(N, 3\)"),
        ({"palette": [(0, 0, 0), (255, 255)]}, r"must be \(N, 3\)"),
        ({"palette": [(0, 0, 300)]}, "0 to 255"),
        ({"palette": [(0.5, 0, 1)]}, "whole numbers"),
    ],
)
def test_wrong_arguments_are_refused(pipe, painting, options, said):
    with pytest.raises(ValueError, match=said):
        pipe([smooth_noise((32, 32), 1)], style=painting, **options)


def test_nothing_to_paint_is_refused(pipe, painting):
    with pytest.raises(ImageError, match="1 x 1"):
        pipe([Image.new("RGB", (1, 1))], style=painting)
    with pytest.raises(ValueError, match="no visible pixel"):
        pipe([Image.new("RGBA", (8, 8))], style=painting)
