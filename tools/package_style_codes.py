#!/usr/bin/env python
"""Makes the packaged bank of style codes that `StyleAugment` draws from: kilobytes, and no image.

    python tools/package_style_codes.py --paintings FOLDER

Codes of the paintings below FOLDER and of the styles that `styleadapt.drawn` draws, with many seeds, by the packaged style
encoder; of each kind those are kept that differ the most. It is to be run again when the packaged weights change.
"""

import argparse
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from tqdm import tqdm

from styleadapt.augment.style_bank import PACKAGED_BANK, WEIGHTS, encode_styles, farthest_points
from styleadapt.augment.style_paint import weights_fingerprint
from styleadapt.drawn.styles import STYLES, draw_style
from styleadapt.errors import ImageError
from styleadapt.images.image_files import list_images
from styleadapt.models.style_encoder import StyleEncoder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--paintings", type=Path, required=True, metavar="FOLDER", help="images of paintings")
    parser.add_argument("--painted", type=int, default=256, help="codes of paintings that are kept (default: %(default)s)")
    parser.add_argument("--drawn", type=int, default=96, help="codes of drawn styles that are kept (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=16, help="pictures of each drawn style (default: %(default)s)")
    parser.add_argument("--size", type=int, default=256, help="side of the drawn pictures in pixels (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=Path(str(PACKAGED_BANK)), help="file to write (default: %(default)s)")
    args = parser.parse_args()
    encoder = StyleEncoder.from_pretrained(str(WEIGHTS), subfolder="style_encoder")
    names = [(name, seed) for name in STYLES for seed in range(args.seeds)]
    drawings = [encode_styles(encoder, [draw_style(name, args.size, seed)]) for name, seed in tqdm(names, "drawing")]
    paintings = []
    for file in tqdm(list_images(args.paintings), "paintings"):
        try:
            paintings.append(encode_styles(encoder, [file]))
        except ImageError as error:
            print(f"left out: {error}", file=sys.stderr)
    if not paintings:
        sys.exit(f"error: no image in {args.paintings} can be read")
    kept = {}
    for kind, found, count in (("drawn", drawings, args.drawn), ("paintings", paintings, args.painted)):
        codes = torch.cat(found)
        kept[kind] = codes[farthest_points(codes, count)].half().contiguous()
        print(f"{kind}: {len(kept[kind])} codes of {len(codes)} images")
    args.output.parent.mkdir(parents=True, exist_ok=True)
    save_file(kept, args.output, metadata={"weights": weights_fingerprint()})
    print(f"{args.output}: {args.output.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
