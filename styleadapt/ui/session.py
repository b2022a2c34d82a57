"""What belongs to one visitor: an adapter, pictures to download, a running adaptation. All of it is files in one folder.

Nothing of a visitor is kept in the shared pipeline, so one visitor's adapter cannot reach another.
"""

import os
import secrets
import shutil
import tempfile
import threading
import time
import weakref
from pathlib import Path

from styleadapt.ui.limits import FILE_LIFETIME


class Visitor:
    """One visitor's folder. It has a random name, is made at the first file, and may be removed at any time.

    Parameters:
        folder: where this visitor's files go; need not exist.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.stop_file: Path | None = None

    @property
    def adapter_file(self) -> Path:
        """Where the visitor's adapter is, once there is one."""
        return self.folder / "my-style.safetensors"

    @property
    def has_adapter(self) -> bool:
        return self.adapter_file.is_file()

    @property
    def picture_file(self) -> Path:
        """Where the full-size picture goes. The next one replaces it, so a visitor holds one at a time."""
        return self.folder / "stylised.png"

    def touch(self) -> Path:
        """Make the folder, or mark it as in use, and return it."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.utime(self.folder)
        return self.folder

    def begin_run(self) -> Path:
        """A new stop file for an adaptation that is about to wait in the queue or start. It exists once `stop` is asked for.

        A file and not a flag in memory, because on ZeroGPU the adaptation runs in another process.
        """
        self.stop_file = self.touch() / f"{secrets.token_hex(8)}.stop"
        return self.stop_file

    def end_run(self) -> None:
        """The adaptation has ended: there is nothing to stop any more."""
        self.stop_file = None

    def keep_adapter(self, file: Path) -> None:
        """Make a copy of `file` the visitor's adapter, in place of any before it."""
        part = self.touch() / "part-my-style.safetensors"
        shutil.copyfile(file, part)
        os.replace(part, self.adapter_file)

    def stop(self) -> bool:
        """Ask a waiting or running adaptation to end with its best state so far. False when there is none."""
        if self.stop_file is None:
            return False
        self.touch()
        self.stop_file.touch()
        return True

    def leave(self) -> None:
        """The page was closed: stop the work and drop the pictures. The adapter stays, for a phone that only slept."""
        self.stop()
        self.picture_file.unlink(missing_ok=True)

    def remove(self) -> None:
        """The visit is over: stop the work and delete everything."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Visitors:
    """Opens visits and sweeps what they left behind.

    Parameters:
        root: the folder that holds every visitor's folder; by default one in the system's temporary folder.
        lifetime: seconds after its last use until a visitor's folder is swept.
    """

    def __init__(self, root: Path | None = None, lifetime: float = FILE_LIFETIME):
        self.root = root or Path(tempfile.gettempdir()) / f"styleadapt-{os.getuid() if hasattr(os, 'getuid') else 'ui'}"
        self.lifetime = lifetime
        self._by_session: weakref.WeakValueDictionary[str, Visitor] = weakref.WeakValueDictionary()
        self._lock = threading.Lock()

    def of(self, visitor: Visitor | None) -> Visitor:
        """The given visitor, marked as present; a new one for a client that came without opening the page."""
        if visitor is None:
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
        """Delete folders that nobody used for `lifetime` seconds, of this process or of one that was killed."""
        if not self.root.is_dir():
            return
        for folder in self.root.iterdir():
            try:
                expired = time.time() - folder.stat().st_mtime > self.lifetime
            except FileNotFoundError:
                continue
            if expired:
                shutil.rmtree(folder, ignore_errors=True)
