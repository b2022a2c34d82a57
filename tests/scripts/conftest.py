"""Command lines are run as users run them, on a repo of tiny models."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def repo(tiny_pipe, tmp_path):
    tiny_pipe.save_pretrained(tmp_path / "repo")
    return str(tmp_path / "repo")


@pytest.fixture
def command(tmp_path):
    """Runs `scripts/NAME.py ARGUMENTS` from an empty folder, and gives back the finished process."""
    (tmp_path / "elsewhere").mkdir()

    def run(name: str, *arguments: object) -> subprocess.CompletedProcess:
        line = [sys.executable, str(ROOT / "scripts" / f"{name}.py"), *map(str, arguments)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.run(line, capture_output=True, text=True, timeout=300, cwd=tmp_path / "elsewhere", env=environment)

    return run
