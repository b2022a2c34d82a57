#!/usr/bin/env python
"""Stylises photos with a style image, or with an adapter: one, a folder, or a data set.

    python scripts/stylize.py --content photo.jpg --style painting.jpg --output out.png
    python scripts/stylize.py --content photos/ --adapter monet.safetensors --output stylised/

One photo goes to the file `--output`; several, or a folder, go to the folder `--output` under their own names. A path without
an extension, with a slash at its end, or of a folder that exists, is a folder. Images that are read are never overwritten. A
photo that cannot be read is reported and skipped, and listed at the end; the exit status is then 1.

    accelerate launch scripts/stylize.py --input_dir photos/ --style painting.jpg --output_dir stylised/
    accelerate launch scripts/stylize.py --dataset_name user/photos --style painting.jpg --output_dir set/ --output_format dataset
    ACCELERATE_USE_CPU=true accelerate launch --multi_gpu --num_processes 2 scripts/stylize.py --input_dir photos/ ...

These divide the photos among processes, keep sub-folders, file formats and metadata, and write `manifest.jsonl`, a line for every
photo. The same command goes on where a run stopped: what is done is skipped, and photos that failed, or whose files have changed,
are made again. Other settings are refused; `--overwrite` makes all anew. `--output_format dataset` writes what
`datasets.load_dataset("set/")` opens, and `--push_to_hub` publishes it.
"""

import argparse
import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from PIL import Image
from tqdm import tqdm

from styleadapt import ModelLoadError, StyleTransferPipeline
from styleadapt.adaptation.refinement import RefinementProgress
from styleadapt.adaptation.refinement_budget import RefinementBudget
from styleadapt.console import careful_output
from styleadapt.data.addresses import is_address
from styleadapt.data.image_files import list_images
from styleadapt.data.images import WRITABLE_EXTENSIONS, load_image, open_image
from styleadapt.data.metadata import read_metadata
from styleadapt.data.whole_files import check_writable
from styleadapt.models.cpu import configure_cpu
from styleadapt.models.device import usable_device
from styleadapt.pipelines.batch import FORMATS, METADATA, BatchProgress, join_processes, save_result, stylize_photos
from styleadapt.pipelines.image_dataset import SUBFOLDER, push_image_dataset, write_image_dataset
from styleadapt.pipelines.photo_sources import DatasetPhotos, FolderPhotos, StreamedPhotos, open_dataset_photos
from styleadapt.pipelines.precision import DTYPES
from styleadapt.pipelines.result_names import ResultNames
from styleadapt.pipelines.strokes import AUTO, read_stroke_size
from styleadapt.pipelines.style_transfer import encoding_size
from styleadapt.training.hub import HubError

Render = Callable[[Image.Image], Image.Image]
_MOST_LISTED = 20
_SEPARATORS = tuple(filter(None, (os.sep, os.altsep)))
_EXPECTED = (ModelLoadError, HubError, ValueError, OSError, ImportError)


