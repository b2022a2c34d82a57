#!/usr/bin/env python
"""Makes the figure of the README: photo, style, zero-shot, adapted, in rows.

python tools/make_figure.py --output docs/figure.jpg --max_seconds 60
python tools/make_figure.py --output docs/figure.jpg --steps 170  # what a minute holds on two cores with bfloat16
"""

import argparse
import sys
from pathlib import Path

from PIL import Image, ImageOps

from styleadapt import StyleTransferPipeline
from styleadapt.images.images import open_image, save_image

ASSETS = Path(__file__).resolve().parents[1] / "styleadapt" / "assets"
PAIRS = (("astronaut", "stained_glass"), ("cat", "mosaic"), ("colosseum", "swirls"), ("dahlia", "hatching"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", default="docs/figure.jpg")
    parser.add_argument("--max_seconds", type=float, default=60.0, help="time of each adaptation (default: %(default)s)")
    parser.add_argument("--steps", type=int, help="exactly so many steps instead")
    parser.add_argument("--size", type=int, default=320, help="side of each picture in pixels")
    parser.add_argument("--pairs", nargs="+", metavar="PHOTO:STYLE", default=[":".join(pair) for pair in PAIRS])
    args = parser.parse_args()
    pipe = StyleTransferPipeline.from_pretrained()
    sheet = Image.new("RGB", (4 * args.size, len(args.pairs) * args.size))
    for row, pair in enumerate(args.pairs):
        photo_name, style_name = pair.split(":")
        photo = open_image(ASSETS / "photos" / f"{photo_name}.jpg")
        photo = ImageOps.fit(photo, (min(photo.size),) * 2)
        style = ImageOps.fit(open_image(ASSETS / "styles" / f"{style_name}.jpg"), photo.size)
        zero_shot = pipe(photo, style=style).images[0]
        pipe.adapt([style], max_seconds=args.max_seconds, steps=args.steps)
        pictures = (photo, style, zero_shot, pipe(photo).images[0])
        pipe.unload_adapters()
        for column, picture in enumerate(pictures):
            sheet.paste(picture.resize((args.size, args.size), Image.Resampling.LANCZOS), (column * args.size, row * args.size))
    save_image(sheet, args.output, quality=88)
    return 0


if __name__ == "__main__":
    sys.exit(main())
