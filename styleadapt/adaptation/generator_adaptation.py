"""Quick adaptation of a generator from noise: from one to a hundred images of a new domain, in a time budget.

Only the synthesis changes, by small deltas, so that a latent means the same before and after. Three things pull at it, all on the
maps of a frozen feature network:
  - each picture takes the style of one of the images, as Gram matrices tell it, and its colors: of the one that is nearest,
    where no image may have much more than its share of the pictures;
  - a discriminator of patches, a few layers on these maps, tells the images' patches from the pictures' (projected GANs, Sauer
    et al., arXiv 2111.01007), in the hinge form;
  - who resembles whom among the pictures of a batch stays as in the source (cross-domain correspondence, Ojha et al., arXiv
    2104.06820), which keeps ten images from becoming ten pictures.

The average of the deltas over the steps is kept.
"""

import copy
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F
from PIL import Image
from torch.func import functional_call

from ..adapters.adapter import GeneratorAdapter
from ..adapters.deltas import merged_parameters
from ..data.square_crops import middle_square
from ..errors import AdapterError
from ..images.images import image_to_tensor, tensor_to_image
from ..losses.adversarial import hinge_discriminator_loss, hinge_generator_loss
from ..losses.consistency import correspondence_loss
from ..losses.features import build_feature_network
from ..losses.style import gram_matrix, sliced_color_loss
from ..metrics.perceptual import perceptual_distance
from .refinement_budget import LevelTimer, RefinementBudget

MOST_IMAGES = 100
_STYLE_LAYERS = ("relu1_2", "relu2_2", "relu3_3")
_PATCH_LAYERS = ("relu2_2", "relu3_3", "relu4_3")
_LARGEST = 256  # pixels a side that the feature network looks at
_SMALLEST = 32
_CHECKED = 12  # fixed pictures that the scores are of


@dataclass(frozen=True)
class GeneratorAdaptationConfig:
    """
    Args:
        train: what of the synthesis changes: "affine", the layers that read the code and all biases; "low-rank", low-rank deltas
            of the weights, and all biases.
        rank: of the low-rank deltas.
        learning_rate: of the deltas; the patch discriminator learns as fast.
        batch_size: pictures a step, 3 at least.
        style_weight: of the Gram matrices.
        color_weight: of the colors.
        adv_weight: of the patch discriminator; 0 leaves it out.
        correspondence_weight: of the resemblances among the pictures.
        ema_decay: of the average that is kept.
    """

    train: str = "low-rank"
    rank: int = 8
    learning_rate: float = 3e-3
    batch_size: int = 4
    style_weight: float = 1.0
    color_weight: float = 1.0
    adv_weight: float = 0.1
    correspondence_weight: float = 300.0
    ema_decay: float = 0.98

    def __post_init__(self):
        if self.train not in ("affine", "low-rank"):
            raise ValueError(f"`train` is {self.train!r}; it must be 'affine' or 'low-rank'")
        if self.batch_size < 3:
            raise ValueError(f"`batch_size` is {self.batch_size}; resemblances need 3 pictures at least")
        if self.rank < 1 or not 0 <= self.ema_decay < 1:
            raise ValueError(f"`rank` is {self.rank} and `ema_decay` {self.ema_decay}; they must be 1 or more, and in [0, 1)")


@dataclass
class GeneratorAdaptationProgress:
    """What the callback of an adaptation is given after every step.

    Args:
        step: steps done.
        seconds, seconds_left: since the start, and estimated to the end.
        fraction: of the work, 0 to 1.
        style: Gram distance of the last pictures to the images; lower is better.
    """

    step: int
    seconds: float
    seconds_left: float
    fraction: float
    style: float
    _pictures: Callable[[torch.Tensor, torch.Tensor | None], torch.Tensor] = field(repr=False)
    _stop: Callable[[], None] = field(repr=False)

    def preview(self, latents: torch.Tensor, label: torch.Tensor | None = None) -> list[Image.Image]:
        """What the state so far makes of latents `(B, latent_dim)`."""
        return tensor_to_image(self._pictures(latents, label))

    def stop(self) -> None:
        """Ends the adaptation after this step; what has been learned is kept."""
        self._stop()


