"""The command on a repo of tiny untrained models, whose pictures are bad and measured all the same."""

import json
import runpy
import sys
from types import SimpleNamespace

import pytest
from PIL import Image

from styleadapt.cli import measuring
from styleadapt.metrics.report import Figure
from styleadapt.metrics.restoration_run import Comparison

from ..commands import ROOT
from ..conftest import smooth_noise, stripes
from ..tiny_restoration import tiny_restoration

SMALL = ("--size", 48, "--backbone", "embedded", "--device", "cpu")


@pytest.fixture
def evaluate(monkeypatch, capsys):
    """Runs the command in this process, where the libraries are loaded already."""

    def run(*arguments: object) -> SimpleNamespace:
        script = str(ROOT / "scripts" / "evaluate.py")
        with monkeypatch.context() as patch, pytest.raises(SystemExit) as end:
            patch.setattr(sys, "argv", [script, *map(str, arguments)])
            runpy.run_path(script, run_name="__main__")
        printed = capsys.readouterr()
        return SimpleNamespace(returncode=end.value.code, stdout=printed.out, stderr=printed.err)

    return run


@pytest.fixture
def folders(image_folders, tmp_path):
    """Four photos, one of which is broken, and two styles."""
    photos, styles = image_folders
    (photos / "3.png").write_bytes(b"no image")
    for name in ("2.png", "3.png"):
        (styles / name).unlink()
    for i, name in enumerate(("stripes", "lines")):
        (styles / f"{i}.png").rename(styles / f"{name}.png")
    return "--photos", photos, "--styles", styles


def scores_of(folder):
    return json.loads((folder / "scores.json").read_text())


def test_a_model_s_pictures_and_the_same_again_as_ready_pictures(command, evaluate, repo, folders, tmp_path):
    card = tmp_path / "README.md"
    card.write_text("# model\n\n## Training\n\nsteps\n")
    done = command(
        "evaluate", "--model", repo, *folders, *SMALL, "--protocol", "all", "--output", tmp_path / "a", "--model_card", card
    )
    assert done.returncode == 0, done.stderr
    assert "6 pictures of 48 px, protocol all" in done.stdout and "measuring zero-shot: 100%" in done.stderr
    assert "1 left out" in done.stderr and "3.png" in done.stderr
    report = scores_of(tmp_path / "a")
    figures = report["figures"]["zero-shot"]
    assert {"gram", "content", "cfsd", "perceptual", "ssim", "psnr", "frechet_distance", "mmd", "art_distance"} <= figures.keys()
    assert all(f["backbone"] == "embedded" for name, f in figures.items() if name not in ("ssim", "psnr"))
    assert figures["gram"]["low"] < figures["gram"]["value"] < figures["gram"]["high"]
    assert set(report["pictures"]["zero-shot"]) == {f"{p}__{s}" for p in "012" for s in ("stripes", "lines")}
    assert report["settings"]["protocol"] == "all" and report["versions"]["torch"] and len(report["skipped"]) == 1
    assert report["cost"]["zero-shot"]["seconds"] > 0 and report["cost"]["zero-shot"]["parameters"] > 1000
    text = card.read_text()
    assert text.index("## Evaluation") < text.index("| gram |") < text.index("## Training")
    assert Image.open(tmp_path / "a" / "sheet.jpg").size == (3 * 196 - 4, 6 * 210)
    # the pictures were saved without loss, so that they measure the same, but for the rounding of another number of threads
    again = evaluate("--outputs", tmp_path / "a/images/zero-shot", *folders, *SMALL, "--output", tmp_path / "b")
    assert again.returncode == 0, again.stderr
    values = lambda found: {(n, k): v for n, f in found.items() for k, v in f.items() if isinstance(v, float)}  # noqa: E731
    assert values(scores_of(tmp_path / "b")["figures"]["pictures"]) == pytest.approx(values(figures), rel=5e-5)


