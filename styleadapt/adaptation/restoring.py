"""Quick adaptation of the restorer: from clean images of one kind, such as drawings or scans, to a restoration adapter.

Crops of the images are damaged on the fly, as in the training of the restorer, and deltas of its weights learn to take that
damage out again. A part of every image is never trained on; damaged crops of it choose the state that is kept.
"""

import contextlib
import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch.func import functional_call

from ..adapters.adapter import RestorationAdapter
from ..adapters.deltas import PARAMETER_SETS, initial_deltas, merged_parameters
from ..data.damaged import MARGIN, DamageMix, damaged_crop, photo_crop
from ..devices.cpu import supports_bf16
from ..errors import AdapterError, ImageError
from ..images.images import ImageSource, open_image
from ..losses.distortion import charbonnier
from ..models.restorer import Restorer
from ..training.config import require_at_least
from ..training.optimizers import build_optimizer
from .loop import Moment, check_budget, keep_best
from .schedules import SCHEDULES, rate_factor

LEAST_SIDE = 32  # pixels of an image to learn from
_PARAMETER_SETS = tuple(name for name in PARAMETER_SETS if name not in ("code", "adalin"))


@dataclass(frozen=True)
class RestorationAdaptationConfig:
    """Settings of the quick adaptation of a restorer.

    Args:
        train: which parameters train, see `adapters.deltas.initial_deltas`: `small`, `low-rank`, `low-rank+small` or `all`. Where
            no convolution is large enough for `low-rank`, the small parameters train.
        rank: of the low-rank deltas.
        learning_rate: peak rate of the deltas.
        kernel_rate: factor on it for convolution kernels that are trained whole.
        lr_scheduler: course of the rate over the work, a name of `adaptation.schedules.SCHEDULES`.
        batch_size: crops a step.
        crop_size: side of the crops in pixels.
        photo_scale: limits of the factor by which an image is made smaller before it is cropped, see `data.damaged.photo_crop`.
        pool_size: number of clean crops that are cut out before training starts.
        held_out: number of damaged crops, of the parts that are not trained on, that the state is judged by.
        mix: how often which damage is drawn, and how strong.
        estimate_weight: of the smooth L1 distance of the estimated levels of damage from the true ones; 0 leaves the estimator as
            it is.
        blind_share: share of the crops that are restored by the levels that are estimated; the others by the true ones.
        ema_decay: of the average that is kept; 0 keeps the last state.
        check_every: steps between checks of the average.
        patience: checks without any improvement after which it stops early.
    """

    train: str = "low-rank"
    rank: int = 16
    learning_rate: float = 3e-3
    kernel_rate: float = 0.25
    lr_scheduler: str = "cosine"
    batch_size: int = 8
    crop_size: int = 96
    photo_scale: tuple[float, float] = (0.6, 1.0)
    pool_size: int = 128
    held_out: int = 16
    mix: DamageMix = field(default_factory=DamageMix)
    estimate_weight: float = 0.0
    blind_share: float = 0.5
    ema_decay: float = 0.98
    check_every: int = 20
    patience: int = 12

    def __post_init__(self) -> None:
        for name in ("rank", "batch_size", "pool_size", "held_out", "check_every", "patience"):
            require_at_least(name, getattr(self, name), 1)
        require_at_least("crop_size", self.crop_size, LEAST_SIDE)
        for name, allowed in (("train", _PARAMETER_SETS), ("lr_scheduler", tuple(SCHEDULES))):
            if getattr(self, name) not in allowed:
                raise ValueError(f"`{name}` is {getattr(self, name)!r}; allowed: {', '.join(allowed)}")
        if not 0 <= self.ema_decay < 1:
            raise ValueError(f"`ema_decay` is {self.ema_decay}; it must lie in [0, 1)")
        if not 0 <= self.blind_share <= 1:
            raise ValueError(f"`blind_share` is {self.blind_share}; a share lies in [0, 1]")
        if len(self.photo_scale) != 2 or not 0 < self.photo_scale[0] <= self.photo_scale[1] <= 1:
            raise ValueError(f"`photo_scale` is {self.photo_scale}; it must be two numbers in order, above 0 and up to 1")


