#!/usr/bin/env python
"""Cuts the opaque wall and floor textures out of a game's WAD files, to train a generator on.

    apt-get download freedoom && dpkg -x freedoom_*.deb freedoom && pip install omgifol
    python tools/prepare_textures.py freedoom/usr/share/games/doom/*.wad -o textures
    accelerate launch scripts/train.py --task generation --config configs/textures-64.yaml --train_data_dir textures

Freedoom's textures are free under a BSD license. Textures with holes, plain ones, those of less than 64 px and those that occur
twice are left out.
"""

import argparse
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

SMALLEST = 64
# WAD files mark holes with this color where an image has no transparency of its own
HOLE = np.array([255, 0, 255])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wads", nargs="+", metavar="WAD", type=Path)
    parser.add_argument("-o", "--output", required=True, type=Path, help="folder, which is made")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    seen: set[bytes] = set()
    for wad in args.wads:
        for name, image in textures(wad):
            digest = hashlib.sha256(image.tobytes()).digest()
            if digest in seen or not useful(image):
                continue
            seen.add(digest)
            image.save(args.output / f"{wad.stem}-{name}.png")
    print(f"{len(seen)} textures in {args.output}")
    return 0 if seen else 1


def textures(wad: Path) -> Iterator[tuple[str, Image.Image]]:
    """Names and images of a WAD file's flats and opaque patches."""
    import omg

    lumps = omg.WAD(str(wad))
    for kind in ("flats", "patches"):
        for name, lump in getattr(lumps, kind).items():
            try:
                image = lump.to_Image().convert("RGBA")
            except Exception as error:  # omgifol raises whatever a broken lump leads to
                print(f"{wad.name}: {name} cannot be read ({error})", file=sys.stderr)
                continue
            if image.getchannel("A").getextrema()[0] == 255:
                clean = "".join(c if c.isalnum() else "_" for c in name.strip("\0").lower())
                yield f"{kind}-{clean}", image.convert("RGB")


def useful(image: Image.Image) -> bool:
    """Whether a texture is large enough, has no holes and is not of one color.

    >>> useful(Image.new("RGB", (64, 64), (255, 0, 255))), useful(Image.effect_noise((64, 64), 60).convert("RGB"))
    (False, True)
    """
    pixels = np.asarray(image, np.int16)
    holes = (np.abs(pixels - HOLE).sum(-1) < 12).mean()
    return min(image.size) >= SMALLEST and holes <= 0.002 and pixels.std() >= 4


if __name__ == "__main__":
    sys.exit(main())
