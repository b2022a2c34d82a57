"""Command lines are run as users run them, on a repo of tiny models."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from styleadapt import StyleTransferPipeline

ROOT = Path(__file__).resolve().parents[2]


def script(name: str) -> str:
    """The path of `NAME.py` in scripts/, benchmarks/ or tools/."""
    return next(str(path) for room in ("scripts", "benchmarks", "tools") if (path := ROOT / room / f"{name}.py").exists())


@pytest.fixture
def repo(tiny_pipe, tmp_path):
    tiny_pipe.save_pretrained(tmp_path / "repo")
    return str(tmp_path / "repo")


@pytest.fixture
def command(tmp_path):
    """Runs the script NAME with ARGUMENTS from an empty folder, and gives back the finished process."""
    (tmp_path / "elsewhere").mkdir()

    def run(name: str, *arguments: object) -> subprocess.CompletedProcess:
        line = [sys.executable, script(name), *map(str, arguments)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.run(line, capture_output=True, text=True, timeout=300, cwd=tmp_path / "elsewhere", env=environment)

    return run


@pytest.fixture
def refusal(monkeypatch, capsys):
    """Runs the script NAME with ARGUMENTS in this process and gives back the last line of its error; no model may be loaded."""
    monkeypatch.setattr(StyleTransferPipeline, "from_pretrained", lambda *_, **__: pytest.fail("a model was loaded"))

    def run(name: str, *arguments: object) -> str:
        path = script(name)
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", [path, *map(str, arguments)])
            with pytest.raises(SystemExit) as end:
                runpy.run_path(path, run_name="__main__")
        # A text as the exit status is printed by the interpreter, and argparse prints its own.
        return end.value.code if isinstance(end.value.code, str) else capsys.readouterr().err.splitlines()[-1]

    return run
