"""Configuration of the training of generators from noise."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from ..errors import ConfigError
from ..models.gan import GANDiscriminator, GANGenerator
from ..models.pggan import PGGANDiscriminator, PGGANGenerator
from ..models.projected_discriminator import ProjectedDiscriminator
from ..models.stylegan2 import StyleGAN2Discriminator, StyleGAN2Generator
from ..training.adversary import AdversarialConfig
from ..training.config import require_at_least

GENERATORS: dict[str, type] = {"stylegan2": StyleGAN2Generator, "pggan": PGGANGenerator, "gan": GANGenerator}
DISCRIMINATORS: dict[str, type] = {
    "stylegan2": StyleGAN2Discriminator,
    "pggan": PGGANDiscriminator,
    "gan": GANDiscriminator,
    "projected": ProjectedDiscriminator,
}


@dataclass
class GenerationConfig(AdversarialConfig):
    """Configuration of `scripts/train.py --task generation`.

    Args:
        train_data_dir: a folder of images, of one subfolder a class, of parquet files or shards, see `data.sources.open_source`.
        dataset_name, dataset_config_name, split, image_column, label_column, cache_dir: a data set of the Hub instead.
        validation_data_dir: a folder of one subfolder a class, on which a discriminator that classifies is tested; the labeled
            training images if left out.
        labels: the images have classes, as subfolders or in a column, `label_column` or else `label`, `labels` or `cls`. Some may
            be without: those of a subfolder `unlabeled`, or of rows without a label.
        labeled_share: share of the images that are drawn from the labeled ones alone; for few labels.
        generator_labels: the generator is taught the classes as well, and not the discriminator alone.
        resolution: side of the pictures in pixels.
        short_side: limits of what the shorter side of an image is brought to before it is cropped; `resolution` if left out.
        flip: mirror half of the images.
        wrap: crops go over the images' edges and on at the opposite ones, for textures that repeat.
        tileable: the generator's pictures repeat without a seam.
        generator_type, generator: a name of `GENERATORS`, and constructor arguments of a new one.
        discriminator_type, discriminator: a name of `DISCRIMINATORS`, and constructor arguments of a new one.
        pretrained_model_name_or_path: repo to start from, whose models must have as many classes as the run gives them; from
            nothing if left out.
        grow_steps: of "pggan": steps at each resolution, from 4 px on; the full resolution has all the steps that are left.
        fade_share: share of these steps in which a resolution fades in.
        style_mixing: share of the pictures that have the code of another latent from a random layer on.
        path_length_weight: of the path-length penalty, which does not go with `torch_compile`; 0 for none.
        path_length_every: it is computed in every so many steps, with so many times the weight.
        path_length_batch: of so many pictures.
        adv_weight: of the generator's adversarial loss; with 0 it matches features alone, as in arXiv 1606.03498, section 5.
        feature_matching_weight: of the distance between mean features of real and generated images (Salimans et al., arXiv
            1606.03498, section 3.1).
        class_weight: of the classification loss, where the discriminator's head is "k+1" or "auxiliary".
        freeze_layers: blocks of the discriminator that stay as they are (FreezeD), from the finest detail on.
    """

    fixed_settings: ClassVar[tuple[str, ...]] = (
        *("resolution", "short_side", "flip", "wrap", "labels", "labeled_share", "generator_labels"),
        *("grow_steps", "fade_share"),
    )
    private_settings: ClassVar[tuple[str, ...]] = (
        *("train_data_dir", "dataset_name", "cache_dir", "pretrained_model_name_or_path", "validation_data_dir"),
    )

    output_dir: str = "runs/generation"
    train_data_dir: str | None = None
    dataset_name: str | None = None
    dataset_config_name: str | None = None
    split: str = "train"
    image_column: str | None = None
    label_column: str | None = None
    cache_dir: str | None = None
    validation_data_dir: str | None = None
    labels: bool = False
    labeled_share: float = 0.0
    generator_labels: bool = True
    resolution: int = 64
    short_side: list[int] = field(default_factory=list)
    flip: bool = True
    wrap: bool = False
    tileable: bool = False
    generator_type: str = "stylegan2"
    generator: dict[str, Any] = field(default_factory=dict)
    discriminator_type: str = "stylegan2"
    discriminator: dict[str, Any] = field(default_factory=dict)
    pretrained_model_name_or_path: str | None = None
    grow_steps: int = 2000
    fade_share: float = 0.5
    style_mixing: float = 0.5
    path_length_weight: float = 0.0
    path_length_every: int = 4
    path_length_batch: int = 8
    adv_weight: float = 1.0
    feature_matching_weight: float = 0.0
    class_weight: float = 1.0
    freeze_layers: int = 0
    adv_loss: str = "non-saturating"
    train_batch_size: int = 16
    learning_rate: float = 2e-3
    lr_d: float = 2e-3
    lr_scheduler: str = "constant"
    adam_beta1: float = 0.0
    max_train_steps: int = 100_000

    def validate(self) -> None:
        super().validate()
        for key, known in (("generator_type", GENERATORS), ("discriminator_type", DISCRIMINATORS)):
            if getattr(self, key) not in known:
                raise ConfigError(f"`{key}` is {getattr(self, key)!r}; allowed: {', '.join(known)}")
        require_at_least("resolution", self.resolution, 8)
        sides = self.short_side
        if sides and (len(sides) != 2 or not self.resolution <= sides[0] <= sides[1]):
            raise ConfigError(
                f"`short_side` is {sides}; it must be two numbers in order, `resolution` ({self.resolution}) at least"
            )
        for key in ("path_length_weight", "adv_weight", "feature_matching_weight", "class_weight", "freeze_layers"):
            require_at_least(key, getattr(self, key), 0)
        for key in ("path_length_every", "path_length_batch", "grow_steps"):
            require_at_least(key, getattr(self, key), 1)
        for key in ("style_mixing", "labeled_share", "fade_share"):
            if not 0 <= getattr(self, key) <= 1:
                raise ConfigError(f"`{key}` is {getattr(self, key)}; it must lie in [0, 1]")
        self._check_players()

    def _check_players(self) -> None:
        """Raises ConfigError for settings that the chosen models cannot follow."""
        if (self.generator_type == "pggan") != (self.discriminator_type == "pggan"):
            raise ConfigError(
                f"`generator_type` is {self.generator_type!r} and `discriminator_type` {self.discriminator_type!r}; both grow, "
                "with 'pggan', or neither"
            )
        if self.generator_type == "pggan" and self.labels:
            raise ConfigError("`labels` is true, but progressive growing has no classes; use 'stylegan2' or 'gan'")
        if self.generator_type != "stylegan2" and (self.path_length_weight or self.tileable):
            raise ConfigError(
                f"`path_length_weight` and `tileable` are of 'stylegan2'; leave them out for {self.generator_type!r}"
            )
        if self.path_length_weight and self.torch_compile:
            raise ConfigError(
                f"`path_length_weight` is {self.path_length_weight}, a penalty of a gradient, which compiled models do not give "
                "twice; set `torch_compile` to false, or `path_length_weight` to 0"
            )
        if not self.labels and (self.labeled_share or self.validation_data_dir):
            raise ConfigError("`labeled_share` and `validation_data_dir` are for images with classes; set `labels` to true")
        if not (self.adv_weight or self.feature_matching_weight):
            raise ConfigError("`adv_weight` and `feature_matching_weight` are both 0; the generator would learn nothing")
