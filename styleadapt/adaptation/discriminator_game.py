"""Trains the discriminator during an adaptation and computes the generator's adversarial loss."""

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager

import torch

from ..losses.style import discriminator_style_loss
from ..models.discriminator import StyleDiscriminator
from ..training.adversary import Adversary, steady
from ..training.optimizers import build_optimizer
from .settings import AdaptationConfig


class Opponent:
    """A copy of the discriminator whose upper layers learn to tell the style's crops from generated ones.

    Args:
        discriminator: the base's; it is left as it is.
        config: of the adaptation.
        autocast: makes the context of its forward passes.
    """

    def __init__(
        self, discriminator: StyleDiscriminator, config: AdaptationConfig, autocast: Callable[[], AbstractContextManager]
    ):
        self.config, self.autocast = config, autocast
        self.adversary = Adversary(config.adversarial)
        self.discriminator = copy.deepcopy(discriminator).float().train()
        self.discriminator.freeze_lower(config.frozen_layers)
        self.trained = [p for p in self.discriminator.parameters() if p.requires_grad]
        self.optimizer = build_optimizer(config.optimizer, self.trained, config.lr_d, betas=(0.5, 0.99))

    def loss(self, generated: torch.Tensor, real: torch.Tensor, code: torch.Tensor, step: int) -> torch.Tensor:
        """Trains the discriminator one step, then has it judge the generated images: weighted adversarial loss, and style loss on
        the features that it sees in both.

        Args:
            generated: `(B, 3, H, W)` with the generator's graph.
            real: `(B, 3, H, W)`, crops of style images.
            code: `(B, D)`, without a graph.
            step: steps done.
        """
        style, real_logits = self._train(generated.detach(), real, code, step)
        for parameter in self.trained:
            parameter.requires_grad_(False)
        with self.autocast():
            out = self.discriminator(self.adversary.shown(generated, step), code)
        for parameter in self.trained:
            parameter.requires_grad_(True)
        loss = self.config.adv_weight * self.adversary.g_loss((*out.logits, out.cam_logits), real_logits)
        return loss + self.config.feature_weight * discriminator_style_loss(out.features, style).mean()

    def _train(self, generated: torch.Tensor, real: torch.Tensor, code: torch.Tensor, step: int):
        """One step of the discriminator; features of the real images, and their logits for a form that compares with them."""
        batch = len(real)
        with self.autocast():
            out = self.discriminator(self.adversary.shown(torch.cat([real, generated]), step), torch.cat([code, code]))
        logits = (*out.logits, out.cam_logits)
        real_logits = [l[:batch] for l in logits]
        loss = self.adversary.d_loss(real_logits, [l[batch:] for l in logits])

        def judge(images: torch.Tensor):
            with steady(self.discriminator):
                return self.discriminator(self.adversary.shown(images, step), code).logits

        penalty, _ = self.adversary.penalty(judge, real, generated, step)
        self.optimizer.zero_grad()
        (loss + penalty).backward()
        self.optimizer.step()
        if self.adversary.ada is not None:
            self.adversary.ada.observe(real_logits)
            self.adversary.ada.update()
        features = {name: f[:batch].detach() for name, f in out.features.items()}
        return features, [l.detach() for l in real_logits] if self.adversary.needs_real else None
