import dataclasses
import math

import pytest
import torch
from PIL import Image

from styleadapt.errors import BackboneError
from styleadapt.images.images import image_to_tensor
from styleadapt.metrics.backbones import Backbone, load_backbone
from styleadapt.metrics.stylization import (
    PairScores,
    cfsd,
    content_distance,
    mean_scores,
    measure_pair,
    style_distance,
)

from ..conftest import smooth_noise, stripes


def test_style_distance_by_hand():
    """One channel: the Gram matrix is the mean square, 4 against 1 and 2 against 1; relative squares 9 and 1, mean 5."""
    style = {"a": torch.ones(1, 1, 2, 2), "b": torch.ones(1, 1, 1, 1)}
    output = {"a": torch.full((1, 1, 2, 2), 2.0), "b": torch.full((1, 1, 1, 1), 2**0.5)}
    assert style_distance(output, style)["gram"].tolist() == pytest.approx([5.0])
    # means (2 - 1)^2 and (sqrt 2 - 1)^2, deviations 0 on both sides; averaged over both kinds and both layers
    assert style_distance(output, style)["mean_std"].tolist() == pytest.approx([(1 + (2**0.5 - 1) ** 2) / 4], rel=1e-4)


def test_style_distance_is_relative_and_knows_no_places():
    torch.manual_seed(0)
    x, y = ({"a": torch.rand(2, 4, 5, 6)} for _ in range(2))
    expected = style_distance(x, y)
    shuffled = {"a": y["a"].flatten(2)[:, :, torch.randperm(30)].unflatten(2, (5, 6))}
    for other, scale in ((shuffled, 1), (y, 7)):
        found = style_distance({"a": scale * x["a"]}, {"a": scale * other["a"]})
        for name in ("gram", "mean_std"):
            torch.testing.assert_close(found[name], expected[name], rtol=1e-3, atol=1e-5)


def test_each_pair_of_a_batch_has_its_own_figures():
    torch.manual_seed(0)
    x, y = ({"a": torch.rand(3, 4, 8, 8), "b": torch.rand(3, 4, 4, 4)} for _ in range(2))
    for measure in (lambda a, b: style_distance(a, b)["gram"], content_distance, cfsd):
        alone = [measure({k: v[i : i + 1] for k, v in x.items()}, {k: v[i : i + 1] for k, v in y.items()}) for i in range(3)]
        torch.testing.assert_close(measure(x, y), torch.cat(alone))


def test_content_is_read_at_three_quarters_and_structure_at_half_of_the_depth():
    torch.manual_seed(0)
    photo = {name: torch.rand(1, 4, 6, 6) for name in "abcde"}
    for measure, layer in ((content_distance, "d"), (cfsd, "c")):
        for name in photo:
            changed = {**photo, name: torch.rand(1, 4, 6, 6)}
            assert (float(measure(changed, photo)) > 1e-3) == (name == layer)


def test_cfsd_is_the_divergence_of_self_similarities():
    """Two places, alike in the photo and orthogonal in the output, against the definition in plain numbers."""
    photo = {"a": torch.tensor([[[[1.0, 1.0]], [[0.0, 0.0]]]])}
    output = {"a": torch.tensor([[[[1.0, 0.0]], [[0.0, 1.0]]]])}
    q = 1 / (1 + math.exp(-10))
    expected = 0.5 * math.log(0.5 / q) + 0.5 * math.log(0.5 / (1 - q))
    assert float(cfsd(output, photo)) == pytest.approx(expected, rel=1e-4)


def test_a_painted_photo_is_nearer_to_its_style_and_farther_from_its_photo():
    backbone, photo, style = load_backbone(), smooth_noise((96, 96), 1), stripes(96)
    untouched = measure_pair(backbone, photo, photo, style)
    assert untouched.backbone == "embedded"
    assert (untouched.content, untouched.cfsd, untouched.perceptual) == pytest.approx((0, 0, 0), abs=1e-5)
    assert untouched.ssim == pytest.approx(1)
    half = measure_pair(backbone, Image.blend(photo, style, 0.5), photo, style)
    assert half.gram < untouched.gram and half.mean_std < untouched.mean_std
    assert half.content > 0.05 and half.cfsd > 0.01 and half.perceptual > 0.05 and half.ssim < 0.9
    assert measure_pair(backbone, style, photo, style).gram == pytest.approx(0, abs=1e-6)


def test_pictures_and_tensors_give_the_same_and_every_image_is_seen_once():
    seen = []

    class Counting(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Conv2d(3, 4, 3, 2)

        def forward(self, x):
            seen.append(x)
            return {"a": self.layer(x)}

    backbone = Backbone("counting", Counting())
    images = smooth_noise((32, 24), 1), smooth_noise((32, 24), 2), stripes(40)
    first = measure_pair(backbone, *images)
    assert len(seen) == 3
    assert measure_pair(backbone, *map(image_to_tensor, images)) == first


def test_sizes_must_be_equal():
    with pytest.raises(ValueError, match="64 x 48 and 32 x 32"):
        measure_pair(load_backbone(), smooth_noise((64, 48), 0), smooth_noise((32, 32), 0), stripes(32))


def test_means_are_of_one_backbone():
    one = PairScores("embedded", 1, 2, 3, 4, 5, 6)
    other = PairScores("embedded", 3, 2, 1, 0, 5, 0)
    assert mean_scores([one, other]) == PairScores("embedded", 2, 2, 2, 2, 5, 3) == mean_scores([other, one])
    with pytest.raises(BackboneError, match="embedded, timm:vgg16"):
        mean_scores([one, dataclasses.replace(other, backbone="timm:vgg16")])
    with pytest.raises(BackboneError, match="none"):
        mean_scores([])
