#!/usr/bin/env python
"""Trains generators from noise on the same images, at the same size, for the same minutes of one processor core, and compares
their pictures with real ones.

    python benchmarks/compare_generators.py --train_data_dir DIR --peers peers --minutes 60 --output comparison

Methods are ours with a projected discriminator (configs/textures-64.yaml), ours as StyleGAN2, ours as DCGAN, and of PyPI
`stylegan2-pytorch` and `lightweight-gan` in float32 as they are set up by default, with their augmentation for small data sets;
`benchmarks/generation_peers.py` says how to install them. Each runs in a process of its own until the process has used its time,
data loading and all. All get the same crops.

The distance is that of `metrics.distribution.kernel_distance` on statistics of VGG-16's layers (Keras' ImageNet weights). None of
the methods saw VGG-16 in training; the projected discriminator has EfficientNet-Lite0 inside, so that distances on the latter
would favor it. `real` is the distance of other crops of the same images, the floor. `NEAREST.jpg` of each method shows pictures
above the training crops that are nearest to them by the same statistics, and `nearest` is the median of these distances over that
of real crops to others: far below 1 would be copies.
"""

import argparse
import dataclasses
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from styleadapt.data.square_crops import SquareCrops
from styleadapt.images.images import image_to_tensor, open_image, tensor_to_image
from styleadapt.metrics.distribution import kernel_distance, standardize
from styleadapt.metrics.embedding import channel_statistics
from styleadapt.models.vgg16 import load_vgg16
from styleadapt.pipelines.generation import GenerationPipeline
from styleadapt.tasks.generation import GenerationTask, build_dataset, build_models
from styleadapt.tasks.generation_config import GenerationConfig
from styleadapt.training.config import build_config, load_yaml
from styleadapt.training.engine import Trainer
from styleadapt.training.sheets import contact_sheet

CONFIGS = Path(__file__).parents[1] / "configs"
# settings that fit the minutes of a CPU; the networks of StyleGAN2 are those of the projected run, and its own discriminator
OURS: dict[str, tuple[str, dict[str, Any]]] = {
    "projected": ("textures-64.yaml", {}),
    "stylegan2": (
        "textures-64.yaml",
        {
            "discriminator_type": "stylegan2",
            "discriminator": {"channel_base": 4096, "channel_max": 256},
            "adv_loss": "non-saturating",
            "r1_gamma": 0.5,
            "r1_every": 16,
        },
    ),
    "dcgan": ("dcgan-64.yaml", {"wrap": True, "short_side": [64, 128], "train_batch_size": 32}),
}
PEERS: dict[str, dict[str, Any]] = {
    "stylegan2_pytorch": {"aug_prob": 0.25},
    "lightweight_gan": {"aug_prob": 0.25},
}
BATCH, SAMPLES, SHOWN = 16, 512, 12


