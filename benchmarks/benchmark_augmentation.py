#!/usr/bin/env python
"""Measures what StyleAugment costs in a DataLoader, beside a training step of the packaged EfficientNet-Lite0, all weights free.

    python benchmarks/benchmark_augmentation.py
    python benchmarks/benchmark_augmentation.py --size 64 --p 1 --device cuda

The loader has no workers, so that what is measured is work and not waiting; workers hide it further. Images are made, and neither
read nor decoded. Times are of this process's CPU for `--device cpu`, else of the clock. Loading with and without StyleAugment and
training take turns, and the medians are printed.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset

from styleadapt.augment import StyleAugment
from styleadapt.devices.device import usable_device
from styleadapt.metrics.classification import load_trunk


class MadeImages(Dataset):
    """Random bytes `(3, size, size)`, through a transform if there is one."""

    def __init__(self, count: int, size: int, transform: Callable | None = None):
        self.images = torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8)
        self.transform = transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, n: int) -> torch.Tensor:
        return self.images[n] if self.transform is None else self.transform(self.images[n])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=224, help="side of the images in pixels (default: %(default)s)")
    parser.add_argument("--p", type=float, default=0.5, help="of StyleAugment (default: %(default)s)")
    parser.add_argument("--batch_size", type=int, default=32, help="images of a step (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="of each measurement (default: %(default)s)")
    parser.add_argument("--device", default="cpu", help="where the network trains (default: %(default)s)")
    args = parser.parse_args()
    device = usable_device(args.device)
    augment = StyleAugment(p=args.p, seed=0)
    plain, styled = (MadeImages(args.batch_size, args.size, transform) for transform in (None, augment))
    whole = {"batch_size": args.batch_size}
    works = {
        "loading": lambda: next(iter(DataLoader(plain, **whole))),
        "loading, augmented singly": lambda: next(iter(DataLoader(styled, **whole))),
        "loading, augmented as batches": lambda: next(
            iter(DataLoader(plain, collate_fn=lambda x: augment(torch.stack(x)), **whole))
        ),
        "training step": training_step(args.batch_size, args.size, device),
    }
    medians = {name: statistics.median(seconds) for name, seconds in in_turns(works, args.rounds, device).items()}
    print(f"{args.size} px, p = {args.p}, batches of {args.batch_size}, {device}, {torch.get_num_threads()} threads")
    for name, seconds in medians.items():
        share = (seconds - medians["loading"]) / medians["training step"]
        added = f"   adds {share:.3f} of the training step" if "augmented" in name else ""
        print(f"{name:30} {1000 * seconds / args.batch_size:8.2f} ms an image{added}")


def training_step(batch_size: int, size: int, device: torch.device) -> Callable[[], None]:
    """A step of SGD on one batch, forward, backward and update."""
    trunk = load_trunk(device).requires_grad_(True).train()
    head = nn.Linear(672, 7).to(device)
    optimizer = torch.optim.SGD([*trunk.parameters(), *head.parameters()], lr=1e-6, momentum=0.9)
    images = torch.rand(batch_size, 3, size, size, device=device).contiguous(memory_format=torch.channels_last) * 2 - 1
    labels = torch.arange(batch_size, device=device) % 7

    def step() -> None:
        loss = F.cross_entropy(head(trunk(images)["block11.expand"].mean((2, 3))), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return step


def in_turns(works: dict[str, Callable], rounds: int, device: torch.device) -> dict[str, list[float]]:
    """Seconds of each work in each round, after one round that does not count."""
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(rounds + 1):
        for name, work in works.items():
            start = clock()
            work()
            if device.type == "cuda":
                torch.cuda.synchronize()
            if turn:
                seconds[name].append(clock() - start)
    return seconds


if __name__ == "__main__":
    main()
