"""Sets the options of the process that decide how fast convolutions run on a CPU."""

import ctypes
import os
import sys
from collections.abc import Callable

import torch

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h


def configure_cpu(threads: int | None = None) -> int:
    """Sets the number of threads and calls `keep_freed_memory`: for a command that has the process to itself.

    The library itself never sets the number of threads, which is the user's.

    Args:
        threads: threads of one operation. If left out, and unless `OMP_NUM_THREADS` is set (to more than 1 under
            `accelerate launch`, which sets 1 itself): the cores this process may run on, divided among the processes that a
            launcher has started on this machine.

    Returns:
        the number of threads in use.
    """
    chosen = os.environ.get("OMP_NUM_THREADS")
    # `accelerate launch` sets it to 1 where nobody has chosen, which would leave all other cores idle
    if threads is None and (chosen is None or (chosen == "1" and "ACCELERATE_DYNAMO_BACKEND" in os.environ)):
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        threads = cores // int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    if threads is not None:
        torch.set_num_threads(max(1, threads))
    keep_freed_memory()
    return torch.get_num_threads()


def keep_freed_memory() -> None:
    """Has glibc keep large freed blocks instead of returning them to the kernel.

    Feature maps are tens of megabytes: by default every one is mapped anew, and faulting its pages in costs more than the
    arithmetic on it (1.4 times the time of a whole stylization at 1024 px).
    """
    if mallopt := _of_glibc("mallopt"):
        mallopt(_M_MMAP_THRESHOLD, 1 << 30)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def release_memory() -> None:
    """Has glibc return its freed blocks to the kernel, which after `keep_freed_memory` it keeps: some 50 ms a gigabyte."""
    if trim := _of_glibc("malloc_trim"):
        trim(0)


def _of_glibc(name: str) -> Callable[..., int] | None:
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None  # absent in musl


def supports_bf16(device: torch.device) -> bool:
    """Whether bfloat16 makes convolutions faster there: CPUs with avx512_bf16 or AMX, recent GPUs."""
    if device.type == "cpu":
        return bool(torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return device.type == "cuda" and torch.cuda.is_bf16_supported()
