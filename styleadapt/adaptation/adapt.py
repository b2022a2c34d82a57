"""Adapts the generator to one or a few style images in about a minute on two CPU cores; the result is an adapter.

It starts at the zero-shot style code and trains that code, AdaLIN and the other small parameters, low-rank deltas of the
convolutions, and the discriminator's upper layers, on random crops of a few photos. Of several style images each has its turn,
with its own statistics, and with its own zero-shot code in the place of their mean: what is learned is what the images have in
common, and one of them, given as the style of a picture while the adapter is worn, is painted better too.
"""

import contextlib
import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch.func import functional_call

from ..adapters.adapter import StyleAdapter
from ..adapters.deltas import initial_deltas, merged_parameters, weight_deltas
from ..devices.cpu import supports_bf16
from ..drawn.edges import drawn_edge
from ..errors import AdapterError
from ..images.images import ImageSource, image_to_tensor, tensor_to_image
from ..images.resizing import resize_within
from ..losses.adversarial import nonsaturating_generator_loss
from ..losses.consistency import correspondence_loss, elastic_penalty, fisher_diagonal
from ..losses.content import instance_normalize
from ..losses.features import build_feature_network
from ..losses.objective import ContentTarget, StyleAwareObjective, StyleTarget
from ..losses.regularization import rim_loss
from ..losses.style import StyleStatistics
from ..models.discriminator import StyleDiscriminator
from ..models.generator import StyleGenerator
from ..models.style_encoder import StyleEncoder
from ..training.optimizers import build_optimizer
from .crops import PhotoCrops
from .discriminator_game import Opponent
from .health import lost_variety
from .loop import Moment, check_budget, keep_best
from .schedules import rate_factor
from .settings import AdaptationConfig


