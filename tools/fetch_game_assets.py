#!/usr/bin/env python
"""Fetches free game assets to try `styleadapt assets` on, from packages of Debian.

    python tools/fetch_game_assets.py assets/
    python tools/fetch_game_assets.py assets/ --of freedoom tiled

Makes a folder in OUT for each: `freedoom` (textures of 64 x 64 that repeat, and sprites, out of the game's WAD file; BSD
license), `tiled` (the example maps of the Tiled editor with their tile sets) and `wesnoth` (units with their animations; GPL and
others). Each gets the package's `copyright`. It needs a Debian or Ubuntu with apt-get and dpkg-deb; nothing is installed.
"""

import argparse
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from styleadapt.console import careful_output

PACKAGES = {"freedoom": "freedoom", "tiled": "tiled", "wesnoth": "wesnoth-1.16-data"}
_FLAT_BYTES = 64 * 64


@careful_output()
def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", metavar="OUT", type=Path, help="folder for the assets, made if missing")
    parser.add_argument("--of", nargs="+", choices=PACKAGES, default=list(PACKAGES), help="what to fetch")
    args = parser.parse_args()
    for name in args.of:
        target = args.output / name
        try:
            if target.exists():
                raise ValueError(f"{target} exists; delete it, or choose another folder")
            with tempfile.TemporaryDirectory() as folder:
                unpacked = fetch(PACKAGES[name], Path(folder))
                count = {"freedoom": take_freedoom, "tiled": take_tiled, "wesnoth": take_wesnoth}[name](unpacked, target)
                [copyright_file] = unpacked.glob("usr/share/doc/*/copyright")
                shutil.copy(copyright_file, target / "copyright")
        except (ValueError, OSError, subprocess.CalledProcessError) as error:
            sys.exit(f"error: {error}")
        print(f"{target}: {count} files")
    return 0


def fetch(package: str, folder: Path) -> Path:
    """The files of a package of Debian, unpacked in `folder`."""
    subprocess.run(["apt-get", "download", package], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    [archive] = folder.glob("*.deb")
    subprocess.run(["dpkg-deb", "-x", str(archive), str(folder / "unpacked")], check=True)
    return folder / "unpacked"


def take_freedoom(unpacked: Path, target: Path) -> int:
    """Textures and sprites of the first WAD file."""
    data = sorted(unpacked.rglob("*.wad"))[0].read_bytes()
    lumps = list(read_wad(data))
    palette = np.frombuffer(next(content for name, content in lumps if name == "PLAYPAL")[:768], np.uint8).reshape(256, 3)
    count = 0
    for folder, first, last in (("textures", "F_START", "F_END"), ("sprites", "S_START", "S_END")):
        (target / folder).mkdir(parents=True)
        names = [name for name, _ in lumps]
        for name, content in lumps[names.index(first) + 1 : names.index(last)]:
            if folder == "textures" and len(content) == _FLAT_BYTES:
                picture = Image.fromarray(palette[np.frombuffer(content, np.uint8).reshape(64, 64)])
            elif folder == "sprites" and content:
                picture = Image.fromarray(doom_picture(content, palette))
            else:
                continue
            picture.save(target / folder / f"{name.lower().translate(str.maketrans('[]^', '---'))}.png".replace("\\", "_"))
            count += 1
    return count


def read_wad(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the lumps of a WAD file of Doom."""
    kind, count, table = struct.unpack_from("<4sii", data)
    if kind not in (b"IWAD", b"PWAD"):
        raise ValueError("the WAD file is damaged")
    for n in range(count):
        start, size, name = struct.unpack_from("<ii8s", data, table + 16 * n)
        yield name.rstrip(b"\0").decode("ascii", "replace"), data[start : start + size]


def doom_picture(content: bytes, palette: np.ndarray) -> np.ndarray:
    """A picture in Doom's format of columns, `(H, W, 4)` bytes: each column is posts of a top, a length and indexes."""
    width, height = struct.unpack_from("<HH", content)
    pixels = np.zeros((height, width, 4), np.uint8)
    for x, offset in enumerate(struct.unpack_from(f"<{width}I", content, 8)):
        while content[offset] != 255:
            top, length = content[offset : offset + 2]
            post = np.frombuffer(content, np.uint8, length, offset + 3)[: height - top]
            pixels[top : top + len(post), x, :3], pixels[top : top + len(post), x, 3] = palette[post], 255
            offset += length + 4
    return pixels


def take_tiled(unpacked: Path, target: Path) -> int:
    """The example maps."""
    [examples] = unpacked.rglob("examples")
    shutil.copytree(examples, target)
    return sum(path.is_file() for path in target.rglob("*"))


def take_wesnoth(unpacked: Path, target: Path) -> int:
    """The units of the human loyalists and of the elves."""
    [units] = unpacked.rglob("data/core/images/units")
    for kind in ("human-loyalists", "elves-wood"):
        shutil.copytree(units / kind, target / kind)
    return sum(path.is_file() for path in target.rglob("*"))


if __name__ == "__main__":
    sys.exit(main())
