"""Two tiny models, trained in a moment, or by `python -m tests.training.toy FOLDER SETTINGS` in a process of their own."""

import json
import sys
from pathlib import Path

import torch

from styleadapt.training.config import RunConfig, build_config
from styleadapt.training.engine import Trainer
from styleadapt.training.phases import adversarial_phases

# of the shapes of a base training, for the real task
TINY_STYLIZATION = """
generator: {channels: [8, 16], blocks: [1, 1], half_channels: 4, full_channels: 4, code_dim: 16}
style_encoder: {code_dim: 16, hidden_dim: 8}
discriminator: {channels: [4, 8], code_dim: 16}
resolution: 64
train_batch_size: 2
photo_short_side: [64, 80]
painting_short_side: [64, 80]
feature_network: efficientnet-lite0
"""


class Toy:
    """The generator moves points; the discriminator tells them from points around (2, -1)."""

    generator_names, discriminator_names = ("generator",), ("discriminator",)

    def __init__(self):
        torch.manual_seed(0)
        self.modules = {"generator": torch.nn.Linear(2, 2), "discriminator": torch.nn.Linear(2, 1)}
        self.models = dict(self.modules)
        self.scores = iter(())
        self.validated = []
        self.d_adv = None

    def phases(self):
        return adversarial_phases(self)

    def rate_factor(self, parameter):
        return 1.0

    def forward(self, batch, step):
        return batch["x"], self.modules["generator"](batch["x"])

    def discriminator_loss(self, state, step):
        real, fake = self.modules["discriminator"](torch.cat([state[0] * 0.1 + 2, state[1].detach()])).chunk(2)
        loss = fake.square().mean() + (real - 1).square().mean()
        return loss, {"d_adv": loss if self.d_adv is None else loss * 0 + self.d_adv}

    def generator_loss(self, state, step):
        loss = (self.modules["discriminator"](state[1]) - 1).square().mean()
        return loss, {}

    def validate(self, step, folder):
        self.validated.append(step)
        return {"score": next(self.scores)}

    def save_pretrained(self, folder):
        torch.save({name: model.state_dict() for name, model in self.models.items()}, folder / "weights")


class Points(torch.utils.data.Dataset):
    def __len__(self):
        return 10_000

    def __getitem__(self, n):
        return {"x": torch.randn(2, generator=torch.Generator().manual_seed(n))}


def toy_trainer(folder, task=None, dataset=None, config_class=RunConfig, **values) -> Trainer:
    settings = {"max_train_steps": 6, "train_batch_size": 4, "learning_rate": 0.1, "lr_d": 0.1, "lr_warmup_steps": 0}
    settings |= {"report_to": "none", "validation_steps": 0, "dataloader_num_workers": 0, "output_dir": str(folder)}
    return Trainer(build_config(config_class, settings | values), task or Toy(), dataset or Points())


def train_toy(folder, task=None, dataset=None, **values):
    trainer = toy_trainer(folder, task, dataset, **values)
    return trainer, trainer.train()


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    state = torch.load(folder / "weights", weights_only=True)
    return {f"{model}.{key}": value for model, values in state.items() for key, value in values.items()}


if __name__ == "__main__":
    trained, _ = train_toy(sys.argv[1], **json.loads(sys.argv[2]))
    print(f"{trained.accelerator.num_processes} processes")
