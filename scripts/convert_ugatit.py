#!/usr/bin/env python
"""Turns a checkpoint of the authors' U-GAT-IT code into a repo that `TranslationPipeline.from_pretrained` loads.

    python scripts/convert_ugatit.py selfie2anime_params_latest.pt runs/selfie2anime

The checkpoint is a dict with the state dicts genA2B, genB2A, disGA, disGB, disLA and disLB; anything else is refused.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from styleadapt import ModelLoadError, TranslationPipeline
from styleadapt.console import careful_output
from styleadapt.models.ugatit_checkpoint import load_ugatit_checkpoint


@careful_output()
def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", metavar="CHECKPOINT.pt", help="file that the authors' code saved")
    parser.add_argument("output", metavar="OUT_DIR", help="folder for the repo, made if missing")
    args = parser.parse_args()
    try:
        models = load_ugatit_checkpoint(args.checkpoint)
        TranslationPipeline(**models).save_pretrained(args.output)
    except (ModelLoadError, ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    for name, model in models.items():
        sizes = ", ".join(f"{key} {value}" for key, value in model.config.items() if not key.startswith("_"))
        print(f"{name:22} {sum(p.numel() for p in model.parameters()) / 1e6:7.2f} M parameters: {sizes}")
    print(args.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
