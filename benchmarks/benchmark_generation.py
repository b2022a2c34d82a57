#!/usr/bin/env python
"""Times a training step of StyleGAN2 beside that of `stylegan2-pytorch` (PyPI), at equal size, batch and channels.

    python benchmarks/benchmark_generation.py --peers peers
    python benchmarks/benchmark_generation.py --peers peers --size 32 --batch 4 --capacity 8

`benchmarks/generation_peers.py` says how to install it. Each method works in a process of its own, and they take turns, so that a
noisy minute falls on all. All take random images. Ours does all that the training engine does in a step, norms of the gradients
and averaged weights as well, in float32 and in bf16.

Regularization is lazy, so that not all steps are alike. Each kind of step is timed by itself, the median of some rounds, and
`mean` weights them by how often they occur in 32 steps, as each of the two is set up by default: ours has R1 in every 16th step
and path lengths of half a batch in every 4th (arXiv 1912.04958, appendix B); the other has gradient penalties of real and
generated images in every 4th and path lengths in every 32nd. Times are of the processor (and by the clock): on a machine that
others use, too, the former are what repeats. A ratio below 1 is faster.
"""

import argparse
import itertools
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

REFERENCE = "stylegan2-pytorch"
METHODS = (REFERENCE, "styleadapt", "styleadapt bf16")
# kind of step: (its number, how many of 32 steps are like it)
OUR_STEPS = {"plain": (1, 24), "path lengths": (4, 6), "all": (16, 2)}
# from 5000 on the other one has path lengths, too
THEIR_STEPS = {"plain": (5025, 24), "penalty": (5028, 7), "all": (5024, 1)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", required=True, metavar="DIR", help="folder that stylegan2-pytorch was installed to")
    parser.add_argument("--size", type=int, default=64, help="side of the images in pixels")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--capacity", type=int, default=16, help="its network_capacity: channels at full size are twice that")
    parser.add_argument("--channel_max", type=int, default=512)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--json", metavar="FILE", help="write the figures there as well")
    args = parser.parse_args()
    report = measure(args)
    print(f"{args.size} px, batch {args.batch}, {args.threads} threads; seconds of processor (by the clock) per step")
    for method, figures in report.items():
        kinds = "  ".join(f"{kind} {cpu:.2f} ({wall:.2f})" for kind, (cpu, wall) in figures.items())
        base = report.get(REFERENCE, figures)["mean"]
        print(f"{method:18}{kinds}  ratio {figures['mean'][0] / base[0]:.2f} ({figures['mean'][1] / base[1]:.2f})")
    if args.json:
        Path(args.json).write_text(json.dumps(report, indent=1), encoding="utf-8")
    return 0


def measure(args: argparse.Namespace) -> dict[str, dict[str, tuple[float, float]]]:
    """Of every method seconds of the processor and of the clock, by the kind of step, and their weighted mean."""
    context = multiprocessing.get_context("spawn")
    workers = {}
    for method in args.methods:
        ours, theirs = context.Pipe()
        process = context.Process(target=worker, args=(method, args, theirs), daemon=True)
        process.start()
        theirs.close()
        workers[method] = (process, ours)
    taken: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for method in args.methods:
        taken[method] = {kind: [] for kind in _kinds(method)}
    for round_number, position in itertools.product(range(args.rounds + 1), range(3)):
        for method, (_, pipe) in workers.items():
            kind = list(_kinds(method))[position]
            pipe.send(_kinds(method)[kind][0])
            seconds = pipe.recv()
            if round_number:  # the first round warms up
                taken[method][kind].append(seconds)
    for process, pipe in workers.values():
        pipe.send(None)
        process.join()
    report = {}
    for method, times in taken.items():
        medians = {kind: tuple(map(statistics.median, zip(*pairs))) for kind, pairs in times.items()}
        shares = {kind: count / 32 for kind, (_, count) in _kinds(method).items()}
        mean = tuple(sum(shares[kind] * medians[kind][n] for kind in medians) for n in range(2))
        report[method] = {**medians, "mean": mean}
    return report  # type: ignore[return-value]


def _kinds(method: str) -> dict[str, tuple[int, int]]:
    return THEIR_STEPS if method == REFERENCE else OUR_STEPS


def worker(method: str, args: argparse.Namespace, pipe) -> None:
    """Answers the number of a step with its seconds, of the processor and of the clock, and None by ending."""
    import torch

    from styleadapt.devices.cpu import configure_cpu

    configure_cpu(args.threads)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        step = their_step(args, folder) if method == REFERENCE else our_step(args, "bf16" in method)
        while (number := pipe.recv()) is not None:
            cpu, wall = time.process_time(), time.perf_counter()
            step(number)
            pipe.send((time.process_time() - cpu, time.perf_counter() - wall))


def their_step(args: argparse.Namespace, folder: str) -> Callable[[int], None]:
    import torch

    from generation_peers import peer_trainer, without_cuda

    batches = (torch.rand(args.batch, 3, args.size, args.size) for _ in itertools.count())
    trainer = peer_trainer(
        "stylegan2_pytorch",
        args.peers,
        folder,
        batches,
        image_size=args.size,
        batch_size=args.batch,
        network_capacity=args.capacity,
        fmap_max=args.channel_max,
    )

    def step(number: int) -> None:
        trainer.steps = number
        with without_cuda():
            trainer.train()

    return step


def our_step(args: argparse.Namespace, bf16: bool) -> Callable[[int], None]:
    """What `training.engine` does in a step, on one process and without accumulation."""
    import torch
    from diffusers.training_utils import EMAModel

    from styleadapt.tasks.generation import GenerationConfig, GenerationTask, build_models

    # the other one has latents of 512, eight layers of mapping, and a discriminator of twice the generator's channels
    base = 2 * args.capacity * args.size
    config = GenerationConfig(
        resolution=args.size,
        train_batch_size=args.batch,
        generator={
            "latent_dim": 512,
            "code_dim": 512,
            "mapping_layers": 8,
            "channel_base": base,
            "channel_max": args.channel_max,
        },
        discriminator={"channel_base": 2 * base, "channel_max": args.channel_max},
        r1_gamma=0.5,
        r1_every=16,
        path_length_weight=2.0,
        path_length_every=4,
        path_length_batch=max(1, args.batch // 2),
        style_mixing=0.9,
    )
    task = GenerationTask(config, build_models(config))
    parameters = {name: list(model.parameters()) for name, model in task.models.items()}
    betas = (config.adam_beta1, config.adam_beta2)
    optimizers = {
        name: torch.optim.AdamW(mine, config.learning_rate, betas, weight_decay=config.adam_weight_decay, fused=True)
        for name, mine in parameters.items()
    }
    ema = EMAModel(parameters["generator"], decay=config.ema_decay, use_ema_warmup=True, power=3 / 4)
    phases = task.phases()

    def step(number: int) -> None:
        real = torch.rand(args.batch, 3, args.size, args.size) * 2 - 1
        state = None
        for phase in phases:
            if not phase.due(number):
                continue
            (name,) = phase.modules
            other = "generator" if name == "discriminator" else "discriminator"
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                if state is None:
                    state = task.forward({"image": real, "label": torch.full((args.batch,), -1)}, number)
                for parameter in parameters[other] if phase is not phases[0] else ():
                    parameter.requires_grad_(False)
                loss = phase.loss(state, number)[0]
            loss.backward()
            for parameter in parameters[other]:
                parameter.requires_grad_(True)
            torch.nn.utils.clip_grad_norm_(parameters[name], config.max_grad_norm)
            optimizers[name].step()
            optimizers[name].zero_grad()
        ema.step(parameters["generator"])

    return step


if __name__ == "__main__":
    sys.exit(main())
