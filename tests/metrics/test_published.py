"""The published figures behind torchmetrics' interface, with networks that stand in for those whose weights would be fetched."""

import sys
from functools import partial

import numpy as np
import pytest
import torch

from styleadapt.errors import BackboneError
from styleadapt.images.images import image_to_tensor
from styleadapt.metrics.distribution import frechet_distance
from styleadapt.metrics.published import fid_figure, lpips_figure

from ..conftest import smooth_noise, stripes

lpip = pytest.importorskip("torchmetrics.image.lpip")
fid = pytest.importorskip("torchmetrics.image.fid")


class MeanDistance(torch.nn.Module):
    """Called as torchmetrics' LPIPS is: with images of [-1, 1], one pair at a time."""

    def __init__(self, net_type):
        super().__init__()
        assert net_type == "alex"

    def forward(self, x, y):
        assert x.shape == y.shape == (1, 3, 64, 64) and x.min() >= -1 and x.max() <= 1 and not self.training
        return (x - y).abs().mean()


class Pooled(torch.nn.Module):
    """Twelve numbers an image, of bytes as torchmetrics gives them to its Inception."""

    num_features = 12

    def forward(self, images):
        assert images.dtype == torch.uint8
        return torch.nn.functional.adaptive_avg_pool2d(images.double() / 255, 2).flatten(1)


@pytest.fixture
def stand_ins(monkeypatch):
    monkeypatch.setattr(lpip, "LearnedPerceptualImagePatchSimilarity", MeanDistance)
    monkeypatch.setattr(fid, "FrechetInceptionDistance", partial(fid.FrechetInceptionDistance, feature=Pooled()))


def test_lpips_is_the_mean_over_pairs_with_its_interval(stand_ins):
    outputs, photos = [smooth_noise((64, 64), seed) for seed in range(3)], [smooth_noise((64, 64), 9)] * 3
    figure = lpips_figure(outputs, photos)
    distances = [float((image_to_tensor(x) - image_to_tensor(photos[0])).abs().mean()) for x in outputs]
    assert figure.name == "lpips" and figure.backbone == "torchmetrics:lpips-alex" and not figure.higher_is_better
    assert figure.value == pytest.approx(sum(distances) / 3) and figure.low < figure.value < figure.high
    assert lpips_figure(photos, photos).value == 0
    with pytest.raises(ValueError, match="shorter"):
        lpips_figure(outputs, photos[:2])


def test_fid_is_the_frechet_distance_of_its_networks_features(stand_ins):
    outputs, styles = [smooth_noise((64, 64), seed) for seed in range(20)], [stripes(64, 6 + 2 * i) for i in range(20)]
    figure = fid_figure(outputs, styles)
    found, expected = (
        torch.cat([Pooled()(torch.tensor(np.asarray(image)).permute(2, 0, 1)[None]) for image in images])
        for images in (outputs, styles)
    )
    assert figure.name == "fid" and figure.backbone == "torchmetrics:inception-v3-compat"
    assert figure.value == pytest.approx(frechet_distance(found, expected), rel=1e-3)
    with pytest.raises(ValueError, match="2 images or more, got 1 and 20"):
        fid_figure(outputs[:1], styles)


@pytest.mark.parametrize(
    "module, measure",
    [("lpip", partial(lpips_figure, [], [])), ("fid", partial(fid_figure, [None] * 2, [None] * 2))],
)
def test_missing_packages_are_named(monkeypatch, module, measure):
    monkeypatch.setitem(sys.modules, f"torchmetrics.image.{module}", None)
    with pytest.raises(BackboneError, match=r'packages that are not here: pip install "torchmetrics\[image\]"'):
        measure()


def test_weights_that_cannot_be_fetched_are_told_in_one_line(monkeypatch):
    def failing(**options):
        raise OSError("no route\nto host")

    monkeypatch.setattr(lpip, "LearnedPerceptualImagePatchSimilarity", failing)
    with pytest.raises(BackboneError, match="the weights of `lpips` cannot be loaded: no route to host; fetch them once"):
        lpips_figure([], [])
