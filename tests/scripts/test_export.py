import json
import re
import tarfile

import numpy as np
import pytest
import torch

from styleadapt import StyleTransferPipeline
from styleadapt.cli.export import PAGE
from styleadapt.errors import ExportError
from styleadapt.pipelines import export
from styleadapt.pipelines.export import export_pipeline

from ..conftest import smooth_noise
from .exported import RUNTIME, SCRIPT, exported

for package in ("onnxscript", "onnxruntime", "openvino"):
    pytest.importorskip(package, reason="needs styleadapt[export]")

pytestmark = pytest.mark.export


@pytest.fixture(scope="module")
def adapted():
    """The torch pipeline that was exported, its adapter active."""
    pipe = StyleTransferPipeline.from_pretrained(exported() / "base")
    pipe.load_adapter(exported() / "style.safetensors")
    return pipe


@pytest.mark.parametrize("backend", ["torch", "onnx", "openvino"])
def test_every_backend_gives_the_pictures_of_the_adapted_pipeline(adapted, painting, backend):
    pipe = StyleTransferPipeline.from_pretrained(exported() / "export", backend=backend)
    # below, at and beyond one and several tiles of noise, which has 64 cells of 4 and of 8 pixels
    for size in ((1, 1), (50, 37), (248, 504), (530, 259)):
        photo = smooth_noise(size, seed=3)
        for options in ({}, {"style": painting}, {"style": [painting, photo], "strength": 0.8}):
            found, expected = (np.int16(p(photo, **options).images[0]) for p in (pipe, adapted))
            assert found.shape == (size[1], size[0], 3) and np.abs(found - expected).max() <= 1
    assert np.abs(np.int16(adapted(photo).images[0]) - np.int16(adapted(photo, style=painting).images[0])).mean() > 1


@torch.inference_mode()
def test_networks_take_a_batch_and_differ_from_torch_by_less_than_a_thousandth(adapted):
    photos, codes = torch.rand(3, 3, 70, 45) * 2 - 1, torch.randn(3, 16)
    for backend in ("onnx", "openvino"):
        pipe = StyleTransferPipeline.from_pretrained(exported() / "export", backend=backend)
        assert (pipe.generator(photos, codes).sample - adapted.generator(photos, codes).sample).abs().max() < 1e-3
        expected = adapted.style_encoder(photos)
        assert (pipe.style_encoder(photos) - expected).abs().max() < 1e-3 * expected.abs().max()
        assert pipe.generator(photos[:1], codes[:1]).cam_logits is None


def test_the_export_says_how_far_it_is_from_torch_and_names_no_path():
    *figures, last = (exported() / "stdout").read_text().splitlines()
    for line, name in zip(figures, ("onnx", "openvino"), strict=True):
        found = re.fullmatch(rf"{exported()}/export: {name}, pictures differ from torch's by (.*) at most", line)
        assert found and 0 < float(found[1]) < 1e-3
    assert last.startswith(f"{exported()}/page: the page; try it")
    index = json.loads((exported() / "export" / "model_index.json").read_text())
    assert index["_name_or_path"] == "base" and len(index["_style_code"]) == 16
    assert {path.name for path in (exported() / "export").iterdir()} == {
        "model_index.json", "generator", "style_encoder",
        *(f"{name}.{end}" for name in ("generator", "style_encoder") for end in ("onnx", "xml", "bin")),
    }  # fmt: skip
    root = str(SCRIPT.parents[1]).encode()
    assert not any(root in path.read_bytes() for path in (exported() / "export").rglob("*") if path.is_file())


def test_the_fused_model_is_a_base_of_its_own(adapted):
    fused = StyleTransferPipeline.from_pretrained(exported() / "export")
    with pytest.raises(ValueError, match=f"was made for the base {adapted.fingerprint}"):
        fused.load_adapter(exported() / "style.safetensors")
    assert fused.clone()(smooth_noise((9, 9), 0)).images[0] == fused(smooth_noise((9, 9), 0)).images[0]


def test_the_page_holds_its_files_the_models_and_the_runtime():
    page = exported() / "page"
    files = {str(path.relative_to(page)) for path in page.rglob("*") if path.is_file()}
    sources = {path.name for path in PAGE.iterdir() if path.is_file()}
    models = {"models/model_index.json", "models/generator.onnx", "models/style_encoder.onnx"}
    assert files == sources | models | {f"ort/{name}" for name in RUNTIME}
    assert (page / "models" / "generator.onnx").read_bytes() == (exported() / "export" / "generator.onnx").read_bytes()


def test_networks_that_differ_are_not_written(adapted, tmp_path, monkeypatch):
    def write_other_networks(pipe, folder, formats):
        for name in ("generator", "style_encoder"):
            (folder / f"{name}.onnx").write_bytes((exported() / "export" / f"{name}.onnx").read_bytes())

    monkeypatch.setattr(export, "write_networks", write_other_networks)
    base = StyleTransferPipeline.from_pretrained(exported() / "base")
    with pytest.raises(ExportError, match="the onnx networks differ from torch by .* more than 0.001"):
        export_pipeline(base, tmp_path / "out", ["onnx"])
    assert list(tmp_path.iterdir()) == []
    assert export_pipeline(adapted, tmp_path / "out", ["onnx"])["onnx"] < 1e-3


@pytest.mark.parametrize(
    "options, message",
    [
        (("--web", "w"), "--web and --onnxruntime_web go together"),
        (("--web", "w", "--onnxruntime_web", "r", "--formats", "openvino"), "--web needs onnx among --formats"),
        (("--adapter_weight", "0.3"), "--adapter_weight is given without --adapter"),
        (("--device", "cpu"), "unrecognized arguments: --device cpu"),
        (("--formats", "tflite"), "invalid choice: 'tflite'"),
        (("--web", "w", "--onnxruntime_web", "absent.tgz"), "absent.tgz is not the npm package onnxruntime-web"),
        (("--web", "w", "--onnxruntime_web", "other.tgz"), "other.tgz is not the npm package onnxruntime-web"),
        (("--web", "w", "--onnxruntime_web", "folder"), "folder is not the npm package onnxruntime-web"),
        (("--web", "out", "--onnxruntime_web", "r"), "--output out lies in the folder of the page, --web out"),
        (("--output", "w/models", "--web", "w", "--onnxruntime_web", "r"), "lies in the folder of the page, --web w"),
        (("--output", "folder"), "folder is there already; give the name of a new folder"),
    ],
)
def test_bad_arguments_are_refused_before_a_model_is_loaded(refusal, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder" / "dist").mkdir(parents=True)
    with tarfile.open("other.tgz", "w:gz") as archive:
        archive.add("folder")
    assert message in refusal("export", "--output", "out", *options)
