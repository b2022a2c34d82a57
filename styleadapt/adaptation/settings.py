"""Settings of quick adaptation."""

from dataclasses import dataclass, field

from ..adapters.deltas import PARAMETER_SETS
from ..losses.features import EFFICIENTNET_LITE0, VGG16
from ..losses.objective import LossWeights
from ..training.adversary import AdversarialSettings
from ..training.config import require_at_least
from ..training.optimizers import OPTIMIZERS
from .schedules import SCHEDULES

LITE0_LOSSES = LossWeights(gram=240.0, mean_std=16.0, color=9.0, content=10.0, structure=78.0)
_AT_LEAST_1 = (
    *("rank", "batch_size", "crop_size", "largest_zoom", "pool_size", "style_size", "pyramid"),
    *("check_every", "patience", "ewc_samples"),
)


@dataclass(frozen=True)
class AdaptationConfig:
    """Settings of quick adaptation. `docs/optimization-study.md` says which of them pay.

    Args:
        train: which parameters of the generator train beside the style code, see `adapters.deltas.initial_deltas`.
        rank: of the low-rank deltas.
        optimizer: a name of `training.optimizers.OPTIMIZERS`, of both players.
        learning_rate: peak rate of the deltas.
        lr_scheduler: course of the rate over the work, a name of `adaptation.schedules.SCHEDULES`.
        code_rate: factor on it for the style code.
        kernel_rate: factor on it for convolution kernels that are trained whole.
        lr_d: rate of the discriminator.
        batch_size: crops a step.
        crop_size: side of the crops in pixels. One large crop teaches more than two small ones: the statistics of deep layers
            depend on the size, and whole pictures are large.
        largest_zoom: crops are cut from photos at a random scale, up to this enlargement. Large photos are smooth where crops of
            small ones are busy, and smooth areas are what a style is hardest to learn on.
        pool_size: number of crops that are cut out before training starts.
        style_size: style images are reduced to this many pixels squared.
        style_scales: shares of that size at which the style is read; the target is the mean of what is seen at all of them, so
            that strokes of several sizes are right, and those of the images' own size less so.
        pyramid: scales of the style loss; 2 compares at half size too.
        feature_network: what the losses see with, see `losses.features.build_feature_network`: `vgg16`, or
            `efficientnet-lite0`, which costs a fifth of it on processors without bfloat16 and gives far less style.
        losses: weights of the image losses; those that suit the feature network if left out.
        rim_weight: of the change of color along drawn edges (`losses.regularization.rim_loss`), which an eighth of the crops are.
        adversarial: form, penalties and augmentation of the game with the discriminator.
        adv_weight: weight of the adversarial loss; 0 leaves the discriminator out.
        feature_weight: weight of the style loss on the discriminator's features.
        frozen_layers: lower convolutions of the discriminator that do not train.
        ewc_weight: of elastic weight consolidation (`losses.consistency.elastic_penalty`), with the discriminator's opinion of
            some crops as the measure of what matters; 0 for none.
        ewc_samples: how many crops that opinion is asked of.
        correspondence_weight: of cross-domain correspondence (`losses.consistency.correspondence_loss`); 0 for none.
        ema_decay: of the average that is kept; 0 keeps the last state.
        check_every: steps between checks of the average on fixed crops.
        patience: checks without any improvement after which it stops early.
    """

    train: str = "low-rank+small"
    rank: int = 32
    optimizer: str = "adam"
    learning_rate: float = 3e-3
    lr_scheduler: str = "cosine"
    code_rate: float = 4.0
    kernel_rate: float = 0.25
    lr_d: float = 4e-4
    batch_size: int = 1
    crop_size: int = 320
    largest_zoom: float = 2.5
    pool_size: int = 48
    style_size: int = 512
    style_scales: tuple[float, ...] = (1.0,)
    pyramid: int = 1
    feature_network: str = VGG16
    losses: LossWeights = None  # type: ignore[assignment]  # until `__post_init__`
    rim_weight: float = 20.0
    adversarial: AdversarialSettings = field(default_factory=lambda: AdversarialSettings(adv_loss="hinge"))
    adv_weight: float = 0.03
    feature_weight: float = 0.1
    frozen_layers: int = 2
    ewc_weight: float = 0.0
    ewc_samples: int = 8
    correspondence_weight: float = 0.0
    ema_decay: float = 0.98
    check_every: int = 20
    patience: int = 12

    def __post_init__(self):
        if self.losses is None:
            suited = LITE0_LOSSES if self.feature_network == EFFICIENTNET_LITE0 else LossWeights()
            object.__setattr__(self, "losses", suited)
        for name in _AT_LEAST_1:
            require_at_least(name, getattr(self, name), 1)
        if not 0 <= self.ema_decay < 1:
            raise ValueError(f"`ema_decay` is {self.ema_decay}; it must lie in [0, 1)")
        for name, allowed in (("train", PARAMETER_SETS), ("optimizer", OPTIMIZERS), ("lr_scheduler", SCHEDULES)):
            if getattr(self, name) not in allowed:
                raise ValueError(f"`{name}` is {getattr(self, name)!r}; allowed: {', '.join(allowed)}")
        if not self.style_scales or not all(0 < scale <= 1 for scale in self.style_scales):
            raise ValueError(f"`style_scales` is {self.style_scales}; it must hold numbers above 0, 1 at most")
        if self.correspondence_weight and self.batch_size < 3:
            raise ValueError("`correspondence_weight` compares the images of a batch: `batch_size` must be 3 at least")
        self.adversarial.check()
