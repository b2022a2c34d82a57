"""Runs the networks of a style transfer pipeline in ONNX Runtime or OpenVINO, on the CPU.

A folder that `export.export_pipeline` wrote holds `generator.onnx` and `style_encoder.onnx`, and the same as `.xml` and `.bin`
for OpenVINO. A runtime is one function that opens such a file as a `Session`; `ExportedGenerator` and `ExportedStyleEncoder` take
and give what the torch models do, so that the pipeline stylizes with either.
"""

import importlib
import json
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn

from ..devices.cpu import keep_freed_memory
from ..errors import ModelFileNotFoundError, ModelLoadError
from ..models.generator import GeneratorOutput
from ..models.style_encoder import StyleEncoder

Shape = tuple[int | None, ...]
FILE_TYPES = {"onnx": (".onnx",), "openvino": (".xml", ".bin")}  # of each network, the one that is opened first


@dataclass(frozen=True)
class Session:
    """An opened network.

    Args:
        inputs: shape of each input by name, None where any size fits.
        output: shape of the output.
        run: takes float32 arrays, one an input, and gives the output; may be called from several threads.
    """

    inputs: dict[str, Shape]
    output: Shape
    run: Callable[..., np.ndarray]


class ExportedNetwork(nn.Module):
    """A network without parameters that runs in another runtime.

    Args:
        session: the opened network.
        backend: what the runtime is called, for messages.
    """

    device = torch.device("cpu")
    dtype = torch.float32

    def __init__(self, session: Session, backend: str):
        super().__init__()
        self.session, self.backend = session, backend

    def _run(self, *tensors: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(self.session.run(*(np.ascontiguousarray(t.numpy()) for t in tensors)))


class ExportedGenerator(ExportedNetwork):
    """Stands in for `StyleGenerator`; there are no CAM logits and no attention.

    >>> session = Session({"photo": (None, 3, None, None), "code": (None, 4)}, (None, 3, None, None), lambda photo, code: -photo)
    >>> float(ExportedGenerator(session, "onnx")(torch.ones(1, 3, 2, 2), torch.zeros(1, 4)).sample.mean())
    -1.0
    """

    @property
    def config(self) -> SimpleNamespace:
        """`code_dim`, the length of the style code."""
        return SimpleNamespace(code_dim=self.session.inputs["code"][1])

    def forward(self, x: torch.Tensor, code: torch.Tensor) -> GeneratorOutput:
        """`(B, 3, H, W)` in [-1, 1], `(B, D)` -> `sample` `(B, 3, H, W)` in [-1, 1]."""
        return GeneratorOutput(sample=self._run(x, code))


class ExportedStyleEncoder(ExportedNetwork):
    """Stands in for `StyleEncoder`."""

    mix = StyleEncoder.mix

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """`(B, 3, H, W)` in [-1, 1] -> style codes `(B, D)`."""
        return self._run(images)


def load_exported(
    path: str | os.PathLike,
    backend: str,
    *,
    dtype: torch.dtype | None = None,
    torch_dtype: torch.dtype | None = None,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    force_download: bool = False,
) -> tuple[dict[str, ExportedNetwork], dict[str, Any]]:
    """The networks of an exported pipeline, by name, and the pipeline's index, unchecked.

    Args:
        path: folder or `user/repo`.
        backend: "onnx" or "openvino".
        dtype: float32, or bfloat16 on OpenVINO, which calculates in it where the CPU can.
        torch_dtype: the older name of `dtype`.
        revision, token, cache_dir, local_files_only, force_download: of the repository.

    Raises:
        ValueError: an unknown backend, or a `dtype` that it does not calculate in.
        ModelLoadError: the package of the backend is not installed; a file is missing, damaged or of another network.
    """
    if backend not in _OPENERS:
        raise ValueError(f"`backend` is {backend!r}; it must be one of {', '.join(('torch', *_OPENERS))}")
    dtype = dtype or torch_dtype or torch.float32
    known = (torch.float32, torch.bfloat16) if backend == "openvino" else (torch.float32,)
    if dtype not in known:
        raise ValueError(f"`dtype` is {dtype}; backend {backend!r} calculates in {' or '.join(map(str, known))}")
    keep_freed_memory()
    folder = _local_folder(
        path,
        backend,
        revision=revision,
        token=token,
        cache_dir=cache_dir,
        local_files_only=local_files_only,
        force_download=force_download,
    )
    index = _read_index(folder)
    encoder, generator = (_open(folder, name, backend, dtype) for name in ("style_encoder", "generator"))
    picture = (None, 3, None, None)
    length = encoder.output[-1] if len(encoder.output) == 2 else None
    _check(folder, "style_encoder", backend, encoder, {"images": picture}, (None, length))
    _check(folder, "generator", backend, generator, {"photo": picture, "code": (None, length)}, picture)
    networks = {"generator": ExportedGenerator(generator, backend), "style_encoder": ExportedStyleEncoder(encoder, backend)}
    return networks, index


def own_style_code(path: str, index: dict[str, Any], length: int) -> dict[str, list[float]]:
    """The entry `_style_code` of a pipeline's index, there if an adapter was fused into the exported model: the adapter's style.

    Raises:
        ModelLoadError: it is no list of `length` finite numbers.

    >>> own_style_code("folder", {"_style_code": [0.5, 2]}, 2), own_style_code("folder", {}, 2)
    ({'_style_code': [0.5, 2]}, {})
    """
    if "_style_code" not in index:
        return {}
    code = index["_style_code"]
    if not (isinstance(code, list) and all(type(c) in (int, float) and math.isfinite(c) for c in code)):
        raise ModelLoadError(f"{path}: `_style_code` of model_index.json must be a list of finite numbers")
    if len(code) != length:
        raise ModelLoadError(f"{path}: `_style_code` of model_index.json has {len(code)} numbers, expected {length}")
    return {"_style_code": code}


def open_onnx(file: Path, dtype: torch.dtype = torch.float32) -> Session:
    """A file of ONNX Runtime, which calculates in float32."""
    runtime = _imported("onnxruntime", "onnx")
    runtime.disable_telemetry_events()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    # from memory, so that a foreign file cannot refer to other files
    session = runtime.InferenceSession(file.read_bytes(), options, providers=["CPUExecutionProvider"])

    def shape(value) -> Shape:
        return tuple(side if isinstance(side, int) else None for side in value.shape)

    inputs = {value.name: shape(value) for value in session.get_inputs()}
    return Session(inputs, shape(session.get_outputs()[0]), lambda *a: session.run(None, dict(zip(inputs, a)))[0])


def open_openvino(file: Path, dtype: torch.dtype = torch.float32) -> Session:
    """A file of OpenVINO, calculated in float32 or, if the CPU can, in bfloat16."""
    runtime = _imported("openvino", "openvino")
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "bf16" if dtype == torch.bfloat16 else "f32",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
    }
    model = runtime.compile_model(str(file), "CPU", settings)

    def shape(port) -> Shape:
        return tuple(side.get_length() if side.is_static else None for side in port.partial_shape)

    inputs = {port.any_name: shape(port) for port in model.inputs}
    return Session(inputs, shape(model.outputs[0]), lambda *a: model.infer_new_request(dict(zip(inputs, a)))[0])


