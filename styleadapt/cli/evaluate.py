"""Measures stylized pictures: how near to their styles, how true to their photos, how good as a set; and restored photos.

Ready pictures are given by --outputs, called PHOTO__STYLE.png, or PHOTO.png if --styles is a single image. Else a model makes
them: the packaged weights or another one, and --adapter beside it. All images are cut to squares of --size pixels. A table is
printed; OUT gets scores.json (figures, intervals, backbones, settings, versions), sheet.jpg to look at, and a model's pictures.
Images that cannot be read are left out, and named at the end. docs/metrics.md says what each figure means.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from .options import add_model_options, new_parser

ASSETS = Path(__file__).resolve().parents[1] / "assets"
EPILOG = """\
The table of docs and model cards, from the photos and styles that come with the package, in about a minute; the same again on
every run (scikit-image is needed: pip install "styleadapt[metrics]"):

    styleadapt evaluate --backbone embedded -o runs/evaluation

Every photo with every style, as papers do; ready pictures of any method; a few shots and an artist's unseen works:

    styleadapt evaluate --backbone embedded --protocol all -o runs/evaluation-all
    styleadapt evaluate --outputs runs/evaluation/images/zero-shot -o runs/again
    styleadapt evaluate --protocol few-shot --shots SHOTS --reference UNSEEN --adapt 60 -o runs/few-shot

Restoration beside the peers that are installed (bm3d, OpenCV, scikit-image), of noise, JPEG artifacts and holes that are put into
photos which the model has never seen; --size cuts the middle of each, and without it they are whole:

    styleadapt evaluate --protocol restoration --photos UNSEEN -o runs/restoration

Augmentation: classifiers trained on photos with each augmentation, and tested on pictures of other kinds; a subfolder is a class:

    styleadapt evaluate --protocol augmentation --train_data_dir photo --test_data_dir art cartoon sketch -o runs/augmentation

