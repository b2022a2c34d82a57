"""Finds the rank and number of processes before there is an Accelerator."""

from accelerate import PartialState
from accelerate.utils import parse_flag_from_env


def process_state() -> PartialState:
    """Returns the count of processes, and rank and device of this one. The first call joins the group of processes.

    >>> process_state().num_processes
    1
    """
    # unlike an Accelerator, a state that is made first does not ask the environment, and would be one process on CPUs
    return PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"))
