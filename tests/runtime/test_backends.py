"""Both runtimes, on networks of a few operators whose result is known."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from styleadapt import ModelLoadError, StyleTransferPipeline
from styleadapt.adapters.adapter import StyleAdapter
from styleadapt.runtime.backends import open_onnx

onnx = pytest.importorskip("onnx", reason="needs styleadapt[export]")
pytest.importorskip("onnxruntime", reason="needs styleadapt[export]")
openvino = pytest.importorskip("openvino", reason="needs styleadapt[export]")

pytestmark = pytest.mark.export

BACKENDS = ("onnx", "openvino")
CODE_DIM = 3


def save_onnx(file, nodes, inputs, output, constants=()):
    """Writes a network; `inputs` and `output` are names with shapes, in which a string is a free size."""
    infos = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in (*inputs, output)]
    values = [onnx.numpy_helper.from_array(np.array(value), name) for name, value in constants]
    graph = onnx.helper.make_graph([onnx.helper.make_node(*node) for node in nodes], "made", infos[:-1], infos[-1:], values)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10), file)


@pytest.fixture
def folder(tmp_path):
    """An export whose style code is the style's mean color, and whose generator adds the code to the photo."""
    picture = ["b", 3, "h", "w"]
    mean = [
        (
            "ReduceMean",
            [
                "images",
                "sides",
            ],
            ["mean"],
        ),
        ("Flatten", ["mean"], ["code"]),
    ]
    save_onnx(tmp_path / "style_encoder.onnx", mean, [("images", picture)], ("code", ["b", CODE_DIM]), [("sides", [2, 3])])
    add = [("Unsqueeze", ["code", "sides"], ["color"]), ("Add", ["photo", "color"], ["stylized"])]
    inputs = [("photo", picture), ("code", ["b", CODE_DIM])]
    save_onnx(tmp_path / "generator.onnx", add, inputs, ("stylized", picture), [("sides", [2, 3])])
    for name in ("generator", "style_encoder"):
        openvino.save_model(openvino.Core().read_model(tmp_path / f"{name}.onnx"), tmp_path / f"{name}.xml")
    index = {"_class_name": "StyleTransferPipeline"}
    for name, kind in StyleTransferPipeline.component_classes.items():
        index[name] = [kind.__module__, kind.__name__]
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    return tmp_path


def load(folder, backend, **options):
    return StyleTransferPipeline.from_pretrained(folder, backend=backend, **options)


def add_to_index(folder, **entries):
    file = folder / "model_index.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **entries}))


def red(level):
    return Image.new("RGB", (64, 64), (level, 127, 127))


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_networks_are_run_on_any_size_and_mode(folder, photo, backend):
    pipe = load(folder, backend).to("cpu")
    for size in ((96, 72), (1, 1), (33, 2)):
        picture = photo.resize(size)
        picture.putalpha(99)
        found = pipe(picture, style=[red(150), red(190)], style_weights=[1, 3]).images[0]
        assert found.size == size and found.getchannel("A").getextrema() == (99, 99)
        # 180 is 52.5 above the middle of 0 to 255, 127 half a level below it
        expected = np.asarray(picture.convert("RGB")) + np.array([52.5, -0.5, -0.5])
        assert np.abs(np.asarray(found.convert("RGB")) - expected.clip(0, 255)).max() <= 0.51
    again = pipe(photo, style=red(190), strength=0.25, preserve_color=True, max_size=40).images[0]
    assert again.size == photo.size


@pytest.mark.parametrize("backend", BACKENDS)
def test_several_threads_may_stylize_at_once(folder, backend):
    pipe = load(folder, backend)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda level: pipe(red(level), style=red(140)).images[0].getpixel((0, 0))[0], range(100, 132)))
    assert found == list(range(112, 144)) or found == list(range(113, 145))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_fused_style_is_used_where_none_is_given(folder, photo, backend):
    pipe = load(folder, backend)
    with pytest.raises(ValueError, match="no style"):
        pipe(photo)
    add_to_index(folder, _style_code=[0.5, 0, 0])
    level = np.asarray(load(folder, backend)(red(100)).images[0])[0, 0, 0]
    assert level in (163, 164)


def test_bfloat16_is_openvinos_and_calculates_nearly_the_same(folder):
    found = load(folder, "openvino", dtype=torch.bfloat16)(red(90), style=red(160)).images[0]
    assert abs(found.getpixel((5, 5))[0] - 122) <= 2
    with pytest.raises(ValueError, match=r"torch.bfloat16; backend 'onnx' calculates in torch.float32"):
        load(folder, "onnx", torch_dtype=torch.bfloat16)


