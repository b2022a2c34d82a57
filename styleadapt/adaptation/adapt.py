"""Quick adaptation: from one or a few style images to an adapter, in about a minute on two CPU cores.

It starts at the zero-shot style code and trains that code, AdaLIN and the other small parameters, low-rank deltas of the
convolutions, and the discriminator's upper layers, on random crops of a few photos.
"""

import contextlib
import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field

import torch
import torch.nn.functional as F
from PIL import Image
from torch.func import functional_call

from ..data.images import ImageSource, image_to_tensor, tensor_to_image
from ..data.resizing import resize_within
from ..losses.adversarial import ADVERSARIAL_LOSSES
from ..losses.objective import LossWeights, StyleAwareObjective, StyleTarget
from ..losses.style import StyleStatistics, discriminator_style_loss
from ..models.cpu import supports_bf16
from ..models.discriminator import StyleDiscriminator
from ..models.generator import StyleGenerator
from ..models.style_encoder import StyleEncoder
from .adapter import AdapterError, StyleAdapter
from .crops import PhotoCrops
from .deltas import initial_deltas, merged_parameters

_REPORT_EVERY = 5  # steps; about a second on two cores
# the relativistic form's generator needs logits of real images too
_ADVERSARIAL = [name for name in ADVERSARIAL_LOSSES if name != "relativistic"]


