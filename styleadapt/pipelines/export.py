"""Exports a style transfer pipeline for other runtimes, and compares the result with torch."""

import copy
import os
import tempfile
import warnings
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..errors import ExportError
from ..images.image_files import list_images
from ..images.images import image_to_tensor, open_image
from ..runtime.backends import FILE_TYPES
from .style_transfer import StyleTransferPipeline

OPSET = 21  # onnxruntime-web, ONNX Runtime from 1.18 on and OpenVINO run it; later ones express nothing more of these networks
TOLERANCE = 1e-3
CHECKED_SIZES = ((1, 1), (37, 50), (130, 97), (520, 333))  # height and width: below, beside and above the tile of the noise

Sides = dict[int, str]  # names of the sides of a tensor that may change


def export_pipeline(
    pipe: StyleTransferPipeline, folder: str | os.PathLike, formats: Sequence[str] = ("onnx", "openvino")
) -> dict[str, float]:
    """Writes a folder that `StyleTransferPipeline.from_pretrained` loads with `backend="torch"` and with each of `formats`.

    It holds the models as `save_pretrained` writes them and, for every format, the generator and the style encoder, for any
    batch, height and width. Active adapters are fused into the weights, and their style code becomes the style that is used where
    none is given; the fused model is another base, which adapters of the old one do not fit. The folder appears whole or not at
    all.

    Args:
        pipe: a pipeline of the torch backend, on the CPU.
        folder: it must not exist, or be empty.
        formats: of "onnx" and "openvino".

    Returns:
        The largest difference from torch for each format: of pictures in [-1, 1], over several sizes.

    Raises:
        ValueError: an unknown format, or a folder that is not empty.
        ImportError: onnx and onnxscript, or the format's runtime, are not installed (`styleadapt[export]`).
        ExportError: an exported network differs from torch by more than `TOLERANCE`.
    """
    for name in formats:
        if name not in FILE_TYPES:
            raise ValueError(f"`formats` has {name!r}; known are {', '.join(FILE_TYPES)}")
    folder = Path(folder)
    refuse_overwriting(folder)
    pipe = _fused(pipe)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as staging:
        whole = Path(staging) / "export"
        pipe.save_pretrained(whole)
        write_networks(pipe, whole, formats)
        differences = {name: _difference(pipe, whole, name) for name in formats}
        for name, difference in differences.items():
            if not difference <= TOLERANCE:
                raise ExportError(f"the {name} networks differ from torch by {difference:.2g}, more than {TOLERANCE}")
        os.replace(whole, folder)
    return differences


def refuse_overwriting(folder: Path) -> None:
    """Raises `ValueError` unless `folder` does not exist or is empty."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} is there already; give the name of a new folder")


def write_networks(pipe: StyleTransferPipeline, folder: Path, formats: Sequence[str]) -> None:
    """Writes both networks in every format, unchecked."""
    length = pipe.generator.config.code_dim
    # no side and no batch of 1, which would be taken for a constant
    picture = torch.zeros(2, 3, 80, 90)
    sides = {0: "batch", 2: "height", 3: "width"}
    generator = _to_onnx(
        _Picture(pipe.generator), {"photo": (picture, sides), "code": (torch.zeros(2, length), {0: "batch"})}, "stylized", sides
    )
    encoder = _to_onnx(_Code(pipe.style_encoder), {"images": (picture, sides)}, "code", {0: "batch"})
    with tempfile.TemporaryDirectory() as scratch:
        for name, model in (("generator", generator), ("style_encoder", encoder)):
            file = (folder if "onnx" in formats else Path(scratch)) / f"{name}.onnx"
            file.write_bytes(model.SerializeToString())
            if "openvino" in formats:
                import openvino

                openvino.save_model(openvino.Core().read_model(file), folder / f"{name}.xml", compress_to_fp16=False)


class _Picture(nn.Module):
    """The generator without its side outputs."""

    def __init__(self, generator: nn.Module):
        super().__init__()
        self.generator = generator

    def forward(self, photo: torch.Tensor, code: torch.Tensor) -> torch.Tensor:
        return self.generator(photo, code).sample


class _Code(nn.Module):
    """The style encoder with one input."""

    def __init__(self, style_encoder: nn.Module):
        super().__init__()
        self.style_encoder = style_encoder

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.style_encoder(images)


def _to_onnx(network: nn.Module, inputs: dict[str, tuple[torch.Tensor, Sides]], output: str, sides: Sides) -> Any:
    """The `onnx.ModelProto` of `network`.

    Args:
        inputs: by name, an example of each and the names of its sides that may change.
        output, sides: its name, and the names of its sides that may change.
    """
    with warnings.catch_warnings():
        # of torch about its own parts
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network.eval(),
            tuple(example for example, _ in inputs.values()),
            input_names=list(inputs),
            output_names=[output],
            dynamic_shapes={name: names for name, (_, names) in inputs.items()},
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        assert program is not None
        model = program.model_proto
    graph = model.graph
    # the exporter notes for every node where in which file of this machine it comes from
    for item in (graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        item.ClearField("metadata_props")
    # and for every value a page of arithmetic on the sides
    graph.ClearField("value_info")
    for axis, name in sides.items():
        graph.output[0].type.tensor_type.shape.dim[axis].dim_param = name
    return model


def _fused(pipe: StyleTransferPipeline) -> StyleTransferPipeline:
    """A pipeline without adapters whose weights and style are those of the active adapters of `pipe`."""
    fused = StyleTransferPipeline(copy.deepcopy(pipe.generator), pipe.style_encoder, pipe.discriminator)
    fused.register_to_config(**{key: value for key, value in pipe.config.items() if key in ("_name_or_path", "_style_code")})
    if pipe.get_active_adapters():
        fused.register_to_config(_style_code=pipe.encode_style()[0].tolist())
    return fused


@torch.inference_mode()
def _difference(pipe: StyleTransferPipeline, folder: Path, backend: str) -> float:
    """Largest difference of the whole way, style image and photo to picture, over `CHECKED_SIZES`."""
    exported = StyleTransferPipeline.from_pretrained(folder, backend=backend)
    assets = Path(str(resources.files("styleadapt") / "assets"))
    photos, styles = list_images(assets / "photos"), list_images(assets / "styles")
    differences = []
    for (height, width), photo, style in zip(CHECKED_SIZES, photos, styles):
        x = image_to_tensor(open_image(photo).resize((width, height)))
        y = image_to_tensor(open_image(style).resize((width + 64, height + 64)))
        expected = pipe.generator(x, pipe.style_encoder(y)).sample
        found = exported.generator(x, exported.style_encoder(y)).sample
        differences.append((expected - found).abs().max())
    return float(torch.stack(differences).max())