@pytest.mark.parametrize("backend", BACKENDS)
def test_adapting_adapters_and_saving_name_the_torch_backend(folder, photo, tmp_path, backend):
    pipe = load(folder, backend)
    adapter = StyleAdapter({}, torch.zeros(1, CODE_DIM), torch.zeros(1, CODE_DIM), "base")
    for call in (
        lambda: pipe.adapt(photo, steps=1),
        lambda: pipe.load_adapter(adapter),
        lambda: pipe.set_adapters(["a"]),
        lambda: pipe.save_pretrained(tmp_path / "again"),
        lambda: pipe.fingerprint,
        pipe.clone,
    ):
        with pytest.raises(ValueError, match=f"run in {backend}: load the pipeline with backend='torch'"):
            call()
    pipe.unload_adapters()
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize(
    "backend, name", [("onnx", "generator.onnx"), ("openvino", "style_encoder.xml"), ("openvino", "generator.bin")]
)
def test_a_missing_file_is_named(folder, backend, name):
    (folder / name).unlink()
    with pytest.raises(ModelLoadError, match=f"has no file {name}; write one with `styleadapt export`") as error:
        load(folder, backend)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"not a network", None])
@pytest.mark.parametrize("backend, name", [("onnx", "generator.onnx"), ("openvino", "generator.xml")])
def test_a_damaged_file_is_refused_in_one_line(folder, backend, name, content):
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(ModelLoadError, match=rf"{name} cannot be opened by {backend}") as error:
        load(folder, backend)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("backend, suffix", [("onnx", ".onnx"), ("openvino", ".xml")])
def test_another_network_is_refused(folder, backend, suffix):
    for end in {suffix, ".bin"} & {file.suffix for file in folder.iterdir()}:
        (folder / f"generator{end}").write_bytes((folder / f"style_encoder{end}").read_bytes())
    with pytest.raises(ModelLoadError, match=rf"generator{suffix} is no exported generator: it has images .* expected photo"):
        load(folder, backend)


def test_a_generator_for_other_codes_is_refused(folder):
    picture = ["b", 3, "h", "w"]
    inputs = [("photo", picture), ("code", ["b", 7])]
    save_onnx(folder / "generator.onnx", [("Identity", ["photo"], ["stylized"])], inputs, ("stylized", picture))
    with pytest.raises(ModelLoadError, match=r"it has .*code \(any, 7\).* expected .*code \(any, 3\)"):
        load(folder, "onnx")


def test_an_onnx_file_cannot_refer_to_other_files(folder):
    model = onnx.load(folder / "generator.onnx")
    onnx.save(model, folder / "generator.onnx", save_as_external_data=True, location="secret", size_threshold=0)
    assert (folder / "secret").is_file()
    with pytest.raises(ModelLoadError, match="generator.onnx cannot be opened by onnx"):
        load(folder, "onnx")


@pytest.mark.parametrize("code", ["text", None, [1, None, 0], [float("nan"), 0, 0], [True, 0, 0]])
def test_a_damaged_style_code_is_refused(folder, code):
    add_to_index(folder, _style_code=code)
    with pytest.raises(ModelLoadError, match="`_style_code` of model_index.json must be a list of finite numbers"):
        load(folder, "onnx")


def test_a_style_code_of_another_length_is_refused(folder):
    add_to_index(folder, _style_code=[0.5])
    with pytest.raises(ModelLoadError, match="`_style_code` of model_index.json has 1 numbers, expected 3"):
        load(folder, "onnx")


def test_another_pipelines_folder_and_none_at_all_are_refused(folder):
    with pytest.raises(ModelLoadError, match="neither an existing folder|no such folder"):
        load("nobody/nothing", "onnx", local_files_only=True)
    add_to_index(folder, _class_name="TranslationPipeline")
    with pytest.raises(ModelLoadError, match="describes TranslationPipeline"):
        load(folder, "onnx")
    for text, message in (("[]", "holds a list"), ("{", "is no JSON file")):
        (folder / "model_index.json").write_text(text)
        with pytest.raises(ModelLoadError, match=message):
            load(folder, "onnx")
    (folder / "model_index.json").unlink()
    with pytest.raises(ModelLoadError, match="no model_index.json"):
        load(folder, "onnx")


def test_an_unknown_backend_and_an_absent_package_are_named(folder, monkeypatch):
    with pytest.raises(ValueError, match="`backend` is 'tensorrt'; it must be one of torch, onnx, openvino"):
        load(folder, "tensorrt")
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ModelLoadError, match=r'needs the package openvino: pip install "styleadapt\[export\]"'):
        load(folder, "openvino")


def test_onnx_runtime_reports_nothing_to_its_makers(monkeypatch):
    asked = []
    monkeypatch.setattr("onnxruntime.disable_telemetry_events", lambda: asked.append(1))
    with pytest.raises(Exception, match="(?i)model|protobuf|load"):
        open_onnx(Path(__file__))
    assert asked
