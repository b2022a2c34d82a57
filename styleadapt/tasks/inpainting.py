"""Inpainting as a training task: the network learns to fill holes of any shape in photos."""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..data.damaged import as_tensor
from ..data.degradations import free_form_mask
from ..data.punctured import PuncturedPhotos
from ..hub.model_card import RunFacts
from ..models.discriminator import StyleDiscriminator
from ..models.inpainter import Inpainter, push_pull
from ..training.adversary import steady
from ..training.sheets import contact_sheet
from .repair import RepairState, RepairTask, divided_photos, middle, run_facts, samples_needed, start_model
from .restoration_config import InpaintingConfig

VALIDATION_SIZE, SHOWN = 256, 12
# of the model card: it runs as it stands
_EXAMPLE = (
    "from PIL import Image",
    "",
    'mask = Image.new("L", Image.open(photo).size)  # white in the hole',
    "mask.paste(255, (60, 60, 100, 100))",
    'pipe(photo, task="inpaint", mask=mask).images[0].save("whole.png")',
)


def build_dataset(config: InpaintingConfig) -> PuncturedPhotos:
    """The run's crops and holes; raises what `repair.divided_photos` raises."""
    groups, _ = divided_photos(config)
    return PuncturedPhotos(
        groups,
        config.photo_weights or [1.0] * len(groups),
        config.resolution,
        (config.hole_coverage[0], config.hole_coverage[1]),
        (config.hole_thickness[0], config.hole_thickness[1]),
        (config.photo_scale[0], config.photo_scale[1]),
        config.seed,
        length=samples_needed(config),
    )


def build_models(config: InpaintingConfig) -> dict[str, Any]:
    """The inpainter and its discriminator, loaded or new, ready for training; raises what `repair.start_model` raises."""
    arguments = {"code_dim": 1, **config.discriminator}
    return {
        "inpainter": start_model(Inpainter, "inpainter", config, config.inpainter),
        "discriminator": start_model(StyleDiscriminator, "discriminator", config, arguments, optional=True),
    }


class InpaintingTask(RepairTask):
    """Trains the inpainter; the discriminator is told the share of the hole."""

    generator_names: tuple[str, ...] = ("inpainter",)
    config: InpaintingConfig

    def forward(self, batch: dict[str, torch.Tensor], step: int) -> RepairState:
        clean, mask = self.in_layout(batch["clean"], batch["mask"])
        repaired = self.modules["inpainter"](clean, mask).sample.float()
        return RepairState(clean, repaired, mask.mean((2, 3)), {})

    @cached_property
    def _cases(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Photos `(1, 3, S, S)` with holes `(1, 1, S, S)`, the same at every validation."""
        assert self.validation is not None
        cases = []
        for n in range(len(self.validation)):
            mask = free_form_mask(VALIDATION_SIZE, VALIDATION_SIZE, np.random.default_rng(n))
            photo = as_tensor(middle(self.validation[n], VALIDATION_SIZE))
            cases.append((photo[None], torch.from_numpy(mask)[None, None].float()))
        return cases

    @torch.no_grad()
    def validate(self, step: int, folder: Path) -> dict[str, float]:
        """Writes `step-N.jpg`, in rows of a photo with its hole, the filled one and the whole one, and returns the root mean
        square error inside the holes on the scale 0..255, `rmse`, and the PSNR there in decibels, `psnr`, beside that of the
        smooth fill that the network starts from."""
        inpainter = self.models["inpainter"]
        squares, smooth, rows = [], [], []
        with steady(inpainter):
            for clean, mask in self._cases:
                filled = inpainter(clean.to(inpainter.device), mask.to(inpainter.device)).sample.float().cpu().clamp(-1, 1)
                squares.append(hole_error(filled, clean, mask))
                smooth.append(hole_error(push_pull(clean, mask), clean, mask))
                rows.append([torch.where(mask > 0, 0.0, clean), filled, clean])
        folder.mkdir(parents=True, exist_ok=True)
        contact_sheet(rows[:SHOWN], columns=2).save(folder / f"step-{step}.jpg", quality=92)
        errors, bases = torch.stack(squares), torch.stack(smooth)
        return {
            "rmse": float(errors.sqrt().mean()),
            "psnr": float((10 * torch.log10(255**2 / errors)).mean()),
            "psnr_smooth": float((10 * torch.log10(255**2 / bases)).mean()),
        }


def hole_error(filled: torch.Tensor, clean: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean square error inside the hole on the scale 0..255, a scalar.

    >>> float(hole_error(torch.ones(1, 3, 2, 2), torch.zeros(1, 3, 2, 2), torch.eye(2)[None, None]))
    16256.25
    """
    squares = (127.5 * (filled - clean)).square().mean(1, keepdim=True)
    return (squares * mask).sum() / mask.sum()


def card_facts(config: InpaintingConfig, dataset: PuncturedPhotos) -> RunFacts:
    """Returns the facts of a finished run for its model card, beside settings and scores."""
    return run_facts(
        config,
        dataset,
        ", with holes made on the fly",
        purpose="It fills holes of any shape in photos from what is around them.",
        call="\n".join(_EXAMPLE),
        tags=["image-restoration", "inpainting"],
        limitations=(
            "It continues surfaces and edges; it knows no things, and will not give back half of a face.",
            "Large holes are filled at a smaller scale, and come out softer than what is around them.",
        ),
    )
