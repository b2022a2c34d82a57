#!/usr/bin/env python
"""Makes a data set for unpaired translation that can be measured: the same emoji in two designs, at 64 px on white.

    python tools/prepare_emoji.py data/emoji
    python tools/prepare_emoji.py data/emoji --a emoji-datasource-google-16.0.0.tgz --b node_modules/emoji-datasource-twitter

Writes OUT/train/a, OUT/train/b, OUT/test/a and OUT/test/b, where a symbol has one file name in both domains: nine tenths of the
symbols to train on, unpaired, and one tenth to compare a translation with its true counterpart. A symbol's skin tones stay
together. Without local copies, the packages are fetched from the npm registry, with `npm pack`.
"""

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from styleadapt.console import careful_output
from styleadapt.errors import ImageError
from styleadapt.images.images import open_image, save_image

VERSION = "16.0.0"
SIZE = 64
MAX_FILE_BYTES = 16 << 20
_IMAGE = re.compile(rf"img/[a-z]+/{SIZE}/([0-9a-f]{{4,6}}(?:-[0-9a-f]{{4,6}})*\.png)")


@careful_output()
def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", metavar="OUT", type=Path, help="folder for the data set, made if missing")
    parser.add_argument("--a", default=f"emoji-datasource-google@{VERSION}", help="npm package, its tarball or its folder")
    parser.add_argument("--b", default=f"emoji-datasource-twitter@{VERSION}", help="the same of the other design")
    args = parser.parse_args()
    try:
        for part in ("train", "test"):
            if (args.output / part).exists():
                raise ValueError(f"{args.output / part} exists; delete it or choose another folder")
        (images_a, table), (images_b, _) = (read_package(source) for source in (args.a, args.b))
        symbols = common_symbols(table, images_a, images_b)
        if len(symbols) < 2:
            raise ValueError(f"{args.a} and {args.b} have {len(symbols)} symbols in common, 2 at least are needed")
        test = held_out(symbols)
        for domain, images in (("a", images_a), ("b", images_b)):
            for symbol, names in symbols.items():
                folder = args.output / ("test" if symbol in test else "train") / domain
                for name in names:
                    save_image(open_image(images[name]), folder / name)
    except (ImageError, ValueError, OSError, tarfile.TarError, subprocess.CalledProcessError) as error:
        sys.exit(f"error: {error}")
    for part, chosen in (("train", symbols.keys() - test), ("test", test)):
        print(f"{part:6}{len(chosen):5} symbols, {sum(len(symbols[s]) for s in chosen):5} images in each of a and b")
    print(args.output)
    return 0


def read_package(source: str) -> tuple[dict[str, bytes], list[dict]]:
    """PNG files of 64 px by name, and the table of symbols, of an npm package: its folder, its tarball, or its name."""
    if not Path(source).exists():
        with tempfile.TemporaryDirectory() as folder:
            return _sorted_out(source, _tar_files(fetch(source, Path(folder))))
    return _sorted_out(source, _folder_files(Path(source)) if Path(source).is_dir() else _tar_files(Path(source)))


def fetch(package: str, folder: Path) -> Path:
    """The tarball of an npm package, downloaded to `folder`."""
    if not re.fullmatch(r"emoji-datasource-[a-z]+(@[0-9.]+)?", package):
        raise ValueError(f"{package} is no file, no folder and no package emoji-datasource-NAME@VERSION")
    npm = shutil.which("npm")
    if npm is None:
        raise ValueError(f"fetching {package} needs npm; or download the package elsewhere and pass its tarball")
    subprocess.run([npm, "pack", package, "--silent", "--pack-destination", str(folder)], check=True, stdout=subprocess.DEVNULL)
    return next(folder.glob("*.tgz"))


def common_symbols(table: list[dict], images_a: dict[str, bytes], images_b: dict[str, bytes]) -> dict[str, list[str]]:
    """File names of each symbol that both designs have, skin tones with it.

    >>> table = [{"image": "1f44b.png", "skin_variations": {"1F3FB": {"image": "1f44b-1f3fb.png"}}}, {"image": "1f600.png"}]
    >>> common_symbols(table, {"1f44b.png": b"", "1f44b-1f3fb.png": b""}, {"1f44b-1f3fb.png": b"", "1f600.png": b""})
    {'1f44b': ['1f44b-1f3fb.png']}
    """
    symbols = {}
    for entry in table:
        variants = [entry, *entry.get("skin_variations", {}).values()]
        names = [v["image"] for v in variants if v["image"] in images_a and v["image"] in images_b]
        if names:
            symbols[entry["image"].removesuffix(".png")] = names
    return symbols


def held_out(symbols: dict[str, list[str]]) -> set[str]:
    """A tenth of the symbols, one at least: those whose hashes come first, so that it is the same tenth everywhere.

    >>> sorted(held_out(dict.fromkeys("abcdefghijklmnopqrst", [])))
    ['p', 's']
    """
    ranked = sorted(symbols, key=lambda symbol: hashlib.sha256(symbol.encode()).digest())
    return set(ranked[: max(1, round(len(ranked) / 10))])


def _folder_files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in (folder / "emoji.json", *sorted(folder.glob(f"img/*/{SIZE}/*.png"))):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path.read_bytes()


def _tar_files(path: Path) -> Iterator[tuple[str, bytes]]:
    """Regular files of a tarball, read and never unpacked, so that no name in it can lead anywhere."""
    with tarfile.open(path, "r:gz") as archive:
        for member in archive:
            name = member.name.partition("/")[2]
            if not member.isfile() or not (name == "emoji.json" or _IMAGE.fullmatch(name)):
                continue
            if member.size > MAX_FILE_BYTES:
                raise ValueError(f"{path}: {member.name} has {member.size:,} bytes, more than {MAX_FILE_BYTES:,}")
            file = archive.extractfile(member)
            assert file is not None
            yield name, file.read()


def _sorted_out(source: str, files: Iterator[tuple[str, bytes]]) -> tuple[dict[str, bytes], list[dict]]:
    images, table = {}, None
    for name, data in files:
        if name == "emoji.json":
            table = json.loads(data)
        elif match := _IMAGE.fullmatch(name):
            images[match[1]] = data
    if table is None or not images:
        raise ValueError(f"{source} is no emoji-datasource package: it needs emoji.json and img/DESIGN/{SIZE}/*.png")
    return images, table


if __name__ == "__main__":
    sys.exit(main())