def adapt_generator(
    generator: Any,
    images: list[Image.Image],
    *,
    base: str,
    budget: RefinementBudget,
    seed: int = 0,
    label: torch.Tensor | None = None,
    config: GeneratorAdaptationConfig | None = None,
    callback: Callable[[GeneratorAdaptationProgress], object] | None = None,
) -> GeneratorAdapter:
    """Adapts a generator to images of another domain and returns the change as an adapter; the generator is left as it is.

    Args:
        generator: from noise, see `GenerationPipeline`.
        images: 1 to 100 of mode "RGB"; the middle square of each counts.
        base: fingerprint of the generator, which the adapter is bound to.
        budget: steps, which with the same seed give the same adapter on one machine, or seconds.
        seed: of latents, crops and initialization.
        label: classes to draw pictures of, `(n,)`; of all if left out.
        callback: called after every step.

    Raises:
        ValueError: no image, or more than 100.
        AdapterError: the loss is not finite.
    """
    if not 1 <= len(images) <= MOST_IMAGES:
        raise ValueError(f"a generator is adapted to 1 to {MOST_IMAGES} images, got {len(images)}")
    timer = LevelTimer([1], budget)
    run = _GeneratorAdaptation(generator, images, seed, label, config or GeneratorAdaptationConfig())
    first, stopped = run.check(), False
    if not math.isfinite(first["style"]):
        raise AdapterError("the style distance is not finite; are the generator's weights and the images sound?")

    def stop() -> None:
        nonlocal stopped
        stopped = True

    for _ in timer.levels():
        while not stopped and timer.another():
            style = run.step(timer.fraction)
            if not math.isfinite(style):
                raise AdapterError("the adaptation diverged: give it a lower `learning_rate`")
            timer.stepped()
            if callback is not None:
                callback(
                    GeneratorAdaptationProgress(
                        timer.done, timer.seconds, timer.seconds_left, timer.fraction, style, run.pictures, stop
                    )
                )
    last = run.check()
    return GeneratorAdapter(
        deltas={name: tensor.cpu() for name, tensor in run.averaged.items()},
        base=base,
        config=asdict(run.config),
        scores={f"{name}_{when}": figures[name] for name in first for when, figures in (("before", first), ("after", last))},
        images=len(images),
        steps=timer.done,
        seconds=round(timer.seconds, 2),
    )


def generator_deltas(generator: nn.Module, train: str, rank: int, random: torch.Generator) -> dict[str, torch.Tensor]:
    """Deltas of the synthesis that change nothing yet, by the names of `adapters.deltas`: see `GeneratorAdaptationConfig.train`.
    What makes codes of latents has none.

    >>> from styleadapt.models.stylegan2 import StyleGAN2Generator
    >>> generator = StyleGAN2Generator(8, latent_dim=4, code_dim=4, mapping_layers=1, channel_base=64)
    >>> deltas = generator_deltas(generator, "low-rank", 2, torch.Generator())
    >>> deltas["synthesis.enter.lora_A.weight"].shape, deltas["synthesis.enter.lora_B.weight"].shape
    (torch.Size([2, 16, 3, 3]), torch.Size([16, 2, 1, 1]))
    """
    deltas = {}
    for name, parameter in generator.named_parameters():
        if name.startswith("mapping."):
            continue
        layer = name.removesuffix(".weight")
        weight = parameter.detach().float().cpu()
        if weight.ndim < 2 or (train == "affine" and layer.endswith(".affine")):
            deltas[f"{name}.delta"] = torch.zeros_like(weight)
        elif train == "low-rank" and layer != name:
            # so that a step changes each weight in proportion to the layer's weights
            scale = max(float(weight.std()), 1e-4) / math.sqrt(rank)
            deltas[f"{layer}.lora_A.weight"] = torch.randn((rank, *weight.shape[1:]), generator=random) * scale
            deltas[f"{layer}.lora_B.weight"] = torch.zeros(weight.shape[0], rank, *[1] * (weight.ndim - 2))
    return deltas


