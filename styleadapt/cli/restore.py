"""Restores damaged photos: noise, JPEG artifacts, blur, holes, and missing colors.

    styleadapt restore photo.jpg -o clean.png
    styleadapt restore photo.jpg -o clean.png --task denoise --level 25 --fidelity 0.5
    styleadapt restore scratched.jpg -o whole.png --task inpaint --mask scratches.png
    styleadapt restore photos/ -o clean/ --task jpeg
    styleadapt restore user/photos -o clean/ --split test

One photo goes to the file OUT; Ctrl-C ends the work, and nothing is written. A folder, and a data set of the Hub, go to the
folder OUT, which must be new, empty, or of a run that was stopped: sub-folders, names, formats and metadata are kept, and
`manifest.jsonl` has a line for every photo. The same command goes on where a run stopped: what is done is skipped, and photos
that failed, or have changed, are made again. Other settings are refused; `--overwrite` makes all anew. Images that are read are
never overwritten. Photos that fail are listed at the end; the exit status is then 1. `accelerate launch` divides a
folder or a data set among processes.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import RestorationStopped
from .options import (
    add_dataset_options,
    add_model_options,
    advance,
    dataset_settings,
    fraction_bar,
    new_parser,
    report_failed,
    stopping_early,
)
from .paths import check_folder_name, check_not_read, check_outside, names_dataset

if TYPE_CHECKING:
    from ..batch.photo_sources import DatasetPhotos, FolderPhotos, StreamedPhotos
    from ..pipelines.restoration import RestorationPipeline, RestorationProgress

TASKS = ("auto", "denoise", "jpeg", "deblur", "inpaint", "colorize")
FORMATS = ("keep", "png", "jpeg", "webp")
METADATA = ("all", "no-location", "none")
_OF_COLLECTIONS = ("format", "overwrite")
_STOPPED = 130  # what a shell gives for a command that Ctrl-C has ended


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = new_parser("restore", __doc__)
    parser.add_argument("input", metavar="INPUT", help="a photo, a folder, or a data set of the Hub such as user/photos")
    parser.add_argument(
        "-o", "--output", "--output_dir", required=True, metavar="OUT", help="an image file for one photo, else a folder"
    )
    parser.add_argument(
        "--task", choices=TASKS, default="auto", help="auto, the default: whatever is found of noise, JPEG artifacts and blur"
    )
    parser.add_argument(
        "--level",
        type=_level,
        default="auto",
        metavar="L",
        help="of denoise the standard deviation of the noise of 255, of jpeg the quality, of deblur the blur in pixels; or auto",
    )
    parser.add_argument("--fidelity", type=float, default=1.0, metavar="F", help="1: least distortion (default), 0: most natural")
    parser.add_argument("--mask", metavar="FILE", help="of inpaint: white in the hole; the photo's transparency if left out")
    parser.add_argument("--reference", metavar="FILE", help="of colorize: an image whose palette the photos take")
    parser.add_argument("--adapter", metavar="F", help="file or repository of a restoration adapter")
    parser.add_argument("--adapter_weight", type=float, default=1.0, metavar="W", help="0: without it, 1: the full adapter")
    parser.add_argument("--overwrite", action="store_true", help="make all anew where OUT holds results of other settings")
    parser.add_argument("--format", choices=FORMATS, help="of a folder's results; keep, the photo's own, by default")
    parser.add_argument("--metadata", choices=METADATA, default="all", help="EXIF to keep; all by default")
    running = parser.add_argument_group("rarely needed")
    add_model_options(running)
    running.add_argument("--num_threads", type=int, metavar="N", help="of each process; the cores are shared by default")
    dataset = parser.add_argument_group("of a data set")
    add_dataset_options(dataset)
    return parser.parse_args(arguments)


def run(args: argparse.Namespace) -> int:
    """Restores what `parse_arguments` has read.

    Returns:
        The exit status: 0, 1 if photos failed, or 130 if Ctrl-C has stopped the restoration of one photo.

    Raises:
        ValueError, OSError: what the user can mend, in one line: see `restore_photos`, `open_dataset_photos`, `save_result`.
    """
    one = Path(args.input).is_file()
    if one:
        for name in _OF_COLLECTIONS:
            if getattr(args, name):
                raise ValueError(f"--{name} goes with a folder or a data set, and {args.input} is a file; leave it out")
    if args.num_threads is not None and args.num_threads < 1:
        raise ValueError(f"--num_threads is {args.num_threads}; it must be 1 at least")
    return _restore_file(args) if one else _restore_collection(args)


def _level(text: str) -> float | str:
    if text.strip().lower() == "auto":
        return "auto"
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number nor auto") from None


def _restore_file(args: argparse.Namespace) -> int:
    from ..batch.restoring import photo_restorer
    from ..batch.stylizing import save_result
    from ..images.images import WRITABLE_EXTENSIONS
    from ..images.metadata import read_metadata
    from ..images.whole_files import check_writable

    target = Path(args.output)
    if target.suffix.lower() not in WRITABLE_EXTENSIONS:
        known = ", ".join(WRITABLE_EXTENSIONS)
        raise ValueError(f"--output {target} must end in one of {known}, since {args.input} is one photo")
    check_not_read([target], [Path(path) for path in (args.input, args.mask, args.reference) if path])
    check_writable(target)
    with stopping_early("nothing is written") as stopped, fraction_bar() as bar:

        def show(progress: "RestorationProgress") -> None:
            bar.n = progress.fraction
            bar.set_description_str(f"{progress.seconds_left:.0f} s left")
            if stopped():
                progress.stop()

        make = photo_restorer(_load(args), args.task, args.level, args.fidelity, args.mask, args.reference, show)
        try:
            picture = make(args.input)
        except RestorationStopped:
            return _STOPPED
    save_result(picture, target, read_metadata(args.input), args.metadata, args.input)
    print(f"{args.input} -> {target}")
    return 0


def _restore_collection(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from ..batch.restoring import restore_photos
    from ..batch.stylizing import join_processes

    state = join_processes()
    photos = open_photos(args)
    pipe = _load(args, str(state.device) if state.num_processes > 1 else None)
    with tqdm(unit="photo", disable=not state.is_local_main_process) as bar:
        entries = restore_photos(
            pipe,
            photos,
            args.output,
            dataset_settings(args),
            task=args.task,
            level=args.level,
            fidelity=args.fidelity,
            mask=args.mask,
            reference=args.reference,
            format=args.format or "keep",
            metadata=args.metadata,
            overwrite=args.overwrite,
            callback=advance(bar),
            state=state,
        )
    if not state.is_main_process:
        return 0
    failed = [entry.input for entry in entries if entry.error]
    print(f"{args.output}: {len(entries) - len(failed)} results")
    return report_failed(failed, len(entries))


def open_photos(args: argparse.Namespace) -> "FolderPhotos | DatasetPhotos | StreamedPhotos":
    """The photos of `args.input`, a folder or a data set, which `args.output` must not lie in."""
    from ..batch.photo_sources import FolderPhotos, open_dataset_photos
    from ..images.addresses import is_address

    if is_address(args.input):
        raise ValueError(f"{args.input} is an address; download the photo first, since its metadata goes into the result")
    is_folder = Path(args.input).is_dir()
    if not is_folder and not names_dataset(args.input) and (Path(args.input).suffix or args.input.startswith((".", "/"))):
        raise FileNotFoundError(f"no file or folder at {args.input}")
    check_folder_name(args.output)
    if is_folder:
        check_outside(args.output, args.input)
        return FolderPhotos(args.input)
    return open_dataset_photos(
        args.input, args.dataset_config_name, args.split, args.image_column, args.name_column, args.streaming, args.cache_dir
    )


def _load(args: argparse.Namespace, device: str | None = None) -> "RestorationPipeline":
    from .. import RestorationPipeline
    from ..devices.cpu import configure_cpu
    from ..devices.device import usable_device

    configure_cpu(args.num_threads)
    pipe: Any = RestorationPipeline.from_pretrained(args.pretrained_model_name_or_path)
    if args.adapter:
        pipe.load_adapter(args.adapter, "adapter")
        pipe.set_adapters("adapter", args.adapter_weight)
    return pipe.to(usable_device(args.device or device))
