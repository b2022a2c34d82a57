"""Reads PNG files that Pillow refuses for their long compressed texts or large color profiles."""

import io
import struct
import zlib
from typing import BinaryIO

from PIL import PngImagePlugin

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_PROFILE = b"iCCP"


def without_oversized_chunks(file: BinaryIO) -> BinaryIO:
    """Leaves out the text and profile chunks of a PNG file that exceed Pillow's limits, which would refuse the whole file.

    Args:
        file: a seekable PNG file. It is read from its start and left at any place.

    Returns:
        `file` itself where nothing has to be left out, else a copy in memory.

    >>> from PIL import Image
    >>> file = io.BytesIO()
    >>> Image.new("RGB", (4, 3)).save(file, "PNG")
    >>> without_oversized_chunks(file) is file
    True
    """
    kept: list[tuple[int, int]] = []
    start = position = len(SIGNATURE)
    memory = PngImagePlugin.MAX_TEXT_MEMORY
    file.seek(position)
    while len(header := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", header)
        end = position + 12 + length
        if kind in (*_TEXTS, _PROFILE):
            size = _unpacked_size(kind, file.read(length))
            if size is None or (kind in _TEXTS and size > memory):
                kept.append((start, position))
                start = end
            elif kind in _TEXTS:
                memory -= size
        file.seek(end)
        position = end
    if not kept:
        return file
    kept.append((start, max(start, position)))
    copy = io.BytesIO()
    copy.write(SIGNATURE)
    for first, stop in kept:
        file.seek(first)
        copy.write(file.read(stop - first))
    return copy


def _unpacked_size(kind: bytes, data: bytes) -> int | None:
    """How many bytes a text or a profile has; None for more than Pillow unpacks, and for a compression that PNG does not know."""
    _, _, rest = data.partition(b"\0")
    if kind == b"tEXt":
        return len(rest)
    method, packed = rest[:1], rest[1:]
    if kind == b"iTXt":
        compressed, method = rest[:1], rest[1:2]
        packed = rest[2:].split(b"\0", 2)[-1]
        if compressed in (b"", b"\0"):
            return len(packed)
    if method not in (b"", b"\0"):
        return None
    unpacker = zlib.decompressobj()
    try:
        size = len(unpacker.decompress(packed, PngImagePlugin.MAX_TEXT_CHUNK))
    except zlib.error:
        return 0  # Pillow passes over it
    return None if unpacker.unconsumed_tail else size
