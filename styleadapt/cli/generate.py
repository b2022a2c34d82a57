"""Generates pictures from noise.

    styleadapt generate -o picture.png --seed 3
    styleadapt generate -o pictures/ --num_images 20 --truncation 0.8
    styleadapt generate -o sheet.png --num_images 16 --grid
    styleadapt generate -o texture.png --tile --label brick
    styleadapt generate -o pictures/ --num_images 4 --interpolate way.mp4
    styleadapt generate -o more/ --per_class 100 --truncation 1 --pretrained_model_name_or_path user/digits

One picture goes to the file OUT, and so does a sheet of several with --grid. Otherwise they go to the folder OUT as 0000.png,
0001.png and so on; files of these names are replaced. --per_class writes as many pictures of each class, in a folder of the
class's name, or class-3 by its number where the name is none for a folder: images to train a classifier on. --interpolate writes
a clip that goes from picture to picture and back to the first one.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .options import add_model_options, new_parser

if TYPE_CHECKING:
    from PIL import Image

    from ..pipelines.generation import GenerationPipeline
    from ..pipelines.latent_space import GenerationOutput


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = new_parser("generate", __doc__)
    parser.add_argument(
        "-o",
        "--output",
        "--output_dir",
        required=True,
        metavar="OUT",
        help="an image file for one picture or a sheet, else a folder",
    )
    parser.add_argument("--num_images", type=int, default=1, metavar="N", help="how many pictures")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the latents; the same seed, the same pictures")
    parser.add_argument(
        "--truncation", type=float, default=0.7, metavar="T", help="1: full variety, less: better pictures, 0: the mean picture"
    )
    parser.add_argument(
        "--label",
        nargs="+",
        metavar="L",
        help="class by name or number; the pictures take several in turn; all classes if left out",
    )
    parser.add_argument("--per_class", type=int, metavar="N", help="N pictures of every class instead, a folder for each")
    parser.add_argument("--tile", action="store_true", help="the pictures repeat without a seam")
    parser.add_argument("--grid", action="store_true", help="all pictures on one sheet")
    parser.add_argument("--interpolate", metavar="FILE", help="also write a clip, .mp4, .webm or .gif, from picture to picture")
    parser.add_argument("--steps", type=int, default=30, metavar="N", help="of the clip: frames from one picture to the next")
    parser.add_argument("--rate", type=int, default=24, metavar="R", help="of the clip: frames a second")
    parser.add_argument("--adapter", nargs="+", metavar="FILE", help="domains that the generator was adapted to")
    parser.add_argument(
        "--adapter_weights", nargs="+", type=float, metavar="W", help="one number an adapter; equal parts if left out"
    )
    add_model_options(parser.add_argument_group("rarely needed"))
    return parser.parse_args(arguments)


def run(args: argparse.Namespace) -> int:
    """Generates what `parse_arguments` has read.

    Raises:
        ValueError, OSError: what the user can mend, in one line.
    """
    from ..images.images import WRITABLE_EXTENSIONS
    from ..images.whole_files import check_writable

    target = Path(args.output)
    if args.adapter_weights and not args.adapter:
        raise ValueError("--adapter_weights is given without --adapter")
    if args.per_class is not None:
        return _write_classes(args, target)
    one_file = args.grid or (args.num_images == 1 and target.suffix.lower() in WRITABLE_EXTENSIONS)
    if one_file and target.suffix.lower() not in WRITABLE_EXTENSIONS:
        raise ValueError(f"--output {target} must end in one of {', '.join(WRITABLE_EXTENSIONS)}, since it is one sheet")
    if not one_file and target.suffix.lower() in WRITABLE_EXTENSIONS:
        raise ValueError(f"--output {target} is one file for {args.num_images} pictures; give a folder, or --grid for a sheet")
    clip = None if args.interpolate is None else Path(args.interpolate)
    if clip is not None:
        from ..pipelines.latent_space import MOST_STEPS
        from ..video.picture_clips import check_clip_name

        check_clip_name(clip)
        if args.num_images < 2:
            raise ValueError(f"--interpolate goes from picture to picture; give --num_images 2 at least, not {args.num_images}")
        if not 1 <= args.steps < MOST_STEPS:
            raise ValueError(f"--steps is {args.steps}; it must lie between 1 and {MOST_STEPS - 1}")
        if args.rate < 1:
            raise ValueError(f"--rate is {args.rate}; it must be 1 at least")
        if clip.suffix.lower() != ".gif":
            import av  # noqa: F401  # a missing package is told before pictures are made
        check_writable(clip)
    check_writable(target if one_file else target / "0000.png")
    pipe = _load(args)
    labels = None if args.label is None else [_label(pipe, text) for text in args.label]
    tileable = True if args.tile else None
    made = pipe(args.num_images, args.seed, args.truncation, labels, tileable=tileable)
    _write(made.images, target, one_file, args.grid)
    if clip is not None:
        _write_way(pipe, made, clip, args.steps, args.rate, tileable)
    return 0


def _write_classes(args: argparse.Namespace, target: Path) -> int:
    """As many pictures of every class, each in a folder of its class."""
    from tqdm import tqdm

    from ..images.whole_files import check_writable
    from ..pipelines.generated_images import GeneratedImages

    given = {"--num_images": args.num_images != 1, "--label": args.label, "--grid": args.grid, "--interpolate": args.interpolate}
    if other := [name for name, value in given.items() if value]:
        raise ValueError(f"--per_class and {other[0]} are both given; give one of them")
    check_writable(target / "0000.png")
    images = GeneratedImages(_load(args), args.per_class, args.seed, args.truncation, True if args.tile else None)
    folders = [target / name for name in _folder_names(images.classes)]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    for n in tqdm(range(len(images)), "generating", unit="picture"):
        picture, label = images[n]
        picture.save(folders[label] / f"{n // len(folders):04}.png")
    print(f"{target}: {len(images)} pictures of {len(folders)} classes")
    return 0


def _folder_names(classes: Sequence[str]) -> list[str]:
    """A folder for each class: of its name, or of its number where the name is none for a folder, or differs from another class's
    in upper and lower case alone, which most disks take for the same. No two are the same.

    >>> _folder_names(["0", "10", "../oak", "c/oak", "Class-3", "Elm", "elm"])
    ['0', '10', 'class-2', 'class-3-', 'Class-3', 'class-5', 'class-6']
    """
    alike = Counter(name.casefold() for name in classes)
    folders = []
    for n, name in enumerate(classes):
        folder = name
        if not _is_folder_name(name) or alike[name.casefold()] > 1:
            folder = f"class-{n}"
            while folder in alike:
                folder += "-"
        folders.append(folder)
    return folders


def _is_folder_name(name: str) -> bool:
    """Whether a class's name, which comes with a model, can name a folder anywhere, and cannot be taken for a path.

    >>> [_is_folder_name(name) for name in ("oak tree", "12", "../oak", "c:oak", ".oak", "nul")]
    [True, True, False, False, False, False]
    """
    from ..batch.result_names import RESERVED

    plain = all(letter.isalnum() or letter in " -_()" for letter in name)
    return plain and name == name.strip() and len(name.encode()) <= 100 and not RESERVED.fullmatch(name)


def _write(pictures: "list[Image.Image]", target: Path, one_file: bool, grid: bool) -> None:
    from ..pipelines.picture_sheets import picture_grid

    if one_file:
        (picture_grid(pictures) if grid else pictures[0]).save(target, quality=95)
    else:
        for n, picture in enumerate(pictures):
            picture.save(target / f"{n:04}.png")
    print(f"{target}: {len(pictures)} pictures" if len(pictures) > 1 else f"{target}: 1 picture")


def _write_way(
    pipe: "GenerationPipeline", made: "GenerationOutput", clip: Path, steps: int, rate: int, tileable: bool | None
) -> None:
    """The way through all pictures and back to the first."""
    from ..video.picture_clips import write_pictures

    points: Any = made.latents if made.w is None else made.w
    frames = []
    for n in range(len(points)):
        ends = points[n : n + 1], points[(n + 1) % len(points)][None]
        labels = None
        if made.w is None and made.labels is not None:
            labels = [made.labels[n], made.labels[(n + 1) % len(points)]]
        # the last frame of a part is the first one of the next
        frames += pipe.interpolate(*ends, steps=steps + 1, label=labels, tileable=tileable).images[:-1]
    write_pictures(frames, clip, rate)
    print(f"{clip}: {len(frames)} frames")


def _label(pipe: "GenerationPipeline", text: str) -> str | int:
    """A class's name, if there is one of that name, or its number."""
    named = pipe.classes is not None and text in pipe.classes
    return int(text) if text.isdecimal() and not named else text


def _load(args: argparse.Namespace) -> "GenerationPipeline":
    from .. import GenerationPipeline
    from ..devices.cpu import configure_cpu
    from ..devices.device import usable_device

    configure_cpu()
    pipe: Any = GenerationPipeline.from_pretrained(args.pretrained_model_name_or_path).to(usable_device(args.device))
    names = [f"adapter-{n}" for n in range(len(args.adapter or []))]
    for name, file in zip(names, args.adapter or []):
        pipe.load_adapter(file, name=name)
    if names:
        pipe.set_adapters(names, args.adapter_weights)
    return pipe
