"""Output that fails is dropped, and never the reason why a command does."""

import os
import subprocess
import sys

import pytest

PRINTING = """
import sys
from styleadapt.console import careful_output

@careful_output()
def main():
    for n in range(5000):
        print("photo", n, {text!r})
    print("progress", file=sys.stderr, flush=True)
    sys.stderr.isatty()
    return 3

sys.exit(main())
"""


def run(tail: str, text: str = "", **environment: str) -> tuple[int, bytes]:
    """The exit status of a process that prints, whose output goes to `tail`, and all that arrived."""
    command = f'{sys.executable} -c "$CODE" {tail}; echo status $?'
    environment = {**os.environ, "CODE": PRINTING.format(text=text), **environment}
    done = subprocess.run(["bash", "-c", command], capture_output=True, env=environment, timeout=100)
    output = done.stdout + done.stderr
    return int(output.split(b"status ")[1].split()[0]), output


@pytest.mark.parametrize("tail", [">/dev/full", ">&-", "2>&-", ">&- 2>&-", "> >(head -1 >/dev/null)", "2>/dev/full >/dev/null"])
def test_the_exit_status_is_the_command_s_whatever_becomes_of_its_output(tail):
    status, output = run(tail)
    assert status == 3 and b"Traceback" not in output and b"Exception ignored" not in output


@pytest.mark.parametrize("text", ["日本語", "\udcff"])
def test_what_a_console_cannot_encode_is_escaped(text):
    status, output = run("", text, PYTHONIOENCODING="ascii")
    escaped = text.encode("ascii", "backslashreplace")
    assert status == 3 and b"photo 4999 " + escaped in output
