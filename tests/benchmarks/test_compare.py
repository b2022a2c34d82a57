import json
import runpy

import pytest
from PIL import Image

from styleadapt.adaptation.adapt import AdaptationConfig

from ..commands import ROOT

FIGURES = ["gram", "mean_std", "content", "cfsd", "perceptual", "ssim", "seconds"]


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(ROOT / "benchmarks" / "compare.py"))


@pytest.mark.slow
def test_all_methods_on_the_same_pairs(command, repo, image_folders, painting, tmp_path):
    (tmp_path / "styles").mkdir()
    painting.save(tmp_path / "styles" / "stripes.png")
    folders = ("--photos", image_folders[0], "--styles", tmp_path / "styles", "--output", tmp_path / "out")
    sizes = ("--pairs", 2, "--size", 64, "--adapt", 0.1, "--refine", 2, "--threads", 1)
    done = command("compare", *folders, *sizes, "--model", repo, "--backbone", "embedded")
    assert done.returncode == 0, done.stderr
    assert "backbone: embedded" in done.stdout and "(100%)" in done.stdout and "2 pairs, 64 px" in done.stdout
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert scores["backbone"] == "embedded"
    assert list(scores["methods"]) == ["zero-shot", "adapter", "refined", "magenta", "multistyle26"]
    for name, entry in scores["methods"].items():
        assert list(entry["figures"]) == FIGURES and list(entry["pairs"]) == ["0__stripes", "1__stripes"]
        assert entry["figures"]["content"] > 0 and entry["figures"]["seconds"] > 0
        assert (entry["figures"]["gram"] is None) == (name == "multistyle26")
        assert name in done.stdout
    # photo, style and five pictures of two pairs
    assert Image.open(tmp_path / "out" / "sheet.jpg").size == (7 * (192 + 4) - 4, 2 * (192 + 18))


def entry(**figures):
    return {"figures": {**dict.fromkeys(FIGURES, 1.0), **figures}}


def test_shares_are_of_the_peer(script):
    lines = script["table"]({"adapter": entry(gram=0.3), "magenta": entry(gram=0.4)}, "embedded").splitlines()
    assert lines[0].split()[:3] == ["backbone:", "embedded", "gram"]
    assert lines[1].split()[:3] == ["adapter", "0.300", "(75%)"] and lines[2].split()[:3] == ["magenta", "0.400", "(100%)"]


def test_without_the_peer_there_are_figures_and_no_shares(script):
    table = script["table"]({"zero-shot": entry(gram=0.3)}, "embedded")
    assert "0.300" in table and "%" not in table


def test_a_figure_that_cannot_be_measured_is_a_dash(script):
    line = script["table"]({"multistyle26": entry(gram=None), "magenta": entry()}, "embedded").splitlines()[1]
    assert line.split()[1:3] == ["-", "1.000"]


def test_a_style_is_learned_once(script, tiny_pipe, painting, photo, monkeypatch):
    config = AdaptationConfig(rank=2, crop_size=64, pool_size=2)
    adapter = tiny_pipe.adapt([painting], steps=2, content=[photo], config=config)
    learned = []
    monkeypatch.setattr(type(tiny_pipe), "adapt", lambda self, styles, **options: learned.append(styles) or adapter)
    monkeypatch.setattr(type(tiny_pipe), "from_pretrained", lambda _: tiny_pipe)
    arguments = type("Arguments", (), {"model": None, "adapt": 1.0, "refine": 0})
    methods = script["this_package"](arguments)
    for style in (painting, painting, photo):
        methods["adapter"].prepare(style)
    assert len(learned) == 2 and list(methods) == ["zero-shot", "adapter"]
    one, other = (methods[name].draw(photo, painting) for name in methods)
    assert one.tobytes() != other.tobytes() and one.tobytes() == tiny_pipe(photo, style=painting).images[0].tobytes()


@pytest.mark.parametrize(
    ("options", "message"), [(("--pairs", 0), "--pairs is 0"), (("--adapt", -1), "--adapt is -1"), (("--size", 8), "--size is 8")]
)
def test_numbers_out_of_range_are_refused(refusal, tmp_path, options, message):
    assert message in refusal("compare", "--output", tmp_path / "out", *options)


def test_an_unknown_backbone_ends_with_one_line_before_any_work(refusal, tmp_path):
    assert "unknown backbone 'vgg19'" in refusal("compare", "--output", tmp_path / "out", "--backbone", "vgg19")
    assert not (tmp_path / "out").exists()
