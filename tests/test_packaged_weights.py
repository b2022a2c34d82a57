"""The weights that ship: their size, and that they do what they are for."""

from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from styleadapt import AdaptationConfig, GenerationPipeline, StyleTransferPipeline
from styleadapt.images.image_files import list_images
from styleadapt.images.images import image_to_tensor, open_image
from styleadapt.losses.content import content_loss
from styleadapt.losses.style import gram_loss, style_statistics

ASSETS = Path(str(resources.files("styleadapt"))) / "assets"


@pytest.fixture(scope="module")
def pipe():
    return StyleTransferPipeline.from_pretrained()


def figures(pipe, result, photo, style) -> tuple[float, float]:
    """Style and content distance of a stylized photo."""
    trunk = pipe.style_encoder.trunk
    with torch.inference_mode():
        ours, theirs, painting = (trunk(image_to_tensor(i)) for i in (result, photo, style))
        style_distance = gram_loss(style_statistics(ours), style_statistics(painting))
        return float(style_distance), float(content_loss(ours, theirs, ("block5.expand", "block8.expand")))


def test_sizes_stay_in_their_budgets(pipe):
    assert sum(p.numel() for p in pipe.generator.parameters()) <= 3_000_000
    files = [ASSETS / "weights" / name / "diffusion_pytorch_model.safetensors" for name in ("generator", "style_encoder")]
    assert sum(f.stat().st_size for f in files) <= 12_000_000


def test_it_takes_on_the_style_and_keeps_the_photo(pipe):
    photos = [open_image(p).crop((0, 0, 256, 256)) for p in list_images(ASSETS / "photos")[:4]]
    for path in list_images(ASSETS / "styles")[:4]:
        style = open_image(path).resize((256, 256))
        for photo in photos:
            before, _ = figures(pipe, photo, photo, style)
            after, content = figures(pipe, pipe(photo, style=style).images[0], photo, style)
            assert after < 0.8 * before and content < 1.5


def test_a_photo_styled_by_itself_comes_back(pipe):
    photo = open_image(ASSETS / "photos" / "cat.jpg").crop((0, 0, 256, 256))
    itself = pipe(photo, style=photo).images[0]
    assert float((image_to_tensor(itself) - image_to_tensor(photo)).abs().mean()) < 0.25


def test_a_few_steps_of_adaptation_improve_the_style_and_fit_a_small_file(pipe, tmp_path):
    style = open_image(ASSETS / "styles" / "mosaic.jpg")
    adapter = pipe.clone().adapt([style], steps=16, config=AdaptationConfig(crop_size=192, pool_size=8))
    assert adapter.scores["style_after"] < adapter.scores["style_before"]
    assert adapter.save(tmp_path / "mosaic.safetensors").stat().st_size < 1_000_000


def plain_grounds() -> dict[str, tuple[Image.Image, np.ndarray]]:
    """Pictures of a plain ground with an edge, and the distance of every pixel of the ground from it in pixels."""

    def made(width, height, distance, ground, before):
        y, x = np.mgrid[0:height, 0:width].astype(float)
        away = distance(x, y)
        return Image.fromarray(np.where((away > 0)[..., None], ground, before).astype(np.uint8)), away

    sky, roof = (110, 160, 220), (45, 35, 30)
    return {
        "roof": made(900, 600, lambda x, y: 329.5 - y, sky, roof),
        "small roof": made(450, 300, lambda x, y: 164.5 - y, sky, roof),
        "large roof": made(1500, 1000, lambda x, y: 549.5 - y, sky, roof),
        "upright": made(900, 600, lambda x, y: 399.5 - x, (120, 165, 215), (50, 45, 40)),
        "slanted": made(900, 600, lambda x, y: (200 + 0.4 * x - y) / np.hypot(1, 0.4), (140, 170, 210), (60, 40, 35)),
        "light on dark": made(
            900, 600, lambda x, y: np.maximum(abs(x - 450) - 150, abs(y - 300) - 100), (40, 40, 60), (230, 220, 200)
        ),
        "light disk": made(800, 600, lambda x, y: np.hypot(x - 300, y - 250) - 120, (60, 45, 40), (220, 225, 235)),
        "dark disk": made(800, 600, lambda x, y: np.hypot(x - 500, y - 350) - 90, (200, 190, 170), (50, 60, 50)),
    }


RIM = 20  # levels of 255 at most between the ground beside an edge and farther off
KINDS = ("roof", "small roof", "large roof", "upright", "slanted", "light on dark", "light disk", "dark disk")


@pytest.mark.parametrize("kind", [pytest.param(k, marks=pytest.mark.slow if k == "large roof" else ()) for k in KINDS])
def test_a_plain_sky_has_little_of_a_rim_along_an_edge(pipe, kind):
    photo, distance = plain_grounds()[kind]
    rims = {}
    for path in list_images(ASSETS / "styles"):
        gray = np.asarray(pipe(photo, style=path).images[0], float).mean(2)
        rims[path.stem] = gray[(distance >= 4) & (distance < 20)].mean() - gray[(distance >= 55) & (distance < 65)].mean()
    assert {name: round(rim, 1) for name, rim in rims.items() if abs(rim) > RIM} == {}


def test_the_packaged_generator_makes_varied_textures_without_seams():
    pipe = GenerationPipeline.from_pretrained()
    folder = ASSETS / "generation"
    assert sum(file.stat().st_size for file in folder.rglob("*.safetensors")) < 6e6
    pictures = pipe(num_images=16, seed=3, truncation=0.7, output_type="np").images
    assert (
        pictures.shape == (16, 64, 64, 3)
        and (pictures == pipe(num_images=16, seed=3, truncation=0.7, output_type="np").images).all()
    )
    # across the border, neighbors differ as much as inside, and no two pictures are alike
    inside = np.abs(np.diff(pictures, axis=2)).mean((1, 2, 3))
    across = np.abs(pictures[:, :, 0] - pictures[:, :, -1]).mean((1, 2))
    assert np.median(across / inside) < 1.3
    distances = [np.abs(a - b).mean() for n, a in enumerate(pictures) for b in pictures[:n]]
    assert np.median(distances) > 0.05 and pictures.std((1, 2, 3)).min() > 0.005
