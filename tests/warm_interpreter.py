"""Runs Python scripts as an interpreter does that has imported the large libraries already, which takes seconds each time.

Each line of its input is one script to run, as JSON: `line` (the script and its arguments), `cwd`, `env`, and the files `stdout`
and `stderr`. A child process runs it, and its exit status is the answer. Nothing is calculated here, so that no threads are lost
when it forks.
"""

import json
import os
import runpy
import sys

import styleadapt.pipelines.style_transfer  # noqa: F401
import styleadapt.training.engine  # noqa: F401


def _become(task: dict) -> None:
    """Runs the script in this process, and ends it as the interpreter does, whatever the script raises."""
    os.environ.clear()
    os.environ.update(task["env"])
    os.chdir(task["cwd"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
        os.dup2(os.open(task[stream.name.strip("<>")], os.O_WRONLY | os.O_CREAT), number)
        stream.reconfigure(encoding="utf-8")
    sys.argv, sys.path[0] = task["line"], os.path.dirname(task["line"][0])
    runpy.run_path(sys.argv[0], run_name="__main__")
    sys.exit()


def main() -> None:
    for text in sys.stdin:
        if (child := os.fork()) == 0:
            _become(json.loads(text))
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(status, flush=True)


if __name__ == "__main__":
    main()