@careful_output()
def main() -> int:
    args = parse_arguments()
    try:
        return stylize_files(args) if args.content else stylize_source(args)
    except _EXPECTED as error:
        sys.exit(f"error: {' '.join(str(error).split())}")
    except KeyboardInterrupt:
        sys.exit("stopped; what is finished is kept")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_argument_group("photos, one of")
    source.add_argument("--content", nargs="+", metavar="P", help="photos, or folders of photos; results go to --output")
    source.add_argument("--input_dir", metavar="DIR", help="folder of photos, searched to any depth; results go to --output_dir")
    source.add_argument("--dataset_name", metavar="NAME", help="data set of the Hub, or folder that datasets.load_dataset reads")
    dataset = parser.add_argument_group("of the data set")
    dataset.add_argument("--dataset_config_name", metavar="NAME", help="its configuration")
    dataset.add_argument("--split", default="train", help="train by default")
    dataset.add_argument("--image_column", metavar="C", help="found by its type if left out")
    dataset.add_argument("--name_column", metavar="C", help="text or numbers to name results after; the row's number if left out")
    dataset.add_argument("--streaming", action="store_true", help="read row by row, without downloading first")
    dataset.add_argument("--cache_dir", metavar="DIR", help="where data sets are kept that were downloaded")
    style = parser.add_argument_group("style")
    style.add_argument("--style", nargs="+", metavar="P", help="style images; several are blended, or go to a mask each")
    style.add_argument("--style_weights", nargs="+", type=float, metavar="W", help="one number a style image")
    style.add_argument("--adapter", nargs="+", metavar="F", help="adapter files or repositories; then --style may be left out")
    style.add_argument(
        "--adapter_weights", "--adapter_weight", nargs="+", type=float, metavar="W",
        help="one number an adapter: 0 zero-shot, 1 the full adapter; 1 for one, equal shares for several by default",
    )  # fmt: skip
    style.add_argument("--adapter_blend", type=float, metavar="B", help="with both: 0 the style images' code, 1 the adapters'")
    style.add_argument("--strength", type=float, default=1.0, help="0: the photo, 1: the full style (default)")
    style.add_argument("--preserve_color", action="store_true", help="keep the photo's colours")
    style.add_argument(
        "--stroke_size", metavar="S", default=AUTO,
        help="width of the strokes, a share of the longer side such as 0.02; auto, the default: alike on photos of any size",
    )  # fmt: skip
    style.add_argument(
        "--refine", metavar="R", default="0",
        help="then optimize each picture's pixels toward --style: steps such as 200, or seconds such as 60s",
    )  # fmt: skip
    style.add_argument("--mask", nargs="+", metavar="M", help="a mask for each style: white is its region")
    style.add_argument("--mask_feather", type=float, metavar="F", help="soft border, a share of the photo's longer side")
    style.add_argument("--strip", action="store_true", help="write the photo at several strengths, side by side")
    running = parser.add_argument_group("how it runs")
    running.add_argument("--pretrained_model_name_or_path", metavar="P", help="folder or repository; packaged weights by default")
    running.add_argument("--backend", choices=("torch", "onnx", "openvino"), default="torch")
    running.add_argument("--dtype", choices=DTYPES, default="float32", help="auto: bfloat16 where that is faster")
    running.add_argument("--compile", action="store_true", help="compile the generator: pays for many photos of few sizes")
    running.add_argument("--device", metavar="D", help="cpu, cuda, cuda:1 ...; a GPU where there is one by default")
    running.add_argument("--num_threads", type=int, metavar="N", help="of each process; the cores are shared by default")
    running.add_argument("--max_size", type=int, help="work at this longest side at most, then scale back")
    output = parser.add_argument_group("results")
    output.add_argument("--output", metavar="OUT", help="of --content: image file for one photo, folder for several")
    output.add_argument("--output_dir", metavar="OUT", help="of --input_dir and --dataset_name: new, empty, or of a stopped run")
    output.add_argument("--overwrite", action="store_true", help="make all anew where OUT holds results of other settings")
    output.add_argument("--format", choices=("keep", *FORMATS), help="of the files; keep is the default with --output_dir")
    output.add_argument("--metadata", choices=METADATA, help="EXIF to keep; all by default, no-location with --push_to_hub")
    output.add_argument("--output_format", choices=("folder", "dataset"), help="folder by default, dataset with --push_to_hub")
    output.add_argument("--push_to_hub", action="store_true", help="publish the result as a data set")
    output.add_argument("--hub_dataset_id", metavar="ID", help="user/name; the name of OUT by default")
    output.add_argument("--hub_private", action="store_true", default=None, help="if the data set is new")
    output.add_argument("--hub_license", metavar="L", default="unknown", help="an identifier of the Hub, such as cc-by-4.0")
    args = parser.parse_args()
    _check(args, parser.error)
    args.metadata = args.metadata or ("no-location" if args.push_to_hub else "all")
    args.output_format = args.output_format or ("dataset" if args.push_to_hub else "folder")
    return args


