"""Reads the EXIF data of a PNG file, wherever its writer has put it, without decoding the pixels.

The standard's chunk `eXIf` may stand before or behind the pixels. ImageMagick, and what is built on it, writes the same bytes as
hexadecimal text under the keywords "Raw profile type exif" and "Raw profile type APP1", which is older than the chunk.
"""

import binascii
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PROFILES = (b"Raw profile type exif", b"Raw profile type APP1")
_PREFIX = b"Exif\0\0"
# A JPEG file holds 64 kB of EXIF; as hexadecimal text, with line breaks, that is a little more than twice as much.
_LONGEST = 1 << 18
_MOST_CHUNKS = 100_000


def png_exif(file: BinaryIO) -> bytes:
    """The EXIF data of a PNG file, a TIFF structure without prefix; empty if there is none, or none that can be read.

    Args:
        file: at any position; it is left at another.

    >>> import io
    >>> chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + bytes(4)
    >>> png_exif(io.BytesIO(_SIGNATURE + chunk(b"IDAT", bytes(9)) + chunk(b"eXIf", b"II*.") + chunk(b"IEND", b"")))
    b'II*.'
    """
    profile = b""
    for kind, data in _chunks(file):
        if kind == b"eXIf":
            return data.removeprefix(_PREFIX)
        profile = profile or _raw_profile(kind, data)
    return profile


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """The kinds and contents of the chunks that may hold EXIF; the others are passed over unread."""
    file.seek(0)
    if file.read(len(_SIGNATURE)) != _SIGNATURE:
        return
    for _ in range(_MOST_CHUNKS):
        header = file.read(8)
        if len(header) < 8:
            return
        length, kind = struct.unpack(">I4s", header)
        if kind in (b"eXIf", b"tEXt", b"zTXt", b"iTXt") and length <= _LONGEST:
            yield kind, file.read(length)
            file.seek(4, 1)
        else:
            file.seek(length + 4, 1)


def _raw_profile(kind: bytes, data: bytes) -> bytes:
    """The EXIF data in a chunk of text; empty if it holds something else.

    The text is a line break, the name of the profile, the number of bytes, and the bytes in hexadecimal.
    """
    keyword, _, rest = data.partition(b"\0")
    if keyword not in _PROFILES:
        return b""
    compressed = kind == b"zTXt"
    if kind == b"iTXt":
        compressed = rest[:1] == b"\1"
        # After the two bytes about compression follow the language and the translated keyword.
        rest = rest[2:].split(b"\0", 2)[-1]
    elif compressed:
        rest = rest[1:]
    try:
        text = zlib.decompressobj().decompress(rest, _LONGEST) if compressed else rest
        _, length, *lines = text.strip().split(b"\n")
        profile = binascii.unhexlify(b"".join(b"".join(lines).split()))
        if len(profile) < int(length):
            return b""
    except (zlib.error, ValueError):
        return b""
    # An APP1 profile without the prefix is XMP.
    return profile.removeprefix(_PREFIX) if keyword.endswith(b"exif") or profile.startswith(_PREFIX) else b""
