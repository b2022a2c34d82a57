"""Runs Python scripts as an interpreter does that has imported the large libraries already, which takes seconds each time.

Each line of its input is one script to run, as JSON: `line` (the script and its arguments), `cwd`, `env`, and the files `stdout`
and `stderr`. A child process runs it, and its exit status is the answer. Nothing is calculated here, so that no threads are lost
when it forks.
"""

import json
import os
import runpy
import sys
import traceback

import styleadapt.pipelines.style_transfer  # noqa: F401
import styleadapt.training.engine  # noqa: F401


def _run(line: list[str]) -> int:
    """Runs a script to its end, and gives back what the interpreter would exit with."""
    sys.argv, sys.path[0] = line, os.path.dirname(line[0])
    try:
        runpy.run_path(line[0], run_name="__main__")
    except SystemExit as end:
        if isinstance(end.code, int | None):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _become(task: dict) -> None:
    """Runs the script in this process, and ends it."""
    os.environ.clear()
    os.environ.update(task["env"])
    os.chdir(task["cwd"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
        os.dup2(os.open(task[stream.name.strip("<>")], os.O_WRONLY | os.O_CREAT), number)
        stream.reconfigure(encoding="utf-8")
    sys.exit(_run(task["line"]))


def main() -> None:
    for text in sys.stdin:
        if (child := os.fork()) == 0:
            _become(json.loads(text))
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(status, flush=True)


if __name__ == "__main__":
    main()
