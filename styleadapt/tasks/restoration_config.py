"""Configuration of the training tasks whose target is a clean photo, and of restoration itself."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from ..data.damaged import DamageMix
from ..errors import ConfigError
from ..losses.features import VGG16
from ..losses.objective import LossWeights
from ..training.adversary import AdversarialConfig
from ..training.config import require_at_least


@dataclass
class RepairConfig(AdversarialConfig):
    """Settings that all runs share whose target is the clean photo: restoration, inpainting and colorization.

    A run of the first phase, distortion, has `perceptual_weight` and `adv_weight` at 0. One of the second phase starts from its
    result and raises both.

    Args:
        photos: folders of clean photos, one or more groups.
        photo_weights: how often each group is drawn; equally if left out.
        photo_scale: limits of the factor by which a photo is made smaller before it is cropped, since photos are stored as JPEG
            files and are damaged a little themselves.
        resolution: side of the square crops in pixels.
        held_out: so many photos of the first folder, evenly spaced, are kept from training, for validation.
        validation_photos: a folder of photos to validate on instead; then none is kept from training.
        pretrained_model_name_or_path: repo or folder to start from; from nothing if left out. Without a discriminator there, a
            new one is made.
        discriminator: constructor arguments of a new discriminator, see `models.discriminator.StyleDiscriminator`.
        distortion_weight: of the Charbonnier distance to the clean photo.
        charbonnier_epsilon: what it is rounded off by, on the scale [-1, 1]; 0 is L1.
        perceptual_weight: of the style-aware objective, with the clean photo as both content and style.
        losses: weights inside that objective, see `losses.objective.LossWeights`.
        feature_network: what it sees with, by name, see `losses.features.build_feature_network`.
        adv_weight: of the adversarial loss; 0 trains without a discriminator.
        adv_start: step at which the adversarial loss sets in.
        adv_warmup: steps over which its weight rises.
    """

    fixed_settings: ClassVar[tuple[str, ...]] = ("resolution",)
    private_settings: ClassVar[tuple[str, ...]] = ("photos", "validation_photos", "pretrained_model_name_or_path")

    photos: list[str] = field(default_factory=list)
    photo_weights: list[float] = field(default_factory=list)
    photo_scale: list[float] = field(default_factory=lambda: [0.6, 1.0])
    resolution: int = 96
    held_out: int = 12
    validation_photos: str | None = None
    pretrained_model_name_or_path: str | None = None
    discriminator: dict[str, Any] = field(default_factory=dict)
    distortion_weight: float = 1.0
    charbonnier_epsilon: float = 1e-3
    perceptual_weight: float = 0.0
    losses: LossWeights = LossWeights()
    feature_network: str = VGG16
    adv_weight: float = 0.0
    adv_start: int = 0
    adv_warmup: int = 100
    train_batch_size: int = 16
    max_train_steps: int = 20_000
    adam_beta1: float = 0.9
    max_grad_norm: float = 1.0

    def validate(self) -> None:
        super().validate()
        if not self.photos:
            raise ConfigError("`photos` needs a folder of clean photos, or more than one: --photos DIR [DIR ...]")
        if self.photo_weights and (len(self.photo_weights) != len(self.photos) or not min(self.photo_weights) > 0):
            raise ConfigError(f"`photo_weights` is {self.photo_weights}; it must be a number above 0 for each of `photos`")
        if len(self.photo_scale) != 2 or not 0 < self.photo_scale[0] <= self.photo_scale[1] <= 1:
            raise ConfigError(f"`photo_scale` is {self.photo_scale}; it must be two numbers in order, above 0 and up to 1")
        require_at_least("resolution", self.resolution, 32)
        require_at_least("held_out", self.held_out, 0 if self.validation_photos or not self.validation_steps else 1)
        for key in ("distortion_weight", "charbonnier_epsilon", "perceptual_weight", "adv_weight"):
            require_at_least(key, getattr(self, key), 0)


@dataclass
class RestorationConfig(RepairConfig):
    """Configuration of `scripts/train.py --task restoration`: the blind restorer of noise, JPEG artifacts and blur.

    Args:
        restorer: constructor arguments of a new restorer, see `models.restorer.Restorer`.
        mix: how often which damage is drawn, and how strong, see `data.damaged.DamageMix`.
        estimate_weight: of the smooth L1 distance of the estimated levels from the true ones.
        blind_share: share of the samples that the network restores by the levels that it estimated; the others are restored by
            the true ones.
    """

    output_dir: str = "runs/denoise"
    restorer: dict[str, Any] = field(default_factory=dict)
    mix: DamageMix = DamageMix()
    estimate_weight: float = 1.0
    blind_share: float = 0.5

    def validate(self) -> None:
        super().validate()
        require_at_least("estimate_weight", self.estimate_weight, 0)
        if not 0 <= self.blind_share <= 1:
            raise ConfigError(f"`blind_share` is {self.blind_share}; a share lies in [0, 1]")


@dataclass
class InpaintingConfig(RepairConfig):
    """Configuration of `scripts/train.py --task inpainting`: the network that fills holes.

    Args:
        inpainter: constructor arguments of a new inpainter, see `models.inpainter.Inpainter`.
        hole_coverage: limits of the share of a crop that its hole takes, see `data.degradations.free_form_mask`.
        hole_thickness: limits of the width of the strokes that it is made of, as a share of the crop's side.
    """

    output_dir: str = "runs/inpaint"
    resolution: int = 128
    train_batch_size: int = 8
    inpainter: dict[str, Any] = field(default_factory=dict)
    hole_coverage: list[float] = field(default_factory=lambda: [0.05, 0.4])
    hole_thickness: list[float] = field(default_factory=lambda: [0.03, 0.35])

    def validate(self) -> None:
        super().validate()
        for key in ("hole_coverage", "hole_thickness"):
            limits = getattr(self, key)
            if len(limits) != 2 or not 0 < limits[0] <= limits[1] < 1:
                raise ConfigError(f"`{key}` is {limits}; it must be two numbers in order, above 0 and below 1")


@dataclass
class ColorizationConfig(RepairConfig):
    """Configuration of `scripts/train.py --task colorization`: the network that gives gray photos their colors.

    Args:
        colorizer: constructor arguments of a new colorizer, see `models.colorizer.Colorizer`.
        choice_weight: of the cross-entropy between the chosen colors and those of the photo, the rarer the more.
        uniform: how far rare colors are weighed up: 0 as far as they are rare, 1 not at all.
        palette_share: share of the samples that are told their palette, the style code of another crop of the photo.
    """

    output_dir: str = "runs/colorize"
    resolution: int = 192
    train_batch_size: int = 16
    distortion_weight: float = 0.0
    colorizer: dict[str, Any] = field(default_factory=dict)
    choice_weight: float = 1.0
    uniform: float = 0.5
    palette_share: float = 0.3

    def validate(self) -> None:
        super().validate()
        require_at_least("choice_weight", self.choice_weight, 0)
        for key in ("uniform", "palette_share"):
            if not 0 <= getattr(self, key) <= 1:
                raise ConfigError(f"`{key}` is {getattr(self, key)}; a share lies in [0, 1]")
