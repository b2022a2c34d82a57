#!/usr/bin/env python
"""Measures stylised pictures: how near to their styles, how true to their photos, how good as a set; and restored photos.

Ready pictures are given by --outputs, called PHOTO__STYLE.png, or PHOTO.png if --styles is a single image. Else a model makes
them: the packaged weights or --model, and --adapter beside it. All images are cut to squares of --size pixels. A table is
printed; --output gets scores.json (figures, intervals, backbones, settings, versions), sheet.jpg to look at, and a model's
pictures. Images that cannot be read are left out, and named at the end. docs/metrics.md says what each figure means.
"""

import argparse
import json
import math
import platform
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from PIL import Image, ImageOps

import styleadapt
from styleadapt import AdaptationProgress, ImageError, ModelLoadError, RestorationPipeline, StyleTransferPipeline
from styleadapt.console import careful_output
from styleadapt.data.image_files import list_images
from styleadapt.data.images import open_image, save_image
from styleadapt.metrics import evaluation
from styleadapt.metrics.backbones import Backbone, load_backbone, standard_backbone
from styleadapt.metrics.cost import count_parameters, file_bytes, peak_memory_mb
from styleadapt.metrics.evaluation import Picture
from styleadapt.metrics.pairing import Pair, all_pairs, cyclic_pairs, draw_pairs, match_outputs
from styleadapt.metrics.report import Figure, markdown_table, replace_section, text_table
from styleadapt.metrics.restoration_run import compare_restoration, middle
from styleadapt.metrics.sheets import captioned_sheet
from styleadapt.metrics.stylization import PairScores
from styleadapt.models.device import usable_device

ASSETS = Path(styleadapt.__file__).resolve().parent / "assets"
EPILOG = """\
The table of the README, from the photos and styles that come with the package, in about a minute; the same again on every run
(scikit-image is needed: pip install -e ".[metrics]"):

    python scripts/evaluate.py --backbone embedded --output runs/evaluation

Every photo with every style, as papers do; ready pictures of any method; a few shots and an artist's unseen works:

    python scripts/evaluate.py --backbone embedded --protocol all --output runs/evaluation-all
    python scripts/evaluate.py --outputs runs/evaluation/images/zero-shot --output runs/again
    python scripts/evaluate.py --protocol few-shot --shots SHOTS --reference UNSEEN --adapt 60 --output runs/few-shot

Restoration beside the peers that are installed (bm3d, OpenCV, scikit-image), of noise, JPEG artifacts and holes that are put into
photos which the model has never seen; --size cuts the middle of each, and without it they are whole:

    python scripts/evaluate.py --protocol restoration --photos UNSEEN --output runs/restoration

--adapt takes seconds, so that its result differs a little from run to run; --steps in its place gives the same one again.
Without --backbone each figure has the network that papers measure it with (VGG-19; Inception for FID and KID) if torchvision and
its weights are on this machine, and `embedded` otherwise. Figures of different backbones do not compare. Training and adapting
look through `embedded`, which flatters their results: name another to compare this toolkit with other methods.
"""
SHEET_ROWS = 24
T = TypeVar("T")


