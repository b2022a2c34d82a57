"""Writes files atomically, and checks before the work whether a path can be written."""

import contextlib
import os
import secrets
from pathlib import Path


def write_whole(path: Path, data: bytes | memoryview) -> None:
    """Writes a file in a folder that exists; it appears whole or not at all.

    Raises:
        OSError: it cannot be written; the error names `path`, and what stood there still stands.
    """
    # The name does not contain the file's own, which may be as long as the file system allows.
    partial = path.with_name(f".{secrets.token_hex(8)}.partial")
    try:
        with open(partial, "xb") as file:
            file.write(data)
        os.replace(partial, path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def check_writable(path: Path) -> None:
    """Makes sure that `write_whole` can write a file, before work begins whose result it is. Missing folders are made.

    Raises:
        OSError: a folder is not there and cannot be made, or cannot be written to; `path` is a folder, or too long a name.

    >>> check_writable(Path("/"))
    Traceback (most recent call last):
    IsADirectoryError: [Errno 21] Is a directory: '/'
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(20, "Not a directory", str(path.parent)) from error
    if path.is_dir():
        raise IsADirectoryError(21, "Is a directory", str(path))
    with contextlib.suppress(FileNotFoundError):
        path.lstat()  # fails for a name that is too long
    probe = path.with_name(f".{secrets.token_hex(8)}.partial")
    try:
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
