"""Turns a checkpoint of others into a model repo of ours.

    styleadapt convert selfie2anime_params_latest.pt -o runs/selfie2anime
    styleadapt convert ffhq.pkl -o runs/ffhq

U-GAT-IT, as the authors' code saves it: a dict with the state dicts genA2B, genB2A, disGA, disGB, disLA and disLB; the repo is
one that `TranslationPipeline.from_pretrained` loads. StyleGAN2: a network pickle of NVlabs' StyleGAN2-ADA, whose code is not
run, or a checkpoint of rosinality's stylegan2-pytorch; the repo is one that `GenerationPipeline.from_pretrained` loads, with the
discriminator beside it, if there is one, for training. Anything else is refused.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .options import new_parser


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = new_parser("convert", __doc__)
    required = parser.add_argument_group("required")
    required.add_argument("checkpoint", metavar="CHECKPOINT", help="file that the authors' code saved, .pt or .pkl")
    required.add_argument("-o", "--output", required=True, metavar="DIR", help="folder for the repo; it is made if missing")
    return parser.parse_args(arguments)


def run(args: argparse.Namespace) -> int:
    """Converts the checkpoint and prints what is in it; gives the exit status."""
    from ..models.stylegan2_checkpoint import is_stylegan2_checkpoint

    models = (_stylegan2 if is_stylegan2_checkpoint(args.checkpoint) else _ugatit)(args)
    for name, model in models.items():
        sizes = ", ".join(f"{key} {value}" for key, value in model.config.items() if not key.startswith("_"))
        print(f"{name:22} {sum(p.numel() for p in model.parameters()) / 1e6:7.2f} M parameters: {sizes}")
    print(args.output)
    return 0


def _ugatit(args: argparse.Namespace) -> dict:
    from .. import TranslationPipeline
    from ..models.ugatit_checkpoint import load_ugatit_checkpoint

    models = load_ugatit_checkpoint(args.checkpoint)
    TranslationPipeline(**models).save_pretrained(args.output)
    return models


def _stylegan2(args: argparse.Namespace) -> dict:
    from .. import GenerationPipeline
    from ..models.stylegan2_checkpoint import load_stylegan2_checkpoint

    models: dict[str, Any] = load_stylegan2_checkpoint(args.checkpoint)
    GenerationPipeline(models["generator"]).save_pretrained(args.output)
    if "discriminator" in models:
        models["discriminator"].save_pretrained(Path(args.output) / "discriminator")
    return models
