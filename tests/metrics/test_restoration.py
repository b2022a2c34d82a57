import importlib
import math
import sys

import numpy as np
import pytest

from styleadapt.data.damaged import luminance
from styleadapt.metrics.backbones import load_backbone
from styleadapt.metrics.report import text_table
from styleadapt.metrics.restoration import TRIALS, Trial, damage, measure_case, measure_restoration, restoration_figures
from styleadapt.metrics.restoration_peers import methods_of, pipeline_method
from styleadapt.metrics.restoration_run import compare_restoration

from ..conftest import smooth_noise
from ..tiny_restoration import tiny_restoration

SIZE = (64, 48)


@pytest.fixture(scope="module")
def backbone():
    return load_backbone("embedded")


@pytest.fixture
def clean() -> np.ndarray:
    return np.asarray(smooth_noise(SIZE, 0), np.float32)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_the_trials_are_those_that_papers_report():
    assert [trial.name for trial in TRIALS] == [
        *("denoise_15", "denoise_25", "denoise_50", "jpeg_10", "jpeg_20", "jpeg_30", "inpaint"),
    ]


def test_noise_is_unclipped_and_its_psnr_is_that_of_its_deviation(backbone):
    white = np.full((256, 256, 3), 255, np.float32)
    case = damage(Trial("denoise", 25), white, rng())
    assert case.damaged.max() > 300
    gray = np.full((256, 256, 3), 127, np.float32)
    score, _ = measure_case(backbone, damage(Trial("denoise", 25), gray, rng()), gray, lambda case: case.damaged)
    assert score.psnr == pytest.approx(20 * math.log10(255 / 25), abs=0.05)


def test_a_perfect_method_has_a_perfect_score(backbone, clean):
    for trial in TRIALS:
        score, made = measure_case(backbone, damage(trial, clean, rng()), clean, lambda case: clean)
        assert score.psnr > 100 and score.ssim == pytest.approx(1) and score.perceptual == pytest.approx(0, abs=1e-6)
        assert np.array_equal(made, clean.astype(np.uint8)) and score.seconds >= 0


def test_holes_are_measured_inside_and_jpeg_on_luminance(backbone, clean):
    case = damage(Trial("inpaint"), clean, rng())
    assert not case.damaged[case.hole].any() and np.array_equal(case.damaged[~case.hole], clean[~case.hole])
    shifted = np.where(case.hole[..., None], np.clip(clean, 20, 235) + 10, 0)
    score, _ = measure_case(backbone, case, np.clip(clean, 20, 235), lambda case: shifted)
    assert score.psnr == pytest.approx(20 * math.log10(255 / 10), abs=0.01)
    # as light as before, in other colors
    gray = np.repeat(luminance(clean), 3, -1)
    score, _ = measure_case(backbone, damage(Trial("jpeg", 30), clean, rng()), clean, lambda case: gray)
    assert score.psnr > 60 and score.perceptual > 0


def test_every_method_sees_the_same_damage_in_every_run(backbone):
    photos = {"one": smooth_noise(SIZE, 0), "two": smooth_noise(SIZE, 1)}
    seen: list[list[bytes]] = []
    for _ in range(2):
        cases = []

        def method(case, cases=cases):
            cases.append(case.damaged.tobytes())
            return case.damaged

        trials = (Trial("denoise", 25), Trial("inpaint"))
        found = list(measure_restoration(backbone, photos, lambda task: {"a": method, "b": method}, 3, trials))
        assert [(trial.name, name, photo) for trial, name, photo, _ in found[:3]] == [
            ("denoise_25", "a", "one"),
            ("denoise_25", "b", "one"),
            ("denoise_25", "a", "two"),
        ]
        seen.append(cases)
    assert seen[0] == seen[1] and seen[0][0] == seen[0][1] and seen[0][0] != seen[0][2]


@pytest.mark.parametrize("trial", [Trial("denoise", 25), Trial("jpeg", 20), Trial("inpaint")])
def test_our_pipeline_and_the_peers_restore_every_trial(backbone, clean, trial, monkeypatch):
    monkeypatch.setitem(sys.modules, "bm3d", None)  # it takes seconds, and need not be installed
    pipe = tiny_restoration()
    methods, left_out = methods_of(trial.task, {"ours": pipeline_method(pipe), "blind": pipeline_method(pipe, 0.5, blind=True)})
    assert set(left_out) <= {"bm3d", "skimage-wavelet", "skimage-tv"}
    case = damage(trial, clean, rng())
    scores = {name: measure_case(backbone, case, clean, method)[0] for name, method in methods.items()}
    assert all(math.isfinite(score.psnr) for score in scores.values())
    for name, score in scores.items():
        if name.startswith(("opencv", "skimage")):
            assert score.psnr > scores["damaged"].psnr + 1, name


def test_missing_peers_are_named(monkeypatch):
    load = importlib.import_module

    def absent(name, *arguments):
        if name in ("bm3d", "pywt", "skimage"):
            raise ImportError(f"No module named {name!r}")
        return load(name, *arguments)

    monkeypatch.setattr(importlib, "import_module", absent)
    methods, left_out = methods_of("denoise", {})
    assert set(methods) == {"damaged", "opencv-nlm"} and "No module named 'bm3d'" in left_out["bm3d"]
    assert set(left_out) == {"bm3d", "skimage-wavelet", "skimage-tv"}


def test_figures_have_intervals_and_seconds(backbone, clean):
    score, _ = measure_case(backbone, damage(Trial("jpeg", 10), clean, rng()), clean, lambda case: case.damaged)
    [column] = restoration_figures({("jpeg_10", "damaged"): [score, score]}, "embedded").values()
    assert [figure.name for figure in column] == [f"jpeg_10 {name}" for name in ("psnr", "ssim", "perceptual", "seconds")]
    assert column[0].higher_is_better and not column[2].higher_is_better and column[2].backbone == "embedded"


def test_a_run_compares_us_with_the_peers_and_leaves_the_pictures(backbone, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "bm3d", None)
    photos = {"one": smooth_noise(SIZE, 0), "two": smooth_noise((48, 64), 1)}
    done = compare_restoration(tiny_restoration(), backbone, photos, tmp_path, trials=(Trial("denoise", 50), Trial("inpaint")))
    assert {"damaged", "styleadapt", "styleadapt-blind", "opencv-nlm", "opencv-telea"} <= set(done.figures)
    assert "bm3d" in done.left_out and set(done.scores["inpaint styleadapt"]) == set(photos)
    assert (tmp_path / "denoise_50" / "two-styleadapt.png").is_file()
    assert "inpaint psnr" in text_table(done.figures)
