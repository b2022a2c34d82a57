"""The app as the Space starts it: a process of its own that answers over HTTP."""

import http.client
import os
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


def test_the_page_is_served(app):
    process, port, log = app
    deadline = time.monotonic() + SECONDS
    while (status := answer(port)) is None and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.2)
    assert status == 200, log.read_text()
