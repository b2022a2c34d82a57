"""Gives a classifier's training images random styles: copies of a folder or a data set, to train with beside the images.

    styleadapt augment train/ -o train-styled/
    styleadapt augment train/ -o train-styled/ --copies 4 --strength 0.3 0.8 --seed 1
    styleadapt augment user/photos -o set/ --output_format dataset --name_column id
    styleadapt augment train/ -o train-styled/ --bank paintings/ --reject 1.2

Subfolders, which are the classes, names, formats and metadata are kept: `dog/a.jpg` becomes `dog/a-1.jpg`, `dog/a-2.jpg` and so
on. OUT gets `manifest.jsonl`, a line for every copy, and the same command goes on where a run stopped. A copy depends on the seed
and on the image's name alone, whatever the number of processes:

    accelerate launch -m styleadapt augment train/ -o train-styled/

`StyleAugment` does the same while a network trains, and draws other styles in each epoch; docs/augmentation.md compares it with
other augmentations.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from .options import (
    add_dataset_options,
    add_publishing_options,
    advance,
    complete_publishing,
    dataset_settings,
    new_parser,
    progress_bar,
    report_failed,
)

FORMATS = ("keep", "png", "jpeg", "webp")
METADATA = ("all", "no-location", "none")


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = new_parser("augment", __doc__)
    required = parser.add_argument_group("required")
    required.add_argument("input", metavar="INPUT", help="a folder, or a data set of the Hub (user/photos)")
    required.add_argument("-o", "--output", "--output_dir", required=True, metavar="OUT", help="folder for the copies")
    optional = parser.add_argument_group("optional")
    optional.add_argument("--copies", type=int, default=1, metavar="N", help="of each image")
    optional.add_argument(
        "--strength", type=float, nargs=2, default=[0.3, 0.8], metavar=("A", "B"), help="drawn between these; 1: the full style"
    )
    optional.add_argument("--bank", nargs="+", metavar="P", help="style images, a folder of them, or codes; packaged by default")
    optional.add_argument("--seed", type=int, default=0, help="of the styles and strengths")
    optional.add_argument("--reject", type=float, metavar="LIMIT", help="draw again what lies farther from its image in content")
    optional.add_argument("--output_format", choices=("folder", "dataset"), help="folder, or what datasets.load_dataset opens")
    optional.add_argument("--overwrite", action="store_true", help="make all anew where OUT holds results of other settings")
    optional.add_argument("--device", metavar="D", help="cpu, cuda, cuda:1 ...; a GPU where there is one by default")
    rare = parser.add_argument_group("rarely needed")
    rare.add_argument("--mixed", type=float, default=0.5, metavar="S", help="share of styles that lie between two of the bank")
    rare.add_argument("--size", type=int, default=160, metavar="PX", help="shorter side at which the generator paints")
    rare.add_argument(
        "--tries", type=int, default=3, metavar="N", help="with --reject: draws of a copy; after them it is the image"
    )
    rare.add_argument("--format", choices=FORMATS, default="keep", help="of the files")
    rare.add_argument("--metadata", choices=METADATA, help="EXIF to keep; all by default, no-location with --push_to_hub")
    rare.add_argument("--num_threads", type=int, metavar="N", help="of each process; the cores are shared by default")
    dataset = parser.add_argument_group("rarely needed: data sets")
    add_dataset_options(dataset)
    add_publishing_options(dataset)
    args = parser.parse_args(arguments)
    complete_publishing(args, parser.error)
    for name in ("copies", "tries", "num_threads"):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            parser.error(f"--{name} is {getattr(args, name)}; it must be 1 at least")
    return args


def run(args: argparse.Namespace) -> int:
    """Augments what was given; gives the exit status."""
    from ..augment.style_augment import StyleAugment
    from ..batch.augmenting import augment_photos
    from ..batch.image_dataset import SUBFOLDER, push_image_dataset, write_image_dataset
    from ..batch.stylizing import join_processes
    from ..devices.cpu import configure_cpu
    from ..devices.device import usable_device
    from .restore import open_photos

    state = join_processes()
    photos = open_photos(args)
    device = usable_device(args.device or (str(state.device) if state.num_processes > 1 else None))
    configure_cpu(args.num_threads)
    bank = args.bank[0] if args.bank and len(args.bank) == 1 else args.bank
    augment = StyleAugment(
        1.0, tuple(args.strength), bank, mixed=args.mixed, size=args.size, reject=args.reject, tries=args.tries
    )  # fmt: skip
    settings = {**dataset_settings(args), "reject": args.reject}
    with progress_bar("copy", disable=not state.is_local_main_process) as bar:
        entries = augment_photos(
            augment,
            photos,
            args.output,
            settings,
            copies=args.copies,
            seed=args.seed,
            device=device,
            format=args.format,
            metadata=args.metadata,
            subfolder=SUBFOLDER if args.output_format == "dataset" else "",
            overwrite=args.overwrite,
            callback=advance(bar),
            state=state,
        )
    if args.reject is not None:
        print(f"{augment.counts['rejected']} draws rejected, {augment.counts['kept']} images left as they were")
    if not state.is_main_process:
        return 0
    failed = [entry.input for entry in entries if entry.error]
    print(f"{args.output}: {len(entries) - len(failed)} copies")
    told = {"strength": args.strength, "copies": args.copies, "seed": args.seed, **settings}
    if args.output_format == "dataset":
        write_image_dataset(args.output, entries, told, args.hub_license)
    if args.push_to_hub:
        name = args.hub_dataset_id or Path(args.output).resolve().name
        print(push_image_dataset(args.output, name, told, license=args.hub_license, private=args.hub_private))
    return report_failed(failed, len(entries), "copies")
