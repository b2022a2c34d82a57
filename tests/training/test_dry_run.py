import torch

from styleadapt.training.config import RunConfig
from styleadapt.training.dry_run import describe, saved_bytes


def test_counts_and_memory():
    generator, frozen = torch.nn.Linear(1024, 512, bias=False), torch.nn.Linear(1024, 256, bias=False).requires_grad_(False)
    config = RunConfig(max_train_steps=7, gradient_accumulation_steps=2, optimizer="sgd")
    text = describe(config, {"generator": generator, "frozen": frozen}, 1024 * 512, 5 << 20, processes=3)
    assert (
        "generator: 524,288 parameters, 524,288 of them train" in text and "frozen: 262,144 parameters, 0 of them train" in text
    )
    # weights 3, gradients 2, momentum 2, average 2, activations 5
    assert "estimated: 14 MB" in text and "sgd's state 2 MB" in text
    assert "7 steps of 36 samples" in text and "learning_rate: 0.001" in text


def test_checkpointing_saves_less():
    layer = torch.nn.Sequential(*[torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.Tanh()) for _ in range(4)])
    x = torch.ones(32, 64, requires_grad=True)
    plain = saved_bytes(lambda: layer(x), {"layer": layer})
    spared = saved_bytes(lambda: torch.utils.checkpoint.checkpoint(layer, x, use_reentrant=False), {"layer": layer})
    assert spared < plain
