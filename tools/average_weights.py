#!/usr/bin/env python
"""Averages models that were trained from one start ("model soups", Wortsman et al., arXiv 2203.05482).

python tools/average_weights.py runs/base-256/final runs/base-320/final --weights 0.4 0.6 --output runs/soup
python tools/average_weights.py runs/inpaint/best runs/inpaint-gan/final --task restoration --weights 0.25 0.75 --output runs/soup

Generator and style encoder are averaged, or the networks of restoration that all models have; the discriminator is the last
model's, for the mean of two players is no player.
"""

import argparse
import math
import sys
from typing import Any

import torch

from styleadapt import ModelLoadError, RestorationPipeline, StyleTransferPipeline
from styleadapt.console import careful_output

AVERAGED: dict[str, tuple[Any, tuple[str, ...]]] = {
    "stylization": (StyleTransferPipeline, ("generator", "style_encoder")),
    "restoration": (RestorationPipeline, ("restorer", "inpainter", "colorizer")),
}


@careful_output()
def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL", help="folders or repositories of equal shapes")
    parser.add_argument("--task", choices=AVERAGED, default="stylization", help="what the models are for (default: %(default)s)")
    parser.add_argument("--weights", nargs="+", type=float, metavar="W", help="one a model, summing to 1; equal if left out")
    parser.add_argument("--output", required=True, metavar="FOLDER", help="where the mean goes")
    args = parser.parse_args()
    weights = args.weights or [1 / len(args.models)] * len(args.models)
    if len(weights) != len(args.models) or not math.isclose(sum(weights), 1, abs_tol=1e-6):
        parser.error(f"--weights needs {len(args.models)} numbers that sum to 1, got {weights}")
    try:
        cls, names = AVERAGED[args.task]
        pipes = [cls.from_pretrained(model) for model in args.models]
        for name in (name for name in names if all(getattr(pipe, name) is not None for pipe in pipes)):
            states = [getattr(pipe, name).state_dict() for pipe in pipes]
            mean = {key: sum((w * s[key] for w, s in zip(weights, states)), torch.zeros(())) for key in states[0]}
            getattr(pipes[-1], name).load_state_dict(mean)
        pipes[-1].save_pretrained(args.output)
    except (ModelLoadError, ValueError, OSError, KeyError, RuntimeError) as error:
        sys.exit(f"error: {' '.join(str(error).split())}")
    print(args.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
