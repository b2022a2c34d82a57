"""A training step of U-GAT-IT written out plainly: the paper's objective (section 2.2) in the order of the authors' code.

Slow and unfused on purpose: it is what `styleadapt.tasks.translation` has to equal, and what it is timed against.
"""

import functools
import itertools

import torch
import torch.nn.functional as F

from ugatit_networks import (
    discriminator_state,
    official_discriminator,
    official_generator,
    reference_discriminator,
    reference_generator,
)


class ReferenceLoop:
    """Networks by the names of the authors' checkpoint, and their two optimizers."""

    def __init__(
        self,
        channels: int = 64,
        blocks: int = 4,
        image_size: int = 256,
        light: bool = False,
        n_layers_global: int = 7,
        n_layers_local: int = 5,
        dtype: torch.dtype = torch.float32,
    ):
        self.light = light
        self.generators = {
            name: {
                key: tensor.to(dtype).requires_grad_()
                for key, tensor in official_generator(channels, blocks, image_size, light).items()
            }
            for name in ("genA2B", "genB2A")
        }
        self.discriminators = {
            name: {
                key: layer.to(dtype)
                for key, layer in official_discriminator(
                    channels, n_layers_global if name.startswith("disG") else n_layers_local
                ).items()
            }
            for name in ("disGA", "disGB", "disLA", "disLB")
        }
        adam = functools.partial(torch.optim.Adam, lr=1e-4, betas=(0.5, 0.999), weight_decay=1e-4)
        self.g_optim = adam([t for w in self.generators.values() for t in w.values()])
        layers = [layer for network in self.discriminators.values() for layer in network.values()]
        self.d_optim = adam(itertools.chain(*(layer.parameters() for layer in layers)))

    def checkpoint(self) -> dict[str, dict[str, torch.Tensor]]:
        """As the authors save it."""
        state = {name: {key: t.detach().clone() for key, t in w.items()} for name, w in self.generators.items()}
        return state | {name: discriminator_state(layers) for name, layers in self.discriminators.items()}

    def step(self, real_a: torch.Tensor, real_b: torch.Tensor) -> tuple[float, float]:
        """Losses of discriminators and generators, after which all have been updated."""
        self.d_optim.zero_grad()
        d_loss = self.discriminator_loss(real_a, real_b)
        d_loss.backward()
        self.d_optim.step()
        self.g_optim.zero_grad()
        g_loss = self.generator_loss(real_a, real_b)
        g_loss.backward()
        self.g_optim.step()
        with torch.no_grad():
            for weights in self.generators.values():
                for key, tensor in weights.items():
                    if key.endswith(".rho"):
                        tensor.clamp_(0, 1)
        return float(d_loss.detach()), float(g_loss.detach())

    def discriminator_loss(self, real_a: torch.Tensor, real_b: torch.Tensor) -> torch.Tensor:
        fake_a2b, _, _ = self._generate("genA2B", real_a)
        fake_b2a, _, _ = self._generate("genB2A", real_b)
        loss = torch.zeros(())
        for name in self.discriminators:
            real, fake = (real_a, fake_b2a) if name.endswith("A") else (real_b, fake_a2b)
            real_logits, real_cam, _ = self._judge(name, real)
            fake_logits, fake_cam, _ = self._judge(name, fake)
            loss = loss + _mse(real_logits, 1) + _mse(fake_logits, 0) + _mse(real_cam, 1) + _mse(fake_cam, 0)
        return loss

    def generator_loss(self, real_a: torch.Tensor, real_b: torch.Tensor) -> torch.Tensor:
        fake_a2b, fake_a2b_cam, _ = self._generate("genA2B", real_a)
        fake_b2a, fake_b2a_cam, _ = self._generate("genB2A", real_b)
        fake_a2b2a, _, _ = self._generate("genB2A", fake_a2b)
        fake_b2a2b, _, _ = self._generate("genA2B", fake_b2a)
        fake_a2a, fake_a2a_cam, _ = self._generate("genB2A", real_a)
        fake_b2b, fake_b2b_cam, _ = self._generate("genA2B", real_b)
        adversarial = torch.zeros(())
        for name in self.discriminators:
            logits, cam, _ = self._judge(name, fake_b2a if name.endswith("A") else fake_a2b)
            adversarial = adversarial + _mse(logits, 1) + _mse(cam, 1)
        cycle = F.l1_loss(fake_a2b2a, real_a) + F.l1_loss(fake_b2a2b, real_b)
        identity = F.l1_loss(fake_a2a, real_a) + F.l1_loss(fake_b2b, real_b)
        cam = _bce(fake_b2a_cam, 1) + _bce(fake_a2a_cam, 0) + _bce(fake_a2b_cam, 1) + _bce(fake_b2b_cam, 0)
        return adversarial + 10 * cycle + 10 * identity + 1000 * cam

    def _generate(self, name: str, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return reference_generator(self.generators[name], x, self.light)

    def _judge(self, name: str, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return reference_discriminator(self.discriminators[name], x)


def _mse(logits: torch.Tensor, label: float) -> torch.Tensor:
    return F.mse_loss(logits, torch.full_like(logits, label))


def _bce(logits: torch.Tensor, label: float) -> torch.Tensor:
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))
