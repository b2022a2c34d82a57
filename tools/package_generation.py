#!/usr/bin/env python
"""Puts a trained generator into the package, in half precision: what `GenerationPipeline.from_pretrained()` loads.

    python tools/package_generation.py runs/textures/final

The discriminator is left out: it is not needed to make pictures, and a new one learns quickly.
"""

import argparse
import sys
from pathlib import Path

import torch

from styleadapt.adapters.adapter import PACKAGED
from styleadapt.errors import ModelLoadError
from styleadapt.pipelines.generation import GenerationPipeline

WEIGHTS = Path(__file__).resolve().parents[1] / "styleadapt" / "assets" / "generation"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repo", help="folder that scripts/train.py --task generation wrote")
    parser.add_argument("--output", default=str(WEIGHTS), metavar="FOLDER", help="where it goes; the package's assets by default")
    args = parser.parse_args()
    try:
        pipe = GenerationPipeline.from_pretrained(args.repo, dtype=torch.float16)
        pipe.register_to_config(_name_or_path=PACKAGED)
        pipe.save_pretrained(args.output)
    except (ModelLoadError, OSError) as error:
        sys.exit(f"error: {error}")
    size = sum(file.stat().st_size for file in Path(args.output).rglob("*.safetensors"))
    print(f"{size / 1e6:.2f} MB in {args.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
