#!/usr/bin/env python
"""Draws the style images that ship with the package.

python tools/draw_styles.py --output styleadapt/assets/styles
python tools/draw_styles.py --output drawn --size 1024 --seed 7 --names mosaic swirls
"""

import argparse
from pathlib import Path

from styleadapt.drawn.styles import STYLES, draw_style


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder for the images, made if missing")
    parser.add_argument("--size", type=int, default=512, help="side in pixels (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="another seed, another picture (default: %(default)s)")
    parser.add_argument("--names", nargs="+", default=list(STYLES), metavar="NAME", help=f"of {', '.join(STYLES)} (default: all)")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name in arguments.names:
        try:
            image = draw_style(name, arguments.size, arguments.seed)
        except ValueError as error:
            parser.error(str(error))
        path = arguments.output / f"{name}.jpg"
        image.save(path, quality=90, optimize=True)
        print(path)


if __name__ == "__main__":
    main()
