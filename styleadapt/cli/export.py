"""Exports a style transfer pipeline to ONNX and OpenVINO, and, if asked, a page that stylizes photos in the browser.

    styleadapt export -o exported
    styleadapt export -o monet --adapter monet.safetensors
    npm pack onnxruntime-web && styleadapt export -o exported --web page --onnxruntime_web onnxruntime-web-*.tgz

The folder OUT is loaded by `StyleTransferPipeline.from_pretrained(OUT, backend="torch" | "onnx" | "openvino")`. What was exported
is compared with torch on several sizes first, and nothing is written if pictures in [-1, 1] differ by more than 1e-3. Needs
`pip install "styleadapt[export]"`.

The page in `--web` is static: any host of files serves it (`python -m http.server -d page` here), and photos never leave the
browser. Its runtime is the npm package onnxruntime-web: a file that `npm pack` fetched, or the folder in `node_modules`.
"""

import argparse
import logging
import os
import shutil
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .options import add_model_option, new_parser

PAGE = Path(__file__).resolve().parents[1] / "assets" / "web"
PAGE_FILES = ("index.html", "canvas.js", "page.js", "pixels.js", "strokes.js", "style.css", "worker.js")
MODELS = ("model_index.json", "generator.onnx", "style_encoder.onnx")
RUNTIME = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = new_parser("export", __doc__)
    required = parser.add_argument_group("required")
    required.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="new folder for the exported pipeline")
    optional = parser.add_argument_group("optional")
    optional.add_argument(
        "--adapter", metavar="F", help="adapter file or repository to fuse; its style serves where none is given"
    )
    optional.add_argument("--web", type=Path, metavar="DIR", help="new folder for the page, with the models in it")
    optional.add_argument(
        "--onnxruntime_web", type=Path, metavar="P", help="npm package onnxruntime-web, .tgz or folder, for --web"
    )
    rare = parser.add_argument_group("rarely needed")
    rare.add_argument("--adapter_weight", type=float, metavar="W", help="0: zero-shot, 1: the full adapter (default: 1.0)")
    rare.add_argument(
        "--formats", nargs="+", choices=("onnx", "openvino"), default=["onnx", "openvino"], help="what to write beside torch's"
    )
    add_model_option(rare)
    args = parser.parse_args(arguments)
    if args.adapter_weight is not None and not args.adapter:
        parser.error("--adapter_weight is given without --adapter")
    if (args.web is None) != (args.onnxruntime_web is None):
        parser.error("--web and --onnxruntime_web go together")
    if args.web is not None and "onnx" not in args.formats:
        parser.error("--web needs onnx among --formats")
    return args


def run(args: argparse.Namespace) -> int:
    """Exports, and prints how far the networks are from torch's; gives the exit status."""
    from .. import StyleTransferPipeline
    from ..pipelines.export import export_pipeline, refuse_overwriting

    for folder in filter(None, (args.output, args.web)):
        refuse_overwriting(folder)
    if args.web is not None and args.output.resolve().is_relative_to(args.web.resolve()):
        raise ValueError(f"--output {args.output} lies in the folder of the page, --web {args.web}; name another folder")
    runtime = None if args.web is None else read_runtime(args.onnxruntime_web)
    pipe = StyleTransferPipeline.from_pretrained(args.pretrained_model_name_or_path)
    if args.adapter:
        pipe.load_adapter(args.adapter, name="adapter")
        pipe.set_adapters("adapter", args.adapter_weight)
    # they warn of torchvision's operators, which no network of ours has, and of a constant that stays as it is
    for exporter in ("torch.onnx", "onnxscript"):
        logging.getLogger(exporter).setLevel(logging.ERROR)
    differences = export_pipeline(pipe, args.output, args.formats)
    if runtime is not None:
        write_page(args.web, args.output, runtime)
    for name, difference in differences.items():
        print(f"{args.output}: {name}, pictures differ from torch's by {difference:.1e} at most")
    if runtime is not None:
        print(f"{args.web}: the page; try it with `python -m http.server -d {args.web}`")
    return 0


def read_runtime(package: Path) -> dict[str, bytes]:
    """The files of onnxruntime-web that the page loads, by name.

    Raises:
        ValueError: `package` is no such package.
        OSError: it cannot be read.
    """
    try:
        if package.is_dir():
            return {name: (package / "dist" / name).read_bytes() for name in RUNTIME}
        with tarfile.open(package) as archive:
            members = [(name, archive.extractfile(f"package/dist/{name}")) for name in RUNTIME]
            return {name: member.read() for name, member in members if member is not None}
    except (tarfile.TarError, KeyError, FileNotFoundError) as error:
        raise ValueError(f"{package} is not the npm package onnxruntime-web, fetch it with `npm pack`: {error}") from error


def write_page(folder: Path, exported: Path, runtime: dict[str, bytes]) -> None:
    """Collects the page, the exported models and the runtime in a folder, which appears whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as staging:
        whole = Path(staging) / "page"
        for part in ("models", "ort"):
            (whole / part).mkdir(parents=True)
        for name in PAGE_FILES:
            shutil.copyfile(PAGE / name, whole / name)
        for name in MODELS:
            shutil.copyfile(exported / name, whole / "models" / name)
        for name, data in runtime.items():
            (whole / "ort" / name).write_bytes(data)
        os.replace(whole, folder)
