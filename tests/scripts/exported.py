"""One export of tiny models with a fused adapter by the script, which several test files share because it takes long."""

import atexit
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from styleadapt.adapters.adapter import StyleAdapter
from styleadapt.models.generator import StyleGenerator
from styleadapt.models.layers import StyleNoise
from styleadapt.models.style_encoder import StyleEncoder
from styleadapt.pipelines.style_transfer import StyleTransferPipeline

from ..conftest import TINY_GENERATOR

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "export.py"
RUNTIME = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")


@functools.cache
def exported() -> Path:
    """A folder with `base` (a repo), `style.safetensors` (its adapter), `export`, and `page` around a runtime that is a made
    text; and `stdout` of the script that wrote them."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    pipe = _made_pipeline()
    pipe.save_pretrained(folder / "base")
    torch.manual_seed(1)
    deltas = {"to_rgb.bias.delta": torch.tensor([0.5, -0.5, 0.1])}
    StyleAdapter(deltas, torch.randn(1, 16), torch.randn(1, 16), pipe.fingerprint).save(folder / "style.safetensors")
    (folder / "onnxruntime-web" / "dist").mkdir(parents=True)
    for name in RUNTIME:
        (folder / "onnxruntime-web" / "dist" / name).write_text(name)
    line = [sys.executable, SCRIPT, "--pretrained_model_name_or_path", folder / "base", "--adapter", folder / "style.safetensors"]
    line += ["--output", folder / "export", "--web", folder / "page", "--onnxruntime_web", folder / "onnxruntime-web"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(list(map(str, line)), capture_output=True, text=True, timeout=300, cwd=folder, env=environment)
    assert done.returncode == 0, done.stderr
    (folder / "stdout").write_text(done.stdout)
    return folder


def _made_pipeline() -> StyleTransferPipeline:
    """Tiny models in which every part has a say: an untrained generator adds no noise."""
    torch.manual_seed(0)
    generator = StyleGenerator(**TINY_GENERATOR)
    for module in generator.modules():
        if isinstance(module, StyleNoise):
            torch.nn.init.constant_(module.gain.bias, 0.5)
    return StyleTransferPipeline(generator, StyleEncoder(code_dim=16, hidden_dim=8))
