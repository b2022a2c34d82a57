"""What a path on the command line names, and where results may go, so that nothing that is read is overwritten."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from .options import CLIP_EXTENSIONS

SEPARATORS = tuple(filter(None, (os.sep, os.altsep)))


def names_dataset(entry: str) -> bool:
    """Whether an input has the form `user/name` of a data set of the Hub, and is no file and no wrong path of one.

    >>> [names_dataset(entry) for entry in ("user/data-v1.5", "photos/gone.jpg", "./photos", "photos")]
    [True, False, False, False]
    """
    from ..images.image_files import is_image

    path = Path(entry)
    return (
        bool(re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", entry))
        and not path.exists()
        and not is_image(path)
        and path.suffix.lower() not in CLIP_EXTENSIONS
    )


def check_folder_name(output: str) -> None:
    """Raises ValueError if the output of many photos is named like an image or a clip, unless a slash ends it or it is there.

    >>> check_folder_name("out.png")
    Traceback (most recent call last):
    ValueError: --output out.png is one file; several photos need a folder, whose name may have a slash at its end
    """
    from ..images.images import WRITABLE_EXTENSIONS

    path = Path(output)
    if path.suffix.lower() in (*WRITABLE_EXTENSIONS, *CLIP_EXTENSIONS) and not output.endswith(SEPARATORS) and not path.is_dir():
        raise ValueError(f"--output {output} is one file; several photos need a folder, whose name may have a slash at its end")


def check_not_read(targets: Iterable[Path], sources: Iterable[Path]) -> None:
    """Raises ValueError if a result would replace a file that is read, under whatever name."""
    read = {_identity(source) for source in sources} - {None}
    for target in targets:
        if _identity(target) in read:
            raise ValueError(f"the output {target} would overwrite a file that is read; give another --output")


def check_outside(output: str, folder: str) -> None:
    """Raises ValueError if results would lie in the folder that photos are read from, which then would be read as photos."""
    target = Path(output).resolve()
    if _identity(Path(folder)) in map(_identity, (target, *target.parents)):
        raise ValueError(f"--output {output} lies in the folder of photos {folder}; name another folder")


def _identity(path: Path) -> tuple[int, int] | None:
    """Tells a file or folder from all others whatever it is called: disks that ignore case know it by several names. None of one
    that is not there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