@careful_output()
def main() -> int:
    args = parse()
    if args.protocol == "restoration":
        return evaluate_restoration(args)
    squares = Squares(args.size)
    try:
        shots, reference = few_shot_files(args)
        pairs = plan(args, shots, squares.skipped)
        pair_backbone, set_backbone = choose_backbones(args.backbone)
        device = usable_device(args.device)
        for backbone in (pair_backbone, set_backbone):
            backbone.to(device)
        shot_images, unseen = squares.open_all(shots), squares.open_all(reference)
        cost: dict[str, list[Figure]] = {}
        if args.outputs:
            made = {"pictures": ready_pictures(pairs, squares)}
        else:
            made, cost = model_pictures(args, device, pairs, squares, shot_images)
        scores, report = {}, {}
        for name, pictures in made.items():
            if not pictures:
                raise ValueError(f"none of {len(pairs)} pictures can be measured: {next(iter(squares.skipped.values()))}")
            scores[name] = evaluation.measure_pictures(pair_backbone, with_progress(pictures, f"measuring {name}"))
            figures = evaluation.pair_figures(list(scores[name].values()), pictures, args.seed)
            outputs = [p.output for p in pictures]
            styles = unseen or list({id(p.style): p.style for p in pictures}.values())
            if min(len(styles), len(outputs)) > 1:
                figures += evaluation.distribution_figures(set_backbone, outputs, styles, args.seed)
                figures.append(evaluation.art_fid_figure(figures))
            if shot_images:
                figures += evaluation.few_shot_figures(pair_backbone, outputs, shot_images)
            if args.frames:
                figures += evaluation.flicker_figures(pictures)
            report[name] = figures
        write_scores(args, report, cost, scores, squares.skipped)
        save_image(sheet(made, scores), args.output / "sheet.jpg")
        count = len(next(iter(made.values())))
        about = f"{count} pictures of {args.size} px, protocol {args.protocol}; 95 % intervals in brackets"
        complete = {name: figures + cost.get(name, []) for name, figures in report.items()}
        if args.model_card:
            card = args.model_card.read_text(encoding="utf-8") if args.model_card.is_file() else ""
            card = replace_section(card, "Evaluation", f"{about}.\n\n{markdown_table(complete)}")
            args.model_card.write_text(card, encoding="utf-8")
    except (ModelLoadError, ValueError, OSError, ImportError) as error:
        sys.exit(f"error: {error}")
    print(f"{about}\n\n{text_table(complete)}")
    if squares.skipped:
        print(f"{len(squares.skipped)} left out:", *squares.skipped.values(), sep="\n  ", file=sys.stderr)
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--outputs", metavar="DIR", help="ready pictures to measure")
    parser.add_argument("--model", metavar="P", help="folder or repository of a pipeline; packaged weights by default")
    parser.add_argument("--adapter", metavar="F", help="adapter file, or a repository; measured beside the model without it")
    parser.add_argument("--photos", default=str(ASSETS / "photos"), metavar="DIR", help="the packaged ones by default")
    parser.add_argument("--styles", default=str(ASSETS / "styles"), metavar="P", help="folder, or one image; packaged by default")
    parser.add_argument(
        "--protocol",
        choices=("pairs", "all", "few-shot", "restoration"),
        default="pairs",
        help="pairs: photo i with style i in turn (default); all: every photo with every style; few-shot: --shots, --reference; "
        "restoration: photos that are damaged and restored",
    )
    parser.add_argument("--shots", metavar="DIR", help="few-shot: images of the style that the model is adapted to")
    parser.add_argument("--reference", metavar="DIR", help="few-shot: images of the style that it never sees")
    parser.add_argument("--k", type=int, help="few-shot: use the first K shots alone")
    parser.add_argument("--adapt", type=float, default=60.0, metavar="SECONDS", help="few-shot: time to adapt (default 60)")
    parser.add_argument("--steps", type=int, help="few-shot: adapt by exactly so many steps instead of a time")
    parser.add_argument("--frames", action="store_true", help="photos are frames of a video in order: measure flicker too")
    parser.add_argument(
        "--backbone",
        metavar="B",
        help="for all figures: embedded, efficientnet-lite2, torchvision:MODEL, timm:MODEL or transformers:REPO",
    )
    parser.add_argument("--size", type=int, help="side in pixels that images are cut to (default 384; whole for restoration)")
    parser.add_argument("--fidelity", type=float, default=1.0, help="restoration: 1 least distortion (default), 0 most natural")
    parser.add_argument("--limit", type=int, help="at most so many pictures, drawn by --seed")
    parser.add_argument("--seed", type=int, default=0, help="of --limit, of the intervals and of adapting")
    parser.add_argument("--device", metavar="D", help="cpu, cuda, cuda:1 ...; a GPU where there is one by default")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder for scores.json, sheet.jpg, images/")
    parser.add_argument("--model_card", type=Path, metavar="README.md", help="write the table to its section Evaluation as well")
    args = parser.parse_args()
    few_shot = args.protocol == "few-shot"
    if args.protocol == "restoration" and (args.outputs or args.adapter or args.model_card or args.frames):
        parser.error("--outputs, --adapter, --model_card and --frames do not belong to --protocol restoration")
    if not 0 <= args.fidelity <= 1:
        parser.error(f"--fidelity is {args.fidelity:g}; it must lie between 0 and 1")
    if few_shot and not (args.shots and args.reference):
        parser.error("--protocol few-shot needs --shots and --reference")
    if not few_shot and (args.shots or args.reference or args.k is not None or args.steps is not None):
        parser.error("--shots, --reference, --k and --steps belong to --protocol few-shot")
    if args.outputs and (args.model or args.adapter):
        parser.error("--outputs are ready pictures: leave --model and --adapter out")
    if args.outputs and args.protocol == "all":
        parser.error("--protocol all is for a model; the names of --outputs say which pairs there are")
    for name, least in (("size", 32), ("limit", 1), ("k", 1), ("steps", 1)):
        value = getattr(args, name)
        if value is not None and value < least:
            parser.error(f"--{name} is {value}; it must be {least} at least")
    if args.size is None and args.protocol != "restoration":
        args.size = 384
    if not args.adapt > 0:
        parser.error(f"--adapt is {args.adapt:g}; it must be more than 0 seconds")
    return args


