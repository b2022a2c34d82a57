#!/usr/bin/env python
"""Makes the picture of docs/gallery.md: four packaged photos in every packaged style, zero-shot, one style a row.

python tools/make_gallery.py --output docs/gallery.jpg
"""

import argparse
import io
import sys
from pathlib import Path

from PIL import Image, ImageOps

from styleadapt import StyleTransferPipeline
from styleadapt.images.images import open_image

ASSETS = Path(__file__).resolve().parents[1] / "styleadapt" / "assets"
PHOTOS = ("astronaut", "dogs", "lake", "street")
STYLES = tuple(sorted(path.stem for path in (ASSETS / "styles").glob("*.jpg")))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", default="docs/gallery.jpg", help="JPEG file to write")
    parser.add_argument("--photos", nargs="+", metavar="NAME", default=list(PHOTOS), help="packaged photos, one a column")
    parser.add_argument("--styles", nargs="+", metavar="NAME", default=list(STYLES), help="packaged styles, one a row")
    parser.add_argument("--size", type=int, default=320, help="side of each picture in pixels")
    parser.add_argument("--max_bytes", type=int, default=1_000_000, help="the JPEG quality falls until the file is smaller")
    args = parser.parse_args()
    photos = [_square(ASSETS / "photos" / f"{name}.jpg") for name in args.photos]
    styles = [_square(ASSETS / "styles" / f"{name}.jpg") for name in args.styles]
    pipe = StyleTransferPipeline.from_pretrained()
    rows = [[None, *photos], *([style, *(pipe(photo, style=style).images[0] for photo in photos)] for style in styles)]
    Path(args.output).write_bytes(_as_small_jpeg(_sheet(rows, args.size), args.max_bytes))
    return 0


def _square(path: Path) -> Image.Image:
    """The largest square in the middle of an image."""
    image = open_image(path)
    return ImageOps.fit(image, (min(image.size),) * 2)


def _sheet(rows: list[list[Image.Image | None]], size: int) -> Image.Image:
    """The pictures in rows and columns of equal squares; None leaves a white one."""
    sheet = Image.new("RGB", (len(rows[0]) * size, len(rows) * size), "white")
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            if picture is not None:
                sheet.paste(picture.resize((size, size), Image.Resampling.LANCZOS), (x * size, y * size))
    return sheet


def _as_small_jpeg(image: Image.Image, max_bytes: int) -> bytes:
    """The image at the highest JPEG quality, from 88 down to 20, whose file is smaller than `max_bytes`."""
    for quality in range(88, 19, -4):
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality, optimize=True, progressive=True)
        if file.tell() < max_bytes:
            return file.getvalue()
    raise ValueError(f"the gallery has more than --max_bytes {max_bytes} at every quality; allow more or make it smaller")


if __name__ == "__main__":
    sys.exit(main())
