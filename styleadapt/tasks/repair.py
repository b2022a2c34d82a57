"""Base of the training tasks restoration, inpainting and colorization: clean photos as targets, and losses of two phases.

The phases are two runs (as in ESRGAN, Wang et al., arXiv 1809.00219, section 3). The first knows distortion alone: the
Charbonnier distance from the clean photo. The second starts from its result and adds the style-aware objective, with the clean
photo as content and as style, and a discriminator that is told of the damage.
"""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from ..data.records import ImageSample
from ..data.sources import ImageTable, open_folder
from ..errors import ConfigError, ModelFileNotFoundError
from ..hub.model_card import RunFacts
from ..losses.distortion import charbonnier
from ..losses.features import EFFICIENTNET_LITE0, build_feature_network
from ..losses.objective import StyleAwareObjective
from ..metrics.embedding import load_embedded_network
from ..models.modeling import StyleAdaptModel
from ..pipelines.restoration import RestorationPipeline
from ..training.adversary import Adversary, adversarial_weight, first_adversarial_step, steady
from ..training.phases import Phase, adversarial_phases
from ..training.processes import process_state
from .restoration_config import RepairConfig


def divided_photos(config: RepairConfig) -> tuple[list[ImageTable], ImageTable]:
    """The groups of photos to train on, and the photos to validate on.

    Raises:
        FileNotFoundError: a folder is not there or holds no image file.
        SourceError: none of a folder's images can be read, or none of those on one side of `held_out`.
        ConfigError: `held_out` leaves no photo to train on.
    """
    groups = [open_folder(folder) for folder in config.photos]
    if config.validation_photos:
        return groups, open_folder(config.validation_photos)
    whole, folder, count = groups[0], config.photos[0], len(groups[0])
    if config.held_out >= count:
        raise ConfigError(f"`held_out` is {config.held_out}, but {folder} holds {count} photos; keep some to train on")
    held = {i * count // config.held_out for i in range(config.held_out)}
    groups[0] = whole.part([n for n in range(count) if n not in held], f"the training part of {folder}")
    validation = whole.part(sorted(held), f"the held-out part of {folder}")
    for part in (groups[0], *([validation] if held else [])):
        part.require(1)
    return groups, validation


def samples_needed(config: RepairConfig) -> int:
    """Computes how many samples a run takes at most, in all processes."""
    return config.max_train_steps * config.train_batch_size * config.gradient_accumulation_steps * process_state().num_processes


def start_model(
    cls: type[StyleAdaptModel], name: str, config: RepairConfig, arguments: dict[str, Any], optional: bool = False
) -> StyleAdaptModel:
    """A model from the repo that a run starts from, or a new one; a new one, too, if it is `optional` and not in the repo.

    Raises:
        ModelLoadError: the start cannot be loaded.
        ConfigError: arguments that no model can be built with.
    """
    if config.pretrained_model_name_or_path:
        try:
            return cls.from_pretrained(config.pretrained_model_name_or_path, subfolder=name).train()
        except ModelFileNotFoundError:
            if not optional:
                raise
    try:
        return cls(**arguments).train()
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(f"`{name}` is {arguments}, with which no model can be built: {error}") from error


@dataclass
class RepairState:
    """Of a batch: clean and repaired photos `(B, 3, H, W)`, what the discriminator is told of the damage `(B, K)`, and figures
    beside the common ones, with their weights."""

    clean: torch.Tensor
    repaired: torch.Tensor
    code: torch.Tensor
    further: dict[str, tuple[float, torch.Tensor]]


class RepairTask:
    """Base of restoration, inpainting and colorization: the losses of both phases."""

    generator_names: tuple[str, ...] = ()
    discriminator_names: tuple[str, ...] = ("discriminator",)

    def __init__(self, config: RepairConfig, models: dict[str, Any]):
        self.config = config
        self.validation = divided_photos(config)[1] if config.validation_steps else None
        for model in models.values():
            model.to(process_state().device)
        self.modules = models
        self.models = dict(models)  # as built; `modules` may become wrapped for several processes
        self.adversary = Adversary(config)
        self.ada = self.adversary.ada
        self.network: torch.nn.Module | None = None
        if config.perceptual_weight:
            trunk = load_embedded_network() if config.feature_network == EFFICIENTNET_LITE0 else None
            self.network = build_feature_network(config.feature_network, trunk, process_state().device)
            self.objective = StyleAwareObjective.for_network(config.losses, self.network)

    def phases(self) -> list[Phase]:
        """The generator's alone in a run of distortion; else the discriminator learns from half of the warm-up before the
        adversarial loss sets in."""
        c = self.config
        phases = adversarial_phases(self, start=first_adversarial_step(c))
        return phases if c.adv_weight else phases[1:]

    def rate_factor(self, parameter: str) -> float:
        """Returns 1: all parameters learn at the same rate."""
        return 1.0

    def in_layout(self, *images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The images in the memory format of the models."""
        if not self.config.channels_last:
            return images
        return tuple(image.contiguous(memory_format=torch.channels_last) for image in images)

    def discriminator_loss(self, state: RepairState, step: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        discriminator = self.modules["discriminator"]
        repaired = state.repaired.detach()
        out = discriminator(self.adversary.shown(torch.cat([state.clean, repaired]), step), torch.cat([state.code] * 2))
        real, fake = zip(*(logits.chunk(2) for logits in (*out.logits, out.cam_logits)))
        loss = self.adversary.d_loss(real, fake)
        if self.ada is not None:
            self.ada.observe(list(real))

        def judge(images: torch.Tensor) -> tuple[torch.Tensor, ...]:
            plain = self.models["discriminator"]
            with steady(plain):
                return type(plain).forward(plain, self.adversary.shown(images, step), state.code.float()).logits

        penalty, figures = self.adversary.penalty(judge, state.clean, repaired, step)
        return loss + penalty, {"d_adv": loss, **figures}

    def generator_loss(self, state: RepairState, step: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        c = self.config
        figures = {"distortion": charbonnier(state.repaired, state.clean, c.charbonnier_epsilon)}
        loss = c.distortion_weight * figures["distortion"]
        for name, (weight, value) in state.further.items():
            figures[name] = value
            loss = loss + weight * value
        if self.network is not None:
            figures["perceptual"], parts = self._perceptual(state, step)
            figures |= parts
            loss = loss + c.perceptual_weight * figures["perceptual"]
        weight = adversarial_weight(c, step)
        if weight:
            discriminator, real = self.modules["discriminator"], None
            out = discriminator(self.adversary.shown(state.repaired, step), state.code)
            if self.adversary.needs_real:
                with torch.no_grad(), steady(discriminator):
                    judged = discriminator(self.adversary.shown(state.clean, step), state.code)
                real = (*judged.logits, judged.cam_logits)
            figures["g_adv"] = self.adversary.g_loss((*out.logits, out.cam_logits), real)
            loss = loss + weight * figures["g_adv"]
        return loss, figures

    def save_pretrained(self, folder: Path) -> None:
        # copies, for a pipeline freezes the models that it is given
        RestorationPipeline(**copy.deepcopy(self.components())).save_pretrained(folder)
        for name in self.discriminator_names:
            self.models[name].save_pretrained(folder / name)

    def components(self) -> dict[str, Any]:
        """Returns the models of the saved repo by their names in `RestorationPipeline`."""
        return {name: self.models[name] for name in self.generator_names}

    def _perceptual(self, state: RepairState, step: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        assert self.network is not None
        with torch.no_grad():
            clean_features = self.network(state.clean)
            content = self.objective.content_target(state.clean, clean_features)
            style = self.objective.style_target(state.clean, clean_features)
        directions = F.normalize(torch.randn(3, 16, generator=torch.Generator().manual_seed(step)), dim=0)
        directions = directions.to(state.repaired.device)
        return self.objective(state.repaired, self.network(state.repaired), content, style, directions)


def run_facts(config: RepairConfig, dataset: Any, made: str, **own: Any) -> RunFacts:
    """Returns the facts of a finished run for its model card, beside settings and scores.

    Args:
        dataset: with `photos`, its groups.
        made: what was made of the photos, such as ", with holes made on the fly"; or nothing.
        own: what the family says of itself.
    """
    kept = f"{config.held_out} photos kept from training"
    return RunFacts(
        base_model=config.pretrained_model_name_or_path,
        data=f"{sum(map(len, dataset.photos))} photos of the trainer{made}.",
        images=sum(map(len, dataset.photos)),
        unreadable=sum(len(table.unreadable) for table in dataset.photos),
        scored_on="images of the trainer's validation folder" if config.validation_photos else kept,
        lower_is_better=None,
        **own,
    )


def middle(sample: ImageSample, size: int) -> np.ndarray:
    """The middle of a photo, float32 `(size, size, 3)` on the scale 0..255; one that is too small is enlarged."""
    image = sample.image
    enlarged = max(1.0, size / min(image.size))
    if enlarged > 1:
        image = image.resize((max(size, round(image.width * enlarged)), max(size, round(image.height * enlarged))))
    left, top = (image.width - size) // 2, (image.height - size) // 2
    return np.asarray(image.crop((left, top, left + size, top + size)), np.float32)
