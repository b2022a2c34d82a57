"""Memory of the process. Nothing here imports torch, so that a process without it can be measured."""

import math
import sys
from pathlib import Path


def own_peak_mb() -> float:
    """Most memory in MB that this process ever held; NaN on Windows, which does not tell.

    On Linux from /proc, because `getrusage` there starts with the peak of the process that started this one.

    >>> own_peak_mb() > 10
    True
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**10
    try:
        import resource
    except ImportError:
        return math.nan
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
