"""Prints versions, devices and threads: what a bug report needs. It names no path, user or host."""

import argparse
import os
import platform
from collections.abc import Iterator, Sequence
from importlib import metadata

from .. import __version__
from ..extras import EXTRAS
from .options import new_parser

_PACKAGES = ("torch", "diffusers", "accelerate", "peft", "transformers", "huggingface_hub", "safetensors", "numpy", "pillow")
_DISTRIBUTIONS = {"skimage": "scikit-image"}  # where the name to install is not the name to import


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    return new_parser("env", __doc__).parse_args(arguments)


def run(args: argparse.Namespace) -> int:
    """Prints a line for each fact; gives the exit status."""
    for name, value in _facts():
        print(f"{name + ':':20} {value}")
    return 0


def _facts() -> Iterator[tuple[str, object]]:
    import torch

    from ..devices.cpu import supports_bf16

    yield "styleadapt", __version__
    yield "Python", f"{platform.python_version()}, {platform.system()} {platform.release()}, {platform.machine()}"
    yield from ((package, _version(package)) for package in _PACKAGES)
    for extra, packages in EXTRAS.items():
        yield f"[{extra}]", ", ".join(f"{package} {_version(package)}" for package in packages)
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield "CPU", f"{usable} of {os.cpu_count()} cores, {torch.backends.cpu.get_cpu_capability()}"
    yield "threads", f"{torch.get_num_threads()}, OMP_NUM_THREADS {os.environ.get('OMP_NUM_THREADS', 'not set')}"
    yield "bfloat16 on CPU", "fast" if supports_bf16(torch.device("cpu")) else "not faster"
    yield "CUDA", torch.version.cuda or "none in this build of torch"
    for n in range(torch.cuda.device_count()):
        gpu, device = torch.cuda.get_device_properties(n), torch.device("cuda", n)
        fast = "fast" if supports_bf16(device) else "not faster"
        yield str(device), f"{gpu.name}, {gpu.total_memory / 2**30:.1f} GiB, bfloat16 {fast}"


def _version(package: str) -> str:
    try:
        return metadata.version(_DISTRIBUTIONS.get(package, package))
    except metadata.PackageNotFoundError:
        return "not installed"
