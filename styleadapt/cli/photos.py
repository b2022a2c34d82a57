"""Runs `styleadapt stylize` on photos: single files, or a folder or data set that several processes share."""

import argparse
import sys
from pathlib import Path

from ..batch.image_dataset import SUBFOLDER, push_image_dataset, write_image_dataset
from ..batch.photo_sources import DatasetPhotos, FolderPhotos, StreamedPhotos, open_dataset_photos
from ..batch.result_names import ResultNames
from ..batch.stylizing import join_processes, make_pictures, photo_failure, save_result
from ..devices.device import usable_device
from ..images.addresses import is_address
from ..images.image_files import list_images
from ..images.images import WRITABLE_EXTENSIONS, load_image
from ..images.metadata import read_metadata
from ..images.whole_files import check_writable
from .options import advance, progress_bar, report_failed
from .paths import SEPARATORS, check_not_read, check_outside
from .rendering import describe, load_pipeline, make_render


def stylize_files(args: argparse.Namespace) -> int:
    """Stylizes the photos of `args.content` one after the other; gives the exit status."""
    photos, many = _find_photos(args.content)
    targets = name_targets(photos, args.output, many)
    check_not_read(targets, [*photos, *map(Path, [*(args.style or []), *(args.mask or [])])])
    device = usable_device(_device(args))
    check_writable(targets[0])
    pipe = load_pipeline(args, device)
    failed = []
    with progress_bar("photo", total=len(photos)) as bar:
        render = make_render(args, pipe, bar)
        for photo, target in zip(photos, targets):
            try:
                save_result(render(load_image(photo)), target, read_metadata(photo), args.metadata)
            except Exception as error:
                reason = photo_failure(error, str(photo))
                if reason is None:
                    raise
                failed.append(str(photo))
                bar.write(f"error: {photo} {reason}", file=sys.stderr)
            else:
                bar.write(f"{photo} -> {target}", file=sys.stdout)
            bar.update()
    return report_failed(failed, len(photos))


def stylize_collection(args: argparse.Namespace) -> int:
    """Stylizes the photos of `args.input_dir` or `args.dataset_name` in all processes; gives the exit status."""
    state = join_processes()
    photos = _open_source(args)
    device = usable_device(_device(args) or (str(state.device) if state.num_processes > 1 else None))
    pipe = load_pipeline(args, device)
    settings = describe(args, pipe)
    with progress_bar("photo", disable=not state.is_local_main_process) as bar:
        render = make_render(args, pipe, bar)
        entries = make_pictures(
            lambda data: render(load_image(data.encoded)),
            photos,
            args.output,
            settings,
            format=args.format or "keep",
            metadata=args.metadata,
            subfolder=SUBFOLDER if args.output_format == "dataset" else "",
            overwrite=args.overwrite,
            callback=advance(bar),
            state=state,
        )
    if not state.is_main_process:
        return 0
    failed = [entry.input for entry in entries if entry.error]
    processes = f", {state.num_processes} processes" if state.num_processes > 1 else ""
    print(f"{args.output}: {len(entries) - len(failed)} results{processes}")
    if args.output_format == "dataset":
        write_image_dataset(args.output, entries, settings, args.hub_license)
    if args.push_to_hub:
        name = args.hub_dataset_id or Path(args.output).resolve().name
        print(push_image_dataset(args.output, name, settings, license=args.hub_license, private=args.hub_private))
    return report_failed(failed, len(entries))


def name_targets(photos: list[Path], output: str, many: bool) -> list[Path]:
    """Returns the path of each result. Photos of the same name in different folders get different names.

    Args:
        photos: the files to be stylized.
        output: a path without an extension, with a slash at its end, or of a folder that exists, is a folder; else a file.
        many: whether it has to be a folder.

    Raises:
        ValueError: `output` names a file where a folder is needed, or a file that is no image.
    """
    folder = Path(output)
    if folder.suffix and not output.endswith(SEPARATORS) and not folder.is_dir():
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


def _device(args: argparse.Namespace) -> str | None:
    return args.device if args.backend == "torch" else "cpu"


def _open_source(args: argparse.Namespace) -> FolderPhotos | DatasetPhotos | StreamedPhotos:
    source = args.input_dir if args.kind == "folder" else args.dataset_name
    if Path(source).is_dir():
        check_outside(args.output, source)
    if args.kind == "folder":
        return FolderPhotos(source)
    return open_dataset_photos(
        args.dataset_name,
        args.dataset_config_name,
        args.split,
        args.image_column,
        args.name_column,
        args.streaming,
        args.cache_dir,
    )


def _find_photos(content: list[str]) -> tuple[list[Path], bool]:
    """All photo files, and whether the output is a folder."""
    photos: list[Path] = []
    for entry in content:
        if is_address(entry):
            raise ValueError(f"{entry} is an address; download the photo first, since its metadata goes into the result")
        photos += list_images(entry) if Path(entry).is_dir() else [Path(entry)]
    return photos, len(photos) > 1 or Path(content[0]).is_dir()