def _check(args: argparse.Namespace, refuse: Callable[[str], Any]) -> None:
    """Refuses what no model is needed to know."""
    if sum(source is not None for source in (args.content, args.input_dir, args.dataset_name)) != 1:
        refuse("give one of --content, --input_dir and --dataset_name")
    wanted, other = ("output", "output_dir") if args.content else ("output_dir", "output")
    if getattr(args, wanted) is None or getattr(args, other) is not None:
        refuse(f"with {'--content' if args.content else '--input_dir and --dataset_name'} give --{wanted} and no --{other}")
    if args.content:
        for name in ("format", "output_format", "push_to_hub", "overwrite"):
            if getattr(args, name):
                refuse(f"--{name} goes with --input_dir or --dataset_name")
    if args.push_to_hub and args.output_format == "folder":
        refuse("--push_to_hub publishes a data set: leave out --output_format folder")
    if not (args.style or args.adapter) and args.backend == "torch":
        refuse("give --style, --adapter or both")
    if args.adapter and args.backend != "torch":
        refuse(f"--adapter needs --backend torch; scripts/export.py --adapter fuses one into what {args.backend} runs")
    if args.device not in (None, "cpu") and args.backend != "torch":
        refuse(f"--device is {args.device}; --backend {args.backend} runs on the CPU")
    if not 0 <= args.strength <= 1:
        refuse(f"--strength is {args.strength}; it must lie between 0 and 1")
    try:
        args.stroke_size = read_stroke_size(args.stroke_size, "--stroke_size")
        refines = RefinementBudget.read(args.refine, "--refine") is not None
    except ValueError as error:
        refuse(str(error))
    if refines and not args.style:
        refuse("--refine needs the pixels of the style; give --style the images that the adapter was made of")
    for name in ("max_size", "num_threads"):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            refuse(f"--{name} is {getattr(args, name)}; it must be 1{' pixel' if name == 'max_size' else ''} at least")


def stylize_files(args: argparse.Namespace) -> int:
    """Stylises the photos of `--content` one after the other; gives the exit status."""
    photos, many = _photos(args.content)
    targets = _targets(photos, args.output, many)
    _refuse_overwriting(targets, [*photos, *map(Path, [*(args.style or []), *(args.mask or [])])])
    device = usable_device(_device(args))
    check_writable(targets[0])
    render = make_render(args, load_pipeline(args, device))
    failed = []
    for photo, target in zip(photos, targets):
        try:
            save_result(render(load_image(photo)), target, read_metadata(photo), args.metadata)
        except (ValueError, OSError) as error:
            failed.append(str(photo))
            print(f"error: {error}", file=sys.stderr)
        else:
            print(f"{photo} -> {target}")
    return _report_failed(failed, len(photos))


def stylize_source(args: argparse.Namespace) -> int:
    """Stylises the photos of `--input_dir` or `--dataset_name` in all processes; gives the exit status."""
    state = join_processes()
    photos = _source(args)
    device = usable_device(_device(args) or (str(state.device) if state.num_processes > 1 else None))
    pipe = load_pipeline(args, device)
    settings = describe(args, pipe)
    with tqdm(unit="photo", disable=not state.is_local_main_process) as bar:

        def show(progress: BatchProgress) -> None:
            bar.total = progress.total
            bar.update()
            if progress.entry.error:
                bar.write(f"error: {progress.entry.input}: {progress.entry.error}", file=sys.stderr)

        entries = stylize_photos(
            make_render(args, pipe),
            photos,
            args.output_dir,
            settings,
            format=args.format or "keep",
            metadata=args.metadata,
            subfolder=SUBFOLDER if args.output_format == "dataset" else "",
            overwrite=args.overwrite,
            callback=show,
            state=state,
        )
    if not state.is_main_process:
        return 0
    failed = [entry.input for entry in entries if entry.error]
    processes = f", {state.num_processes} processes" if state.num_processes > 1 else ""
    print(f"{args.output_dir}: {len(entries) - len(failed)} results{processes}")
    if args.output_format == "dataset":
        write_image_dataset(args.output_dir, entries, settings, args.hub_license)
    if args.push_to_hub:
        name = args.hub_dataset_id or Path(args.output_dir).resolve().name
        print(push_image_dataset(args.output_dir, name, settings, license=args.hub_license, private=args.hub_private))
    return _report_failed(failed, len(entries))