def test_few_shots_before_and_after_a_step_of_adapting(evaluate, repo, folders, tmp_path):
    for kind, periods in (("shots", (6, 10, 14)), ("unseen", (8, 12))):
        (tmp_path / kind).mkdir()
        for period in periods:
            stripes(64, period).save(tmp_path / kind / f"{period}.png")
    few = ("--protocol", "few-shot", "--shots", tmp_path / "shots", "--reference", tmp_path / "unseen", "--k", 2, "--steps", 1)
    done = evaluate("--model", repo, *folders[:2], *few, *SMALL, "--output", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    report = scores_of(tmp_path / "out")
    assert list(report["figures"]) == ["zero-shot", "adapted"]
    for figures in report["figures"].values():
        assert {"kernel_distance", "diversity", "nearest_training", "copied"} <= figures.keys()
        assert 0 <= figures["copied"]["value"] <= 1 and figures["diversity"]["value"] >= 0
    assert report["figures"]["zero-shot"]["gram"] != report["figures"]["adapted"]["gram"]
    assert report["cost"]["adapted"]["file_bytes"] == (tmp_path / "out" / "adapter.safetensors").stat().st_size
    assert set(report["pictures"]["adapted"]) == {"0__10", "1__14", "2__10"}


@pytest.fixture
def ready(tmp_path):
    """Three frames of a film and what a method made of them, one of other proportions and one of no photo."""
    for kind in ("film", "painted"):
        (tmp_path / kind).mkdir()
        for i in range(3):
            smooth_noise((64, 48), 1).save(tmp_path / kind / f"{i}.png")
    smooth_noise((64, 48), 2).save(tmp_path / "film" / "3.png")
    smooth_noise((48, 64), 2).save(tmp_path / "painted" / "3.png")
    smooth_noise((64, 48), 2).save(tmp_path / "painted" / "stray.png")
    stripes(64).save(tmp_path / "style.png")
    return "--outputs", tmp_path / "painted", "--photos", tmp_path / "film", "--styles", tmp_path / "style.png"


def test_ready_frames_of_one_style(evaluate, ready, tmp_path):
    done = evaluate(*ready, *SMALL, "--frames", "--output", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    report = scores_of(tmp_path / "out")
    figures = report["figures"]["pictures"]
    assert figures["content"]["value"] == 0 and figures["ssim"]["value"] == pytest.approx(1)
    assert figures["flicker"]["value"] == figures["flicker_of_photos"]["value"] == pytest.approx(0, abs=1e-6)
    # equal pictures have no noise, and a single style is no distribution
    assert figures["psnr"]["value"] is None and "frechet_distance" not in figures
    reasons = " ".join(report["skipped"].values())
    assert "stray.png matches no photo" in reasons and "other proportions" in reasons and "2 left out" in done.stderr


def test_published_figures_stand_beside_ours_under_their_own_names(monkeypatch, evaluate, folders, repo, tmp_path):
    monkeypatch.setattr(measuring, "lpips_figure", lambda outputs, photos, seed: Figure("lpips", 0.5, "lpips-alex"))
    monkeypatch.setattr(measuring, "fid_figure", lambda outputs, styles: Figure("fid", len(styles), "inception"))
    monkeypatch.setattr(measuring, "require_published", lambda sets: None)
    done = evaluate("--model", repo, *folders, *SMALL, "--published", "--output", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    figures = scores_of(tmp_path / "out")["figures"]["zero-shot"]
    assert {name: figures[name]["value"] for name in ("lpips", "fid", "artfid")} == {"lpips": 0.5, "fid": 2, "artfid": 4.5}
    assert figures["artfid"]["backbone"] == "lpips-alex and inception" and figures["perceptual"]["backbone"] == "embedded"


def test_help_tells_how_to_reproduce_the_table(evaluate):
    done = evaluate("--help")
    assert done.returncode == 0
    assert "styleadapt evaluate --backbone embedded -o runs/evaluation\n" in done.stdout
    assert "--protocol few-shot --shots SHOTS --reference UNSEEN" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--protocol", "few-shot"), "needs --shots and --reference"),
        (("--steps", 3), "belong to --protocol few-shot"),
        (("--adapt", 3), "belong to --protocol few-shot"),
        (("--outputs", "o", "--adapter", "a.safetensors"), "leave --model and --adapter out"),
        (("--size", 8), "--size is 8; it must be 32 at least"),
        (("--photos", "nowhere"), "no image folder at nowhere"),
        (("--backbone", "vgg19"), "unknown backbone 'vgg19'"),
        (("--device", "abacus"), "the device 'abacus' cannot be used here"),
    ],
)
def test_wrong_arguments_end_with_one_line(refusal, tmp_path, arguments, message):
    assert message in refusal("evaluate", "--output", tmp_path / "out", *arguments)
    assert not (tmp_path / "out").exists()


def test_what_would_lose_the_work_is_told_before_it(refusal, evaluate, folders, repo, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torchmetrics.image.lpip", None)
    arguments = (*folders, *SMALL, "--output", tmp_path / "out")
    assert "`lpips` needs packages that are not here" in refusal("evaluate", *arguments, "--published")
    (tmp_path / "file").touch()
    assert "Not a directory" in refusal("evaluate", *arguments, "--output", tmp_path / "file")
    assert "Is a directory" in refusal("evaluate", *arguments, "--model_card", tmp_path)
    restoring = ("--protocol", "restoration", *folders[:2], "--output", tmp_path / "file")
    assert "Not a directory" in refusal("evaluate", *restoring)


def test_an_adapter_that_cannot_be_loaded_is_told_before_pictures_are_made(evaluate, folders, repo, tmp_path):
    done = evaluate("--model", repo, *folders, *SMALL, "--adapter", "absent.safetensors", "--output", tmp_path / "out")
    assert "no adapter file at absent.safetensors" in str(done.returncode)
    assert not (tmp_path / "out" / "images").exists()


def test_shots_are_checked(refusal, image_folders, tmp_path):
    _, styles = image_folders
    few = ("--protocol", "few-shot", "--shots", styles, "--reference", styles, "--output", tmp_path / "out")
    assert "both a shot and a reference" in refusal("evaluate", *few)
    assert "--k is 9, but" in refusal("evaluate", *few, "--k", 9)


def test_restoration_is_measured_beside_its_peers(evaluate, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "bm3d", None)  # it takes seconds, and need not be installed
    (tmp_path / "photos").mkdir()
    smooth_noise((60, 50), 0).save(tmp_path / "photos" / "a.png")
    (tmp_path / "photos" / "broken.png").write_bytes(b"no image")
    tiny_restoration().save_pretrained(tmp_path / "model")
    own = ("--model", tmp_path / "model", "--photos", tmp_path / "photos", "--output", tmp_path / "out")
    done = evaluate("--protocol", "restoration", *own, *SMALL)
    assert done.returncode == 0, done.stderr
    assert "1 photos, protocol restoration" in done.stdout and "denoise_25 psnr" in done.stdout
    assert "bm3d is left out" in done.stderr and "broken.png" in done.stderr
    report = scores_of(tmp_path / "out")
    assert {"damaged", "styleadapt", "styleadapt-blind", "opencv-telea"} <= report["figures"].keys()
    assert report["pictures"]["jpeg_10 styleadapt"]["a"]["psnr"] > 0
    with Image.open(tmp_path / "out" / "images" / "inpaint" / "a-styleadapt.png") as picture:
        assert picture.size == (48, 48)


def test_restored_photos_are_drawn_by_the_seed_and_have_names_of_their_own(evaluate, refusal, tmp_path, monkeypatch):
    seen = []

    def compare(pipe, backbone, photos, *_):
        seen.append(list(photos))
        return Comparison({"damaged": [Figure("psnr", 20.0)]}, {}, {})

    for name in "abcdef":
        smooth_noise((40, 32), 0).save(tmp_path / f"{name}.png")
    arguments = ("--protocol", "restoration", "--photos", tmp_path, *SMALL, "--output", tmp_path / "out", "--limit", 2)
    with monkeypatch.context() as patch:
        patch.setattr(measuring, "compare_restoration", compare)
        patch.setattr(measuring.RestorationPipeline, "from_pretrained", lambda _: tiny_restoration())
        for seed in (0, 1):
            done = evaluate(*arguments, "--seed", seed)
            assert done.returncode == 0, done.stderr
    assert len(seen[0]) == len(seen[1]) == 2 and seen[0] != seen[1]
    smooth_noise((40, 32), 1).save(tmp_path / "a.jpg")
    assert "have one name; rename one" in refusal("evaluate", *arguments)


@pytest.mark.parametrize(
    ("option", "message"),
    [(("--fidelity", 2), "--fidelity is 2"), (("--adapter", "a.safetensors"), "do not belong to --protocol restoration")],
)
def test_options_that_do_not_belong_to_restoration_are_refused(evaluate, tmp_path, capsys, option, message):
    done = evaluate("--protocol", "restoration", "--output", tmp_path, *option)
    assert done.returncode == 2 and message in done.stderr
