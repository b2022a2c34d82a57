"""Turns a checkpoint of the authors' U-GAT-IT code into a repo that `TranslationPipeline.from_pretrained` loads.

    styleadapt convert selfie2anime_params_latest.pt -o runs/selfie2anime

The checkpoint is a dict with the state dicts genA2B, genB2A, disGA, disGB, disLA and disLB; anything else is refused.
"""

import argparse
from collections.abc import Sequence

from .options import new_parser


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = new_parser("convert", __doc__)
    required = parser.add_argument_group("required")
    required.add_argument("checkpoint", metavar="CHECKPOINT.pt", help="file that the authors' code saved")
    required.add_argument("-o", "--output", required=True, metavar="DIR", help="folder for the repo; it is made if missing")
    return parser.parse_args(arguments)


def run(args: argparse.Namespace) -> int:
    """Converts the checkpoint and prints what is in it; gives the exit status."""
    from .. import TranslationPipeline
    from ..models.ugatit_checkpoint import load_ugatit_checkpoint

    models = load_ugatit_checkpoint(args.checkpoint)
    TranslationPipeline(**models).save_pretrained(args.output)
    for name, model in models.items():
        sizes = ", ".join(f"{key} {value}" for key, value in model.config.items() if not key.startswith("_"))
        print(f"{name:22} {sum(p.numel() for p in model.parameters()) / 1e6:7.2f} M parameters: {sizes}")
    print(args.output)
    return 0
