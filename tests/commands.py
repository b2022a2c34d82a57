"""Command lines are run as users run them, on a repo of tiny models."""

import functools
import json
import os
import runpy
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from styleadapt import StyleTransferPipeline

ROOT = Path(__file__).resolve().parents[1]


def script(name: str) -> str:
    """The path of `NAME.py` in scripts/, benchmarks/ or tools/."""
    return next(str(path) for room in ("scripts", "benchmarks", "tools") if (path := ROOT / room / f"{name}.py").exists())


@pytest.fixture
def repo(tiny_pipe, tmp_path):
    tiny_pipe.save_pretrained(tmp_path / "repo")
    return str(tmp_path / "repo")


@functools.cache
def _warm_interpreter() -> subprocess.Popen:
    """A process that runs scripts one after another, see `warm_interpreter.py`; it ends with this one, which closes its input."""
    line = [sys.executable, Path(__file__).with_name("warm_interpreter.py")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT)


def run_script(line: Sequence[object], cwd: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess:
    """Runs a script with its arguments, `line`, and gives back the finished process."""
    process, arguments = _warm_interpreter(), [str(part) for part in line]
    with tempfile.TemporaryDirectory() as folder, selectors.DefaultSelector() as waiting:
        files = {stream: Path(folder) / stream for stream in ("stdout", "stderr")}
        task = {"line": arguments, "cwd": cwd, "env": dict(environment), **files}
        process.stdin.write(json.dumps(task, default=str) + "\n")
        process.stdin.flush()
        waiting.register(process.stdout, selectors.EVENT_READ)
        if not waiting.select(timeout=300):
            process.kill()
            _warm_interpreter.cache_clear()
            pytest.fail(f"{' '.join(arguments)} takes longer than five minutes")
        status = int(process.stdout.readline())
        return subprocess.CompletedProcess(arguments, status, *(file.read_text(encoding="utf-8") for file in files.values()))


@pytest.fixture
def command(tmp_path):
    """Runs the script NAME with ARGUMENTS from an empty folder, and gives back the finished process."""
    (tmp_path / "elsewhere").mkdir()

    def run(name: str, *arguments: object) -> subprocess.CompletedProcess:
        return run_script([script(name), *arguments], tmp_path / "elsewhere", {**os.environ, "OMP_NUM_THREADS": "1"})

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
