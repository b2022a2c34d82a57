"""Writes the manifest of a folder of results: one JSON line for each photo, in one file for each process.

A killed process leaves at worst half a line, which is not read. `Manifest.merge` makes one file of them all.
"""

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Container, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, TextIO

from ..errors import ManifestError
from ..images.whole_files import write_whole

MANIFEST_FILE = "manifest.jsonl"
SETTINGS_FILE = "settings.json"
_PART_FILES = "manifest.part-*.jsonl"


@dataclass(frozen=True)
class Entry:
    """The outcome of one photo.

    Args:
        number, input, version: of the photo, see `photo_sources.Photo`.
        output: path of its result inside the folder, None if it failed.
        settings: fingerprint of the settings it was made with.
        width, height: of the result.
        seconds: that it took, with reading and writing.
        error: why it failed, None if it did not.
        finished: time in seconds since 1970.
        columns: of the photo's row in a data set.
    """

    number: int
    input: str
    version: str
    output: str | None
    settings: str
    width: int | None = None
    height: int | None = None
    seconds: float = 0.0
    error: str | None = None
    finished: float = field(default_factory=time.time)
    columns: dict[str, Any] = field(default_factory=dict)

    def line(self) -> str:
        """As JSON, with `status`, "done" or "failed", for people and their tools."""
        return json.dumps({**asdict(self), "status": "failed" if self.output is None else "done"}) + "\n"


class Manifest:
    """The manifest of a folder, as it stands when it is opened.

    Args:
        folder: of the results.
        part: number of this process, for the file it writes.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with Manifest(folder, part=0) as manifest:
    ...         manifest.add(Entry(0, "cat.jpg", "", "cat.png", "f00"))
    ...     Manifest(folder, part=1).entries["cat.jpg"].output
    'cat.png'
    """

    def __init__(self, folder: str | os.PathLike, part: int):
        self.folder, self.part = Path(folder), part
        self.entries = _latest(_read(self._files()))
        self._file: TextIO | None = None

    def __enter__(self) -> "Manifest":
        return self

    def __exit__(self, *exception: object) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def add(self, entry: Entry) -> None:
        """Writes an entry, to this process's file.

        Raises:
            OSError: the disk is full, or the folder cannot be written to.
        """
        if self._file is None:
            self._file = open(self.folder / _PART_FILES.replace("*", str(self.part)), "a", encoding="utf-8")  # noqa: SIM115
            # ends the half line of a killed process, which would take the next entry with it
            self._file.write("\n" if self._file.tell() else "")
        self._file.write(entry.line())
        self._file.flush()

    def merge(self, inputs: Container[str]) -> list[Entry]:
        """One file of all processes' files, in the photos' order, which takes their place. For one process, after the others.

        Args:
            inputs: all photos of the source; what failed and is no longer among them is forgotten.

        Returns:
            The entries. Of several for one photo, or for one result, the last stands.
        """
        files = self._files()
        results: dict[str, Entry] = {}
        for entry in sorted(_latest(_read(files)).values(), key=lambda e: e.finished):
            if entry.output is not None or entry.input in inputs:
                results[entry.output or f"{entry.input}\0failed"] = entry
        entries = sorted(results.values(), key=lambda e: (e.number, e.input))
        write_whole(self.folder / MANIFEST_FILE, "".join(entry.line() for entry in entries).encode())
        for file in files:
            if file.name != MANIFEST_FILE:
                file.unlink()
        return entries

    def _files(self) -> list[Path]:
        return [self.folder / MANIFEST_FILE, *sorted(self.folder.glob(_PART_FILES))]


def fingerprint(settings: dict[str, Any]) -> str:
    """Hashes settings to twelve hexadecimal digits.

    >>> fingerprint({"strength": 1.0}) == fingerprint({"strength": 0.5})
    False
    """
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]


def prepare_folder(folder: str | os.PathLike, settings: dict[str, Any], overwrite: bool = False) -> None:
    """Makes a folder ready for results of `settings`, or makes sure that it holds such. For one process, before the others.

    Args:
        settings: what the results depend on, in plain values.
        overwrite: remove results of other settings, as the manifest names them, and start anew.

    Raises:
        ManifestError: the folder holds results of other settings, or something else than results.
        OSError: it cannot be made or written to.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / SETTINGS_FILE
    if not file.is_file():
        found = next((path for path in folder.iterdir() if not _is_nothing(path)), None)
        if found is not None:
            raise ManifestError(
                f"{folder} holds {found.name} and no results of this command ({SETTINGS_FILE}); name a new or an empty folder"
            )
    elif overwrite:
        _remove_results(folder)
    else:
        _require_same(folder, settings)
    for partial in folder.rglob(".*.partial"):
        partial.unlink(missing_ok=True)
    write_whole(file, (json.dumps(settings, indent=2) + "\n").encode())


def _is_nothing(path: Path) -> bool:
    """What a killed process or the Finder of macOS leaves in a folder that is empty to its owner."""
    return path.name == ".DS_Store" or path.match(".*.partial")


def _require_same(folder: Path, settings: dict[str, Any]) -> None:
    try:
        before = json.loads((folder / SETTINGS_FILE).read_text(encoding="utf-8"))
        changed = [key for key in [*before, *settings] if before.get(key) != settings.get(key)]
    except (ValueError, TypeError, AttributeError):
        raise ManifestError(f"{folder / SETTINGS_FILE} is damaged; name another folder") from None
    if changed:
        key = changed[0]
        raise ManifestError(
            f"`{key}` is {settings.get(key)!r}, but the results in {folder} were made with {before.get(key)!r}; set it back, "
            "name another folder, or make them all anew with --overwrite"
        )


def _remove_results(folder: Path) -> None:
    manifest = Manifest(folder, part=0)
    for entry in manifest.entries.values():
        if entry.output is not None and _stays_inside(entry.output):
            (folder / entry.output).unlink(missing_ok=True)
    for file in manifest._files():
        file.unlink(missing_ok=True)


def _stays_inside(path: str) -> bool:
    return not PurePosixPath(path).is_absolute() and ".." not in PurePosixPath(path).parts


def _read(files: Iterable[Path]) -> Iterator[Entry]:
    """All entries; half a line, or one that someone has changed, is none."""
    for file in files:
        with contextlib.suppress(FileNotFoundError), open(file, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                with contextlib.suppress(ValueError, TypeError, AttributeError):
                    values = json.loads(line)
                    values.pop("status", None)
                    yield Entry(**values)


def _latest(entries: Iterable[Entry]) -> dict[str, Entry]:
    latest: dict[str, Entry] = {}
    for entry in entries:
        if entry.input not in latest or entry.finished >= latest[entry.input].finished:
            latest[entry.input] = entry
    return latest
