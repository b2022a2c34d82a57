#!/usr/bin/env python
"""Puts a trained repo into the package, in half precision: what `StyleTransferPipeline.from_pretrained()` loads.

python tools/package_weights.py --model runs/base/final
"""

import argparse
import sys
from pathlib import Path

import torch

from styleadapt import ModelLoadError, StyleTransferPipeline
from styleadapt.adapters.adapter import PACKAGED

WEIGHTS = Path(__file__).resolve().parents[1] / "styleadapt" / "assets" / "weights"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, metavar="FOLDER", help="repo that scripts/train.py wrote")
    parser.add_argument("--output", default=str(WEIGHTS), metavar="FOLDER", help="where it goes; the package's assets by default")
    args = parser.parse_args()
    try:
        pipe = StyleTransferPipeline.from_pretrained(args.model, dtype=torch.float16)
        pipe.register_to_config(_name_or_path=PACKAGED)
        pipe.save_pretrained(args.output)
    except (ModelLoadError, ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    files = sorted(Path(args.output).rglob("*.safetensors"))
    for file in files:
        print(f"{file.parent.name:14} {file.stat().st_size / 1e6:6.2f} MB")
    print(f"{'all':14} {sum(f.stat().st_size for f in files) / 1e6:6.2f} MB in {args.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
