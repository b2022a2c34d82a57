"""Made image sets: image k is 4 x 4 pixels of red level k, so that a sample tells which one it is."""

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image


def encoded(k: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), (k, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def level(sample) -> int:
    """Which image a sample is."""
    return sample.image.getpixel((0, 0))[0]


def make_folder(folder: Path, count: int, broken: Sequence[int] = (), classes: int = 0) -> Path:
    """`00.png`, `01.png`, ...; in subfolders `c0`, `c1`, ... by turns if there are classes."""
    for k in range(count):
        file = folder / (f"c{k % classes}" if classes else "") / f"{k:02}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encoded(k)[:40] if k in broken else encoded(k))
    return folder


def make_parquet(folder: Path, count: int, files: int = 1, broken: Sequence[int] = ()) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(exist_ok=True)
    for part in range(files):
        numbers = range(part, count, files)
        images = [{"bytes": b"broken" if k in broken else encoded(k), "path": f"{k}.png"} for k in numbers]
        table = pa.table({"picture": images, "label": [k % 2 for k in numbers], "caption": [f"red {k}" for k in numbers]})
        pq.write_table(table, folder / f"{part}.parquet", row_group_size=2)
    return folder


def make_tars(folder: Path, count: int, files: int = 1, broken: Sequence[int] = ()) -> Path:
    folder.mkdir(exist_ok=True)
    for part in range(files):
        with tarfile.open(folder / f"{part}.tar", "w") as tar:
            for k in range(part, count, files):
                for extension, data in (("png", b"broken" if k in broken else encoded(k)), ("cls", str(k % 2).encode())):
                    info = tarfile.TarInfo(f"{k:02}.{extension}")
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
    return folder


MAKERS = {"folder": make_folder, "parquet": make_parquet, "tars": make_tars}
