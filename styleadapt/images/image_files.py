"""Lists the image files of a folder: skips files of the operating system, and follows links."""

import logging
import os
from collections import deque
from pathlib import Path

from .formats import IMAGE_EXTENSIONS, READABLE_EXTENSIONS

logger = logging.getLogger(__name__)

# Beside everything hidden: previews, remains of archives and rubbish bins of macOS, Windows and network drives.
_SYSTEM_FOLDERS = ("@eadir", "__macosx", "#recycle", "$recycle.bin", "system volume information", "lost+found")


def list_images(folder: str | os.PathLike) -> list[Path]:
    """All image files below `folder`, sorted; also those in formats that are not read, which fail by name when they are opened.

    Raises:
        FileNotFoundError: `folder` does not exist or holds no image file.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"no image folder at {folder}")
    files = [file for file in list_files(folder) if is_image(file)]
    if not files:
        raise FileNotFoundError(f"{folder} holds no image file ({', '.join(READABLE_EXTENSIONS)})")
    return files


def is_image(file: Path) -> bool:
    """Whether a file is an image by its name.

    >>> is_image(Path("Photo.JFIF")), is_image(Path("photo.heic")), is_image(Path("notes.txt"))
    (True, True, False)
    """
    return file.suffix.lower() in IMAGE_EXTENSIONS


def list_files(folder: Path) -> list[Path]:
    """All files below `folder`, sorted.

    Hidden files and folders (`._photo.png`, `.thumbnails`) and those that systems keep (`@eaDir`, `__MACOSX`) are passed over.
    Linked folders are entered, and a folder that several links lead to is entered once, under its own name if that is below
    `folder`. A folder below it that cannot be read is named in the log.

    Raises:
        OSError: `folder` cannot be read.
    """
    files: list[Path] = []
    entered: set[tuple[int, int]] = set()
    waiting = deque([folder])
    while waiting:
        current = waiting.popleft()
        try:
            status = current.stat()
            if (status.st_dev, status.st_ino) in entered:
                continue
            entered.add((status.st_dev, status.st_ino))
            entries = list(os.scandir(current))
        except OSError as error:
            if current == folder:
                raise
            logger.warning("the folder %s cannot be read: %s", current, error.strerror)
            continue
        for entry in sorted(entries, key=lambda e: e.name):
            if entry.name.startswith(".") or entry.name.lower() in _SYSTEM_FOLDERS:
                continue
            path = current / entry.name
            if entry.is_dir(follow_symlinks=False):
                waiting.appendleft(path)
            elif os.path.isdir(path):  # never fails, as the entry would for a link that leads to itself
                waiting.append(path)
            else:
                files.append(path)
    return sorted(files)
