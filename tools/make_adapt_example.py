"""Makes the finished example that the Adapt tab opens with: a packaged style learned, and a packaged photo before and after.

    python tools/make_adapt_example.py --max_seconds 60
    python tools/make_adapt_example.py --steps 170  # what a minute holds on two cores with bfloat16

It is to be run again whenever the packaged weights change.
"""

import argparse
import json
from pathlib import Path

from styleadapt import StyleTransferPipeline
from styleadapt.images.images import open_image, save_image
from styleadapt.ui.examples import ADAPT_EXAMPLE, example_images
from styleadapt.ui.limits import LIVE_PREVIEW_SIDE
from styleadapt.ui.uploads import fit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--max_seconds", type=float, default=60.0, help="time to adapt for (default: %(default)s)")
    parser.add_argument("--steps", type=int, help="exactly so many steps instead")
    parser.add_argument("--output", type=Path, default=ADAPT_EXAMPLE, help="folder; that of the package by default")
    args = parser.parse_args()
    # The first of each, which the tab opens with.
    photo, style = example_images("photos")[0], example_images("styles")[0]
    content = fit(open_image(photo), LIVE_PREVIEW_SIDE)
    pipe = StyleTransferPipeline.from_pretrained()
    save_image(pipe(content, style=style).images[0], args.output / "before.jpg", quality=90)
    adapter = pipe.adapt([style], max_seconds=args.max_seconds, steps=args.steps)
    save_image(pipe(content).images[0], args.output / "after.jpg", quality=90)
    facts = {"photo": photo.stem, "style": style.stem, "steps": adapter.steps, "scores": adapter.scores}
    (args.output / "example.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