@dataclass(frozen=True)
class RestorationAdaptationProgress:
    """What the callback of an adaptation is given: before the first step, every few steps, at every check, and, unless it was
    stopped, at the end.

    Args:
        step: steps done.
        seconds, seconds_left: since the start, and estimated to the end.
        fraction: of the work, 0 to 1.
        psnr: in decibels, of the averaged weights on the crops that are kept from training, at the last check; at the end that of
            the best state.
    """

    step: int
    seconds: float
    seconds_left: float
    fraction: float
    psnr: float
    _stop: Callable[[], None] = field(repr=False)

    def stop(self) -> None:
        """Ends the adaptation after this step; the best state so far is kept."""
        self._stop()


def adapt_restorer(
    restorer: Restorer,
    images: Sequence[ImageSource],
    *,
    base: str,
    max_seconds: float = 60.0,
    steps: int | None = None,
    seed: int = 0,
    config: RestorationAdaptationConfig | None = None,
    callback: Callable[[RestorationAdaptationProgress], object] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> RestorationAdapter:
    """Adapts the restorer to a kind of images and returns the change as an adapter; the restorer itself is left as it is.

    Args:
        images: clean images, one at least; they are opened one by one.
        base: fingerprint of the restorer, which the adapter is bound to.
        max_seconds: time limit, all in.
        steps: exactly so many steps (fewer only if nothing improves or it is stopped), whatever the time.
        seed: same seed, steps and machine: the same adapter.
        clock: what `max_seconds` is measured on.

    Raises:
        ValueError: no image, or a budget that is not positive.
        ImageError: an image cannot be read, or has a side of less than `LEAST_SIDE` pixels.
        AdapterError: the restorer's results are not finite.
    """
    check_budget(max_seconds, steps)
    if not len(images):
        raise ValueError("`images` is empty; pass one clean image at least")
    started = clock()
    run = _RestorerAdaptation(restorer, images, seed, config or RestorationAdaptationConfig())

    def report(moment: Moment) -> None:
        if callback is not None:
            psnr = -moment.figures["objective"]
            callback(
                RestorationAdaptationProgress(
                    moment.step, moment.seconds, moment.seconds_left, moment.fraction, psnr, moment.stop
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
        raise AdapterError("the restored crops are not finite; are the restorer's weights sound?")
    return RestorationAdapter(
        deltas=outcome.best,
        base=base,
        config=asdict(run.config),
        scores={"psnr_before": -outcome.first["objective"], "psnr_after": -outcome.figures["objective"]},
        images=len(images),
        steps=outcome.steps,
        seconds=round(clock() - started, 2),
    )


class _RestorerAdaptation:
    """State of one adaptation: what trains, its average, clean crops to train on, and damaged ones to judge by."""

    def __init__(self, restorer: Restorer, images: Sequence[ImageSource], seed: int, config: RestorationAdaptationConfig):
        self.config = config
        self.device = restorer.device
        self.rng = np.random.default_rng(seed)
        # what trains is float32, whatever the pipeline infers in
        self.restorer = copy.deepcopy(restorer).float().to(memory_format=torch.channels_last)  # type: ignore[call-arg]
        self.base = {name: p.detach() for name, p in self.restorer.named_parameters()}
        # of the device alone: what holds the whole of this object would keep its tensors until the next garbage collection
        device = self.device
        self.autocast = lambda: torch.autocast(device.type, torch.bfloat16) if supports_bf16(device) else contextlib.nullcontext()
        self.pool, held_out = self._crops(images)
        # an undamaged crop has no end of decibels
        judged = replace(config.mix, clean=0) if config.mix.noise + config.mix.jpeg + config.mix.blur > 0 else config.mix
        self.held_out = [damaged_crop(crop, judged, self.rng) for crop in held_out]
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            # a small restorer has no convolution that is large enough for low-rank deltas
            deltas = initial_deltas(self.restorer, config.rank, config.train) or initial_deltas(self.restorer, 1, "small")
        self.trained = {name: delta.to(self.device).requires_grad_() for name, delta in deltas.items()}
        self.averaged = {name: delta.detach().clone() for name, delta in self.trained.items()}
        kernels = [d for name, d in self.trained.items() if name.endswith(".delta") and d.ndim == 4]
        others = [d for name, d in self.trained.items() if not (name.endswith(".delta") and d.ndim == 4)]
        groups = [{"params": p, "factor": factor} for p, factor in ((kernels, config.kernel_rate), (others, 1.0)) if p]
        self.optimizer = build_optimizer("adam", groups, config.learning_rate, betas=(0.9, 0.99))

    def step(self, step: int, fraction: float) -> None:
        """One update of the deltas. `fraction` of the work done sets the rate."""
        c = self.config
        for group in self.optimizer.param_groups:
            group["lr"] = c.learning_rate * rate_factor(c.lr_scheduler, step, fraction) * group["factor"]
        picked = self.rng.integers(len(self.pool), size=c.batch_size)
        samples = [damaged_crop(self.pool[number], c.mix, self.rng) for number in picked]
        clean, damaged, levels = (
            torch.stack([sample[name] for sample in samples]).to(self.device) for name in ("clean", "damaged", "levels")
        )
        blind = torch.from_numpy(self.rng.random((c.batch_size, 1)) < c.blind_share).to(self.device)
        self.restorer.train()  # in which it estimates the levels whether they are given or not
        out = self._restored(damaged, levels.masked_fill(blind, torch.nan), self.trained)
        units = self.restorer.units
        miss = F.smooth_l1_loss(out.estimate / units, levels / units, beta=0.2)
        loss = charbonnier(out.sample.float(), clean, 1e-3) + c.estimate_weight * miss
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(self.trained.values()), 1.0)
        self.optimizer.step()
        decay = min(c.ema_decay, (step + 1) / (step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.averaged.values()), list(self.trained.values()), 1 - decay)

    @torch.no_grad()
    def check(self) -> dict[str, float]:
        """The negative of the mean PSNR of the averaged state on the crops that are kept from training, levels estimated."""
        self.restorer.eval()
        ratios = []
        for sample in self.held_out:
            restored = self._restored(sample["damaged"][None].to(self.device), None, self.averaged).sample.float().cpu()
            error = float((127.5 * (restored.clamp(-1, 1) - sample["clean"])).square().mean())
            ratios.append(10 * math.log10(255**2 / max(error, 1e-6)) if math.isfinite(error) else math.nan)
        return {"objective": -sum(ratios) / len(ratios)}

    def average(self) -> dict[str, torch.Tensor]:
        """A copy of the averaged state."""
        return {name: delta.detach().cpu().clone() for name, delta in self.averaged.items()}

    def _restored(self, damaged: torch.Tensor, levels: torch.Tensor | None, deltas: dict[str, torch.Tensor]):
        parameters = merged_parameters(self.base, deltas)
        damaged = damaged.contiguous(memory_format=torch.channels_last)
        with self.autocast():
            return functional_call(self.restorer, parameters, (damaged, levels))

    def _crops(self, images: Sequence[ImageSource]) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Clean crops to train on, and such as are kept from training, dealt evenly among the images."""
        c = self.config
        pool: list[np.ndarray] = []
        held_out: list[np.ndarray] = []
        for number in self.rng.permutation(len(images)):
            if len(pool) >= c.pool_size and len(held_out) >= c.held_out:
                break
            image = open_image(images[number])
            if min(image.size) < LEAST_SIDE:
                raise ImageError(
                    f"an image of {image.width} x {image.height} pixels is too small to learn from; "
                    f"give images of {LEAST_SIDE} pixels a side at least"
                )
            for part, crops, count in zip(_divided(image, c.crop_size), (pool, held_out), (c.pool_size, c.held_out)):
                share = min(math.ceil(count / len(images)), count - len(crops))
                crops += [photo_crop(part, c.crop_size + 2 * MARGIN, c.photo_scale, self.rng) for _ in range(share)]
        return pool, held_out


def _divided(image: Image.Image, size: int) -> Iterator[Image.Image]:
    """The part of an image to train on, and the rest: a fifth of its longer side, or as much as a crop is wide, up to a half.

    >>> [part.size for part in _divided(Image.new("RGB", (1000, 300)), 96)]
    [(800, 300), (200, 300)]
    """
    width, height = image.size
    longer = max(width, height)
    kept = longer - min(max(longer // 5, size), longer // 2)
    if width >= height:
        yield image.crop((0, 0, kept, height))
        yield image.crop((kept, 0, width, height))
    else:
        yield image.crop((0, 0, width, kept))
        yield image.crop((0, kept, width, height))
