"""Other implementations of generators from noise, from PyPI, made to run on a CPU: `stylegan2-pytorch` and `lightweight-gan`.

Install them beside the environment, since they ask for torchvision and an experiment tracker that nothing here needs:

    pip install --no-deps --target peers stylegan2-pytorch==1.9.0 lightweight-gan==1.2.1 einops kornia kornia_rs tabulate \
        colorama vector-quantize-pytorch==0.1.0 adabelief-pytorch

Both packages refuse to be imported without a CUDA device, and move everything to one. Here `cuda()` leaves tensors and models
where they are, and what asks for torchvision, the tracker or the command line gets empty modules: images come from our own data
sets. Networks, losses, optimizers and the whole training step are the packages' own.
"""

import contextlib
import importlib
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import torch

UNUSED = ("torchvision", "torchvision.transforms", "aim", "contrastive_learner", "fire")


class _OnCPU(types.ModuleType):
    """torch, for a module that asks for devices by number."""

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    @staticmethod
    def device(_: Any) -> torch.device:
        return torch.device("cpu")


@contextlib.contextmanager
def without_cuda() -> Iterator[None]:
    """Within the block tensors and models stay where they are if they are sent to a CUDA device.

    >>> with without_cuda():
    ...     torch.zeros(1).cuda().device
    device(type='cpu')
    """

    def stays(self: Any, *_: Any, **__: Any) -> Any:
        return self

    with mock.patch.object(torch.Tensor, "cuda", stays), mock.patch.object(torch.nn.Module, "cuda", stays):
        yield


def load_peer(name: str, folder: str | Path) -> types.ModuleType:
    """The main module of `stylegan2_pytorch` or `lightweight_gan`, from the folder that it was installed to.

    Raises:
        ImportError: it is not there, or a package that it needs is not.
    """
    for module in UNUSED:
        sys.modules.setdefault(module, types.ModuleType(module))
    sys.modules["torchvision"].transforms = sys.modules["torchvision.transforms"]  # type: ignore[attr-defined]
    sys.path.insert(0, str(folder))
    try:
        with mock.patch("torch.cuda.is_available", lambda: True):
            peer = importlib.import_module(f"{name}.{name}")
    finally:
        sys.path.remove(str(folder))
    peer.torch = _OnCPU("torch")  # type: ignore[attr-defined]
    return peer


def peer_trainer(name: str, folder: str | Path, work_dir: str | Path, batches: Iterator[torch.Tensor], **options: Any) -> Any:
    """A trainer of the package with its networks built. Its `train()` is one step; call it within `without_cuda`.

    Args:
        name: `stylegan2_pytorch` or `lightweight_gan`.
        folder: where it was installed to.
        work_dir: where it may write.
        batches: images `(B, 3, R, R)` in [0, 1], without end.
        options: of the package's `Trainer`.
    """
    peer = load_peer(name, folder)
    # only the process of rank 0 writes samples and checkpoints; this one shall do nothing but train
    quiet = {"use_aim": False} if name == "lightweight_gan" else {}
    trainer = peer.Trainer(base_dir=str(work_dir), rank=1, **quiet, **options)
    trainer.loader = batches
    with without_cuda():
        trainer.init_GAN()
    return trainer
