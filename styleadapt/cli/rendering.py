"""Builds the pipeline that the options of `styleadapt stylize` describe, and renders a photo with it."""

import argparse
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from tqdm import tqdm

from ..adaptation.refinement import RefinementProgress
from ..adaptation.refinement_budget import RefinementBudget
from ..devices.cpu import configure_cpu
from ..hub.model_card import ADAPTER_FILE
from ..images.images import load_image, open_image
from ..pipelines.style_codes import encoding_size
from ..pipelines.style_transfer import StyleTransferPipeline
from ..runtime.precision import DTYPES

Render = Callable[[Image.Image], Image.Image]


def load_pipeline(args: argparse.Namespace, device: torch.device) -> StyleTransferPipeline:
    """The pipeline with its adapters; sets the number of threads."""
    # the pipeline's loader and the runtimes ask it
    os.environ["OMP_NUM_THREADS"] = str(configure_cpu(args.num_threads))
    pipe = StyleTransferPipeline.from_pretrained(
        args.pretrained_model_name_or_path, backend=args.backend, dtype=DTYPES[args.dtype]
    ).to(device)
    names = [f"adapter-{n}" for n in range(len(args.adapter or []))]
    for name, file in zip(names, args.adapter or []):
        pipe.load_adapter(file, name=name)
    if names:
        pipe.set_adapters(names, args.adapter_weights)
    elif args.adapter_weights:
        raise ValueError("--adapter_weights is given without --adapter")
    return pipe


def make_render(args: argparse.Namespace, pipe: StyleTransferPipeline, bar: tqdm) -> Render:
    """Returns the function that stylizes a photo. It refuses a style or a mask that cannot be used at once, before the first
    photo.

    Args:
        bar: it tells how a refinement goes.
    """
    options: dict[str, Any] = {name: getattr(args, name) for name in ("preserve_color", "max_size", "stroke_size")}
    refines = RefinementBudget.read(args.refine) is not None
    if args.style:
        # opened once for all photos, and reduced unless refinement reads them at other sizes too
        images = [open_image(path) for path in args.style]
        options["style"] = images if refines else [encoding_size(image) for image in images]
    if args.style_weights:
        options["style_weights"] = args.style_weights
    if args.mask:
        options["mask"] = [load_image(path) for path in args.mask]
    for name in ("mask_feather", "adapter_blend"):
        if getattr(args, name) is not None:
            options[name] = getattr(args, name)

    def picture(photo: Image.Image) -> Image.Image:
        return pipe(photo, strength=args.strength, **options).images[0]

    def strip(photo: Image.Image) -> Image.Image:
        return pipe.strength_strip(photo, **options)

    def show(progress: RefinementProgress) -> None:
        bar.set_postfix_str(f"step {progress.step}, {progress.seconds_left:.0f} s left, loss {progress.loss:.3f}")

    render = strip if args.strip else picture
    render(Image.new("RGB", (64, 64)))
    if refines:
        options |= {"refine": args.refine, "refine_callback": show}
    if args.compile:
        pipe.compile()  # after that, which would cost a minute for a size that does not come again
    return render


def describe(args: argparse.Namespace, pipe: StyleTransferPipeline) -> dict[str, Any]:
    """What the results depend on, with contents in the place of paths, which are nobody else's business."""
    dataset = args.dataset_name
    described: dict[str, Any] = {
        "dataset": _content(str(Path(dataset).resolve())) if dataset and Path(dataset).exists() else dataset,
        "model": pipe.fingerprint if args.backend == "torch" else _content(_exported_file(args)),
        "styles": [_content(path) for path in args.style or []],
        "adapters": [_content(_adapter_file(path)) for path in args.adapter or []],
        "masks": [_content(path) for path in args.mask or []],
    }
    plain = (
        *("dataset_config_name", "split", "image_column", "name_column", "backend", "dtype", "style_weights", "adapter_weights"),
        *("adapter_blend", "strength", "preserve_color", "max_size", "stroke_size", "mask_feather"),
        *("strip", "refine"),
    )
    return {**described, **{name: getattr(args, name) for name in plain}}


def _adapter_file(path: str) -> str:
    file = Path(path) / ADAPTER_FILE
    return str(file if file.is_file() else path)


def _exported_file(args: argparse.Namespace) -> str:
    path = Path(args.pretrained_model_name_or_path or "")
    file = path / ("generator.onnx" if args.backend == "onnx" else "generator.bin")
    return str(file if file.is_file() else path)


def _content(path: str) -> str:
    """Sixteen hexadecimal digits of a file's content, or of the name of a repository."""
    data = Path(path).read_bytes() if Path(path).is_file() else path.encode()
    return hashlib.sha256(data).hexdigest()[:16]
