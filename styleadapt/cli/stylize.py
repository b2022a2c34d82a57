"""Stylizes photos or a clip with a style image, or with an adapter.

    styleadapt stylize photo.jpg --style painting.jpg -o out.png
    styleadapt stylize photos/ --adapter monet.safetensors -o stylized/
    styleadapt stylize user/photos --style painting.jpg -o set/ --output_format dataset
    styleadapt stylize clip.mp4 --style painting.jpg -o out.mp4

One photo goes to the file OUT; several go to the folder OUT, as PNG files under their own names. Images that are read are never
overwritten. A photo that cannot be read is skipped and listed at the end; the exit status is then 1.

A folder and a data set keep sub-folders, names, file formats and metadata, and OUT gets `manifest.jsonl`, a line for every photo.
The same command goes on where a run stopped: what is done is skipped, and photos that failed, or have changed, are made again.
Other settings are refused; `--overwrite` makes all anew. `--output_format dataset` writes what
`datasets.load_dataset("set/")` opens, and `--push_to_hub` publishes it. Several processes, GPUs and nodes share the photos:

    accelerate launch -m styleadapt stylize photos/ --style painting.jpg -o stylized/
    ACCELERATE_USE_CPU=true accelerate launch --multi_gpu --num_processes 2 -m styleadapt stylize photos/ ...

A clip keeps its sound and its times, and OUT ends in .mp4, .m4v, .mov, .mkv or .webm. Ctrl-C ends it early, and what is ready is
written. Of a damaged clip the readable part is stylized, a line says what is missing, and the exit status is 1.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .options import (
    CLIP_EXTENSIONS,
    DTYPES,
    add_dataset_options,
    add_model_options,
    add_publishing_options,
    complete_publishing,
    new_parser,
)
from .paths import check_folder_name, names_dataset

FORMATS = ("keep", "png", "jpeg", "webp")
METADATA = ("all", "no-location", "none")
_OF_COLLECTIONS = ("format", "output_format", "push_to_hub", "overwrite")
_OF_PHOTOS = ("adapter_blend", "mask", "mask_feather", "strip", "metadata", *_OF_COLLECTIONS)


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = new_parser("stylize", __doc__)
    required = parser.add_argument_group("required")
    required.add_argument(
        "inputs", nargs="*", metavar="INPUT", help="photos, or one folder, clip or data set of the Hub (user/photos)"
    )  # fmt: skip
    required.add_argument("-o", "--output", "--output_dir", required=True, metavar="OUT", help="a file, or a folder: see above")
    # what scripts/stylize.py calls the inputs
    required.add_argument("--content", nargs="+", help=argparse.SUPPRESS)
    required.add_argument("--input_dir", help=argparse.SUPPRESS)
    optional = parser.add_argument_group("optional; give --style, --adapter or both")
    optional.add_argument("--style", nargs="+", action="extend", metavar="P", help="style images; several are blended")
    optional.add_argument("--style_weights", nargs="+", type=float, metavar="W", help="one number a style image")
    optional.add_argument("--adapter", nargs="+", action="extend", metavar="F", help="adapter files or repositories")
    optional.add_argument("--strength", type=float, help="0: the photo, 1: the full style (default: 1.0)")
    optional.add_argument("--preserve_color", action="store_true", help="keep the photo's colors")
    optional.add_argument(
        "--stroke_size", metavar="S", default="auto",
        help="width of the strokes, a share of the longer side such as 0.02; auto: alike on photos of any size",
    )  # fmt: skip
    optional.add_argument(
        "--refine", metavar="R", default="0",
        help="then optimize each picture's pixels toward --style: steps such as 200, or seconds such as 60s",
    )  # fmt: skip
    optional.add_argument("--max_size", type=int, metavar="PX", help="work at this longest side at most, then scale back")
    optional.add_argument("--overwrite", action="store_true", help="make all anew where OUT holds results of other settings")
    add_model_options(optional)
    rare = parser.add_argument_group("rarely needed")
    rare.add_argument(
        "--adapter_weights", "--adapter_weight", nargs="+", type=float, metavar="W",
        help="one number an adapter: 0 zero-shot, 1 the full adapter; 1 for one, equal shares for several by default",
    )  # fmt: skip
    rare.add_argument("--adapter_blend", type=float, metavar="B", help="with --style: 0 = style images only, 1 = adapter only")
    rare.add_argument("--mask", nargs="+", metavar="M", help="a mask for each style: white is its region")
    rare.add_argument("--mask_feather", type=float, metavar="F", help="soft border, a share of the photo's longer side")
    rare.add_argument("--strip", action="store_true", help="write the photo at several strengths, side by side")
    rare.add_argument(
        "--smoothing", type=float, metavar="S", help="of a clip: 0 every frame for itself, toward 1 steadier; 0.9 by default"
    )
    rare.add_argument("--backend", choices=("torch", "onnx", "openvino"), default="torch", help="what the networks run in")
    rare.add_argument("--dtype", choices=DTYPES, default="float32", help="auto: bfloat16 where that is faster")
    rare.add_argument("--compile", action="store_true", help="compile the generator: pays for many photos or frames of one size")
    rare.add_argument("--num_threads", type=int, metavar="N", help="of each process; the cores are shared by default")
    rare.add_argument("--format", choices=FORMATS, help="of the files of a folder or data set; keep is the default")
    rare.add_argument("--metadata", choices=METADATA, help="EXIF to keep; all by default, no-location with --push_to_hub")
    dataset = parser.add_argument_group("rarely needed: data sets")
    dataset.add_argument("--dataset_name", metavar="NAME", help="INPUT, where it does not look like a data set, such as a folder")
    add_dataset_options(dataset)
    dataset.add_argument("--output_format", choices=("folder", "dataset"), help="folder by default, dataset with --push_to_hub")
    add_publishing_options(dataset)
    args = parser.parse_args(arguments)
    args.kind = _tell_apart(args, parser.error)
    _check(args, parser.error)
    args.strength = 1.0 if args.strength is None else args.strength
    complete_publishing(args, parser.error)
    return args


def run(args: argparse.Namespace) -> int:
    """Stylizes what was given; gives the exit status."""
    if args.kind == "clip":
        from .clip import stylize_clip

        return stylize_clip(args)
    from .photos import stylize_collection, stylize_files

    return stylize_files(args) if args.kind == "photos" else stylize_collection(args)


def _tell_apart(args: argparse.Namespace, refuse: Callable[[str], Any]) -> str:
    """What the inputs are: "photos" or a "clip", then in `args.content`, a "folder" in `args.input_dir`, or a "dataset" in
    `args.dataset_name`."""
    if sum(bool(source) for source in (args.inputs, args.content, args.input_dir, args.dataset_name)) != 1:
        refuse("give INPUT before the options, or give one of --content, --input_dir and --dataset_name")
    if args.input_dir:
        return "folder"
    if args.dataset_name:
        return "dataset"
    files = args.content or args.inputs
    clips = [file for file in files if Path(file).suffix.lower() in CLIP_EXTENSIONS]
    if clips and len(files) > 1:
        refuse(f"{clips[0]} is a clip; give one clip at a time, without photos")
    if args.inputs and len(files) == 1 and Path(files[0]).is_dir():
        args.input_dir = files[0]
        return "folder"
    if args.inputs and len(files) == 1 and names_dataset(files[0]):
        args.dataset_name = files[0]
        return "dataset"
    args.content = files
    single = len(files) == 1 and not Path(files[0]).is_dir()
    return "clip" if clips or (single and Path(args.output).suffix.lower() in CLIP_EXTENSIONS) else "photos"


def _check(args: argparse.Namespace, refuse: Callable[[str], Any]) -> None:
    """Refuses what no model is needed to know."""
    from ..adaptation.refinement_budget import RefinementBudget

    if args.kind in ("photos", "clip"):
        for name in _OF_COLLECTIONS if args.kind == "photos" else _OF_PHOTOS:
            if getattr(args, name) is not None and getattr(args, name) is not False:
                refuse(f"--{name} goes with {'a folder or a data set' if name in _OF_COLLECTIONS else 'photos'}")
    if args.kind == "clip" and (args.backend != "torch" or args.refine != "0"):
        refuse("--backend and --refine go with photos")
    if args.kind != "clip" and args.smoothing is not None:
        refuse("--smoothing goes with a clip")
    if args.strip and args.strength is not None:
        refuse("--strip shows the photo at strengths of its own; leave --strength out")
    if not (args.style or args.adapter) and args.backend == "torch":
        refuse("give --style, --adapter or both")
    if args.adapter and args.backend != "torch":
        refuse(f"--adapter needs --backend torch; `styleadapt export --adapter` fuses one into what {args.backend} runs")
    if args.device not in (None, "cpu") and args.backend != "torch":
        refuse(f"--device is {args.device}; --backend {args.backend} runs on the CPU")
    for name in ("strength", "smoothing"):
        if getattr(args, name) is not None and not 0 <= getattr(args, name) <= 1:
            refuse(f"--{name} is {getattr(args, name)}; it must lie between 0 and 1")
    try:
        if args.kind in ("folder", "dataset"):
            check_folder_name(args.output)
        refines = RefinementBudget.read(args.refine, "--refine") is not None
        if args.stroke_size != "auto":
            from ..pipelines.strokes import read_stroke_size

            args.stroke_size = read_stroke_size(args.stroke_size, "--stroke_size")
    except ValueError as error:
        refuse(str(error))
    if refines and not args.style:
        refuse("--refine needs the pixels of the style; give --style the images that the adapter was made of")
    for name in ("max_size", "num_threads"):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            refuse(f"--{name} is {getattr(args, name)}; it must be 1{' pixel' if name == 'max_size' else ''} at least")
