"""What `styleadapt evaluate --protocol augmentation` does: augmentations are compared, and told in a table and a file."""

import argparse
import json
import sys
from dataclasses import asdict

from .. import __version__
from ..devices.device import usable_device
from ..images.whole_files import check_writable
from ..metrics.augmentation import compare_augmentations
from ..metrics.classification import Recipe
from ..metrics.report import text_table


def run_augmentation(args: argparse.Namespace) -> int:
    """The protocol of `metrics.augmentation`: prints a table; `--output` gets scores.json. Gives the exit status."""
    device = usable_device(args.device)
    check_writable(args.output / "scores.json")
    recipe = Recipe(size=args.size, copies=args.copies)
    scores = compare_augmentations(
        args.train_data_dir,
        args.test_data_dir,
        args.seeds,
        recipe,
        device=device,
        callback=lambda arm: print(f"training with {arm}", file=sys.stderr, flush=True),
    )
    figures = scores.figures(args.seed)
    whole = {
        "figures": {arm: {figure.name: figure.as_json() for figure in found} for arm, found in figures.items()},
        "by_seed": scores.by_seed,
        "correct": {arm: {folder: values.tolist() for folder, values in found.items()} for arm, found in scores.correct.items()},
        "held_back": {arm: values.tolist() for arm, values in scores.home.items()},
        "settings": {"train": args.train_data_dir.name, "test": [path.name for path in args.test_data_dir], "seeds": args.seeds},
        "recipe": asdict(recipe),
        "version": __version__,
        "skipped": scores.left_out,
    }
    args.output.mkdir(parents=True, exist_ok=True)
    (args.output / "scores.json").write_text(json.dumps(whole, indent=1), encoding="utf-8")
    print(f"{args.seeds} classifiers of each augmentation; 95 % intervals in brackets\n\n{text_table(figures)}")
    if scores.left_out:
        print(f"{len(scores.left_out)} left out:", *scores.left_out, sep="\n  ", file=sys.stderr)
    return 0
