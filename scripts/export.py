#!/usr/bin/env python
"""Exports a style transfer pipeline to ONNX and OpenVINO, and, if asked, a page that stylises photos in the browser.

    python scripts/export.py --output exported
    python scripts/export.py --adapter monet.safetensors --output monet
    npm pack onnxruntime-web && python scripts/export.py --output exported --web page --onnxruntime_web onnxruntime-web-*.tgz

The folder `--output` is loaded by `StyleTransferPipeline.from_pretrained(OUTPUT, backend="torch" | "onnx" | "openvino")`. What
was exported is compared with torch on several sizes first, and nothing is written if pictures in [-1, 1] differ by more than
1e-3. Needs `pip install styleadapt[export]`.

The page in `--web` is static: any host of files serves it (`python -m http.server -d page` here), and photos never leave the
browser. Its runtime is the npm package onnxruntime-web: a file that `npm pack` fetched, or the folder in `node_modules`.
"""

import argparse
import logging
import os
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from styleadapt import ModelLoadError, StyleTransferPipeline
from styleadapt.console import careful_output
from styleadapt.pipelines.export import export_pipeline, refuse_overwriting

PAGE = ("index.html", "canvas.js", "page.js", "pixels.js", "strokes.js", "style.css", "worker.js")
MODELS = ("model_index.json", "generator.onnx", "style_encoder.onnx")
RUNTIME = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")


@careful_output()
def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="new folder for the exported pipeline")
    parser.add_argument("--pretrained_model_name_or_path", metavar="P", help="folder or repository; packaged weights by default")
    parser.add_argument(
        "--adapter", metavar="F", help="adapter file or repository to fuse; its style is used where none is given"
    )
    parser.add_argument("--adapter_weight", type=float, default=1.0, help="0: zero-shot, 1: the full adapter (default)")
    parser.add_argument(
        "--formats", nargs="+", choices=("onnx", "openvino"), default=["onnx", "openvino"], help="both by default"
    )
    parser.add_argument("--web", type=Path, metavar="DIR", help="new folder for the page, with the models in it")
    parser.add_argument(
        "--onnxruntime_web", type=Path, metavar="P", help="npm package onnxruntime-web, .tgz or folder, for --web"
    )
    args = parser.parse_args()
    if (args.web is None) != (args.onnxruntime_web is None):
        parser.error("--web and --onnxruntime_web go together")
    if args.web is not None and "onnx" not in args.formats:
        parser.error("--web needs onnx among --formats")
    try:
        for folder in filter(None, (args.output, args.web)):
            refuse_overwriting(folder)
        runtime = None if args.web is None else read_runtime(args.onnxruntime_web)
        pipe = StyleTransferPipeline.from_pretrained(args.pretrained_model_name_or_path)
        if args.adapter:
            pipe.load_adapter(args.adapter, name="adapter")
            pipe.set_adapters(["adapter"], [args.adapter_weight])
        # it warns of torchvision's operators, which no network of ours has
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        differences = export_pipeline(pipe, args.output, args.formats)
        if runtime is not None:
            write_page(args.web, args.output, runtime)
    except ImportError as error:
        sys.exit(f"error: {error}; install styleadapt[export]")
    except (ModelLoadError, ValueError, OSError, RuntimeError) as error:
        sys.exit(f"error: {error}")
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
        for name in PAGE:
            shutil.copyfile(ROOT / "web" / name, whole / name)
        for name in MODELS:
            shutil.copyfile(exported / name, whole / "models" / name)
        for name, data in runtime.items():
            (whole / "ort" / name).write_bytes(data)
        os.replace(whole, folder)


if __name__ == "__main__":
    sys.exit(main())