--adapt takes seconds, so that its result differs a little from run to run; --steps in its place gives the same one again.
Without --backbone each figure has the network that papers measure it with (VGG-19; Inception for distances of sets) if
torchvision and its weights are on this machine, and `embedded` otherwise. Figures of different backbones do not compare. Training
and adapting look through VGG-16, the style encoder through `embedded`, so that VGG-19 and `embedded` flatter this toolkit:
compare it with other methods by --backbone efficientnet-lite2.
"""


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = new_parser("evaluate", __doc__, EPILOG)
    required = parser.add_argument_group("required")
    required.add_argument(
        "-o", "--output", type=Path, required=True, metavar="OUT", help="folder for scores.json, sheet.jpg, images/"
    )
    optional = parser.add_argument_group("optional")
    optional.add_argument("--outputs", metavar="DIR", help="ready pictures to measure")
    optional.add_argument("--adapter", metavar="F", help="adapter file, or a repository; measured beside the model without it")
    optional.add_argument("--photos", default=str(ASSETS / "photos"), metavar="DIR", help="the packaged ones by default")
    optional.add_argument(
        "--styles", default=str(ASSETS / "styles"), metavar="P", help="folder, or one image; packaged by default"
    )
    optional.add_argument(
        "--protocol",
        choices=("pairs", "all", "few-shot", "restoration", "augmentation"),
        default="pairs",
        help="pairs: photo i with style i in turn; all: every photo with every style; few-shot: --shots, --reference; "
        "restoration: photos that are damaged and restored; augmentation: --train_data_dir, --test_data_dir",
    )
    optional.add_argument(
        "--backbone",
        metavar="B",
        help="for all figures: embedded, efficientnet-lite2, torchvision:MODEL, timm:MODEL or transformers:REPO",
    )
    add_model_options(optional, "--model")
    few = parser.add_argument_group("of --protocol few-shot")
    few.add_argument("--shots", metavar="DIR", help="images of the style that the model is adapted to")
    few.add_argument("--reference", metavar="DIR", help="images of the style that it never sees")
    few.add_argument("--k", type=int, help="use the first K shots alone")
    few.add_argument("--adapt", type=float, metavar="SECONDS", help="time to adapt; 60 by default")
    few.add_argument("--steps", type=int, help="adapt by exactly so many steps instead of a time")
    restoring = parser.add_argument_group("of --protocol restoration")
    restoring.add_argument("--fidelity", type=float, default=1.0, help="1 least distortion, 0 most natural")
    augmenting = parser.add_argument_group("of --protocol augmentation")
    augmenting.add_argument("--train_data_dir", type=Path, metavar="DIR", help="training images, a subfolder for each class")
    augmenting.add_argument("--test_data_dir", type=Path, nargs="+", metavar="DIR", help="of the same classes, never trained on")
    augmenting.add_argument("--seeds", type=int, default=5, metavar="N", help="classifiers of each augmentation")
    augmenting.add_argument("--copies", type=int, default=8, metavar="N", help="of each training image")
    rare = parser.add_argument_group("rarely needed")
    rare.add_argument("--frames", action="store_true", help="photos are frames of a video in order: measure flicker too")
    rare.add_argument(
        "--published", action="store_true", help="LPIPS, FID and ArtFID as well, by torchmetrics, which fetches their weights"
    )
    rare.add_argument(
        "--size",
        type=int,
        help="side in pixels that images are cut to; 384, 112 for augmentation, or whole for restoration, by default",
    )
    rare.add_argument("--limit", type=int, help="at most so many pictures, drawn by --seed")
    rare.add_argument("--seed", type=int, default=0, help="of --limit, of the intervals and of adapting")
    rare.add_argument("--model_card", type=Path, metavar="README.md", help="write the table to its section Evaluation as well")
    args = parser.parse_args(arguments)
    few_shot = args.protocol == "few-shot"
    augmentation = args.protocol == "augmentation"
    folders = (args.train_data_dir, args.test_data_dir)
    if (all if augmentation else any)(folders) != augmentation:
        parser.error("--protocol augmentation needs --train_data_dir and --test_data_dir, which belong to it alone")
    of_pictures = args.outputs or args.adapter or args.model_card or args.frames or args.published
    if args.protocol in ("restoration", "augmentation") and of_pictures:
        parser.error(f"--outputs, --adapter, --model_card, --frames and --published do not belong to --protocol {args.protocol}")
    if not 0 <= args.fidelity <= 1:
        parser.error(f"--fidelity is {args.fidelity:g}; it must lie between 0 and 1")
    if few_shot and not (args.shots and args.reference):
        parser.error("--protocol few-shot needs --shots and --reference")
    if not few_shot and (args.shots or args.reference or any(v is not None for v in (args.k, args.steps, args.adapt))):
        parser.error("--shots, --reference, --k, --steps and --adapt belong to --protocol few-shot")
    if args.outputs and (args.pretrained_model_name_or_path or args.adapter):
        parser.error("--outputs are ready pictures: leave --model and --adapter out")
    if args.outputs and args.protocol == "all":
        parser.error("--protocol all is for a model; the names of --outputs say which pairs there are")
    for name, least in (("size", 32), ("limit", 1), ("k", 1), ("steps", 1), ("seeds", 1), ("copies", 1)):
        value = getattr(args, name)
        if value is not None and value < least:
            parser.error(f"--{name} is {value}; it must be {least} at least")
    if args.size is None and args.protocol != "restoration":
        args.size = 112 if augmentation else 384
    args.adapt = 60.0 if args.adapt is None else args.adapt
    if not args.adapt > 0:
        parser.error(f"--adapt is {args.adapt:g}; it must be more than 0 seconds")
    return args


def run(args: argparse.Namespace) -> int:
    """Measures, writes the scores and prints the table; gives the exit status."""
    if args.protocol == "augmentation":
        import scipy  # noqa: F401  # a missing package is told before the training

        from .comparing import run_augmentation

        return run_augmentation(args)
    import skimage  # noqa: F401  # a missing package is told before pictures are made

    from .measuring import run_evaluation, run_restoration

    return run_restoration(args) if args.protocol == "restoration" else run_evaluation(args)
