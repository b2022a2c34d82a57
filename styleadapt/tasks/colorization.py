"""Colorization as a training task: the network learns to color gray photos."""

from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import torch

from ..data.damaged import as_tensor
from ..data.twin_crops import TwinCrops
from ..hub.model_card import RunFacts
from ..models.colorizer import Colorizer, colorize
from ..models.discriminator import StyleDiscriminator
from ..models.lab import lab_to_rgb, rgb_to_lab
from ..models.style_encoder import StyleEncoder
from ..training.adversary import steady
from ..training.processes import process_state
from ..training.sheets import contact_sheet
from .repair import RepairState, RepairTask, divided_photos, middle, run_facts, samples_needed, start_model
from .restoration_config import ColorizationConfig

VALIDATION_SIZE, SHOWN = 256, 12


def build_dataset(config: ColorizationConfig) -> TwinCrops:
    """The run's crops; raises what `repair.divided_photos` raises."""
    groups, _ = divided_photos(config)
    weights = config.photo_weights or [1.0] * len(groups)
    scale = (config.photo_scale[0], config.photo_scale[1])
    return TwinCrops(groups, weights, config.resolution, scale, config.seed, length=samples_needed(config))


def build_models(config: ColorizationConfig) -> dict[str, Any]:
    """The colorizer and its discriminator, loaded or new, ready for training; raises what `repair.start_model` raises."""
    arguments = {"code_dim": 1, **config.discriminator}
    return {
        "colorizer": start_model(Colorizer, "colorizer", config, config.colorizer),
        "discriminator": start_model(StyleDiscriminator, "discriminator", config, arguments, optional=True),
    }


class ColorizationTask(RepairTask):
    """Trains the colorizer, on what the packaged style encoder sees in gray photos."""

    generator_names: tuple[str, ...] = ("colorizer",)
    config: ColorizationConfig

    def __init__(self, config: ColorizationConfig, models: dict[str, Any]):
        super().__init__(config, models)
        weights = str(resources.files("styleadapt") / "assets" / "weights")
        self.encoder = StyleEncoder.from_pretrained(weights, subfolder="style_encoder").requires_grad_(False)
        self.encoder.to(process_state().device)

    @torch.no_grad()
    def calibrate(self, dataset: TwinCrops, count: int = 300) -> None:
        """Counts how often each color occurs in `count` crops of the data set, by which the loss weighs it, and has a new
        colorizer begin with what is right on average."""
        colorizer = self.models["colorizer"]
        shares = []
        for n in range(min(count, len(dataset))):
            ab = rgb_to_lab(dataset[n]["clean"][None])[:, 1:]
            small = torch.nn.functional.avg_pool2d(ab, 4).to(colorizer.device)
            shares.append(colorizer.targets(small).mean((0, 2, 3)))
        colorizer.prior.copy_(torch.stack(shares).mean(0))
        colorizer.choose.bias.copy_((colorizer.prior * colorizer.weights(self.config.uniform)).clamp(min=1e-5).log())

    def forward(self, batch: dict[str, torch.Tensor], step: int) -> RepairState:
        clean, twin = self.in_layout(batch["clean"], batch["twin"])
        lab = rgb_to_lab(clean)
        with torch.no_grad():
            told = torch.rand(len(clean), 1, device=clean.device) < self.config.palette_share
            code = self.encoder(twin) * told
        out = self.modules["colorizer"](self._seen(lab), code)
        colorizer = self.models["colorizer"]
        ab = torch.nn.functional.interpolate(lab[:, 1:], out.ab.shape[-2:], mode="area")
        choice = choice_loss(out.logits, colorizer.targets(ab), colorizer.weights(self.config.uniform))
        repaired = colorize(lab[:, :1], out.ab)
        return RepairState(clean, repaired, told.float(), {"choice": (self.config.choice_weight, choice)})

    @torch.no_grad()
    def _seen(self, lab: torch.Tensor) -> dict[str, torch.Tensor]:
        """What the trunk sees in the gray photo, of the lightness alone."""
        return self.encoder.trunk(lab_to_rgb(lab * lab.new_tensor([1.0, 0.0, 0.0])[:, None, None]))

    @cached_property
    def _photos(self) -> torch.Tensor:
        assert self.validation is not None
        photos = [middle(self.validation[n], VALIDATION_SIZE) for n in range(len(self.validation))]
        return torch.stack([as_tensor(photo) for photo in photos])

    @torch.no_grad()
    def validate(self, step: int, folder: Path) -> dict[str, float]:
        """Writes `step-N.jpg`, in rows of a gray photo, the colored one, one with its own palette and the true one, and returns,
        without palettes, `choice`, the cross-entropy; `rmse`, the root mean square error of a* and b*; and `colorfulness`, that
        of the results in proportion to that of the photos, which is best near 1."""
        colorizer, device = self.models["colorizer"], process_state().device
        losses, errors, colorful, rows = [], [], [], []
        with steady(colorizer):
            for photo in self._photos:
                clean = photo[None].to(device)
                lab = rgb_to_lab(clean)
                seen = self._seen(lab)
                out, told = colorizer(seen), colorizer(seen, self.encoder(clean))
                ab = torch.nn.functional.interpolate(lab[:, 1:], out.ab.shape[-2:], mode="area")
                losses.append(choice_loss(out.logits, colorizer.targets(ab), colorizer.weights(self.config.uniform)))
                errors.append((out.ab - ab).square().mean().sqrt())
                colored, own = colorize(lab[:, :1], out.ab), colorize(lab[:, :1], told.ab)
                colorful.append((colorfulness(colored), colorfulness(clean)))
                gray = lab_to_rgb(lab * lab.new_tensor([1.0, 0.0, 0.0])[:, None, None])
                rows.append([t.cpu() for t in (gray, colored, own, clean)])
        folder.mkdir(parents=True, exist_ok=True)
        contact_sheet(rows[:SHOWN], columns=2).save(folder / f"step-{step}.jpg", quality=92)
        made, true = (sum(values) for values in zip(*colorful))
        return {
            "choice": float(torch.stack(losses).mean()),
            "rmse": float(torch.stack(errors).mean()),
            "colorfulness": float(made / max(true, 1e-6)),
        }

    def components(self) -> dict[str, Any]:
        """The colorizer, and the style encoder that it cannot do without."""
        return {**super().components(), "style_encoder": self.encoder}


