#!/usr/bin/env python
"""Times every task of restoration on one made photo, each in a process of its own, and prints a table in Markdown.

python benchmarks/benchmark_restoration.py --megapixels 12

Seconds are processor seconds of the second of two calls, photo in, photo out, so that other work on the machine counts little; on
one thread they are wall seconds of an idle machine. The peak has everything in it: interpreter, libraries, all networks.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from typing import Any

TASKS: dict[str, dict[str, Any]] = {
    "denoise": {"level": 25},
    "denoise, fidelity 0.5": {"task": "denoise", "level": 25, "fidelity": 0.5},
    "auto": {},
    "inpaint": {},
    "colorize": {},
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megapixels", type=float, default=12.0, help="of the photo, 4 wide to 3 high")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS), metavar="TASK", help="; ".join(TASKS))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--pretrained_model_name_or_path", help="folder or repository; packaged weights by default")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(args.one, args.megapixels, args.pretrained_model_name_or_path)))
        return 0
    print(
        f"| task, {args.megapixels:g} megapixels, {args.threads} threads | processor seconds | peak memory, GB |\n|---|---|---|"
    )
    for task in args.tasks:
        line = [sys.executable, __file__, "--one", task, "--megapixels", str(args.megapixels)]
        if args.pretrained_model_name_or_path:
            line += ["--pretrained_model_name_or_path", args.pretrained_model_name_or_path]
        environment = {**os.environ, "OMP_NUM_THREADS": str(args.threads)}
        done = subprocess.run(line, stdout=subprocess.PIPE, text=True, check=True, env=environment)
        found = json.loads(done.stdout.splitlines()[-1])
        print(f"| {task} | {found['seconds']:.1f} | {found['gigabytes']:.2f} |", flush=True)
    return 0


def measure(name: str, megapixels: float, weights: str | None) -> dict[str, float]:
    """Processor seconds of one call, and the peak memory of this process."""
    import numpy as np
    from PIL import Image

    from styleadapt import RestorationPipeline
    from styleadapt.devices.cpu import configure_cpu

    configure_cpu()
    pipe = RestorationPipeline.from_pretrained(weights)
    width = round((megapixels * 1e6 * 4 / 3) ** 0.5 / 4) * 4
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 256, (width * 3 // 128, width // 32, 3), np.uint8))
    smooth = np.asarray(small.resize((width, width * 3 // 4), Image.Resampling.BICUBIC))
    noise = rng.integers(-25, 26, smooth.shape, np.int16)
    photo = Image.fromarray(np.clip(smooth + noise, 0, 255).astype(np.uint8))
    options: dict[str, Any] = {"task": name, **TASKS[name]}
    if name == "inpaint":
        mask = Image.new("L", photo.size)
        mask.paste(255, (width // 4, width // 4, width // 3, width // 3))
        options["mask"] = mask
    for _ in range(2):
        started = time.process_time()
        pipe(photo, **options)
        seconds = time.process_time() - started
    return {"seconds": seconds, "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9}


if __name__ == "__main__":
    sys.exit(main())
