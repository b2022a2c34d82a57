"""Image files made to do harm: each is small on the wire and large, endless or foreign behind it."""

import io
import struct
import zipfile
import zlib

from PIL import Image

from .client import picture

SIDE = 60_000


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, rows: bytes, *more: bytes) -> bytes:
    """An 8-bit gray PNG of any claimed size around any compressed rows, with chunks of one's own."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [_chunk(b"IHDR", header), *more, _chunk(b"IDAT", zlib.compress(rows, 9)), _chunk(b"IEND", b"")]
    )


def png_of_zeros() -> bytes:
    """3.6 gigapixels that are really there, in a few hundred kilobytes."""
    packer = zlib.compressobj(9)
    row = b"\0" * (SIDE + 1)
    # One flushed block stands for a thousand rows, and deflate lets it be repeated.
    packer.compress(row)
    packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(row * 50) + packer.flush(zlib.Z_FULL_FLUSH)
    rows = b"\x78\x9c" + block * (SIDE // 50)
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")


def png_with_text_bomb() -> bytes:
    """A small picture with a comment of 100 MB."""
    return png(8, 8, b"\0" * 72, _chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"a" * 100_000_000, 9)))


def png_with_profile_bomb() -> bytes:
    """A small picture with a color profile of 100 MB."""
    return png(8, 8, b"\0" * 72, _chunk(b"iCCP", b"icc\0\0" + zlib.compress(b"a" * 100_000_000, 9)))


def gif() -> bytes:
    """A GIF whose canvas is 65,535 pixels square."""
    good = picture(size=(8, 8), kind="GIF")
    return good[:6] + struct.pack("<HH", 65_535, 65_535) + good[10:]


def gif_frame() -> bytes:
    """A GIF with a small canvas and an immense first frame."""
    good = bytearray(picture(size=(8, 8), kind="GIF"))
    at = good.index(b"\x2c", 13)
    good[at + 5 : at + 9] = struct.pack("<HH", 65_535, 65_535)
    return bytes(good)


def tiff() -> bytes:
    """A deflated TIFF that claims 60,000 pixels square."""
    return _tiff_with({256: SIDE, 257: SIDE})


def tiff_strip() -> bytes:
    """A TIFF of 8 x 8 pixels whose one strip unpacks to 200 MB."""
    strip = zlib.compress(b"\0" * 200_000_000, 9)
    return _tiff_with({259: 8, 279: len(strip)}, strip)


def tiff_loop() -> bytes:
    """A TIFF whose directory names itself as the next one."""
    good = bytearray(_tiff_with({}))
    start = struct.unpack_from("<I", good, 4)[0]
    count = struct.unpack_from("<H", good, start)[0]
    struct.pack_into("<I", good, start + 2 + 12 * count, start)
    return bytes(good)


def _tiff_with(fields: dict[int, int], strip: bytes | None = None) -> bytes:
    """A little-endian gray TIFF of 8 x 8 pixels with some of its fields written over, around `strip`."""
    strip = strip if strip is not None else bytes(64)
    entries = {256: 8, 257: 8, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 8, 279: len(strip), **fields}
    directory = struct.pack("<H", len(entries)) + b"".join(
        struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(entries.items())
    )
    return b"II*\0" + struct.pack("<I", 8 + len(strip)) + strip + directory + struct.pack("<I", 0)


def webp() -> bytes:
    """A WebP whose canvas is 16,384 pixels square, the most there is: two gigabytes for its decoder."""
    file = io.BytesIO()
    Image.new("RGBA", (8, 8), (0, 0, 0, 128)).save(file, "WEBP", save_all=True, append_images=[Image.new("RGBA", (8, 8))])
    good = bytearray(file.getvalue())
    at = good.index(b"VP8X") + 8
    good[at + 4 : at + 10] = b"\xff\x3f\x00\xff\x3f\x00"
    return bytes(good)


def jpeg() -> bytes:
    """A JPEG that claims 65,500 pixels square."""
    good = bytearray(picture(size=(8, 8), kind="JPEG"))
    at = good.index(b"\xff\xc0") + 5
    good[at : at + 4] = struct.pack(">HH", 65_500, 65_500)
    return bytes(good)


def bmp() -> bytes:
    """A BMP that claims 60,000 pixels square."""
    good = bytearray(picture(size=(8, 8), kind="BMP"))
    good[18:26] = struct.pack("<ii", SIDE, SIDE)
    return bytes(good)


def ppm() -> bytes:
    """Twenty bytes that claim ten gigapixels."""
    return b"P6 100000 100000 255\n"


def zip_bomb() -> bytes:
    """An archive of 100 MB of zeros under the name of a picture."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("picture.png", bytes(100_000_000))
    return file.getvalue()


FOREIGN = {
    "empty": b"",
    "text": b"not a picture\n" * 20,
    "svg": b'<?xml version="1.0"?><!DOCTYPE s [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
    b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><image href="file:///etc/passwd"/>&b;</svg>',
    "html": b"<html><script>alert(1)</script></html>",
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n(/etc/passwd) (r) file\n",
    "pdf": b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\n",
    "pickle": b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.",
    "program": b"\x7fELF\x02\x01\x01" + bytes(60),
}

BOMBS = {
    bomb.__name__: bomb
    for bomb in (
        png_of_zeros,
        png_with_text_bomb,
        png_with_profile_bomb,
        gif,
        gif_frame,
        tiff,
        tiff_strip,
        tiff_loop,
        webp,
        jpeg,
        bmp,
        ppm,
        zip_bomb,
    )
}
