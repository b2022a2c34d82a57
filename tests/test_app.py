"""The app as the Space starts it: a process of its own that answers over HTTP."""

import http.client
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 60


def answer(port: int) -> int | None:
    """Status of the front page; None while nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()


@pytest.fixture
def app(tmp_path):
    """`python app.py` on a free port: the process, the port, and the file with what it prints."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "app.py"], cwd=ROOT, env={**os.environ, **own, "TMPDIR": str(tmp_path)}, stdout=output, stderr=output
        )
    yield process, port, log
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wake_ups(process: int) -> int:
    """How often the threads of a process have woken up so far."""
    states = [file.read_text(encoding="utf-8") for file in Path(f"/proc/{process}/task").glob("*/status")]
    return sum(int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", state, re.MULTILINE)[1]) for state in states)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="reads /proc")
def test_an_idle_app_sleeps(app):
    process, port, log = app
    deadline = time.monotonic() + 2 * SECONDS
    while answer(port) is None and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.2)
    seconds, fewest = 3, float("inf")
    # The model loads in the background at first.
    while fewest > 60 and time.monotonic() < deadline:
        before = wake_ups(process.pid)
        time.sleep(seconds)
        fewest = min(fewest, (wake_ups(process.pid) - before) / seconds)
    assert fewest < 60, f"{fewest:.0f} times a second; {log.read_text(encoding='utf-8')}"


def test_the_page_is_served(app):
    process, port, log = app
    deadline = time.monotonic() + SECONDS
    while (status := answer(port)) is None and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.2)
    assert status == 200, log.read_text()
