"""Tiny sizes: what is checked is that it measures what it says, not how fast."""

import argparse
import runpy
from pathlib import Path

import pytest
import torch

from generation_peers import peer_trainer, without_cuda
from styleadapt.tasks.generation import GenerationTask

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
# what the packages do: they want CUDA at once, and their trainer makes its networks later
PEER = """
import aim
import torch
import torchvision
from torchvision import transforms

assert torch.cuda.is_available()


class Trainer:
    def __init__(self, base_dir, rank, size):
        self.rank, self.size = rank, size

    def init_GAN(self):
        self.network = torch.nn.Linear(self.size, 1).cuda(self.rank)

    def train(self):
        batch = next(self.loader).cuda(self.rank)
        self.total = torch.zeros([], device=torch.device(f"cuda:{self.rank}")) + self.network(batch).mean()
"""


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(BENCHMARKS / "benchmark_generation.py"))


def test_our_step_trains_both_players_and_has_all_regularization(script, monkeypatch):
    tasks = []
    init = GenerationTask.__init__
    monkeypatch.setattr(GenerationTask, "__init__", lambda self, *args: (tasks.append(self), init(self, *args))[1])
    args = argparse.Namespace(size=8, batch=2, capacity=2, channel_max=8)
    step = script["our_step"](args, bf16=False)
    (task,) = tasks
    # at full size the other one has twice its capacity in the generator and four times in the discriminator
    assert task.models["generator"].synthesis.blocks[-1].conv1.out_channels == 4
    assert task.models["discriminator"].blocks[0].conv0.in_channels == 8
    before = {name: [p.detach().clone() for p in model.parameters()] for name, model in task.models.items()}
    seen = []
    monkeypatch.setattr(task.adversary, "penalty", lambda judge, real, fake, n: (seen.append(n), (real.new_zeros(()), {}))[1])
    for kind, (number, _) in script["OUR_STEPS"].items():
        mean = float(task.models["generator"].path_length_mean)
        step(number)
        assert (float(task.models["generator"].path_length_mean) != mean) == (kind != "plain")
    assert seen == [1, 4, 16]
    for name, model in task.models.items():
        assert any(not torch.equal(old, new) for old, new in zip(before[name], model.parameters())), name


def test_kinds_of_steps_add_up_to_32(script):
    for kinds in (script["OUR_STEPS"], script["THEIR_STEPS"]):
        assert sum(count for _, count in kinds.values()) == 32
    ours, theirs = script["OUR_STEPS"], script["THEIR_STEPS"]
    assert ours["plain"][0] % 4 and not ours["path lengths"][0] % 4 and ours["path lengths"][0] % 16 and not ours["all"][0] % 16
    assert theirs["plain"][0] % 4 and not theirs["penalty"][0] % 4 and theirs["penalty"][0] % 32 and not theirs["all"][0] % 32
    assert min(number for number, _ in theirs.values()) > 5000


def test_a_package_that_wants_cuda_trains_on_the_cpu(tmp_path):
    (tmp_path / "peer").mkdir()
    (tmp_path / "peer" / "__init__.py").touch()
    (tmp_path / "peer" / "peer.py").write_text(PEER, encoding="utf-8")
    trainer = peer_trainer("peer", tmp_path, tmp_path, iter([torch.ones(2, 3)]), size=3)
    with without_cuda():
        trainer.train()
    assert trainer.total.device.type == "cpu" and torch.isfinite(trainer.total)
    assert trainer.rank == 1, "process 0 would write samples"
