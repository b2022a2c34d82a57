"""Configuration that base training and fine-tuning of stylization share, and that of base training."""

import difflib
import inspect
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ..errors import ConfigError
from ..losses.features import VGG16
from ..losses.objective import LossWeights
from ..models.discriminator import StyleDiscriminator
from ..models.generator import StyleGenerator
from ..models.style_encoder import StyleEncoder
from ..training.adversary import AdversarialConfig
from ..training.config import require_at_least
from ..training.parameters import check_consolidation

MODEL_CLASSES = {"generator": StyleGenerator, "style_encoder": StyleEncoder, "discriminator": StyleDiscriminator}
_WEIGHTS = ("adv_weight", "mismatch_weight", "cam_weight", "identity_weight", "rim_weight", "ewc_weight", "correspondence_weight")


@dataclass
class StyleConfig(AdversarialConfig):
    """Settings that base training and fine-tuning share.

    Args:
        resolution: side of the square crops in pixels.
        photo_short_side: limits of the short side that photos are randomly resized to before cropping.
        painting_short_side: the same for paintings.
        painting_jitter: probability that a painting's colors are changed at random.
        pretrained_model_name_or_path: repo or folder to start from.
        feature_network: what the losses see with, by name, see `losses.features.build_feature_network`.
        style_rate: factor on the learning rate for what makes and reads the style code, the mapping network and the layers of
            the generator that follow the code. Each of them sums thousands of inputs, so that the rate that suits a
            convolution shakes every style of the next step.
        losses: weights of the image losses, see `losses.objective.LossWeights`.
        adv_weight: weight of the generator's adversarial loss; 0 trains without a discriminator.
        adv_start: step at which the adversarial loss sets in; the discriminator starts half of `adv_warmup` earlier.
        adv_warmup: steps over which its weight rises.
        mismatch_weight: weight of paintings shown with another painting's code, as fakes, in the discriminator's loss; without
            effect on a batch of one, which has no other painting.
        cam_weight: weight of the generator's auxiliary classifier.
        identity_weight: weight of the L1 distance of an image that is styled by itself; one sample a batch.
        rim_weight: weight of the change of color along drawn edges, see `losses.regularization.rim_loss`; one sample in
            every `rim_every`-th batch.
        rim_every: steps from one batch with a drawn edge to the next, 1 for every batch. Where it is 1, no image is styled by
            itself any more.
        train_parameters, rank, targets: what of the generator trains, see `training.parameters.select_parameters`; the mapping
            network trains with `all` alone.
        freeze_layers: lower convolutions of the discriminator that do not train.
        ewc_weight, ewc_samples: elastic weight consolidation, and how many samples the Fisher information is measured on.
        correspondence_weight: of the distance between who resembles whom now and under the model that training starts from.
        validation_photos, validation_styles: folders whose images make the fixed pairs of the validation sheets. If left out,
            base training shows the packaged photos and styles, fine-tuning some of its own images.
    """

    fixed_settings: ClassVar[tuple[str, ...]] = ("resolution", "train_parameters", "rank", "targets", "freeze_layers")
    private_settings: ClassVar[tuple[str, ...]] = ("pretrained_model_name_or_path", "validation_photos", "validation_styles")

    resolution: int = 184
    photo_short_side: list[int] = field(default_factory=lambda: [200, 400])
    painting_short_side: list[int] = field(default_factory=lambda: [184, 320])
    painting_jitter: float = 0.0
    pretrained_model_name_or_path: str | None = None
    feature_network: str = VGG16
    style_rate: float = 0.03
    losses: LossWeights = LossWeights()
    adv_weight: float = 0.3
    adv_start: int = 0
    adv_warmup: int = 500
    mismatch_weight: float = 0.5
    cam_weight: float = 0.1
    identity_weight: float = 2.0
    rim_weight: float = 20.0
    rim_every: int = 4
    train_parameters: str = "all"
    rank: int = 16
    targets: list[str] = field(default_factory=list)
    freeze_layers: int = 0
    ewc_weight: float = 0.0
    ewc_samples: int = 64
    correspondence_weight: float = 0.0
    validation_photos: str | None = None
    validation_styles: str | None = None

    def validate(self) -> None:
        super().validate()
        for key in _WEIGHTS:
            require_at_least(key, getattr(self, key), 0)
        require_at_least("rim_every", self.rim_every, 1)
        if len(self.photo_short_side) != 2 or len(self.painting_short_side) < 2:
            raise ConfigError("`photo_short_side` and `painting_short_side` need two numbers")
        if self.correspondence_weight and self.train_batch_size < 3:
            raise ConfigError(
                f"`correspondence_weight` compares 3 samples at least, `train_batch_size` is {self.train_batch_size}"
            )
        check_consolidation(self.ewc_weight, self.train_parameters)
        if self.ewc_weight:
            require_at_least("ewc_samples", self.ewc_samples, 1)


@dataclass
class StylizationConfig(StyleConfig):
    """Configuration of `scripts/train.py`, beside what `StyleConfig` has.

    Args:
        photos: folder of content photos.
        paintings: folders of paintings, one or more groups.
        painting_weights: how often each group is drawn; equally if left out.
        painting_short_side: limits, two numbers a group (or two for all).
        generator, style_encoder, discriminator: constructor arguments of the models, when starting from nothing, which is so
            without `pretrained_model_name_or_path`. With it they are not read, except that `generator: {kernel_rank: 32}` has the
            kernels of a generator follow the style code at that rank, where they do not yet or at a lower one.
    """

    private_settings: ClassVar[tuple[str, ...]] = ("photos", "paintings")

    photos: str = ""
    paintings: list[str] = field(default_factory=list)
    painting_weights: list[float] = field(default_factory=list)
    generator: dict[str, Any] = field(default_factory=dict)
    style_encoder: dict[str, Any] = field(default_factory=dict)
    discriminator: dict[str, Any] = field(default_factory=dict)

    def validate(self) -> None:
        super().validate()
        if not self.photos or not self.paintings:
            raise ConfigError("`photos` and `paintings` need a folder of images each, for instance --photos DIR --paintings DIR")
        if self.painting_weights and len(self.painting_weights) != len(self.paintings):
            raise ConfigError(f"`painting_weights` has {len(self.painting_weights)} entries for {len(self.paintings)} folders")
        if self.ewc_weight:
            raise ConfigError("`ewc_weight` belongs to fine-tuning, with scripts/finetune.py; set it to 0")
        if len(self.painting_short_side) not in (2, 2 * len(self.paintings)):
            raise ConfigError("`painting_short_side` needs two numbers, or two for each folder")
        require_at_least("generator.kernel_rank", self.generator.get("kernel_rank", 0), 0)
        for name, cls in MODEL_CLASSES.items():
            _check_arguments(name, cls, getattr(self, name))


def _check_arguments(key: str, cls: type, values: dict[str, Any]) -> None:
    known = list(inspect.signature(cls).parameters)
    for name in map(str, values):
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            suggestion = f"did you mean `{near[0]}`?" if near else f"known keys: {', '.join(known)}"
            raise ConfigError(f"unknown key `{name}` in `{key}`; {suggestion}")
