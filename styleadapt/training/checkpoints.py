"""Checkpoint folders: written whole or not at all, rotated, and found again."""

import json
import logging
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

logger = logging.getLogger(__name__)

_NAME = re.compile(r"checkpoint-(\d+)")
_MARK = "complete"


def checkpoint_step(folder: Path) -> int:
    """The step in a checkpoint folder's name.

    >>> checkpoint_step(Path("run/checkpoint-500"))
    500
    """
    match = _NAME.fullmatch(folder.name)
    if match is None:
        raise ValueError(f"{folder} is no checkpoint folder; they are called checkpoint-STEP")
    return int(match.group(1))


def complete_checkpoints(run: str | os.PathLike) -> list[Path]:
    """Checkpoints of a run that were written to the end and are still whole, oldest first; the others are named in the log."""
    return [folder for folder in _marked_checkpoints(run) if _is_whole(folder)]


def save_checkpoint(run: str | os.PathLike, step: int, write: Callable[[Path], object], limit: int) -> Path:
    """Calls `write(folder)` on a temporary folder, then renames it to `checkpoint-STEP` and drops the oldest beyond `limit`."""

    def write_and_mark(folder: Path) -> None:
        write(folder)
        sizes = {str(p.relative_to(folder)): p.stat().st_size for p in folder.rglob("*") if p.is_file()}
        (folder / _MARK).write_text(json.dumps(sizes))

    final = replace_folder(Path(run) / f"checkpoint-{step}", write_and_mark)
    for old in _marked_checkpoints(run)[:-limit] if limit else []:
        shutil.rmtree(old)
    return final


def replace_folder(final: Path, write: Callable[[Path], object]) -> Path:
    """Calls `write(folder)` on a temporary folder and renames it to `final`: a folder of that name is whole."""
    temporary = final.with_name(f"tmp-{final.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    write(temporary)
    if final.exists():
        shutil.rmtree(final)
    os.replace(temporary, final)
    return final


def resolve_checkpoint(run: str | os.PathLike, wanted: str) -> Path | None:
    """The checkpoint folder that `resume_from_checkpoint` names: `latest` of this run (None if it has none yet), or a path.

    Raises:
        FileNotFoundError: a named checkpoint that is absent or incomplete.
    """
    if wanted == "latest":
        found = complete_checkpoints(run)
        return found[-1] if found else None
    for folder in (Path(wanted), Path(run) / wanted):
        if (folder / _MARK).is_file() and _is_whole(folder):
            return folder
    have = ", ".join(p.name for p in complete_checkpoints(run)) or "none"
    raise FileNotFoundError(f"no complete checkpoint at {wanted}; {run} has: {have}")


def _marked_checkpoints(run: str | os.PathLike) -> list[Path]:
    found = [p for p in Path(run).glob("checkpoint-*") if _NAME.fullmatch(p.name) and (p / _MARK).is_file()]
    return sorted(found, key=checkpoint_step)


def _is_whole(folder: Path) -> bool:
    """Have all files of a checkpoint the sizes that they were written with?"""
    for name, size in json.loads((folder / _MARK).read_text() or "{}").items():
        file = folder / name
        have = file.stat().st_size if file.is_file() else 0
        if have != size:
            logger.warning("skipping the checkpoint %s: %s has %d bytes, %d were written", folder, name, have, size)
            return False
    return True