class PatchHeads(nn.Module):
    """A discriminator of patches: on each of the feature network's maps two layers that see one place at a time.

    >>> heads = PatchHeads({"relu2_2": torch.rand(2, 8, 4, 4)})
    >>> [logits.shape for logits in heads({"relu2_2": torch.rand(3, 8, 4, 4)})]
    [torch.Size([3, 1, 4, 4])]
    """

    def __init__(self, real: dict[str, torch.Tensor], width: int = 64):
        super().__init__()
        self.heads = nn.ModuleDict(
            {
                name: nn.Sequential(nn.Conv2d(f.shape[1], width, 1), nn.LeakyReLU(0.2), nn.Conv2d(width, 1, 1))
                for name, f in real.items()
            }
        )
        # channels whose spread differs by orders of magnitude are brought to one scale
        self.scales = {name: f.std((0, 2, 3), keepdim=True).clamp_min(float(f.std()) / 10 + 1e-6) for name, f in real.items()}

    def forward(self, features: dict[str, torch.Tensor]) -> list[torch.Tensor]:
        """`{layer: (B, C, h, w)}` -> logits `(B, 1, h, w)` of every layer."""
        return [head(features[name] / self.scales[name]) for name, head in self.heads.items()]


class _GeneratorAdaptation:
    """State of one adaptation: what trains, its average, what is known of the images."""

    def __init__(self, generator, images, seed: int, label: torch.Tensor | None, config: GeneratorAdaptationConfig):
        self.config = config
        self.device = next(generator.parameters()).device
        self.random = torch.Generator().manual_seed(seed)
        # what trains is float32, whatever the pipeline infers in
        self.generator = copy.deepcopy(generator).float().eval().requires_grad_(False)
        self.base = {name: p.detach() for name, p in self.generator.named_parameters()}
        self.classes = torch.arange(getattr(generator.config, "num_classes", 0)) if label is None else label
        self.network = build_feature_network(device=self.device)
        resolution = generator.config.resolution
        targets = torch.cat([image_to_tensor(middle_square(image, resolution)) for image in images]).to(self.device)
        self.targets = targets
        with torch.no_grad():
            chunks = [self._see(part) for part in targets.split(8)]
            self.real = {name: torch.cat([chunk[name] for chunk in chunks]) for name in chunks[0]}
            self.grams = {name: gram_matrix(self.real[name]) for name in _STYLE_LAYERS}
        self.used = torch.zeros(len(targets), device=self.device)
        self.trained = {
            name: tensor.to(self.device).requires_grad_()
            for name, tensor in generator_deltas(generator, config.train, config.rank, self.random).items()
        }
        self.averaged = {name: tensor.detach().clone() for name, tensor in self.trained.items()}
        self.optimizer = torch.optim.Adam(list(self.trained.values()), lr=config.learning_rate, betas=(0.5, 0.99))
        self.fixed = self._drawn(_CHECKED)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.heads = PatchHeads({name: self.real[name] for name in _PATCH_LAYERS}).to(self.device)
        self.judge = torch.optim.Adam(self.heads.parameters(), lr=config.learning_rate, betas=(0.5, 0.99))

    def step(self, fraction: float) -> float:
        """One update of the discriminator and of the deltas; the Gram distance."""
        c = self.config
        for optimizer in (self.optimizer, self.judge):
            for group in optimizer.param_groups:
                group["lr"] = c.learning_rate * (0.5 + 0.5 * math.cos(math.pi * fraction))
        z, label = self._drawn(c.batch_size)
        pictures = self._generate(z, label, self.trained)
        seen = self._see(pictures)
        with torch.no_grad():
            before = self._see(self._generate(z, label, {}))
        style, color = self._style(pictures, seen)
        loss = c.style_weight * style + c.color_weight * color
        loss = loss + c.correspondence_weight * correspondence_loss(seen, before).mean()
        if c.adv_weight:
            self._train_judge(seen)
            self.heads.requires_grad_(False)
            loss = loss + c.adv_weight * hinge_generator_loss(self.heads(seen))  # type: ignore[arg-type]
            self.heads.requires_grad_(True)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        with torch.no_grad():
            names = list(self.trained)
            steps = self.optimizer.state[self.trained[names[0]]]["step"]
            decay = min(c.ema_decay, float(steps) / (float(steps) + 10))
            torch._foreach_lerp_([self.averaged[n] for n in names], [self.trained[n] for n in names], 1 - decay)
        return float(style.detach())

    def _drawn(self, count: int) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Latents, and their labels where there are classes."""
        z = torch.randn(count, self.generator.config.latent_dim, generator=self.random, dtype=torch.float32).to(self.device)
        if not len(self.classes):
            return z, None
        return z, self.classes[torch.randint(len(self.classes), (count,), generator=self.random)].to(self.device)

    @torch.no_grad()
    def check(self) -> dict[str, float]:
        """Of fixed pictures of the averaged state: Gram distance of each to the nearest image, and their diversity, the mean
        perceptual distance of two."""
        seen = self._see(self.pictures(*self.fixed))
        nearest = self._distances({name: gram_matrix(seen[name]) for name in _STYLE_LAYERS}).amin(1).mean()
        others = [{name: f.roll(shift, 0) for name, f in seen.items()} for shift in range(1, _CHECKED // 2 + 1)]
        diversity = torch.stack([perceptual_distance(seen, other).mean() for other in others]).mean()
        return {"style": float(nearest), "diversity": float(diversity)}

    def _distances(self, grams: dict[str, torch.Tensor]) -> torch.Tensor:
        """`(B, number of images)`."""
        return torch.stack([_relative(grams[n][:, None], self.grams[n][None]) for n in _STYLE_LAYERS]).mean(0)

    def _style(self, pictures: torch.Tensor, seen: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Gram and color distance of each picture to its image, averaged."""
        ours = {name: gram_matrix(seen[name]) for name in _STYLE_LAYERS}
        with torch.no_grad():
            chosen = []
            for row in self._distances(ours):
                # an image that has had more pictures than others looks farther away
                chosen.append(int((row * (1 + self.used - self.used.min())).argmin()))
                self.used[chosen[-1]] += 1 / len(pictures)
            self.used *= 0.98
        style = torch.stack([_relative(ours[n], self.grams[n][chosen]) for n in _STYLE_LAYERS]).mean()
        directions = F.normalize(torch.randn(3, 8, generator=self.random), dim=0).to(self.device)
        return style, sliced_color_loss(pictures, self.targets[chosen], directions).mean()

    def _train_judge(self, seen: dict[str, torch.Tensor]) -> None:
        picked = torch.randint(len(self.targets), (self.config.batch_size,), generator=self.random)
        mirrored = bool(torch.randint(2, (), generator=self.random))
        real = {name: self.real[name][picked] for name in _PATCH_LAYERS}
        real = {name: f.flip(3) if mirrored else f for name, f in real.items()}
        fake = {name: seen[name].detach() for name in _PATCH_LAYERS}
        loss = hinge_discriminator_loss(self.heads(real), self.heads(fake))  # type: ignore[arg-type]
        self.judge.zero_grad()
        loss.backward()
        self.judge.step()

    @torch.no_grad()
    def pictures(self, latents: torch.Tensor, label: torch.Tensor | None = None) -> torch.Tensor:
        """What the averaged state makes of latents: `(B, 3, R, R)`."""
        label = None if label is None else label.to(self.device)
        return self._generate(latents.to(self.device), label, self.averaged)

    def _generate(self, z: torch.Tensor, label: torch.Tensor | None, deltas: dict[str, torch.Tensor]) -> torch.Tensor:
        options = {"noise": "constant"} if hasattr(self.generator, "mapping") else {}
        return functional_call(self.generator, {**self.base, **merged_parameters(self.base, deltas)}, (z, label), options).sample

    def _see(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        size = min(max(images.shape[-1], _SMALLEST), _LARGEST)
        if size < images.shape[-1]:
            images = F.interpolate(images, size, mode="area")
        elif size > images.shape[-1]:
            images = F.interpolate(images, size, mode="bilinear")
        return {name: f.float() for name, f in self.network(images).items()}


def _relative(ours: torch.Tensor, theirs: torch.Tensor) -> torch.Tensor:
    """Squared distance of Gram matrices `(..., C, C)`, relative to the mean of both squared norms."""
    norm = (ours.detach().square().sum((-2, -1)) + theirs.square().sum((-2, -1))) / 2
    return (ours - theirs).square().sum((-2, -1)) / norm.clamp_min(1e-12)
