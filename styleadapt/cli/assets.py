"""Stylizes the assets of a game as one set: sprites, sheets, tile sets and textures.

    styleadapt assets game/art -o styled/ --style painting.jpg
    styleadapt assets textures/ -o styled/ --style painting.jpg --tile
    styleadapt assets hero.png -o hero-styled.png --style painting.jpg --grid 32x48 --colors 32
    styleadapt assets game/ -o styled/ --style painting.jpg --tile_match 'textures/*' --palette palette.gpl --dither

A folder goes to the folder OUT with the same names, sizes and sub-folders, in one style and with shared statistics, so that its
pieces belong together. Alpha stays as it is. Frames of sheets are painted apart: those of JSON files of Aseprite and
TexturePacker, of Tiled's tile sets, of Godot's resources, or of --grid. Normal, roughness, height and other maps of materials are
kept, by their suffixes. All other files are copied, so that references go on working. OUT must be new, empty, or of a run that
was stopped: the same command goes on there, `manifest.jsonl` has a line for every file, and `--overwrite` makes all anew. Files
that fail are listed at the end; the exit status is then 1. One picture is painted whatever its suffix, and goes to the file OUT,
with its JSON file beside it.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .options import add_model_options, advance, new_parser, progress_bar, report_failed
from .paths import check_not_read

if TYPE_CHECKING:
    from ..batch.manifest import Entry
    from ..pipelines.game_assets import GameAssetPipeline


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = new_parser("assets", __doc__)
    parser.add_argument("input", metavar="INPUT", help="a folder of assets, or one picture")
    parser.add_argument("-o", "--output", "--output_dir", required=True, metavar="OUT", help="a folder; a file for one picture")
    parser.add_argument("--style", nargs="+", action="extend", metavar="S", help="style images; several are blended")
    parser.add_argument("--adapter", metavar="F", help="an adapter file or repository, with or in place of --style")
    parser.add_argument("--tile", action="store_true", help="all pictures, or frames of sheets, repeat in both directions")
    parser.add_argument("--tile_match", nargs="+", default=[], metavar="P", help="only those whose names match, as 'textures/*'")
    parser.add_argument("--grid", metavar="WxH", help="size of the frames of sheets that no file tells of")
    parser.add_argument("--colors", type=int, metavar="N", help="one palette of N colors at most for the whole set")
    parser.add_argument("--palette", metavar="FILE", help="the colors of a .gpl or .hex file instead")
    parser.add_argument("--dither", action="store_true", help="mix the colors of the palette by an ordered pattern")
    parser.add_argument("--strength", type=float, default=1.0, help="0: the assets, 1: the full style")
    parser.add_argument("--normals", choices=("keep", "match"), default="keep", help="match: strokes stand out on normal maps")
    parser.add_argument("--overwrite", action="store_true", help="make all anew where OUT holds results of other settings")
    rare = parser.add_argument_group("rarely needed")
    rare.add_argument("--no_pixel_art", action="store_true", help="paint enlarged pixel art in the pixels of the file")
    rare.add_argument(
        "--enlarge", type=int, metavar="K", help="paint K times as large and reduce; small pieces 2 to 4 by default"
    )
    rare.add_argument(
        "--shared_statistics",
        type=float,
        metavar="S",
        help="1: bright and dark pieces stay apart, 0: all are painted alike; textures 0.5 and sprites 1 by default",
    )
    add_model_options(rare)
    rare.add_argument("--num_threads", type=int, metavar="N", help="all cores by default")
    args = parser.parse_args(arguments)
    if not args.style and not args.adapter:
        parser.error("give --style, --adapter or both")
    if args.colors is not None and not 1 <= args.colors <= 256:
        parser.error(f"--colors is {args.colors}; a palette has 1 to 256")
    if args.colors is not None and args.palette:
        parser.error("--colors and --palette are both given; give one of them")
    if args.dither and args.colors is None and not args.palette:
        parser.error("--dither goes with --colors or --palette")
    if args.enlarge is not None and not 1 <= args.enlarge <= 8:
        parser.error(f"--enlarge is {args.enlarge}; it must be 1 to 8")
    for name in ("strength", "shared_statistics"):
        value = getattr(args, name)
        if value is not None and not 0 <= value <= 1:
            parser.error(f"--{name} is {value}; it must lie between 0 and 1")
    if args.num_threads is not None and args.num_threads < 1:
        parser.error(f"--num_threads is {args.num_threads}; it must be 1 at least")
    return args


def run(args: argparse.Namespace) -> int:
    """Stylizes what `parse_arguments` has read.

    Returns:
        The exit status: 0, or 1 if files failed.

    Raises:
        ValueError, OSError: what the user can mend, in one line: see `batch.game_folder.stylize_folder`.
    """
    source = Path(args.input)
    if source.is_dir():
        return _stylize_folder(args, source, Path(args.output))
    if not source.is_file():
        raise FileNotFoundError(f"no file or folder at {source}")
    return _stylize_file(args, source, Path(args.output))


def _stylize_folder(args: argparse.Namespace, source: Path, output: Path) -> int:
    from ..batch.game_plan import broken_references

    entries = _make(args, source, output)
    failed = [entry.input for entry in entries if entry.error]
    made = [entry.input for entry in entries if not entry.error]
    print(f"{output}: {len(made)} files")
    for name, picture in broken_references(source, output, made):
        print(f"warning: {name} refers to {picture}, which is not there", file=sys.stderr)
    return report_failed(failed, len(entries), "files")


def _stylize_file(args: argparse.Namespace, source: Path, target: Path) -> int:
    """By way of folders of its own, in which the picture and what tells its frames are alone."""
    from ..batch.game_plan import WRITTEN
    from ..game.materials import COLOR, material_roles
    from ..game.sheets import renamed_sheet
    from ..images.whole_files import check_writable, write_whole

    if target.suffix.lower() != source.suffix.lower() or target.suffix.lower() not in WRITTEN:
        raise ValueError(f"--output {target} must end in {source.suffix}, as {source} does, which is one of {', '.join(WRITTEN)}")
    told, told_target = source.with_suffix(".json"), target.with_suffix(".json")
    targets = [target, told_target] if told.is_file() else [target]
    check_not_read(targets, [source, told, *map(Path, args.style or [])])
    for file in targets:
        if file.exists() and not args.overwrite:
            raise ValueError(f"{file} exists; give another --output, or --overwrite")
    check_writable(target)
    with tempfile.TemporaryDirectory() as folder:
        alone, made = Path(folder, "in"), Path(folder, "out")
        alone.mkdir()
        # a single picture is painted even if its suffix says that it is a map, which would be kept
        is_map = material_roles([source.name])[source.name] != COLOR
        picture = Path(f"{source.stem}_{COLOR}{source.suffix}" if is_map else source.name)
        for file, name in ((source, picture), (told, picture.with_suffix(".json"))):
            if file.is_file():
                shutil.copy(file, alone / name)
        for entry in _make(args, alone, made):
            if entry.error:
                raise ValueError(f"{source if entry.input == picture.name else told} {entry.error}")
        if told.is_file():
            text = renamed_sheet(told.read_text(encoding="utf-8-sig"), source.name, target.name)
            write_whole(told_target, text.encode())
        write_whole(target, (made / picture).read_bytes())
    print(f"{source} -> {target}")
    return 0


def _make(args: argparse.Namespace, source: Path, output: Path) -> "list[Entry]":
    from ..batch.game_folder import stylize_folder
    from ..game.sheets import parse_grid

    grid = parse_grid(args.grid) if args.grid else None
    with progress_bar("file") as bar:
        return stylize_folder(
            _load(args),
            source,
            output,
            args.style,
            tile=args.tile,
            tile_match=args.tile_match,
            grid=grid,
            colors=args.colors,
            palette=args.palette,
            dither=args.dither,
            strength=args.strength,
            pixel_art=not args.no_pixel_art,
            enlarge=args.enlarge,
            shared_statistics=args.shared_statistics,
            normals=args.normals,
            overwrite=args.overwrite,
            callback=advance(bar),
        )


def _load(args: argparse.Namespace) -> "GameAssetPipeline":
    from .. import GameAssetPipeline
    from ..devices.cpu import configure_cpu
    from ..devices.device import usable_device

    configure_cpu(args.num_threads)
    pipe: Any = GameAssetPipeline.from_pretrained(args.pretrained_model_name_or_path)
    pipe.to(usable_device(args.device))
    if args.adapter:
        pipe.stylizer.load_adapter(args.adapter)
    return pipe
