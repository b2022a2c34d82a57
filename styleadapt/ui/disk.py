"""Limits the disk space of uploads and results: deletes the oldest files when they are too old or too many.

Gradio's own `delete_cache` knows only files that it has handed out: it leaves what an interrupted upload wrote, empty folders,
and any amount of files that are young.
"""

import asyncio
import contextlib
import logging
import os
import tempfile
import time
from collections.abc import AsyncIterator, Collection
from pathlib import Path

import anyio.to_thread
import gradio as gr
from gradio.routes import App
from gradio.utils import get_upload_folder

from styleadapt.ui.limits import FILE_LIFETIME, MAX_CACHE_BYTES, TIDY_EVERY

logger = logging.getLogger(__name__)

# An upload makes its folder just before it moves a file in.
_EMPTY_SECONDS = 60


def own_cache() -> None:
    """Give gradio's uploads and results a folder of this app, where no other app's files are. To be called before it has any."""
    user = os.getuid() if hasattr(os, "getuid") else "ui"
    os.environ.setdefault("GRADIO_TEMP_DIR", str(Path(tempfile.gettempdir()) / f"styleadapt-cache-{user}"))


def tidy(folder: Path, kept: Collection[str] = (), lifetime: float = FILE_LIFETIME, quota: int = MAX_CACHE_BYTES) -> None:
    """Delete files under `folder` that are older than `lifetime` seconds, the oldest as long as all are larger than `quota` bytes
    together, and folders that are empty.

    Parameters:
        kept: paths of files that stay, whatever their age.
    """
    now = time.time()
    files = []
    for where, _, names in os.walk(folder, topdown=False):
        for path in (Path(where) / name for name in names):
            with contextlib.suppress(OSError):
                state = path.stat()
                files.append((_changed(state), state.st_size, path))
        if Path(where) != folder:
            with contextlib.suppress(OSError):
                if now - os.stat(where).st_mtime > _EMPTY_SECONDS:
                    os.rmdir(where)
    total = sum(size for _, size, _ in files)
    for changed, size, path in sorted(files):
        if (now - changed > lifetime or total > quota) and str(path) not in kept:
            path.unlink(missing_ok=True)
            total -= size


def _changed(state: os.stat_result) -> float:
    # Gradio renews the second when it hands a file out once more.
    return max(state.st_mtime, state.st_ctime)


@contextlib.asynccontextmanager
async def housekeeping(server: App) -> AsyncIterator[None]:
    """A lifespan for `launch(app_kwargs={"lifespan": ...})`: while the server runs, it tidies every `TIDY_EVERY` seconds.

    The interface that it serves has the visitors in an attribute `visitors`.
    """
    task = asyncio.create_task(_repeat(server.get_blocks()))
    try:
        yield
    finally:
        task.cancel()


async def _repeat(blocks: gr.Blocks) -> None:
    while True:
        await asyncio.sleep(TIDY_EVERY)
        try:
            await anyio.to_thread.run_sync(tidy_all, blocks)
        except Exception:
            logger.exception("The disk could not be tidied; the next try follows")


def tidy_all(blocks: gr.Blocks) -> None:
    """Tidy gradio's cache and the visitors' folders, and let gradio forget the names of files that are gone."""
    kept = {file for block in list(blocks.blocks.values()) for file in getattr(block, "keep_in_cache", ())}
    tidy(Path(get_upload_folder()), kept)
    for names in blocks.temp_file_sets:
        names.difference_update([name for name in list(names) if not os.path.exists(name)])
    blocks.visitors.sweep()  # type: ignore[attr-defined]
