"""Checkpoint folders: written whole or not at all, rotated, and found again."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

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
    """Checkpoints of a run that were written to the end, oldest first."""
    found = [p for p in Path(run).glob("checkpoint-*") if _NAME.fullmatch(p.name) and (p / _MARK).is_file()]
    return sorted(found, key=checkpoint_step)


def save_checkpoint(run: str | os.PathLike, step: int, write: Callable[[Path], object], limit: int) -> Path:
    """Calls `write(folder)` on a temporary folder, then renames it to `checkpoint-STEP` and drops the oldest beyond `limit`."""
    final = Path(run) / f"checkpoint-{step}"
    temporary = Path(run) / f"tmp-checkpoint-{step}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    write(temporary)
    (temporary / _MARK).touch()
    if final.exists():
        shutil.rmtree(final)
    os.replace(temporary, final)
    for old in complete_checkpoints(run)[:-limit] if limit else []:
        shutil.rmtree(old)
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
        if (folder / _MARK).is_file():
            return folder
    have = ", ".join(p.name for p in complete_checkpoints(run)) or "none"
    raise FileNotFoundError(f"no complete checkpoint at {wanted}; {run} has: {have}")
