"""Chooses the device that models run on."""

import torch


def usable_device(name: str | None = None) -> torch.device:
    """The device called `name`; the GPU if there is one, else the CPU, if left out.

    Args:
        name: as PyTorch knows it, such as "cpu", "cuda" or "cuda:1".

    Raises:
        ValueError: no such device on this machine, or none that this build of PyTorch can use.

    >>> usable_device("cpu")
    device(type='cpu')
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).cpu()
    # A build without CUDA raises AssertionError.
    except (RuntimeError, AssertionError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"the device {name!r} cannot be used here: {reason}") from error
    return device
