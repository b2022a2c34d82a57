"""Restoration as a training task: the network learns to remove noise, JPEG artifacts and blur that are made on the fly."""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from ..data.damaged import DamagedPhotos, as_tensor
from ..data.degradations import blur, gaussian_kernel, gaussian_noise, jpeg_artifacts
from ..hub.model_card import RunFacts
from ..models.discriminator import StyleDiscriminator
from ..models.restorer import LEVEL_NAMES, Restorer
from ..training.adversary import steady
from ..training.sheets import contact_sheet
from .repair import RepairState, RepairTask, divided_photos, middle, run_facts, samples_needed, start_model
from .restoration_config import RestorationConfig

# side of the crops that are validated on, and how many photos the sheet shows
VALIDATION_SIZE, SHOWN = 192, 4
# what validation measures: name, deviation of the noise, JPEG quality (100 for none), deviation of the blur
CASES = (
    ("noise_15", 15, 100, 0.0),
    ("noise_25", 25, 100, 0.0),
    ("noise_50", 50, 100, 0.0),
    ("jpeg_10", 0, 10, 0.0),
    ("jpeg_40", 0, 40, 0.0),
    ("blur", 2, 100, 1.6),
    ("clean", 0, 100, 0.0),
)


def build_dataset(config: RestorationConfig) -> DamagedPhotos:
    """The run's damaged crops; raises what `divided_photos` raises."""
    groups, _ = divided_photos(config)
    return DamagedPhotos(
        groups,
        config.photo_weights or [1.0] * len(groups),
        config.resolution,
        config.mix,
        (config.photo_scale[0], config.photo_scale[1]),
        config.seed,
        length=samples_needed(config),
    )


def build_models(config: RestorationConfig) -> dict[str, Any]:
    """The restorer and its discriminator, loaded or new, ready for training.

    Raises:
        ModelLoadError: the start cannot be loaded.
        ConfigError: values that a model cannot be built with.
    """
    return {
        "restorer": start_model(Restorer, "restorer", config, config.restorer),
        "discriminator": start_model(
            StyleDiscriminator, "discriminator", config, {"code_dim": len(LEVEL_NAMES), **config.discriminator}, optional=True
        ),
    }


class RestorationTask(RepairTask):
    """Trains the blind restorer."""

    generator_names: tuple[str, ...] = ("restorer",)
    config: RestorationConfig

    def forward(self, batch: dict[str, torch.Tensor], step: int) -> RepairState:
        clean, damaged = self.in_layout(batch["clean"], batch["damaged"])
        levels = batch["levels"]
        blind = torch.rand(len(levels), 1, device=levels.device) < self.config.blind_share
        out = self.modules["restorer"](damaged, levels.masked_fill(blind, torch.nan))
        units = self.models["restorer"].units
        # rounded off at 0, where most levels are: L1 would rest at their median
        miss = F.smooth_l1_loss(out.estimate / units, levels / units, beta=0.2)
        return RepairState(clean, out.sample.float(), levels / units, {"estimate": (self.config.estimate_weight, miss)})

    @cached_property
    def _cases(self) -> list[tuple[str, torch.Tensor, torch.Tensor, torch.Tensor]]:
        """Name, clean photos, damaged ones `(N, 3, S, S)` and levels `(3,)` of every case, the same at every validation."""
        assert self.validation is not None
        photos = [middle(self.validation[n], VALIDATION_SIZE) for n in range(len(self.validation))]
        clean = torch.stack([as_tensor(photo) for photo in photos])
        cases = []
        for number, (name, sigma, quality, spread) in enumerate(CASES):
            rng = np.random.default_rng(number)
            damaged = []
            for photo in photos:
                if spread:
                    photo = blur(photo, gaussian_kernel(spread))
                if quality < 100:
                    photo = jpeg_artifacts(photo, quality)
                damaged.append(as_tensor(gaussian_noise(photo, sigma, rng) if sigma else photo))
            cases.append((name, clean, torch.stack(damaged), torch.tensor([sigma, 100.0 - quality, spread])))
        return cases

    @torch.no_grad()
    def validate(self, step: int, folder: Path) -> dict[str, float]:
        """Writes `step-N.jpg`, in rows of a damaged photo, the restored one and the clean one, and returns the PSNR of every case
        in decibels, with the levels estimated. Lower is better for `rmse`, the root mean square error on the scale 0..255 over
        all cases, and for `estimate`, the mean distance of the estimated levels, each in its unit."""
        restorer = self.models["restorer"]
        scores, errors, misses, rows = {}, [], [], []
        with steady(restorer):
            for name, clean, damaged, levels in self._cases:
                outs = [restorer(one[None].to(restorer.device)) for one in damaged]
                restored = torch.cat([out.sample.float().cpu() for out in outs])
                estimates = torch.cat([out.levels.float().cpu() for out in outs])
                squares = (127.5 * (restored.clamp(-1, 1) - clean)).square().mean((1, 2, 3))
                scores[f"psnr_{name}"] = float((10 * torch.log10(255**2 / squares)).mean())
                errors.append(float(squares.sqrt().mean()))
                misses.append(float(((estimates - levels) / restorer.units.cpu()).abs().mean()))
                rows += [
                    [damaged[n, None].clamp(-1, 1), restored[n, None], clean[n, None]] for n in range(min(SHOWN, len(clean)))
                ]
        folder.mkdir(parents=True, exist_ok=True)
        contact_sheet(rows, columns=SHOWN).save(folder / f"step-{step}.jpg", quality=92)
        return {"rmse": sum(errors) / len(errors), "estimate": sum(misses) / len(misses), **scores}


def card_facts(config: RestorationConfig, dataset: DamagedPhotos) -> RunFacts:
    """Returns the facts of a finished run for its model card, beside settings and scores."""
    return run_facts(
        config,
        dataset,
        ", with damage made on the fly",
        purpose="It takes noise, JPEG artifacts and blur out of photos: one network, which estimates how strong the damage is.",
        call='pipe(photo).images[0].save("restored.png")',
        tags=["image-restoration", "denoising", "deblurring", "jpeg-artifacts"],
        limitations=(
            "It cannot know what the damage has destroyed: strong noise takes fine texture along, and strong blur stays soft.",
            "It was trained on white noise; the noise of a camera that has been through its processing is coarser.",
            "Damage of other kinds, such as scratches, stains, rain or haze, stays where it is.",
        ),
    )