def evaluate_restoration(args: argparse.Namespace) -> int:
    """The protocol of `metrics.restoration`: a table is printed, and --output gets scores.json and all pictures."""
    photos, skipped = {}, {}
    try:
        for path in list_images(args.photos)[: args.limit]:
            try:
                photos[path.stem] = middle(open_image(path), args.size)
            except ImageError as error:
                skipped[str(path)] = str(error)
        if not photos:
            raise ValueError(f"none of the photos in {args.photos} can be read: {next(iter(skipped.values()))}")
        device = usable_device(args.device)
        backbone = load_backbone(args.backbone or "embedded").to(device)
        pipe = RestorationPipeline.from_pretrained(args.model).to(device)
        done = compare_restoration(pipe, backbone, photos, args.output / "images", args.fidelity, args.seed)
        skipped |= done.left_out
        write_scores(args, done.figures, {}, done.scores, skipped)
    except (ModelLoadError, ValueError, OSError, ImportError) as error:
        sys.exit(f"error: {error}")
    print(f"{len(photos)} photos, protocol restoration; 95 % intervals in brackets\n\n{text_table(done.figures)}")
    if skipped:
        print(f"{len(skipped)} left out:", *skipped.values(), sep="\n  ", file=sys.stderr)
    return 0


def few_shot_files(args: argparse.Namespace) -> tuple[list[Path], list[Path]]:
    """Shots and reference images; none in the other protocols."""
    if args.protocol != "few-shot":
        return [], []
    shots, reference = list_images(args.shots), list_images(args.reference)
    if args.k is not None and args.k > len(shots):
        raise ValueError(f"--k is {args.k}, but {args.shots} holds {len(shots)} images; give a smaller --k")
    shots = shots[: args.k]
    seen = {path.resolve() for path in shots} & {path.resolve() for path in reference}
    if seen:
        raise ValueError(f"{sorted(seen)[0]} is both a shot and a reference; references must be unseen")
    return shots, reference


def plan(args: argparse.Namespace, shots: list[Path], skipped: dict[str, str]) -> list[Pair]:
    """Which pictures are measured. A few-shot model knows one style, whose shots the pictures are held against in turn."""
    photos = list_images(args.photos)
    styles = shots or ([Path(args.styles)] if Path(args.styles).is_file() else list_images(args.styles))
    if args.outputs:
        pairs, unmatched = match_outputs(list_images(args.outputs), photos, styles, by_photo=bool(shots))
        skipped.update({str(path): f"{path} matches no photo and style" for path in unmatched})
    else:
        pairs = all_pairs(photos, styles) if args.protocol == "all" else cyclic_pairs(photos, styles)
    return draw_pairs(pairs, args.limit, args.seed)


def choose_backbones(name: str | None) -> tuple[Backbone, Backbone]:
    """Those of pictures' and of sets' figures: the one that is named, else the standard ones as far as they are here."""
    if name:
        backbone = load_backbone(name)
        return backbone, backbone
    found = [standard_backbone(purpose) for purpose in ("pair", "distribution")]
    for _, message in found:
        if message:
            print(f"note: {message}", file=sys.stderr)
    return found[0][0], found[1][0]


class Squares:
    """Opens images as the middle squares that are measured, each once; `skipped` says what was left out and why."""

    def __init__(self, size: int):
        self.size = size
        self.skipped: dict[str, str] = {}
        self.proportions: dict[Path, float] = {}
        self._opened: dict[Path, Image.Image | None] = {}

    def open(self, path: Path) -> Image.Image | None:
        """None if it cannot be read."""
        if path not in self._opened:
            try:
                image = open_image(path)
                self.proportions[path] = image.width / image.height
                self._opened[path] = ImageOps.fit(image, (self.size, self.size), Image.Resampling.LANCZOS)
            except ImageError as error:
                self.skipped[str(path)] = str(error)
                self._opened[path] = None
        return self._opened[path]

    def open_all(self, paths: Sequence[Path]) -> list[Image.Image]:
        """Those that can be read.

        Raises:
            ValueError: there are some, and none can be read.
        """
        images = [image for path in paths if (image := self.open(path))]
        if paths and not images:
            raise ValueError(f"none of {len(paths)} images can be read: {self.skipped[str(paths[0])]}")
        return images


def ready_pictures(pairs: Sequence[Pair], squares: Squares) -> list[Picture]:
    pictures = []
    for pair in with_progress(pairs, "opening"):
        assert pair.output is not None
        output, photo, style = (squares.open(path) for path in (pair.output, pair.photo, pair.style))
        if not (output and photo and style):
            continue
        shape, expected = squares.proportions[pair.output], squares.proportions[pair.photo]
        # a square may be one that was cut from its photo; a rounded side is no difference
        if shape != 1 and abs(math.log(shape / expected)) > 0.02:
            squares.skipped[str(pair.output)] = (
                f"{pair.output} has other proportions than its photo: {shape:.3f} and {expected:.3f}"
            )
            continue
        pictures.append(Picture(pair.name, output, photo, style))
    return pictures