class TimedTrainer(Trainer):
    """Ends when the process has used so many seconds of the processor."""

    seconds = 0.0

    def _fraction(self) -> float:
        return min(max(self.step / self.config.max_train_steps, time.process_time() / self.seconds), 1.0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train_data_dir", required=True)
    parser.add_argument("--peers", metavar="DIR", help="folder that the packages were installed to")
    parser.add_argument("--methods", nargs="+", choices=[*OURS, *PEERS], default=[*OURS, *PEERS])
    parser.add_argument("--minutes", type=float, default=60.0, help="of the processor, each")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--samples", type=int, default=SAMPLES)
    parser.add_argument("--output", required=True, metavar="DIR")
    args = parser.parse_args()
    if not args.peers and set(args.methods) & {*PEERS}:
        parser.error(f"{', '.join(PEERS)} need --peers, the folder that they were installed to")
    context = multiprocessing.get_context("spawn")
    for method in args.methods:
        process = context.Process(target=trained, args=(method, args))
        process.start()
        process.join()
        if process.exitcode:
            print(f"{method} failed", file=sys.stderr)
            return 1
    print(f"{'method':20}{'distance':>10}{'nearest':>9}{'steps':>8}   {args.minutes:g} minutes of one core each")
    for name, figures in scores(args).items():
        steps = f"{figures['steps']:8.0f}" if "steps" in figures else ""
        print(f"{name:20}{figures['distance']:10.3f}{figures['nearest']:9.2f}{steps}")
    return 0


def crops(args: argparse.Namespace, seed: int) -> SquareCrops:
    """The crops that all methods are trained with; another seed gives others of the same images."""
    config = our_config("projected", args, Path("unused"))
    return build_dataset(dataclasses.replace(config, seed=seed))


def our_config(method: str, args: argparse.Namespace, folder: Path) -> GenerationConfig:
    name, settings = OURS[method]
    scaled = {"resolution": args.size, "short_side": [args.size, 2 * args.size]}
    return build_config(
        GenerationConfig,
        {
            **load_yaml(CONFIGS / name),
            **settings,
            **scaled,
            "train_data_dir": args.train_data_dir,
            "output_dir": str(folder),
            "seed": args.seed,
            "max_train_minutes": None,
            "validation_steps": 0,
            "checkpointing_steps": 10**9,
            "metric_for_best_model": None,
            "dataloader_num_workers": 0,
            "report_to": "none",
        },
    )


def trained(method: str, args: argparse.Namespace) -> None:
    """Trains a method and writes pictures and the number of its steps to its folder."""
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    folder = Path(args.output, method)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work_dir:
        train = our_pictures if method in OURS else their_pictures
        pictures, steps = train(method, args, Path(work_dir))
    for n, picture in enumerate(pictures):
        picture.save(folder / f"{n:04}.png")
    (folder / "steps.json").write_text(json.dumps(steps), encoding="utf-8")


def our_pictures(method: str, args: argparse.Namespace, work_dir: Path) -> tuple[list[Image.Image], int]:
    config = our_config(method, args, work_dir)
    trainer = TimedTrainer(config, GenerationTask(config, build_models(config)), build_dataset(config))
    trainer.seconds = 60 * args.minutes
    trainer.train()
    pipe = GenerationPipeline.from_pretrained(str(work_dir / "final"))
    return pipe(args.samples, seed=args.seed, truncation=1.0).images, trainer.step


def their_pictures(method: str, args: argparse.Namespace, work_dir: Path) -> tuple[list[Image.Image], int]:
    """The packages keep averaged weights from step 20,000 on. Here they do so from the start, and the pictures are of these."""
    from generation_peers import peer_trainer, without_cuda

    batches = their_batches(crops(args, args.seed))
    options = {**PEERS[method], "image_size": args.size, "batch_size": BATCH}
    trainer = peer_trainer(method, args.peers, work_dir, batches, **options)
    gan = trainer.GAN
    gan.reset_parameter_averaging()
    while time.process_time() < 60 * args.minutes:
        with without_cuda():
            trainer.train()
        if trainer.steps % 10 == 0:
            gan.EMA()
    gan.eval()
    pictures: list[Image.Image] = []
    with torch.no_grad(), without_cuda():
        while len(pictures) < args.samples:
            if method == "lightweight_gan":
                images = gan.GE(torch.randn(BATCH, gan.latent_dim))
            else:
                w = gan.SE(torch.randn(BATCH, gan.G.latent_dim))[:, None].expand(-1, gan.G.num_layers, -1)
                images = gan.GE(w, torch.rand(BATCH, args.size, args.size, 1))
            pictures += tensor_to_image(images.clamp(0, 1) * 2 - 1)
    return pictures[: args.samples], trainer.steps


def their_batches(data: SquareCrops) -> Iterator[torch.Tensor]:
    for step in count():
        yield torch.stack([data[n]["image"] for n in range(step * BATCH, (step + 1) * BATCH)]) / 2 + 0.5


def scores(args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Of every method and of other real crops: the distance to real ones, and how near its pictures are to training images. A
    sheet for each is written."""
    shown = crops(args, args.seed + 1000)
    held = crops(args, args.seed + 2000)
    # four times as many to look for copies in
    reference = [tensor_to_image(shown[n]["image"][None])[0] for n in range(4 * args.samples)]
    other = [tensor_to_image(held[n]["image"][None])[0] for n in range(args.samples)]
    real = embedded(reference)
    _, space = standardize(real, real)
    found: dict[str, dict[str, float]] = {}
    sets = {"real": other}
    for method in args.methods:
        sets[method] = [open_image(file) for file in sorted(Path(args.output, method).glob("[0-9]*.png"))]
    typical = 0.0
    for name, pictures in sets.items():
        embeddings = embedded(pictures)
        gaps = torch.cdist(standardize(embeddings, real)[0], space)
        nearest = gaps.min(1)
        typical = typical or float(nearest.values.median())
        found[name] = {
            "distance": kernel_distance(embeddings, real[: args.samples]),
            "nearest": float(nearest.values.median()) / typical,
        }
        if name != "real":
            found[name]["steps"] = json.loads(Path(args.output, name, "steps.json").read_text(encoding="utf-8"))
            rows = [pictures[:SHOWN], [reference[int(n)] for n in nearest.indices[:SHOWN]]]
            rows += [pictures[n : n + SHOWN] for n in range(SHOWN, 4 * SHOWN, SHOWN)]
            sheet = contact_sheet([[image_to_tensor(image) for image in row] for row in rows if row])
            sheet.save(Path(args.output, name, "NEAREST.jpg"), quality=92)
    Path(args.output, "scores.json").write_text(json.dumps({"minutes": args.minutes, **found}, indent=1), encoding="utf-8")
    return found


@torch.no_grad()
def embedded(images: list[Image.Image]) -> torch.Tensor:
    """Statistics of VGG-16's layers, one row an image."""
    network = load_vgg16()
    batches = (images[n : n + 32] for n in range(0, len(images), 32))
    return torch.cat([channel_statistics(network(torch.cat([image_to_tensor(image) for image in batch]))) for batch in batches])


if __name__ == "__main__":
    sys.exit(main())
