"""Makes safe file names for results from names of any origin: data sets, folders of others, uploads."""

import re
import unicodedata
import zlib

from ..images.formats import IMAGE_EXTENSIONS
from ..images.metadata import ImageMetadata

FORMATS = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}
# formats that a photo's result keeps, with the extensions it keeps if it has them
_KEPT = {
    "JPEG": (".jpg", ".jpeg"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp",),
}
_WITHOUT_ALPHA = (".jpg", ".jpeg", ".bmp")

_SEPARATORS = re.compile(r"[/\\]+")
_FORBIDDEN = re.compile(r'[<>:"|?*]')
# devices of Windows, whatever extension they are given
RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])\s*(\..*)?", re.IGNORECASE)
_LONGEST_PART = 120  # bytes; file systems take 255, and an extension, a number and a partial file's name have to fit
_DEEPEST = 8


def portable_name(name: str) -> str:
    """A relative path without extension that stays inside its folder on every file system, as like `name` as that allows.

    Both slashes separate folders. `.` and `..`, drives and leading slashes lose their meaning; what is invisible, or forbidden
    on Windows, becomes `_`; hidden names and names of devices get a `_`; parts that are too long are cut and end in a check sum.
    Only an extension of an image file is taken off.

    >>> portable_name("holiday/cat.JPG"), portable_name("../../etc/passwd"), portable_name("C:\\\\nul.png")
    ('holiday/cat', 'etc/passwd', 'C_/nul_')
    """
    parts = [part for part in _SEPARATORS.split(name) if part.strip(" .")]
    if parts and parts[-1].lower().endswith(IMAGE_EXTENSIONS):
        parts[-1] = parts[-1].rpartition(".")[0]
    *folders, last = [_portable_part(part) for part in parts[-_DEEPEST:]] or ["_"]
    # a folder `a.png` would stand where the result of `a` goes
    return "/".join([*(f"{folder}_" if folder.lower().endswith(IMAGE_EXTENSIONS) else folder for folder in folders), last])


def result_suffix(format: str, source: ImageMetadata, source_suffix: str, alpha: bool) -> str:
    """Extension of a result.

    Args:
        format: as in `make_pictures`.
        source: of the photo.
        source_suffix: extension of the photo's file, or "".
        alpha: the result has transparent pixels.

    >>> result_suffix("keep", ImageMetadata(format="JPEG"), ".JPG", False), result_suffix("jpeg", ImageMetadata(), "", True)
    ('.JPG', '.png')
    """
    if format == "keep":
        known = _KEPT.get(source.format or "", (".png",))
        suffix = source_suffix if source_suffix.lower() in known else known[0]
    else:
        suffix = FORMATS[format]
    return ".png" if alpha and suffix.lower() in _WITHOUT_ALPHA else suffix


def _portable_part(part: str) -> str:
    part = unicodedata.normalize("NFC", part)
    part = "".join(c if c.isprintable() else "_" for c in _FORBIDDEN.sub("_", part)).strip(" ").rstrip(" .")
    # names that begin so are hidden, or passed over by `datasets`
    if part.startswith((".", "__")) or not part:
        part = "_" + part.lstrip("._")
    if RESERVED.fullmatch(part):
        part = re.sub(r"^[^.\s]+", r"\g<0>_", part)
    encoded = part.encode()
    if len(encoded) > _LONGEST_PART:
        part = encoded[: _LONGEST_PART - 9].decode(errors="ignore") + f"-{zlib.crc32(encoded):08x}"
    return part


class ResultNames:
    """Portable names, no two of which are the same, or the same but for upper and lower case: the second gets `-2`.

    The names depend on nothing but the order of asking, so that every process and every run gives the same.

    >>> names = ResultNames()
    >>> names.take("cat.jpg"), names.take("Cat.png"), names.take("sub/cat.jpg")
    ('cat', 'Cat-2', 'sub/cat')
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._next: dict[str, int] = {}

    def take(self, name: str) -> str:
        """A new name that is like `name`."""
        wanted = candidate = portable_name(name)
        n = self._next.get(_key(wanted), 2)
        while _key(candidate) in self._taken:
            candidate, n = f"{wanted}-{n}", n + 1
        self._next[_key(wanted)] = n
        self._taken.add(_key(candidate))
        return candidate


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name.casefold())