_OPENERS: dict[str, Callable[[Path, torch.dtype], Session]] = {"onnx": open_onnx, "openvino": open_openvino}


def _open(folder: Path, name: str, backend: str, dtype: torch.dtype) -> Session:
    for suffix in FILE_TYPES[backend]:
        if not (folder / (name + suffix)).is_file():
            raise ModelFileNotFoundError(
                f"{folder} has no file {name}{suffix}; write one with `styleadapt export`, or load it with backend='torch'"
            )
    file = folder / (name + FILE_TYPES[backend][0])
    try:
        return _OPENERS[backend](file, dtype)
    except ModelLoadError:
        raise
    # each runtime has exceptions of its own, ONNX Runtime a dozen without a common base
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelLoadError(f"{file} cannot be opened by {backend}: {reason}") from error


def _check(folder: Path, name: str, backend: str, session: Session, inputs: dict[str, Shape], output: Shape) -> None:
    found = {**session.inputs, "output": session.output}
    expected = {**inputs, "output": output}
    if found != expected:
        file = folder / (name + FILE_TYPES[backend][0])
        raise ModelLoadError(f"{file} is no exported {name}: it has {_described(found)}, expected {_described(expected)}")


def _described(shapes: dict[str, Shape]) -> str:
    return ", ".join(f"{name} ({', '.join(str(side or 'any') for side in shape)})" for name, shape in shapes.items())


def _imported(package: str, backend: str) -> ModuleType:
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ModelLoadError(f'backend {backend!r} needs the package {package}: pip install "styleadapt[export]"') from error


def _read_index(folder: Path) -> dict[str, Any]:
    file = folder / "model_index.json"
    if not file.is_file():
        raise ModelLoadError(f"{folder} is no pipeline folder: it has no model_index.json")
    try:
        index = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelLoadError(f"{file} is no JSON file: {error}") from error
    if not isinstance(index, dict):
        raise ModelLoadError(f"{file} holds a {type(index).__name__}, expected the index of a pipeline")
    return index


def _local_folder(path: str | os.PathLike, backend: str, **hub_keywords: Any) -> Path:
    """A local path as it is; a `user/repo` of the Hub is downloaded, as far as the backend needs it."""
    if Path(path).exists():
        return Path(path)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    files = ["model_index.json", *(f"*{suffix}" for suffix in FILE_TYPES[backend])]
    try:
        return Path(snapshot_download(str(path), allow_patterns=files, **hub_keywords))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelFileNotFoundError(
            f"cannot load {str(path)!r}: there is no such folder, and the Hub has no such repository or cannot be reached; off "
            f"line, pass a folder ({reason})"
        ) from error
