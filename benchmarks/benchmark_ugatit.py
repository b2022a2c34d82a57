#!/usr/bin/env python
"""Times a training step of U-GAT-IT beside a plain transcription of the authors' loop, at equal batch, size and channels.

    python benchmarks/benchmark_ugatit.py --size 256 --light --threads 2
    python benchmarks/benchmark_ugatit.py --size 64 --channels 32 --batch 2 --n_layers_global 6 --light

The transcription is `benchmarks/ugatit_loop.py`. Each of the two works in a process of its own, so that its peak memory
is its own, and they take turns, so that a noisy minute falls on both. Both take random images in float32, with the same settings
of the allocator; ours does all that the training engine does in a step, norms of the gradients and averaged weights as well.
Times are medians of whole steps. A ratio below 1 is faster.
"""

import argparse
import json
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

METHODS = ("reference", "styleadapt")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256, help="side of the images in pixels")
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--blocks", type=int, default=4)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--light", action="store_true")
    parser.add_argument("--n_layers_global", type=int, default=7)
    parser.add_argument("--n_layers_local", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", metavar="FILE", help="write the figures there as well")
    args = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    seconds: dict[str, list[float]] = {method: [] for method in METHODS}
    workers = {}
    for method in METHODS:
        ours, theirs = context.Pipe()
        process = context.Process(target=worker, args=(method, args, theirs), daemon=True)
        process.start()
        theirs.close()
        workers[method] = (process, ours)
    for round_number in range(args.rounds + 1):
        for method, (_, pipe) in workers.items():
            pipe.send(True)
            taken = pipe.recv()
            if round_number:  # the first step warms up
                seconds[method].append(taken)
    report = {}
    for method, (process, pipe) in workers.items():
        pipe.send(False)
        report[method] = {"seconds": statistics.median(seconds[method]), "peak_mb": pipe.recv()}
        process.join()
    print(f"{'method':14}{'s/step':>10}{'ratio':>8}{'peak MB':>10}   {args.threads} threads")
    for method, figures in report.items():
        ratio = figures["seconds"] / report["reference"]["seconds"]
        print(f"{method:14}{figures['seconds']:10.3f}{ratio:8.2f}{figures['peak_mb']:10.0f}")
    if args.json:
        Path(args.json).write_text(json.dumps(report, indent=1), encoding="utf-8")
    return 0


def worker(method: str, args: argparse.Namespace, pipe) -> None:
    """Answers True with the seconds of one step, and False with the peak memory in MB."""
    import torch

    from styleadapt.devices.cpu import configure_cpu
    from styleadapt.devices.memory import own_peak_mb

    configure_cpu(args.threads)
    torch.manual_seed(0)
    step = our_step(args) if method == "styleadapt" else reference_step(args)
    while pipe.recv():
        a, b = (torch.rand(args.batch, 3, args.size, args.size) * 2 - 1 for _ in range(2))
        start = time.perf_counter()
        step(a, b)
        pipe.send(time.perf_counter() - start)
    pipe.send(own_peak_mb())


def reference_step(args: argparse.Namespace) -> Callable:
    from ugatit_loop import ReferenceLoop

    layers = (args.n_layers_global, args.n_layers_local)
    return ReferenceLoop(args.channels, args.blocks, args.size, args.light, *layers).step


def our_step(args: argparse.Namespace) -> Callable:
    """What `training.engine` does in a step, on one process and without accumulation."""
    import torch
    from diffusers.training_utils import EMAModel

    from styleadapt.tasks.translation import UnpairedConfig, UnpairedTask, build_models

    config = UnpairedConfig(
        resolution=args.size,
        light=args.light,
        channels=args.channels,
        blocks=args.blocks,
        n_layers_global=args.n_layers_global,
        n_layers_local=args.n_layers_local,
    )
    task = UnpairedTask(config, build_models(config))
    for model in task.models.values():
        model.to(memory_format=torch.channels_last)
    players = (task.generator_names, task.discriminator_names)
    generators, discriminators = ([p for name in names for p in task.models[name].parameters()] for names in players)
    betas = (config.adam_beta1, config.adam_beta2)
    g_optimizer, d_optimizer = (
        torch.optim.AdamW(parameters, config.learning_rate, betas, weight_decay=config.adam_weight_decay, fused=True)
        for parameters in (generators, discriminators)
    )
    ema = EMAModel(generators, decay=config.ema_decay, use_ema_warmup=True, power=3 / 4)

    def apply(optimizer: torch.optim.Optimizer, parameters: list[torch.nn.Parameter]) -> None:
        torch.nn.utils.clip_grad_norm_(parameters, config.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()

    def step(a: torch.Tensor, b: torch.Tensor) -> None:
        state = task.forward({"a": a, "b": b}, 0)
        task.discriminator_loss(state, 0)[0].backward()
        apply(d_optimizer, discriminators)
        for parameter in discriminators:
            parameter.requires_grad_(False)
        task.generator_loss(state, 0)[0].backward()
        for parameter in discriminators:
            parameter.requires_grad_(True)
        apply(g_optimizer, generators)
        ema.step(generators)

    return step


if __name__ == "__main__":
    sys.exit(main())
