#!/usr/bin/env python
"""Stylises photos with a style image, or with an adapter.

    python scripts/stylize.py --content photo.jpg --style painting.jpg --output out.png
    python scripts/stylize.py --content photos/ --adapter monet.safetensors --output stylised/

One photo goes to the file `--output`; several, or a folder, go to the folder `--output` under their own names. A path without
an extension, or of a folder that exists, is a folder. Images that are read are never overwritten. A photo that cannot be read is
reported and skipped, and listed at the end; the exit status is then 1.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from styleadapt import ModelLoadError, StyleTransferPipeline
from styleadapt.data.datasets import IMAGE_EXTENSIONS, list_images
from styleadapt.data.images import save_image
from styleadapt.models.device import usable_device


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--content", nargs="+", required=True, metavar="P", help="photos, or folders of photos")
    parser.add_argument("--style", nargs="+", metavar="P", help="style images; several are blended")
    parser.add_argument("--style_weights", nargs="+", type=float, metavar="W", help="one number a style image")
    parser.add_argument("--adapter", metavar="F", help="adapter file, or a repository of the Hub; then --style may be left out")
    parser.add_argument("--adapter_weight", type=float, default=1.0, help="0: zero-shot, 1: the full adapter (default)")
    parser.add_argument("--strength", type=float, default=1.0, help="0: the photo, 1: the full style (default)")
    parser.add_argument("--preserve_color", action="store_true", help="keep the photo's colours")
    parser.add_argument("--max_size", type=int, help="work at this longest side at most, then scale back")
    parser.add_argument("--pretrained_model_name_or_path", metavar="P", help="folder or repository; packaged weights by default")
    parser.add_argument("--device", metavar="D", help="cpu, cuda, cuda:1 ...; a GPU where there is one by default")
    parser.add_argument("--output", required=True, metavar="OUT", help="image file for one photo, folder for several")
    args = parser.parse_args()
    if not (args.style or args.adapter):
        parser.error("give --style, --adapter or both")
    if not 0 <= args.strength <= 1:
        parser.error(f"--strength is {args.strength}; it must lie between 0 and 1")
    if args.max_size is not None and args.max_size < 1:
        parser.error(f"--max_size is {args.max_size}; it must be 1 pixel at least")
    try:
        photos, many = _photos(args.content)
        targets = _targets(photos, Path(args.output), many)
        _refuse_overwriting(targets, [*photos, *map(Path, args.style or [])])
        device = usable_device(args.device)
        pipe = StyleTransferPipeline.from_pretrained(args.pretrained_model_name_or_path).to(device)
        if args.adapter:
            pipe.load_adapter(args.adapter, name="adapter")
            pipe.set_adapters(["adapter"], [args.adapter_weight])
        style = None
        if args.style:
            pipe.encode_style(args.style, args.style_weights)
            style = args.style
    except (ModelLoadError, ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    failed = []
    for photo, target in zip(photos, targets):
        try:
            options = {"strength": args.strength, "preserve_color": args.preserve_color, "max_size": args.max_size}
            result = pipe(photo, style=style, style_weights=args.style_weights, **options).images[0]
            save_image(result, target)
            print(f"{photo} -> {target}")
        except (ValueError, OSError) as error:
            failed.append(photo)
            print(f"error: {error}", file=sys.stderr)
    if failed:
        print(f"{len(failed)} of {len(photos)} photos failed: {', '.join(map(str, failed))}", file=sys.stderr)
    return 1 if failed else 0


def _photos(content: list[str]) -> tuple[list[Path], bool]:
    """All photo files, and whether the output is a folder."""
    photos: list[Path] = []
    for entry in content:
        photos += list_images(entry) if Path(entry).is_dir() else [Path(entry)]
    return photos, len(photos) > 1 or Path(content[0]).is_dir()


def _targets(photos: list[Path], output: Path, many: bool) -> list[Path]:
    """Where each result goes; photos of the same name in different folders keep apart.

    Raises:
        ValueError: `output` names a file where a folder is needed, or a file that is no image.
    """
    if output.suffix and not output.is_dir():
        if output.suffix.lower() not in IMAGE_EXTENSIONS:
            known = ", ".join(IMAGE_EXTENSIONS)
            raise ValueError(f"--output {output} is no folder, and {output.suffix!r} is no image extension; use one of {known}")
        if many:
            raise ValueError(f"--output {output} is one file; several photos, or a folder of them, need a folder")
        return [output]
    targets: list[Path] = []
    for photo in photos:
        target, n = output / f"{photo.stem}.png", 2
        while target in targets:
            target, n = output / f"{photo.stem}-{n}.png", n + 1
        targets.append(target)
    return targets


def _refuse_overwriting(targets: list[Path], sources: list[Path]) -> None:
    """Raises `ValueError` if a result would replace an image that is read."""
    read = {path.resolve() for path in sources}
    for target in targets:
        if target.resolve() in read:
            raise ValueError(f"the output {target} would overwrite an image that is read; give another --output")


if __name__ == "__main__":
    sys.exit(main())
