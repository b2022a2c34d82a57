#!/usr/bin/env python
"""Measures a training step of the engine by image size and batch: images a second, and peak memory of the process.

    python benchmarks/benchmark_training.py --sizes 208 320 512 --batches 1 4 --threads 2
    python benchmarks/benchmark_training.py --task ugatit --sizes 256 --batches 1 --light true --threads 2
    python benchmarks/benchmark_training.py --sizes 512 --batches 4 --gradient_checkpointing true --mixed_precision no

The steps are those of scripts/finetune.py (stylization, on the packaged weights) and of scripts/train.py (ugatit), with all that
is in them: both players, penalties, optimizers, the moving average. Images are random, for no step's cost depends on what is in
them. Each row is a process of its own, so that its peak memory is its own. Any option of those scripts can be given as well.
"""

import argparse
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

WARM_UP = 2  # steps that are not counted


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--task", choices=("stylization", "ugatit"), default="stylization")
    parser.add_argument("--sizes", nargs="+", type=int, default=[208, 320], help="sides of the square images in pixels")
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 4], help="images a step")
    parser.add_argument("--steps", type=int, default=8, help="steps whose median is taken, after two that warm up")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", metavar="FILE", help="write the figures there as well")
    args, options = parser.parse_known_args()
    context = multiprocessing.get_context("spawn")
    rows: list[dict[str, Any]] = []
    print(
        f"{'size':>6}{'batch':>7}{'s/step':>10}{'images/s':>10}{'peak MB':>10}   {args.task}, {args.threads} threads", flush=True
    )
    for size in args.sizes:
        for batch in args.batches:
            ours, theirs = context.Pipe()
            process = context.Process(target=worker, args=(args, size, batch, options, theirs), daemon=True)
            process.start()
            theirs.close()
            try:
                row = ours.recv()
            except EOFError:
                process.join()
                return process.exitcode or 1
            process.join()
            rows.append(row)
            print(f"{size:6}{batch:7}{row['seconds']:10.3f}{row['images_per_second']:10.2f}{row['peak_mb']:10.0f}", flush=True)
    if args.json:
        Path(args.json).write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return 0


def worker(args: argparse.Namespace, size: int, batch: int, options: list[str], pipe) -> None:
    """Sends the figures of one row."""
    import torch
    from torch.utils.data import Dataset

    from styleadapt.devices.cpu import configure_cpu
    from styleadapt.devices.memory import own_peak_mb
    from styleadapt.errors import ConfigError
    from styleadapt.tasks import finetuning, stylization, translation
    from styleadapt.training.config import parse_config
    from styleadapt.training.engine import Trainer

    configure_cpu(args.threads)
    started: list[float] = []
    keys = ("a", "b") if args.task == "ugatit" else ("photo", "style")
    base: Any = translation.UnpairedConfig if args.task == "ugatit" else finetuning.FinetuneConfig

    class Noise(Dataset):
        def __len__(self) -> int:
            return batch * (WARM_UP + args.steps + 1)

        def __getitem__(self, n: int) -> dict[str, torch.Tensor]:
            return {key: torch.rand(3, size, size) * 2 - 1 for key in keys}

    def timed(task: Any) -> Any:
        """Notes when each step's forward pass starts: from one to the next everything of a step has happened."""
        forward = task.forward

        def noted(inputs: dict[str, torch.Tensor], step: int) -> Any:
            started.append(time.perf_counter())
            return forward(inputs, step)

        task.forward = noted
        return task

    with tempfile.TemporaryDirectory() as folder:
        fixed = {
            "output_dir": folder,
            "resolution": size,
            "train_batch_size": batch,
            "max_train_steps": WARM_UP + args.steps + 1,
            "report_to": "none",
            "validation_steps": 0,
            "checkpointing_steps": 10**9,
            "dataloader_num_workers": 0,
        }
        fixed |= (
            {"domain_a": "random", "domain_b": "random"}
            if args.task == "ugatit"
            else {"train_data_dir": "random", "adv_warmup": 1}
        )
        try:
            given = [part for key, value in fixed.items() for part in (f"--{key}", str(value))]
            config = parse_config(base, "", [*options, *given])
            if args.task == "ugatit":
                task: Any = translation.UnpairedTask(config, translation.build_models(config))
            else:
                task = stylization.StylizationTask(config, finetuning.load_base(config).models)
        except ConfigError as error:
            sys.exit(f"error: {error}")
        Trainer(config, timed(task), Noise()).train()
    seconds = statistics.median(b - a for a, b in zip(started[WARM_UP:], started[WARM_UP + 1 :]))
    peak = own_peak_mb()
    pipe.send({"size": size, "batch": batch, "seconds": seconds, "images_per_second": batch / seconds, "peak_mb": peak})


if __name__ == "__main__":
    sys.exit(main())
