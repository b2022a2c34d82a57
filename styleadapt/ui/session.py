"""Holds what belongs to one visitor (an adapter, pictures to download, a run to stop) as files in one folder.

Nothing of a visitor is kept in the shared pipeline, so one visitor's adapter cannot reach another.
"""

import contextlib
import os
import secrets
import shutil
import tempfile
import threading
import time
import weakref
from pathlib import Path

from gradio.context import LocalContext

from styleadapt.ui.limits import FILE_LIFETIME, MAX_VISITS_BYTES


class Visitor:
    """One visitor's folder. It has a random name, is made at the first file, and may be removed at any time.

    Parameters:
        folder: where this visitor's files go; need not exist.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._waiting: dict[str, Path] = {}
        self._running: set[Path] = set()

    @property
    def adapter_file(self) -> Path:
        """Path of the visitor's adapter, once there is one."""
        return self.folder / "my-style.safetensors"

    @property
    def has_adapter(self) -> bool:
        return self.adapter_file.is_file()

    @property
    def picture_file(self) -> Path:
        """Path of the full-size picture. The next one replaces it, so a visitor holds one at a time."""
        return self.folder / "stylized.png"

    @property
    def strip_file(self) -> Path:
        """Path of the strip of strengths."""
        return self.folder / "strengths.png"

    @property
    def regions_file(self) -> Path:
        """Path of the full-size picture of the Regions tab."""
        return self.folder / "regions.png"

    def restored_file(self, suffix: str) -> Path:
        """Path of the restored photo, of the kind that `suffix` names, such as ".jpg". One of another kind is removed."""
        file = self.folder / f"restored{suffix}"
        for earlier in self.folder.glob("restored.*"):
            if earlier != file:
                earlier.unlink(missing_ok=True)
        return file

    @property
    def zip_file(self) -> Path:
        """Path of the ZIP file of a batch."""
        return self.folder / "stylized.zip"

    @property
    def assets_file(self) -> Path:
        """Where the pictures of a set of game assets go."""
        return self.folder / "assets.zip"

    @property
    def animation_file(self) -> Path:
        """Where the animation of that set goes."""
        return self.folder / "animation.webp"

    @property
    def video_file(self) -> Path:
        """Path of the stylized clip."""
        return self.folder / "stylized.mp4"

    @property
    def domain_file(self) -> Path:
        """Where the visitor's adapter of the generator is, once there is one."""
        return self.folder / "my-domain.safetensors"

    @property
    def generated_file(self) -> Path:
        """Where the generated pictures go, as one sheet."""
        return self.folder / "generated.png"

    @property
    def way_file(self) -> Path:
        """Where the clip from one generated picture to another goes."""
        return self.folder / "interpolation.mp4"

    def touch(self) -> Path:
        """Make the folder, or mark it as in use, and return it."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.utime(self.folder)
        return self.folder

    def wait(self, work: str) -> None:
        """Work of this name waits in the queue from now on, where `stop` reaches it; a page has one of a name at a time."""
        self._waiting[work] = self._new_stop_file()

    def leave_queue(self, work: str) -> None:
        """Work of this name waits no more: it has ended, or did not begin."""
        self._waiting.pop(work, None)

    def begin_run(self, work: str) -> Path:
        """The stop file of work that starts now: the one with which it waited, or a new one. It exists once `stop` is asked for.

        Every piece of work has one of its own, so that a stop ends what there is at that moment and nothing that comes later. A
        file and not a flag in memory, because on ZeroGPU the work runs in another process.
        """
        stop_file = self._waiting.pop(work, None) or self._new_stop_file()
        self._running.add(stop_file)
        return stop_file

    def end_run(self, stop_file: Path) -> None:
        """Work has ended."""
        self._running.discard(stop_file)

    def _new_stop_file(self) -> Path:
        return self.touch() / f"{secrets.token_hex(8)}.stop"

    def keep_adapter(self, file: Path) -> None:
        """Make a copy of `file` the visitor's adapter, in place of any before it."""
        part = self.touch() / "part-my-style.safetensors"
        shutil.copyfile(file, part)
        os.replace(part, self.adapter_file)

    def stop(self) -> bool:
        """Ask what waits or runs to end with what it has so far. False when there is nothing."""
        stop_files = [*self._waiting.values(), *self._running]
        if stop_files:
            self.touch()
        for stop_file in stop_files:
            stop_file.touch()
        return bool(stop_files)

    def leave(self) -> None:
        """The page was closed: stop the work and drop the results. The adapter stays, for a phone that only slept.

        It holds no memory; an hour later gradio ends the visit, which removes it too.
        """
        self.stop()
        restored = self.folder.glob("restored.*")
        pictures = (self.picture_file, self.strip_file, self.regions_file, self.generated_file, *restored)
        sets = (self.zip_file, self.video_file, self.way_file, self.assets_file, self.animation_file)
        for file in (*pictures, *sets):
            file.unlink(missing_ok=True)

    def remove(self) -> None:
        """The visit is over: stop the work and delete everything."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Visitors:
    """Opens visits and sweeps what they left behind.

    Parameters:
        root: the folder that holds every visitor's folder; by default one in the system's temporary folder.
        lifetime: seconds after its last use until a visitor's folder is swept.
        quota: bytes that all folders may hold; beyond that, those unused for longest are swept.
    """

    def __init__(self, root: Path | None = None, lifetime: float = FILE_LIFETIME, quota: int = MAX_VISITS_BYTES):
        self.root = root or Path(tempfile.gettempdir()) / f"styleadapt-{os.getuid() if hasattr(os, 'getuid') else 'ui'}"
        self.lifetime = lifetime
        self.quota = quota
        self._by_session: weakref.WeakValueDictionary[str, Visitor] = weakref.WeakValueDictionary()
        self._lock = threading.Lock()

    def of(self, visitor: Visitor | None) -> Visitor:
        """The given visitor, marked as present; a new one for a client that came without opening the page.

        All of MCP's callers share one session of gradio's, which therefore tells nothing about whose call it is.
        """
        if visitor is None or _from_mcp():
            return self.open()
        visitor.touch()
        return visitor

    def open(self, session: str | None = None) -> Visitor:
        """A new visitor. `session` is the browser's session, by which `leave` finds the visitor again."""
        self.sweep()
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        visitor = Visitor(Path(tempfile.mkdtemp(dir=self.root)))
        if session:
            with self._lock:
                self._by_session[session] = visitor
        return visitor

    def leave(self, session: str | None) -> None:
        """A page was closed."""
        with self._lock:
            visitor = self._by_session.get(session) if session else None
        if visitor:
            visitor.leave()

    def sweep(self) -> None:
        """Delete folders that nobody used for `lifetime` seconds, of this process or of one that was killed, and those unused for
        longest as long as all together are larger than `quota`."""
        if not self.root.is_dir():
            return
        folders = []
        for folder in self.root.iterdir():
            with contextlib.suppress(OSError):
                folders.append((folder.stat().st_mtime, _bytes(folder), folder))
        total = sum(size for _, size, _ in folders)
        for used, size, folder in sorted(folders):
            if time.time() - used > self.lifetime or total > self.quota:
                shutil.rmtree(folder, ignore_errors=True)
                total -= size


def _bytes(folder: Path) -> int:
    total = 0
    for file in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += file.stat().st_size
    return total


def _from_mcp() -> bool:
    request = LocalContext.request.get(None)
    return request is not None and request.headers.get("x-gradio-user") == "mcp"
