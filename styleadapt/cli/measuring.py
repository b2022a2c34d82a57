"""Implements `styleadapt evaluate`: makes or opens pictures, measures them, and writes a table, a JSON file and a sheet."""

import argparse
import json
import math
import platform
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from importlib import metadata
from pathlib import Path

import torch
from PIL import Image, ImageOps
from tqdm import tqdm

from .. import __version__
from ..devices.device import usable_device
from ..errors import ImageError
from ..images.image_files import list_images
from ..images.images import open_image, save_image
from ..images.whole_files import check_writable
from ..metrics import evaluation
from ..metrics.backbones import Backbone, load_backbone, standard_backbone
from ..metrics.cost import count_parameters, file_bytes, peak_memory_mb
from ..metrics.evaluation import Picture
from ..metrics.pairing import Pair, all_pairs, by_stem, cyclic_pairs, drawn, match_outputs
from ..metrics.published import fid_figure, lpips_figure, require_published
from ..metrics.report import Figure, markdown_table, replace_section, text_table
from ..metrics.restoration_run import compare_restoration, middle
from ..metrics.sheets import captioned_sheet
from ..metrics.stylization import PairScores
from ..pipelines.restoration import RestorationPipeline
from ..pipelines.style_transfer import StyleTransferPipeline
from .adapt import show_adaptation
from .options import fraction_bar

SHEET_ROWS = 24


def run_evaluation(args: argparse.Namespace) -> int:
    """Measures, writes the scores and prints the table; gives the exit status."""
    squares = Squares(args.size)
    shots, reference = few_shot_files(args)
    pairs = plan(args, shots, squares.skipped)
    pair_backbone, set_backbone = choose_backbones(args.backbone)
    device = usable_device(args.device)
    for file in filter(None, (args.output / "scores.json", args.model_card)):
        check_writable(file)
    if args.published:
        require_published(sets=min(len(reference or {pair.style for pair in pairs}), len(pairs)) > 1)
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
        scores[name] = evaluation.measure_pictures(pair_backbone, tqdm(pictures, f"measuring {name}", unit="picture"))
        figures = evaluation.pair_figures(list(scores[name].values()), pictures, args.seed)
        outputs = [p.output for p in pictures]
        styles = unseen or list({id(p.style): p.style for p in pictures}.values())
        if min(len(styles), len(outputs)) > 1:
            figures += evaluation.distribution_figures(set_backbone, outputs, styles, args.seed)
            figures.append(evaluation.art_figure(figures, "art_distance", "perceptual", "frechet_distance"))
        if args.published:
            figures += published_figures(pictures, styles, args.seed)
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
    print(f"{about}\n\n{text_table(complete)}")
    if squares.skipped:
        print(f"{len(squares.skipped)} left out:", *squares.skipped.values(), sep="\n  ", file=sys.stderr)
    return 0


def published_figures(pictures: Sequence[Picture], styles: Sequence[Image.Image], seed: int) -> list[Figure]:
    """LPIPS to the photos; and, where there are several pictures and styles, FID to the styles, and ArtFID."""
    outputs = [p.output for p in pictures]
    figures = [lpips_figure(outputs, [p.photo for p in pictures], seed)]
    if min(len(styles), len(outputs)) > 1:
        figures.append(fid_figure(outputs, styles))
        figures.append(evaluation.art_figure(figures, "artfid", "lpips", "fid"))
    return figures


def run_restoration(args: argparse.Namespace) -> int:
    """The protocol of `metrics.restoration`: prints a table; `--output` gets scores.json and all pictures."""
    files = list_images(args.photos)
    by_stem(files, "photos")
    photos, skipped = {}, {}
    for path in drawn(files, args.limit, args.seed):
        try:
            photos[path.stem] = middle(open_image(path), args.size)
        except ImageError as error:
            skipped[str(path)] = str(error)
    if not photos:
        raise ValueError(f"none of the photos in {args.photos} can be read: {next(iter(skipped.values()))}")
    device = usable_device(args.device)
    check_writable(args.output / "scores.json")
    backbone = load_backbone(args.backbone or "embedded").to(device)
    pipe = RestorationPipeline.from_pretrained(args.pretrained_model_name_or_path).to(device)
    done = compare_restoration(pipe, backbone, photos, args.output / "images", args.fidelity, args.seed)
    skipped |= done.left_out
    write_scores(args, done.figures, {}, done.scores, skipped)
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
    """Returns the pairs to measure. A few-shot model knows one style, whose shots the pictures are held against in turn."""
    photos = list_images(args.photos)
    styles = shots or ([Path(args.styles)] if Path(args.styles).is_file() else list_images(args.styles))
    if args.outputs:
        pairs, unmatched = match_outputs(list_images(args.outputs), photos, styles, by_photo=bool(shots))
        skipped.update({str(path): f"{path} matches no photo and style" for path in unmatched})
    else:
        pairs = all_pairs(photos, styles) if args.protocol == "all" else cyclic_pairs(photos, styles)
    return drawn(pairs, args.limit, args.seed)


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
        """Opens the image as a square; returns None if it cannot be read."""
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
        """Opens those of the images that can be read.

        Raises:
            ValueError: there are some, and none can be read.
        """
        images = [image for path in paths if (image := self.open(path))]
        if paths and not images:
            raise ValueError(f"none of {len(paths)} images can be read: {self.skipped[str(paths[0])]}")
        return images


def ready_pictures(pairs: Sequence[Pair], squares: Squares) -> list[Picture]:
    pictures = []
    for pair in tqdm(pairs, "opening", unit="picture"):
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
    pipe = StyleTransferPipeline.from_pretrained(args.pretrained_model_name_or_path).to(device)
    size = Figure("parameters", count_parameters([pipe.generator, pipe.style_encoder]))
    made: dict[str, list[Picture]] = {}
    cost: dict[str, list[Figure]] = {}

    def run(name: str, with_style: bool) -> None:
        made[name], seconds = [], []
        for pair in tqdm(pairs, f"stylizing {name}", unit="picture"):
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

    if args.adapter:
        # one that cannot be loaded is told before pictures are made
        pipe.load_adapter(args.adapter, "adapter")
        pipe.set_adapters([])
    run("zero-shot", with_style=True)
    if args.adapter:
        pipe.set_adapters("adapter")
        run("adapter", with_style=False)
        if Path(args.adapter).exists():
            cost["adapter"].append(Figure("file_bytes", file_bytes(args.adapter)))
    elif shots:
        with fraction_bar() as bar:
            show = partial(show_adaptation, bar)
            adapter = pipe.adapt(shots, max_seconds=args.adapt, steps=args.steps, seed=args.seed, callback=show)
        file = adapter.save(args.output / "adapter.safetensors")
        run("adapted", with_style=False)
        cost["adapted"] += [Figure("adaptation_seconds", adapter.seconds), Figure("file_bytes", file_bytes(file))]
    return made, cost


def write_scores(args, report, cost, scores, skipped) -> None:
    """Writes scores.json. All of it except `cost` is the same when the run is repeated with the same settings and versions."""
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
        "versions": {"python": platform.python_version(), "styleadapt": __version__, **installed(packages)},
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
