"""Tiny models and made images: no test needs the packaged weights unless it says so."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
if "PYTEST_XDIST_WORKER" in os.environ:  # workers beside each other share the cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
import torch
from PIL import Image

from styleadapt.models.discriminator import StyleDiscriminator
from styleadapt.models.generator import StyleGenerator
from styleadapt.models.style_encoder import StyleEncoder

from .commands import command, refusal, repo  # noqa: F401

EXPORT_TESTS = ("test_backends.py", "test_export.py", "test_web.py")
TINY_GENERATOR = {"channels": (8, 16), "blocks": (1, 1), "half_channels": 4, "full_channels": 4, "code_dim": 16}


def pytest_ignore_collect(collection_path, config):
    """`-m export` has a process of its own: the runtimes that it loads have crashed one that does all the rest."""
    return True if collection_path.name in EXPORT_TESTS and config.option.markexpr != "export" else None


def smooth_noise(size: tuple[int, int], seed: int, cell: int = 16) -> Image.Image:
    """Colored clouds, `size` (width, height)."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (max(2, size[1] // cell), max(2, size[0] // cell), 3), np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def stripes(size: int, period: int = 8) -> Image.Image:
    """A made style: red and yellow diagonal stripes."""
    y, x = np.mgrid[:size, :size]
    on = ((x + y) // (period // 2) % 2)[..., None]
    return Image.fromarray(np.where(on, np.uint8([250, 220, 40]), np.uint8([190, 20, 30])).astype(np.uint8))


@pytest.fixture
def tiny_models() -> dict[str, torch.nn.Module]:
    """Untrained models of a few thousand parameters around a random trunk; the same in every test."""
    torch.manual_seed(0)
    return {
        "generator": StyleGenerator(**TINY_GENERATOR),
        "style_encoder": StyleEncoder(code_dim=16, hidden_dim=8),
        "discriminator": StyleDiscriminator(channels=(4, 8), code_dim=16),
    }


@pytest.fixture
def tiny_pipe(tiny_models):
    """A pipeline of the tiny models."""
    from styleadapt.pipelines.style_transfer import StyleTransferPipeline

    return StyleTransferPipeline(**tiny_models)


@pytest.fixture
def photo() -> Image.Image:
    return smooth_noise((96, 72), seed=1)


@pytest.fixture
def painting() -> Image.Image:
    return stripes(96)


@pytest.fixture
def image_folders(tmp_path):
    """A folder of four photos and one of four paintings."""
    for kind in ("photos", "paintings"):
        (tmp_path / kind).mkdir()
        for i in range(4):
            image = smooth_noise((80, 72), seed=i) if kind == "photos" else stripes(80, 6 + 2 * i)
            image.save(tmp_path / kind / f"{i}.png")
    return tmp_path / "photos", tmp_path / "paintings"