def load_pipeline(args: argparse.Namespace, device: torch.device) -> StyleTransferPipeline:
    """The pipeline with its adapters."""
    threads = args.num_threads or configure_cpu()
    if args.num_threads is None and "OMP_NUM_THREADS" not in os.environ:
        threads = max(1, threads // int(os.environ.get("LOCAL_WORLD_SIZE", 1)))
    # the pipeline's loader and the runtimes ask it
    os.environ["OMP_NUM_THREADS"] = str(configure_cpu(threads))
    pipe = StyleTransferPipeline.from_pretrained(
        args.pretrained_model_name_or_path, backend=args.backend, dtype=DTYPES[args.dtype]
    ).to(device)
    names = [f"adapter-{n}" for n in range(len(args.adapter or []))]
    for name, file in zip(names, args.adapter or []):
        pipe.load_adapter(file, name=name)
    if names:
        pipe.set_adapters(names, args.adapter_weights)
    elif args.adapter_weights:
        raise ValueError("--adapter_weights is given without --adapter")
    return pipe


def make_render(args: argparse.Namespace, pipe: StyleTransferPipeline) -> Render:
    """What makes a result of a photo; a style or a mask that cannot be used is refused here, before the first photo."""
    options: dict[str, Any] = {name: getattr(args, name) for name in ("preserve_color", "max_size", "stroke_size")}
    refines = RefinementBudget.read(args.refine) is not None
    if args.style:
        # opened once for all photos, and reduced unless refinement reads them at other sizes too
        images = [open_image(path) for path in args.style]
        options["style"] = images if refines else [encoding_size(image) for image in images]
    if args.style_weights:
        options["style_weights"] = args.style_weights
    if args.mask:
        options["mask"] = [load_image(path) for path in args.mask]
    for name in ("mask_feather", "adapter_blend"):
        if getattr(args, name) is not None:
            options[name] = getattr(args, name)

    def picture(photo: Image.Image) -> Image.Image:
        result = pipe(photo, strength=args.strength, **options).images[0]
        if "refine" in options:
            print(file=sys.stderr)  # ends the line of the progress
        return result

    def strip(photo: Image.Image) -> Image.Image:
        return pipe.strength_strip(photo, **options)

    render = strip if args.strip else picture
    render(Image.new("RGB", (64, 64)))
    if refines:
        options |= {"refine": args.refine, "refine_callback": show_refinement}
    if args.compile:
        pipe.compile()  # after that, which would cost a minute for a size that does not come again
    return render


def show_refinement(progress: RefinementProgress) -> None:
    """A line on the terminal, which the next one replaces."""
    line = f"\rstep {progress.step:4d}  {progress.seconds_left:4.0f} s left  loss {progress.loss:.3f} "
    print(line, end="", file=sys.stderr, flush=True)


def describe(args: argparse.Namespace, pipe: StyleTransferPipeline) -> dict[str, Any]:
    """What the results depend on, with contents in the place of paths, which are nobody else's business."""
    dataset = args.dataset_name
    described: dict[str, Any] = {
        "dataset": _content(str(Path(dataset).resolve())) if dataset and Path(dataset).exists() else dataset,
        "model": pipe.fingerprint if args.backend == "torch" else _content(_exported_file(args)),
        "styles": [_content(path) for path in args.style or []],
        "adapters": [_content(path) for path in args.adapter or []],
        "masks": [_content(path) for path in args.mask or []],
    }
    plain = (
        *("dataset_config_name", "split", "image_column", "name_column", "backend", "dtype", "style_weights", "adapter_weights"),
        *("adapter_blend", "strength", "preserve_color", "max_size", "stroke_size", "mask_feather"),
        *("strip", "refine"),
    )
    return {**described, **{name: getattr(args, name) for name in plain}}


def _exported_file(args: argparse.Namespace) -> str:
    path = Path(args.pretrained_model_name_or_path or "")
    file = path / ("generator.onnx" if args.backend == "onnx" else "generator.bin")
    return str(file if file.is_file() else path)


def _content(path: str) -> str:
    """Sixteen hexadecimal digits of a file's content, or of the name of a repository."""
    data = Path(path).read_bytes() if Path(path).is_file() else path.encode()
    return hashlib.sha256(data).hexdigest()[:16]


def _device(args: argparse.Namespace) -> str | None:
    return args.device if args.backend == "torch" else "cpu"


def _source(args: argparse.Namespace) -> FolderPhotos | DatasetPhotos | StreamedPhotos:
    if args.input_dir:
        output, inside = Path(args.output_dir).resolve(), Path(args.input_dir).resolve()
        if output.is_relative_to(inside):
            raise ValueError(f"--output_dir {args.output_dir} lies in --input_dir {args.input_dir}; name another folder")
        return FolderPhotos(args.input_dir)
    return open_dataset_photos(
        args.dataset_name,
        args.dataset_config_name,
        args.split,
        args.image_column,
        args.name_column,
        args.streaming,
        args.cache_dir,
    )


def _report_failed(failed: list[str], photos: int) -> int:
    if not failed:
        return 0
    more = f" and {len(failed) - _MOST_LISTED} more" if len(failed) > _MOST_LISTED else ""
    print(f"{len(failed)} of {photos} photos failed: {', '.join(failed[:_MOST_LISTED])}{more}", file=sys.stderr)
    return 1


def _photos(content: list[str]) -> tuple[list[Path], bool]:
    """All photo files, and whether the output is a folder."""
    photos: list[Path] = []
    for entry in content:
        if is_address(entry):
            raise ValueError(
                f"--content {entry} is an address; download the photo first, since its metadata goes into the result"
            )
        photos += list_images(entry) if Path(entry).is_dir() else [Path(entry)]
    return photos, len(photos) > 1 or Path(content[0]).is_dir()


def _targets(photos: list[Path], output: str, many: bool) -> list[Path]:
    """Where each result goes; photos of the same name in different folders keep apart.

    Raises:
        ValueError: `output` names a file where a folder is needed, or a file that is no image.
    """
    folder = Path(output)
    if folder.suffix and not output.endswith(_SEPARATORS) and not folder.is_dir():
        if folder.suffix.lower() not in WRITABLE_EXTENSIONS:
            known = ", ".join(WRITABLE_EXTENSIONS)
            raise ValueError(
                f"--output {output} is no folder, and {folder.suffix!r} is no image extension; use one of {known}, or end the "
                "name of a folder with a slash"
            )
        if many:
            raise ValueError(f"--output {output} is one file; several photos, or a folder of them, need a folder")
        return [folder]
    names = ResultNames()
    return [folder / f"{names.take(photo.name)}.png" for photo in photos]


def _refuse_overwriting(targets: list[Path], sources: list[Path]) -> None:
    """Raises `ValueError` if a result would replace an image that is read."""
    read = {path.resolve() for path in sources}
    for target in targets:
        if target.resolve() in read:
            raise ValueError(f"the output {target} would overwrite an image that is read; give another --output")


if __name__ == "__main__":
    sys.exit(main())
