"""Adapts the pretrained generator to one or a few style images and writes the adapter, one small file.

    styleadapt adapt painting.jpg -o painting.safetensors
    styleadapt adapt a.jpg b.jpg -o artist.safetensors --content photos/ --max_seconds 120

Ctrl-C ends it early; the best state so far is written. At the end it says how healthy the result is, and what to change if not.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .options import add_model_options, fraction_bar, new_parser, stopping_early

if TYPE_CHECKING:
    from tqdm import tqdm

    from ..adaptation.adapt import AdaptationProgress


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = new_parser("adapt", __doc__)
    required = parser.add_argument_group("required")
    required.add_argument("styles", nargs="*", metavar="STYLE", help="images of the style")
    required.add_argument("--style", nargs="+", action="extend", default=[], help=argparse.SUPPRESS)
    required.add_argument("-o", "--output", type=Path, required=True, metavar="F.safetensors", help="where the adapter goes")
    optional = parser.add_argument_group("optional")
    optional.add_argument("--content", metavar="FOLDER", help="photos to train on; a small packaged set by default")
    optional.add_argument("--max_seconds", type=float, default=60.0, metavar="S", help="time limit")
    add_model_options(optional)
    rare = parser.add_argument_group("rarely needed")
    rare.add_argument("--steps", type=int, metavar="N", help="exactly so many steps instead of a time limit")
    rare.add_argument("--seed", type=int, default=0, help="of everything that is drawn at random")
    args = parser.parse_args(arguments)
    args.styles += args.style
    if not args.styles:
        parser.error("give one image of the style or more, before the options")
    if args.output.suffix != ".safetensors":
        parser.error(f"--output is {args.output}; an adapter is a .safetensors file")
    return args


def run(args: argparse.Namespace) -> int:
    """Adapts, writes the adapter and prints its scores; gives the exit status."""
    from .. import StyleTransferPipeline
    from ..adaptation.health import Advice, health
    from ..devices.cpu import configure_cpu
    from ..devices.device import usable_device
    from ..images.whole_files import check_writable

    configure_cpu()
    device = usable_device(args.device)
    check_writable(args.output)
    pipe = StyleTransferPipeline.from_pretrained(args.pretrained_model_name_or_path).to(device)
    with stopping_early("the best state so far is kept") as stopped, fraction_bar() as bar:

        def report(progress: "AdaptationProgress") -> None:
            show_adaptation(bar, progress)
            if stopped():
                progress.stop()

        adapter = pipe.adapt(
            args.styles, max_seconds=args.max_seconds, steps=args.steps, seed=args.seed, content=args.content, callback=report
        )
    adapter.save(args.output)
    s = adapter.scores
    print(
        f"{adapter.steps} steps in {adapter.seconds:.0f} s: style {s['style_before']:.4f} -> {s['style_after']:.4f}, "
        f"content {s['content_before']:.4f} -> {s['content_after']:.4f} (lower is better)\n"
        f"{args.output} ({args.output.stat().st_size >> 10} kB)"
    )
    advice = Advice(
        style="Give it more time (--max_seconds or --steps), or another image of the style or a crop of it.",
        content="Stylize with a lower --adapter_weights or --strength, or train on photos like yours (--content).",
        memorization="Give more images of the style, less time (--max_seconds or --steps), or more photos (--content).",
    )
    for finding in health(s, advice):
        print(finding)
    return 0


def show_adaptation(bar: "tqdm", progress: "AdaptationProgress") -> None:
    """Brings a bar of `fraction_bar` up to date."""
    bar.n = progress.fraction
    bar.set_description_str(
        f"step {progress.step}, {progress.seconds_left:.0f} s left, style {progress.style:.4f}, content {progress.content:.4f}"
    )