@dataclass
class AdaptationProgress:
    """The progress of an adaptation, which its callback gets before the first step, every few steps, at every check, and, unless
    it was stopped, at the end.

    Args:
        step: steps done.
        seconds, seconds_left: since the start, and estimated to the end.
        fraction: of the work, 0 to 1.
        style, content: style and content distance of the averaged weights on fixed crops at the last check, at the end those of
            the best state; lower is better.
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
        """Returns `photo` (RGB) as the present state stylizes it."""
        return self._preview(photo)

    def stop(self) -> None:
        """Ends the adaptation after this step; the best state so far is kept."""
        self._stop()


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
    clock: Callable[[], float] = time.monotonic,
) -> StyleAdapter:
    """Adapts the generator to a style and returns the change as an adapter; the models given are left as they are.

    Args:
        styles: RGB images, one at least.
        photos: images or files, one at least; they are opened one by one, and what cannot be read is left out with a warning.
        base: fingerprint of the generator, which the adapter is bound to.
        max_seconds: time limit, all in.
        steps: exactly so many steps (fewer only if nothing improves or it is stopped), whatever the time.
        seed: same seed, steps and machine: the same adapter.
        clock: what `max_seconds` is measured on; `time.process_time` counts what this process works, whatever else the machine
            does, which makes a comparison of settings fair.

    Raises:
        ValueError: a budget that is not positive.
        ImageError: none of the photos can be read.
        AdapterError: the loss was not finite from the start.
    """
    check_budget(max_seconds, steps)
    started = clock()
    run = _Adaptation(generator, style_encoder, discriminator, styles, photos, seed, config or AdaptationConfig())

    def report(moment: Moment) -> None:
        if callback is not None:
            figures = (moment.figures["style"], moment.figures["content"])
            callback(
                AdaptationProgress(
                    moment.step, moment.seconds, moment.seconds_left, moment.fraction, *figures, run.preview, moment.stop
                )
            )

    outcome = keep_best(
        run,
        max_seconds=max_seconds,
        steps=steps,
        check_every=run.config.check_every,
        patience=run.config.patience,
        report=report,
        started=started,
        clock=clock,
    )
    if not math.isfinite(outcome.first["objective"]):
        raise AdapterError("the style loss is not finite; are the model's weights and the style images sound?")
    scores = {
        "style_before": outcome.first["style"],
        "style_after": outcome.figures["style"],
        "content_before": outcome.first["content"],
        "content_after": outcome.figures["content"],
        "memorization": outcome.figures["memorization"],
    }
    code = outcome.best.pop("code")
    return StyleAdapter(
        deltas=outcome.best,
        code=code,
        start_code=run.start_code.cpu(),
        base=base,
        config=asdict(run.config),
        scores=scores,
        images=len(styles),
        steps=outcome.steps,
        seconds=round(clock() - started, 2),
    )


@dataclass
class _Crop:
    """One sample of an adaptation: a photo `(1, 3, H, W)`, the distances of a drawn edge, and the photo's target once it is
    needed."""

    pixels: torch.Tensor
    distance: torch.Tensor | None = None
    target: ContentTarget | None = None


class _Adaptation:
    """State of one adaptation: what trains, its average, the pool of crops, the target."""

    def __init__(self, generator, style_encoder, discriminator, styles, photos, seed, config: AdaptationConfig):
        self.config = config
        self.device = next(generator.parameters()).device
        self.random = torch.Generator().manual_seed(seed)
        # what trains and what measures is float32, whatever the pipeline infers in
        generator, style_encoder = (copy.deepcopy(model).float().eval() for model in (generator, style_encoder))
        self.generator = generator
        self.base = {name: p.detach() for name, p in generator.named_parameters()}
        self.network = build_feature_network(config.feature_network, style_encoder.trunk, self.device)
        self.objective = StyleAwareObjective.for_network(config.losses, self.network)
        # of the device alone: what holds the whole of this object would keep its tensors until the next garbage collection
        device = self.device
        self.autocast = lambda: torch.autocast(device.type, torch.bfloat16) if supports_bf16(device) else contextlib.nullcontext()
        with torch.no_grad():
            self.styles = [image_to_tensor(resize_within(i, config.style_size**2, 64)).to(self.device) for i in styles]
            codes = torch.cat([style_encoder(image) for image in self.styles]).float()
            self.start_code = style_encoder.mix(codes)
            self.shifts = (codes - self.start_code).split(1)
            self.single = [[self._target(image, 1 / 2**level) for level in range(config.pyramid)] for image in self.styles]
            self.targets = [_mean_target(level) for level in zip(*self.single)]
            crops = PhotoCrops(photos, config.crop_size, config.largest_zoom, seed)
            self.pool = [_Crop(pixels.to(self.device)) for pixels in crops.cut(config.pool_size)]
            self.fixed = [_Crop(pixels.to(self.device)) for pixels in crops.cut(4)]
            if config.rim_weight:
                self.pool += self._edges(seed)
        with self._seeded():
            self.trained = {name: t.to(self.device) for name, t in initial_deltas(generator, config.rank, config.train).items()}
        self.trained["code"] = self.start_code.clone()
        for tensor in self.trained.values():
            tensor.requires_grad_()
        self.averaged = {name: t.detach().clone() for name, t in self.trained.items()}
        by_factor: dict[float, list[torch.Tensor]] = {}
        for name, tensor in self.trained.items():
            by_factor.setdefault(self._rate_factor(name, tensor), []).append(tensor)
        groups = [{"params": tensors, "factor": factor} for factor, tensors in by_factor.items()]
        self.optimizer = build_optimizer(config.optimizer, groups, config.learning_rate, betas=(0.5, 0.99))
        self.opponent = None
        if discriminator is not None and config.adv_weight > 0:
            self.opponent = Opponent(discriminator, config, self.autocast)
        self.fisher = self._measure_fisher(discriminator) if discriminator is not None and config.ewc_weight > 0 else {}

    def _rate_factor(self, name: str, tensor: torch.Tensor) -> float:
        if name == "code":
            return self.config.code_rate
        return self.config.kernel_rate if name.endswith(".delta") and tensor.ndim == 4 else 1.0

    def step(self, step: int, fraction: float) -> None:
        """One update of discriminator and deltas. `fraction` of the work done sets the rate."""
        c = self.config
        rate = c.learning_rate * rate_factor(c.lr_scheduler, step, fraction)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        picked = torch.randint(len(self.pool), (c.batch_size,), generator=self.random)
        crops = [self.pool[i] for i in picked]
        content = ContentTarget.cat([self._content(crop) for crop in crops])
        photo = content.pixels
        # in training the generator shifts its noise, which would be learned by heart
        self.generator.train()
        turn = step % len(self.styles)
        state = {**self.trained, "code": self.trained["code"] + self.shifts[turn]}
        with self._seeded():
            generated = self._generate(photo, state)
        self.generator.eval()
        seen = self.network(generated)
        loss, _ = self._loss(generated, seen, content, self.single[turn])
        if self.opponent is not None:
            real = torch.cat([self._style_crop(self.styles[turn]) for _ in range(len(generated))])
            code = state["code"].detach().expand(len(generated), -1)
            with self._seeded():
                loss = loss + self.opponent.loss(generated, real, code, step)
        for crop, picture in zip(crops, generated):
            if crop.distance is not None:
                loss = loss + c.rim_weight / len(crops) * rim_loss(picture[None], crop.distance).mean()
        loss = loss + self._drift(seen, photo)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(self.trained.values()), 20.0)
        self.optimizer.step()
        decay = min(c.ema_decay, (step + 1) / (step + 10))
        with torch.no_grad():
            names = list(self.trained)
            torch._foreach_lerp_([self.averaged[n] for n in names], [self.trained[n] for n in names], 1 - decay)

    def _drift(self, seen: dict[str, torch.Tensor], photo: torch.Tensor) -> torch.Tensor:
        """Weighted distance of the adapted generator from its base, in its weights and in what its outputs are seen as."""
        c, loss = self.config, photo.new_zeros(())
        if self.fisher:
            merged = merged_parameters(self.base, {name: t for name, t in self.trained.items() if name != "code"})
            loss = loss + c.ewc_weight * elastic_penalty(merged, self.base, self.fisher)
        if c.correspondence_weight:
            with torch.no_grad():
                before = self.network(self._generate(photo, {"code": self.start_code}))
            distances = correspondence_loss(seen, {name: before[name] for name in self.objective.content_layers})
            loss = loss + c.correspondence_weight * distances.mean()
        return loss

    def _measure_fisher(self, discriminator: StyleDiscriminator) -> dict[str, torch.Tensor]:
        """How much each weight that will change matters to what the base's discriminator thinks of a few outputs."""
        judge = copy.deepcopy(discriminator).float().eval()
        changed = weight_deltas({name: t for name, t in self.trained.items() if name != "code"})
        parameters = {name: self.base[name].clone().requires_grad_() for name in changed}

        def opinions() -> Iterator[torch.Tensor]:
            for crop in self.pool[: self.config.ewc_samples]:
                output = functional_call(self.generator, {**self.base, **parameters}, (crop.pixels, self.start_code)).sample
                yield nonsaturating_generator_loss(judge(output, self.start_code).logits)

        return fisher_diagonal(opinions(), parameters)

    @torch.no_grad()
    def check(self) -> dict[str, float]:
        """Style, content, weighted objective and lost variety (`lost_variety`) of the averaged state on the fixed crops."""
        figures = {"objective": 0.0, "style": 0.0, "content": 0.0}
        axes = torch.eye(3, dtype=torch.float32, device=self.device)
        outputs, photos = [], []
        for crop in self.fixed:
            generated = self._generate(crop.pixels, self.averaged)
            seen, photo = self.network(generated), self._content(crop)
            loss, means = self._loss(generated, seen, photo, self.targets, axes)
            for name, value in (("objective", loss), ("style", means["gram"]), ("content", means["content"])):
                figures[name] += float(value) / len(self.fixed)
            outputs.append({name: instance_normalize(seen[name].float()) for name in photo.normalized})
            photos.append(photo.normalized)
        return {**figures, "memorization": lost_variety(outputs, photos)}

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

    def _loss(
        self, generated, seen, content: ContentTarget, targets: list[StyleTarget], directions=None
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        if directions is None:
            directions = torch.randn(3, 16, generator=self.random, dtype=torch.float32)
            directions = F.normalize(directions, dim=0).to(self.device)
        loss, means = self.objective(generated, seen, content, targets[0], directions)
        for level, target in enumerate(targets[1:], 1):
            small = F.interpolate(generated, scale_factor=0.5**level, mode="area")
            loss = loss + self.objective.style_only(self.network(small), target)
        return loss, means

    def _target(self, image: torch.Tensor, scale: float) -> StyleTarget:
        """What a style image is told by at this share of its size, averaged over all `style_scales`."""
        targets = []
        for share in self.config.style_scales:
            side = [max(16, round(length * scale * share)) for length in image.shape[-2:]]
            small = image if scale * share == 1 else F.interpolate(image, size=side, mode="bilinear", antialias=True)
            targets.append(self.objective.style_target(small, self.network(small)))
        return _mean_target(targets)

    @torch.no_grad()
    def _content(self, crop: _Crop) -> ContentTarget:
        """The target of a crop, which is calculated when it is first drawn: a short adaptation does not come to all of them."""
        if crop.target is None:
            crop.target = self.objective.content_target(crop.pixels, self.network(crop.pixels))
        return crop.target

    def _edges(self, seed: int) -> list[_Crop]:
        """Drawn edges, an eighth of the pool; every other one with a photo before it."""
        rng, edges = np.random.default_rng(seed), []
        for number in range(math.ceil(len(self.pool) / 8)):
            before = self.pool[number].pixels[0].cpu() if number % 2 else None
            picture, distance = drawn_edge(self.config.crop_size, rng, before)
            edges.append(_Crop(picture[None].to(self.device), distance[None].to(self.device)))
        return edges

    def _style_crop(self, image: torch.Tensor) -> torch.Tensor:
        size = self.config.crop_size
        span = min(size, *image.shape[-2:])
        top, left = (int(torch.randint(side - span + 1, (), generator=self.random)) for side in image.shape[-2:])
        crop = image[..., top : top + span, left : left + span]
        return crop if span == size else F.interpolate(crop, size=(size, size), mode="bilinear", align_corners=False)


def _mean_target(targets: Sequence[StyleTarget]) -> StyleTarget:
    """The mean of statistics, and all pixels side by side."""
    if len(targets) == 1:
        return targets[0]
    mean = {
        kind: {
            name: torch.stack([getattr(t.statistics, kind)[name] for t in targets]).mean(0)
            for name in getattr(targets[0].statistics, kind)
        }
        for kind in ("gram", "mean", "std")
    }
    pixels = torch.cat([t.pixels.flatten(2) for t in targets], 2)[:, :, None]
    return StyleTarget(StyleStatistics(**mean), pixels)