def model_pictures(
    args: argparse.Namespace, device: torch.device, pairs: Sequence[Pair], squares: Squares, shots: list[Image.Image]
) -> tuple[dict[str, list[Picture]], dict[str, list[Figure]]]:
    """Pictures by method, which are saved as well, and what each method costs."""
    pipe = StyleTransferPipeline.from_pretrained(args.model).to(device)
    size = Figure("parameters", count_parameters([pipe.generator, pipe.style_encoder]))
    made: dict[str, list[Picture]] = {}
    cost: dict[str, list[Figure]] = {}

    def run(name: str, with_style: bool) -> None:
        made[name], seconds = [], []
        for pair in with_progress(pairs, f"stylising {name}"):
            photo, style = squares.open(pair.photo), squares.open(pair.style)
            if not (photo and style):
                continue
            started = time.perf_counter()
            output = pipe(photo, style=(shots or style) if with_style else None).images[0]
            seconds.append(time.perf_counter() - started)
            made[name].append(Picture(pair.name, output, photo, style))
            save_image(output, args.output / "images" / name / f"{pair.name}.png")
        taken = Figure("seconds", statistics.median(seconds) if seconds else math.nan)
        cost[name] = [taken, Figure("peak_memory_mb", peak_memory_mb(device)), size]

    run("zero-shot", with_style=True)
    if args.adapter:
        pipe.load_adapter(args.adapter)
        run("adapter", with_style=False)
        if Path(args.adapter).exists():
            cost["adapter"].append(Figure("file_bytes", file_bytes(args.adapter)))
    elif shots:
        adapter = pipe.adapt(shots, max_seconds=args.adapt, steps=args.steps, seed=args.seed, callback=report_adaptation)
        print(file=sys.stderr)
        file = adapter.save(args.output / "adapter.safetensors")
        run("adapted", with_style=False)
        cost["adapted"] += [Figure("adaptation_seconds", adapter.seconds), Figure("file_bytes", file_bytes(file))]
    return made, cost


def report_adaptation(progress: AdaptationProgress) -> None:
    print(f"\radapting: step {progress.step}, {progress.seconds_left:.0f} s left   ", end="", file=sys.stderr, flush=True)


def with_progress(items: Sequence[T], what: str) -> Iterator[T]:
    """The items, while a line on stderr says how many are done and how long the rest takes."""
    started = time.monotonic()
    for done, item in enumerate(items):
        left = f", {(time.monotonic() - started) / done * (len(items) - done):.0f} s left" if done else ""
        print(f"\r{what}: {done + 1} of {len(items)}{left}   ", end="", file=sys.stderr, flush=True)
        yield item
    print(file=sys.stderr)


def write_scores(args, report, cost, scores, skipped) -> None:
    """scores.json. All of it but `cost` is the same when the run is repeated with the same settings and versions."""
    packages = (
        "torch",
        "numpy",
        "pillow",
        "scikit-image",
        "bm3d",
        "opencv-python-headless",
        "torchvision",
        "timm",
        "transformers",
    )
    whole = {
        "figures": {name: {f.name: f.as_json() for f in figures} for name, figures in report.items()},
        "cost": {name: {f.name: f.value for f in figures} for name, figures in cost.items()},
        "pictures": {name: {picture: asdict(s) for picture, s in by_name.items()} for name, by_name in scores.items()},
        "settings": {key: str(value) if isinstance(value, Path) else value for key, value in vars(args).items()},
        "versions": {"python": platform.python_version(), "styleadapt": styleadapt.__version__, **installed(packages)},
        "skipped": skipped,
    }
    args.output.mkdir(parents=True, exist_ok=True)
    (args.output / "scores.json").write_text(json.dumps(whole, indent=1), encoding="utf-8")


def sheet(made: dict[str, list[Picture]], scores: dict[str, dict[str, PairScores]]) -> Image.Image:
    """Photo, style and every method's picture, some rows taken evenly; captions give style, content and structural distance."""
    first = next(iter(made.values()))
    rows = []
    for i in range(0, len(first), -(-len(first) // SHEET_ROWS)):
        row = [(first[i].name, first[i].photo), ("style", first[i].style)]
        for method, pictures in made.items():
            s = scores[method][pictures[i].name]
            row.append((f"{method}: {s.gram:.2f} {s.content:.2f} {s.cfsd:.2f}", pictures[i].output))
        rows.append(row)
    return captioned_sheet(rows)


def installed(packages: Sequence[str]) -> dict[str, str]:
    found = {}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    sys.exit(main())
