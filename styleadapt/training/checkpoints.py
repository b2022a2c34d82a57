"""Writes checkpoint folders atomically, deletes old ones, and finds the latest."""

import json
import logging
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from ..errors import ConfigError

logger = logging.getLogger(__name__)

_NAME = re.compile(r"checkpoint-(\d+)")
# what a killed save may leave behind; `shared` is where several processes write before one of them renames
_LEFTOVER = re.compile(r"tmp-(?:old-)?(?:checkpoint|shared)-(\d+)")
_MARK = "complete"


def checkpoint_step(folder: Path) -> int:
    """The step in a checkpoint folder's name.

    >>> checkpoint_step(Path("run/checkpoint-500"))
    500
    """
    match = _NAME.fullmatch(folder.name)
    if match is None:
        raise ConfigError(f"{folder} is no checkpoint folder; they are called checkpoint-STEP")
    return int(match.group(1))


def complete_checkpoints(run: str | os.PathLike) -> list[Path]:
    """Checkpoints of a run that were written to the end and are still whole, oldest first; the others are named in the log."""
    return [folder for folder in _marked_checkpoints(run) if _is_whole(folder)]


def save_checkpoint(run: str | os.PathLike, step: int, write: Callable[[Path], object], limit: int) -> Path:
    """Calls `write(folder)` on a temporary folder, then renames it to `checkpoint-STEP` and drops what is no longer needed: older
    ones beyond `limit` or no longer whole, unless it is 0, which keeps all, and what killed saves left behind."""

    def write_and_mark(folder: Path) -> None:
        write(folder)
        sizes = {str(p.relative_to(folder)): p.stat().st_size for p in folder.rglob("*") if p.is_file()}
        (folder / _MARK).write_text(json.dumps(sizes), encoding="utf-8")

    final = replace_folder(Path(run) / f"checkpoint-{step}", write_and_mark)
    reached = [folder for folder in _marked_checkpoints(run) if checkpoint_step(folder) <= step]
    kept = [folder for folder in reached if _fault(folder) is None][-limit:] if limit else reached
    for folder in reached:
        if folder not in kept:
            shutil.rmtree(folder)
    for folder in Path(run).glob("tmp-*"):
        match = _LEFTOVER.fullmatch(folder.name)
        if match and folder.name != f"tmp-shared-{step}":
            shutil.rmtree(folder, ignore_errors=True)
    return final


def replace_folder(final: Path, write: Callable[[Path], object]) -> Path:
    """Calls `write(folder)` on a temporary folder and renames it to `final`: a folder of that name is whole at any time, even
    while an older one gives way to it."""
    temporary, old = (final.with_name(f"{prefix}{final.name}") for prefix in ("tmp-", "tmp-old-"))
    if old.exists() and not final.exists():
        old.rename(final)
    for leftover in (temporary, old):
        shutil.rmtree(leftover, ignore_errors=True)
    temporary.mkdir(parents=True)
    write(temporary)
    if final.exists():
        final.rename(old)
    os.replace(temporary, final)
    shutil.rmtree(old, ignore_errors=True)
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


def require_none_after(run: str | os.PathLike, step: int) -> None:
    """A run that starts at `step` must not have checkpoints of later steps in its folder: the next `latest` would be theirs.

    Raises:
        ConfigError: there are such checkpoints.
    """
    later = [f.name for f in _marked_checkpoints(run) if checkpoint_step(f) > step and _fault(f) is None]
    if later:
        raise ConfigError(
            f"`output_dir` is {os.fspath(run)!r}, which holds checkpoints of an earlier run ({', '.join(later)}), and this run "
            f"would start at step {step}: pass --resume_from_checkpoint latest to go on with that run, or name another "
            "`output_dir`, or delete them"
        )


def _marked_checkpoints(run: str | os.PathLike) -> list[Path]:
    found = [p for p in Path(run).glob("checkpoint-*") if _NAME.fullmatch(p.name) and (p / _MARK).is_file()]
    return sorted(found, key=checkpoint_step)


def _is_whole(folder: Path) -> bool:
    fault = _fault(folder)
    if fault:
        logger.warning("skipping the checkpoint %s: %s", folder, fault)
    return fault is None


def _fault(folder: Path) -> str | None:
    """What is wrong with a checkpoint, whose files must have the sizes that they were written with."""
    try:
        sizes = json.loads((folder / _MARK).read_text(encoding="utf-8"))
    except ValueError:
        sizes = None
    if not isinstance(sizes, dict) or not sizes:
        return f"its list of files, {_MARK!r}, is empty or cut"
    for name, size in sizes.items():
        file = folder / name
        have = file.stat().st_size if file.is_file() else 0
        if have != size:
            return f"{name} has {have} bytes, {size} were written"
    return None
