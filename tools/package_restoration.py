#!/usr/bin/env python
"""Puts trained networks of restoration into the package, in half precision: what `RestorationPipeline.from_pretrained()` loads.

    python tools/package_restoration.py --restorer runs/denoise/best --restorer_natural runs/denoise-gan/final \
        --inpainter runs/inpaint-mean --colorizer runs/colorize/best

Every option names a repo that scripts/train.py wrote; what is left out stays as it is in the package. The style encoder, with
which the colorizer sees, is not written again: it is that of the packaged weights of stylization.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import torch

from styleadapt.adapters.adapter import PACKAGED
from styleadapt.errors import ModelLoadError
from styleadapt.models.modeling import StyleAdaptModel
from styleadapt.pipelines.restoration import RestorationPipeline

WEIGHTS = Path(__file__).resolve().parents[1] / "styleadapt" / "assets" / "restoration"
NETWORKS = ("restorer", "restorer_natural", "inpainter", "inpainter_natural", "colorizer")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in NETWORKS:
        parser.add_argument(f"--{name}", metavar="FOLDER", help=f"repo whose {name.removesuffix('_natural')} it becomes")
    parser.add_argument("--output", default=str(WEIGHTS), metavar="FOLDER", help="where it goes; the package's assets by default")
    args = parser.parse_args()
    output = Path(args.output)
    try:
        networks: dict[str, Any] = {name: network(name, getattr(args, name), output) for name in NETWORKS}
        pipe = RestorationPipeline(**networks)
        pipe.register_to_config(_name_or_path=PACKAGED)
        pipe.save_pretrained(output)
    except (ModelLoadError, ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    files = sorted(output.rglob("*.safetensors"))
    for file in files:
        print(f"{file.parent.name:18} {file.stat().st_size / 1e6:6.2f} MB")
    print(f"{'all':18} {sum(f.stat().st_size for f in files) / 1e6:6.2f} MB in {output}")
    return 0


def network(name: str, repo: str | None, output: Path) -> StyleAdaptModel | None:
    """A network of a repo, else the one that is in `output` already, if any; in half precision."""
    cls: Any = RestorationPipeline.component_classes[name]
    if repo is not None:
        return cls.from_pretrained(repo, subfolder=name.removesuffix("_natural"), dtype=torch.float16)
    return cls.from_pretrained(output, subfolder=name, dtype=torch.float16) if (output / name).is_dir() else None


if __name__ == "__main__":
    sys.exit(main())
