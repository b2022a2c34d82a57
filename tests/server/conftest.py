"""The app as a public server: a process of its own, with the packaged weights, reached over HTTP alone."""

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from .client import Client

ROOT = Path(__file__).resolve().parents[2]
SECONDS_TO_START = 240

# Two hours of a file's life and five hundred sessions would be too long to wait for. The limits are loaded before the package,
# which copies them.
HURRIED = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("styleadapt.ui.limits", "styleadapt/ui/limits.py")
limits = sys.modules["styleadapt.ui.limits"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(limits)
limits.FILE_LIFETIME, limits.MAX_SESSIONS = map(int, sys.argv[1:])
limits.SWEEP_EVERY = limits.TIDY_EVERY = 1
import app
app.demo.launch(**app.launch_options())
"""


@dataclass
class Served:
    """A running server.

    Parameters:
        url: where it listens.
        process: the server's process.
        temp: the only folder that it may write to.
        log: what it printed.
    """

    url: str
    process: subprocess.Popen
    temp: Path
    log: Path

    def files(self) -> dict[Path, int]:
        """Sizes of all that the server holds on disk for its visitors, by path."""
        found = {}
        for folder, _, names in os.walk(self.temp):
            # ".ses" is of ONNX Runtime, which diffusers imports where it is installed
            for path in (Path(folder) / name for name in names if name != ".ses" and "torchinductor" not in folder):
                with contextlib.suppress(FileNotFoundError):
                    found[path] = path.stat().st_size
        return found

    def memory(self) -> int:
        """Bytes of memory that the server's process holds."""
        return psutil.Process(self.process.pid).memory_info().rss

    def visit(self, session: str) -> Client:
        return Client(self.url, session)


@contextlib.contextmanager
def serve(temp: Path, *command: str) -> Iterator[Served]:
    """Runs Python with `command`, which is to serve the app, on a free port until the caller is done."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_MCP_SERVER": "true",
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        # Else each of gradio's forty threads has a pool of its own, and all of them fill for hundreds of requests.
        "MALLOC_ARENA_MAX": "2",
        "TMPDIR": str(temp),
    }
    log = temp.with_name(f"{temp.name}.log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=ROOT, env={**os.environ, **own}, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + SECONDS_TO_START
        while not _answers(port):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield Served(f"http://127.0.0.1:{port}", process, temp, log)
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS_TO_START)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def serve_hurried(temp: Path, lifetime: int, sessions: int) -> contextlib.AbstractContextManager[Served]:
    """As `serve`, with files that live for `lifetime` seconds and memory for so many `sessions`."""
    return serve(temp, "-c", HURRIED, str(lifetime), str(sessions))


@pytest.fixture(scope="session")
def served(tmp_path_factory) -> Iterator[Served]:
    """One server for all the tests of this folder: whatever one of them does to it, the next must not notice."""
    with serve(tmp_path_factory.mktemp("served"), "app.py") as server:
        yield server


@pytest.fixture(scope="session")
def adapter(tmp_path_factory) -> bytes:
    """A small adapter for the packaged weights, as a file."""
    import torch

    from styleadapt import StyleTransferPipeline
    from styleadapt.adapters.adapter import StyleAdapter

    pipe = StyleTransferPipeline.from_pretrained()
    name, weight = next(iter(pipe.generator.named_parameters()))
    code = torch.linspace(-1, 1, pipe.generator.config.code_dim)[None]
    deltas = {f"{name}.delta": torch.full_like(weight, 1e-3).detach()}
    scores = {"style_before": 0.5, "style_after": 0.4, "content_before": 1.0, "content_after": 0.9, "memorization": 0.1}
    made = StyleAdapter(deltas, code, code, pipe.fingerprint, "packaged weights", {"rank": 2}, scores, steps=3, seconds=1.5)
    return made.save(tmp_path_factory.mktemp("adapter") / "made.safetensors").read_bytes()


@pytest.fixture
def client(served, request) -> Iterator[Client]:
    """A visitor of this test's own; afterwards the server must still do good work."""
    with served.visit(request.node.name) as visitor:
        yield visitor
    assert served.process.poll() is None, served.log.read_text()[-3000:]
