"""Adapts a pretrained network to one or a few images and writes the adapter, one small file.

    styleadapt adapt painting.jpg -o painting.safetensors
    styleadapt adapt a.jpg b.jpg -o artist.safetensors --content photos/ --max_seconds 120
    styleadapt adapt --task restoration drawings/ -o drawings.safetensors

The images are of a style, which `styleadapt stylize --adapter` then paints in; or, with `--task restoration`, clean images of one
kind, which `styleadapt restore --adapter` then restores better.

Ctrl-C ends it early; the best state so far is written. At the end it says how healthy the result is, and what to change if not.
"""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .options import add_model_options, fraction_bar, new_parser, stopping_early

if TYPE_CHECKING:
    import torch
    from tqdm import tqdm

    from ..adaptation.adapt import AdaptationProgress
    from ..adaptation.restoring import RestorationAdaptationProgress

TASKS = ("stylization", "restoration")


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = new_parser("adapt", __doc__)
    required = parser.add_argument_group("required")
    required.add_argument("images", nargs="*", metavar="IMAGE", help="images of the style, or of the kind; or a folder of those")
    required.add_argument("--style", nargs="+", action="extend", default=[], help=argparse.SUPPRESS)
    required.add_argument("-o", "--output", type=Path, required=True, metavar="F.safetensors", help="where the adapter goes")
    optional = parser.add_argument_group("optional")
    optional.add_argument("--task", choices=TASKS, default=TASKS[0], help="what is adapted")
    optional.add_argument(
        "--content", metavar="FOLDER", help="of stylization: photos to train on; a small packaged set by default"
    )
    optional.add_argument("--max_seconds", type=float, default=60.0, metavar="S", help="time limit")
    add_model_options(optional)
    rare = parser.add_argument_group("rarely needed")
    rare.add_argument("--steps", type=int, metavar="N", help="exactly so many steps instead of a time limit")
    rare.add_argument("--seed", type=int, default=0, help="of everything that is drawn at random")
    args = parser.parse_args(arguments)
    args.images += args.style
    if not args.images:
        parser.error("give one image or more, before the options")
    if args.task == "restoration" and args.content:
        parser.error("--content goes with --task stylization; a restorer is trained on the images themselves")
    if args.output.suffix != ".safetensors":
        parser.error(f"--output is {args.output}; an adapter is a .safetensors file")
    return args


def run(args: argparse.Namespace) -> int:
    """Adapts, writes the adapter and prints its scores; gives the exit status."""
    from ..devices.cpu import configure_cpu
    from ..devices.device import usable_device
    from ..images.image_files import list_images
    from ..images.whole_files import check_writable

    configure_cpu()
    device = usable_device(args.device)
    check_writable(args.output)
    images: list[str | Path] = []
    for given in args.images:
        images += list_images(given) if Path(given).is_dir() else [given]
    return (_adapt_restorer if args.task == "restoration" else _adapt_to_style)(args, images, device)


def _adapt_to_style(args: argparse.Namespace, images: list[str | Path], device: "torch.device") -> int:
    from .. import StyleTransferPipeline
    from ..adaptation.health import Advice, health

    pipe = StyleTransferPipeline.from_pretrained(args.pretrained_model_name_or_path).to(device)
    with stopping_early("the best state so far is kept") as stopped, fraction_bar() as bar:

        def report(progress: "AdaptationProgress") -> None:
            show_adaptation(bar, progress)
            if stopped():
                progress.stop()

        adapter = pipe.adapt(
            images, max_seconds=args.max_seconds, steps=args.steps, seed=args.seed, content=args.content, callback=report
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


def _adapt_restorer(args: argparse.Namespace, images: list[str | Path], device: "torch.device") -> int:
    from .. import RestorationPipeline

    pipe = RestorationPipeline.from_pretrained(args.pretrained_model_name_or_path).to(device)
    with stopping_early("the best state so far is kept") as stopped, fraction_bar() as bar:

        def report(progress: "RestorationAdaptationProgress") -> None:
            bar.n = progress.fraction
            left = f", {progress.seconds_left:.0f} s left" if math.isfinite(progress.seconds_left) else ""
            bar.set_description_str(f"step {progress.step}{left}, PSNR {progress.psnr:.2f} dB")
            if stopped():
                progress.stop()

        adapter = pipe.adapt(images, max_seconds=args.max_seconds, steps=args.steps, seed=args.seed, callback=report)
    adapter.save(args.output)
    before, after = adapter.scores["psnr_before"], adapter.scores["psnr_after"]
    print(
        f"{adapter.steps} steps in {adapter.seconds:.0f} s: PSNR {before:.2f} -> {after:.2f} dB on parts of the images that "
        f"were kept from training (higher is better)\n{args.output} ({args.output.stat().st_size >> 10} kB)"
    )
    if after <= before:
        print("Nothing was gained: the restorer knows such images, or needs more time (--max_seconds or --steps).")
    return 0


def show_adaptation(bar: "tqdm", progress: "AdaptationProgress") -> None:
    """Brings a bar of `fraction_bar` up to date."""
    bar.n = progress.fraction
    bar.set_description_str(
        f"step {progress.step}, {progress.seconds_left:.0f} s left, style {progress.style:.4f}, content {progress.content:.4f}"
    )
