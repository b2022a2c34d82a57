import math

import pytest
from PIL import Image

from styleadapt.metrics.backbones import load_backbone
from styleadapt.metrics.evaluation import (
    Picture,
    art_figure,
    distribution_figures,
    few_shot_figures,
    flicker_figures,
    measure_pictures,
    pair_figures,
)
from styleadapt.metrics.report import Figure

from ..conftest import smooth_noise, stripes


@pytest.fixture(scope="module")
def backbone():
    return load_backbone()


@pytest.fixture(scope="module")
def photos():
    return [smooth_noise((64, 64), seed) for seed in range(4)]


def by_name(figures):
    return {figure.name: figure for figure in figures}


def test_figures_of_pictures_are_means_with_intervals(backbone, photos):
    style = stripes(64)
    pictures = [Picture(str(i), Image.blend(p, style, 0.4), p, style) for i, p in enumerate(photos)]
    scores = measure_pictures(backbone, pictures)
    found = by_name(pair_figures(list(scores.values()), pictures))
    assert found["gram"].value == pytest.approx(sum(s.gram for s in scores.values()) / 4)
    assert found["gram"].low < found["gram"].value < found["gram"].high
    assert {f.backbone for f in found.values() if f.name not in ("ssim", "psnr")} == {"embedded"}
    assert found["psnr"].backbone is None and found["psnr"].higher_is_better and 5 < found["psnr"].value < 30


def test_pictures_like_the_reference_are_nearer_as_a_set(backbone, photos):
    reference = [stripes(64, 6 + 2 * i) for i in range(4)]
    near = [stripes(64, 7 + 2 * i) for i in range(4)]
    ours, none = (by_name(distribution_figures(backbone, outputs, reference)) for outputs in (near, photos))
    for name in ("frechet_distance", "mmd", "kernel_distance"):
        assert ours[name].value < none[name].value and ours[name].backbone == "embedded"
    itself = by_name(distribution_figures(backbone, reference, reference[::-1]))
    assert itself["frechet_distance"].value == pytest.approx(0, abs=1e-6)


def test_a_product_of_distances_names_both_networks():
    found = [Figure("perceptual", 0.25, "embedded"), Figure("frechet_distance", 7.0, "embedded"), Figure("fid", 3.0, "inception")]
    same = art_figure(found, "art_distance", "perceptual", "frechet_distance")
    assert (same.name, same.value, same.backbone) == ("art_distance", 10, "embedded")
    assert art_figure(found, "artfid", "perceptual", "fid").backbone == "embedded and inception"


def test_a_model_that_repeats_a_shot_is_found_out(backbone, photos):
    shots = photos[:2]
    copied = by_name(few_shot_figures(backbone, [shots[0], shots[1], shots[0], shots[1]], shots))
    fresh = by_name(few_shot_figures(backbone, [stripes(64, 6 + 2 * i) for i in range(4)], shots))
    assert copied["copied"].value == 1 and fresh["copied"].value == 0
    assert copied["nearest_training"].value < 1e-2 < fresh["nearest_training"].value
    assert copied["diversity"].value < 1e-2 < fresh["diversity"].value
    assert math.isnan(by_name(few_shot_figures(backbone, photos, shots[:1]))["copied"].value)


def test_flicker_is_measured_in_the_order_of_the_frames(photos):
    frames = [Image.new("RGB", (64, 64), (v, v, v)) for v in (0, 51, 0)]
    found = by_name(flicker_figures([Picture(str(i), f, photos[0], photos[1]) for i, f in enumerate(frames)]))
    assert found["flicker"].value == pytest.approx(0.2, abs=1e-3) and found["flicker_of_photos"].value == 0