@dataclass(frozen=True)
class AdaptationConfig:
    """Settings of quick adaptation.

    Args:
        rank: of the low-rank deltas.
        learning_rate: peak rate of the deltas (Adam); it falls to 0 along a cosine.
        code_rate: factor on it for the style code.
        kernel_rate: factor on it for convolution kernels that are trained whole.
        lr_d: rate of the discriminator.
        batch_size: crops a step.
        crop_size: side of the crops in pixels. One large crop teaches more than two small ones: the statistics of deep layers
            depend on the size, and whole pictures are large.
        largest_zoom: crops are cut from photos at a random scale, up to this enlargement. Large photos are smooth where crops of
            small ones are busy, and smooth areas are what a style is hardest to learn on.
        pool_size: number of crops that are cut out, with their features, before training starts.
        style_size: style images are reduced to this many pixels squared.
        pyramid: scales of the style loss; 2 compares at half size too.
        losses: weights of the image losses.
        adv_loss, adv_weight: form and weight of the adversarial loss; weight 0 leaves the discriminator out.
        feature_weight: weight of the style loss on the discriminator's features.
        frozen_layers: lower convolutions of the discriminator that do not train.
        ema_decay: of the average that is kept.
        check_every: steps between checks of the average on fixed crops.
        patience: checks without any improvement after which it stops early.
    """

    rank: int = 32
    learning_rate: float = 3e-3
    code_rate: float = 4.0
    kernel_rate: float = 0.25
    lr_d: float = 4e-4
    batch_size: int = 1
    crop_size: int = 320
    largest_zoom: float = 2.5
    pool_size: int = 48
    style_size: int = 512
    pyramid: int = 1
    losses: LossWeights = field(
        default_factory=lambda: LossWeights(gram=240.0, mean_std=16.0, color=9.0, content=10.0, structure=78.0)
    )
    adv_loss: str = "hinge"
    adv_weight: float = 0.2
    feature_weight: float = 1.0
    frozen_layers: int = 2
    ema_decay: float = 0.98
    check_every: int = 20
    patience: int = 12

    def __post_init__(self):
        for name in ("rank", "batch_size", "crop_size", "pool_size", "style_size", "pyramid", "check_every", "patience"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` is {getattr(self, name)}; it must be 1 at least")
        if not self.largest_zoom >= 1:
            raise ValueError(f"`largest_zoom` is {self.largest_zoom}; it must be 1 at least")
        if self.adv_loss not in _ADVERSARIAL:
            raise ValueError(f"`adv_loss` is {self.adv_loss!r}; allowed: {', '.join(_ADVERSARIAL)}")


@dataclass
class AdaptationProgress:
    """What the callback of an adaptation is given: before the first step, every few steps, and at every check.

    Args:
        step: steps done.
        seconds, seconds_left: since the start, and estimated to the end.
        fraction: of the work, 0 to 1.
        style, content: style and content distance of the averaged weights on fixed crops at the last check; lower is better.
    """

    step: int
    seconds: float
    seconds_left: float
    fraction: float
    style: float
    content: float
    _preview: Callable[[Image.Image], Image.Image] = field(repr=False)
    _stop: Callable[[], None] = field(repr=False)

    def preview(self, photo: Image.Image) -> Image.Image:
        """`photo` (RGB), stylised by the state so far."""
        return self._preview(photo)

    def stop(self) -> None:
        """Ends the adaptation after this step; the best state so far is kept."""
        self._stop()


def check_budget(max_seconds: float, steps: int | None) -> None:
    """Raises ValueError for a budget that is not positive."""
    if steps is not None and steps < 1:
        raise ValueError(f"`steps` is {steps}; it must be 1 at least")
    if steps is None and not max_seconds > 0:
        raise ValueError(f"`max_seconds` is {max_seconds}; it must be greater than 0")


def adapt(
    generator: StyleGenerator,
    style_encoder: StyleEncoder,
    discriminator: StyleDiscriminator | None,
    styles: list[Image.Image],
    photos: Sequence[ImageSource],
    *,
    base: str,
    max_seconds: float = 60.0,
    steps: int | None = None,
    seed: int = 0,
    config: AdaptationConfig | None = None,
    callback: Callable[[AdaptationProgress], object] | None = None,
) -> StyleAdapter:
    """Adapts the generator to a style and returns the change as an adapter; the models given are left as they are.

    Args:
        styles: RGB images, one at least.
        photos: images or files, one at least; they are opened one by one, and what cannot be read is left out with a warning.
        base: fingerprint of the generator, which the adapter is bound to.
        max_seconds: time limit, all in.
        steps: exactly so many steps (fewer only if nothing improves or it is stopped), whatever the time.
        seed: same seed, steps and machine: the same adapter.

    Raises:
        ValueError: a budget that is not positive.
        ImageError: none of the photos can be read.
        AdapterError: the loss was not finite from the start.
    """
    check_budget(max_seconds, steps)
    started = time.monotonic()
    run = _Adaptation(generator, style_encoder, discriminator, styles, photos, seed, config or AdaptationConfig())
    figures = first = run.check()
    if not math.isfinite(first["objective"]):
        raise AdapterError("the style loss is not finite; are the model's weights and the style images sound?")
    best, best_deltas, best_figures, misses = first["objective"], run.average(), first, 0
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True

    def report(left: float, fraction: float) -> None:
        if callback is not None:
            seconds = time.monotonic() - started
            callback(
                AdaptationProgress(
                    step, seconds, max(left, 0.0), fraction, figures["style"], figures["content"], run.preview, stop
                )
            )

    step, check_seconds, loop_started = 0, 0.0, time.monotonic()
    report(max_seconds if steps is None else math.inf, 0.0)
    while not stopped and (step < steps if steps is not None else True):
        elapsed = time.monotonic() - started
        per_step = (time.monotonic() - loop_started) / max(step, 1)
        left = (steps - step) * per_step if steps is not None else max_seconds - elapsed
        if steps is None and step and left < per_step + check_seconds:
            break
        fraction = step / steps if steps is not None else min(elapsed / max_seconds, 1.0)
        run.step(step, fraction)
        step += 1
        checked = step % run.config.check_every == 0
        if checked:
            tick = time.monotonic()
            figures = run.check()
            check_seconds = time.monotonic() - tick
            if not math.isfinite(figures["objective"]):
                break
            if figures["objective"] < best:
                best, best_deltas, best_figures, misses = figures["objective"], run.average(), figures, 0
            else:
                misses += 1
                stopped = misses >= run.config.patience
        if checked or step % _REPORT_EVERY == 0:
            report(left, fraction)
    figures = run.check()
    if math.isfinite(figures["objective"]) and figures["objective"] < best:
        best_deltas, best_figures = run.average(), figures
    code = best_deltas.pop("code")
    scores = {
        "style_before": first["style"],
        "style_after": best_figures["style"],
        "content_before": first["content"],
        "content_after": best_figures["content"],
    }
    return StyleAdapter(
        deltas=best_deltas,
        code=code,
        start_code=run.start_code.cpu(),
        base=base,
        config=asdict(run.config),
        scores=scores,
        images=len(styles),
        steps=step,
        seconds=round(time.monotonic() - started, 2),
    )


class _Adaptation:
    """State of one adaptation: what trains, its average, the pool of crops, the target."""

    def __init__(self, generator, style_encoder, discriminator, styles, photos, seed, config: AdaptationConfig):
        self.config = config
        self.device = next(generator.parameters()).device
        self.random = torch.Generator().manual_seed(seed)
        # what trains and what measures is float32, whatever the pipeline infers in
        generator, style_encoder = (copy.deepcopy(model).float().eval() for model in (generator, style_encoder))
        self.generator, self.trunk = generator, style_encoder.trunk
        self.base = {name: p.detach() for name, p in generator.named_parameters()}
        self.objective = StyleAwareObjective(config.losses)
        self.autocast = lambda: (
            torch.autocast(self.device.type, torch.bfloat16) if supports_bf16(self.device) else contextlib.nullcontext()
        )
        with torch.no_grad():
            self.styles = [image_to_tensor(resize_within(i, config.style_size**2, 64)).to(self.device) for i in styles]
            self.start_code = style_encoder.mix(torch.cat([style_encoder(image) for image in self.styles])).float()
            self.targets = [self._target(1 / 2**level) for level in range(config.pyramid)]
            crops = PhotoCrops(photos, config.crop_size, config.largest_zoom, seed)
            self.pool = [self._with_features(crop) for crop in crops.cut(config.pool_size)]
            self.fixed = [self._with_features(crop) for crop in crops.cut(4)]
        with self._seeded():
            self.trained = {name: t.to(self.device) for name, t in initial_deltas(generator, config.rank).items()}
        self.trained["code"] = self.start_code.clone()
        for tensor in self.trained.values():
            tensor.requires_grad_()
        self.averaged = {name: t.detach().clone() for name, t in self.trained.items()}
        by_factor: dict[float, list[torch.Tensor]] = {}
        for name, tensor in self.trained.items():
            by_factor.setdefault(self._rate_factor(name, tensor), []).append(tensor)
        groups = [{"params": tensors, "factor": factor} for factor, tensors in by_factor.items()]
        self.optimizer = torch.optim.Adam(groups, lr=config.learning_rate, betas=(0.5, 0.99), fused=True)
        self.discriminator = None
        if discriminator is not None and config.adv_weight > 0:
            self.discriminator = copy.deepcopy(discriminator).float().train()
            self.discriminator.freeze_lower(config.frozen_layers)
            upper = [p for p in self.discriminator.parameters() if p.requires_grad]
            self.d_optimizer = torch.optim.Adam(upper, lr=config.lr_d, betas=(0.5, 0.99), fused=True)
            self.d_loss, self.g_loss = ADVERSARIAL_LOSSES[config.adv_loss]

    def _rate_factor(self, name: str, tensor: torch.Tensor) -> float:
        if name == "code":
            return self.config.code_rate
        return self.config.kernel_rate if name.endswith(".delta") and tensor.ndim == 4 else 1.0

    def step(self, step: int, fraction: float) -> None:
        """One update of discriminator and deltas. `fraction` of the work done sets the rate."""
        c = self.config
        rate = c.learning_rate * min(1.0, (step + 1) / 10) * (0.02 + 0.98 * math.cos(math.pi / 2 * fraction) ** 2)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        picked = torch.randint(len(self.pool), (c.batch_size,), generator=self.random)
        photo = torch.cat([self.pool[i][0] for i in picked])
        features = {name: torch.cat([self.pool[i][1][name] for i in picked]) for name in self.pool[0][1]}
        # in training the generator shifts its noise, which would be learnt by heart
        self.generator.train()
        with self._seeded():
            generated = self._generate(photo, self.trained)
        self.generator.eval()
        loss, _ = self._loss(generated, photo, features)
        if self.discriminator is not None:
            loss = loss + self._adversarial(self.discriminator, generated)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(self.trained.values()), 20.0)
        self.optimizer.step()
        decay = min(c.ema_decay, (step + 1) / (step + 10))
        with torch.no_grad():
            names = list(self.trained)
            torch._foreach_lerp_([self.averaged[n] for n in names], [self.trained[n] for n in names], 1 - decay)

    def _adversarial(self, discriminator: StyleDiscriminator, generated: torch.Tensor) -> torch.Tensor:
        """Trains the discriminator one step, then judges the generated images with it: weighted adversarial and style loss."""
        c = self.config
        code = self.trained["code"].detach().expand(len(generated), -1)
        real = torch.cat([self._style_crop() for _ in range(len(generated))])
        parameters = [p for p in discriminator.parameters() if p.requires_grad]
        with self.autocast():
            out = discriminator(torch.cat([real, generated.detach()]), torch.cat([code, code]))
        logits = (*out.logits, out.cam_logits)
        style = {name: f[: len(real)] for name, f in out.features.items()}
        self.d_optimizer.zero_grad()
        self.d_loss([l[: len(real)] for l in logits], [l[len(real) :] for l in logits]).backward()
        self.d_optimizer.step()
        for parameter in parameters:
            parameter.requires_grad_(False)
        with self.autocast():
            out = discriminator(generated, code)
        for parameter in parameters:
            parameter.requires_grad_(True)
        loss = c.adv_weight * self.g_loss((*out.logits, out.cam_logits))
        return loss + c.feature_weight * discriminator_style_loss(out.features, style).mean()

    @torch.no_grad()
    def check(self) -> dict[str, float]:
        """Style, content and weighted objective of the averaged state on the fixed crops."""
        figures = {"objective": 0.0, "style": 0.0, "content": 0.0}
        for photo, features in self.fixed:
            loss, means = self._loss(self._generate(photo, self.averaged), photo, features, torch.eye(3, device=self.device))
            for name, value in (("objective", loss), ("style", means["gram"]), ("content", means["content"])):
                figures[name] += float(value) / len(self.fixed)
        return figures

    def average(self) -> dict[str, torch.Tensor]:
        """A copy of the averaged state."""
        return {name: t.detach().cpu().clone() for name, t in self.averaged.items()}

    @torch.no_grad()
    def preview(self, photo: Image.Image) -> Image.Image:
        return tensor_to_image(self._generate(image_to_tensor(photo).to(self.device), self.averaged))[0]

    @contextlib.contextmanager
    def _seeded(self) -> Iterator[None]:
        """Draws from torch's own generator follow this adaptation's seed, and the caller's are left as they were."""
        seed = int(torch.randint(2**31, (), generator=self.random))
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            yield

    def _generate(self, photo: torch.Tensor, state: dict[str, torch.Tensor]) -> torch.Tensor:
        code = state["code"].expand(len(photo), -1)
        parameters = merged_parameters(self.base, {name: t for name, t in state.items() if name != "code"})
        photo = photo.contiguous(memory_format=torch.channels_last)
        with self.autocast():
            return functional_call(self.generator, parameters, (photo, code)).sample.float()

    def _loss(self, generated, photo, features, directions=None) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        if directions is None:
            directions = F.normalize(torch.randn(3, 16, generator=self.random), dim=0).to(self.device)
        loss, means = self.objective(generated, self.trunk(generated), photo, features, self.targets[0], directions)
        for level, target in enumerate(self.targets[1:], 1):
            small = F.interpolate(generated, scale_factor=0.5**level, mode="area")
            loss = loss + self.objective.style_only(self.trunk(small), target)
        return loss, means

    def _target(self, scale: float) -> StyleTarget:
        """Statistics of all style images, averaged, and their pixels side by side."""
        targets = []
        for image in self.styles:
            small = image if scale == 1 else F.interpolate(image, scale_factor=scale, mode="area")
            targets.append(self.objective.target(small, self.trunk(small)))
        mean = {
            kind: {
                name: torch.stack([getattr(t.statistics, kind)[name] for t in targets]).mean(0)
                for name in getattr(targets[0].statistics, kind)
            }
            for kind in ("gram", "mean", "std")
        }
        pixels = torch.cat([t.pixels.flatten(2) for t in targets], 2)[:, :, None]
        return StyleTarget(StyleStatistics(**mean), pixels)

    def _with_features(self, crop: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """A crop, and its features that the content losses read."""
        crop = crop.to(self.device)
        features = self.trunk(crop)
        return crop, {name: features[name] for name in {*self.objective.content_layers, self.objective.structure_layer}}

    def _style_crop(self) -> torch.Tensor:
        image = self.styles[int(torch.randint(len(self.styles), (), generator=self.random))]
        size = self.config.crop_size
        span = min(size, *image.shape[-2:])
        top, left = (int(torch.randint(side - span + 1, (), generator=self.random)) for side in image.shape[-2:])
        crop = image[..., top : top + span, left : left + span]
        return crop if span == size else F.interpolate(crop, size=(size, size), mode="bilinear", align_corners=False)