def choice_loss(logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of choices with the shares of the true colors, each place weighed by how rare its color is (Zhang et al.,
    arXiv 1603.08511, eq. 2).

    Args:
        logits, targets: `(B, K, h, w)`; the targets sum to 1 over K.
        weights: `(K,)`.

    >>> float(choice_loss(torch.zeros(1, 4, 2, 2), torch.full((1, 4, 2, 2), 0.25), torch.ones(4)))  # log 4
    1.386...
    """
    rarity = torch.einsum("bkhw,k->bhw", targets, weights)
    return -(rarity * (targets * logits.log_softmax(1)).sum(1)).mean()


def colorfulness(x: torch.Tensor) -> float:
    """How colorful a photo `(1, 3, H, W)` in [-1, 1] is: 0 for gray, about 30 to 60 for most photos, 100 and more for vivid ones.

    sigma + 0.3 mu of the opponent colors R - G and (R + G) / 2 - B on the scale 0..255 (Hasler and Suesstrunk, "Measuring
    colorfulness in natural images", 2003, section 7).

    >>> colorfulness(torch.zeros(1, 3, 4, 4))
    0.0
    """
    r, g, b = (127.5 * (x[0].float().clamp(-1, 1) + 1)).unbind(0)
    opponents = torch.stack([r - g, (r + g) / 2 - b]).flatten(1)
    spread, middle_ = opponents.var(1, correction=0).sum().sqrt(), opponents.mean(1).norm()
    return float(spread + 0.3 * middle_)


def card_facts(config: ColorizationConfig, dataset: TwinCrops) -> RunFacts:
    """Returns the facts of a finished run for its model card, beside settings and scores."""
    return run_facts(
        config,
        dataset,
        "",
        purpose="It gives gray photos colors, by what EfficientNet-Lite0, which was trained on ImageNet, sees in them.",
        call='pipe(photo, task="colorize").images[0].save("colored.png")',
        tags=["image-restoration", "colorization"],
        limitations=(
            "Colors are guesses: of clothes, cars and painted walls the gray photo does not say which they had.",
            "Small things take the color of what is around them.",
        ),
    )
