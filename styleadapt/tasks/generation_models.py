"""Starts the models of a training of generators: loads them from a repo, or builds new ones."""

from typing import Any

from ..errors import ConfigError, ModelFileNotFoundError
from ..metrics.embedding import load_embedded_network
from ..models.projected_discriminator import ProjectedDiscriminator
from ..training.parameters import freeze_discriminator
from .generation_config import DISCRIMINATORS, GenerationConfig


def build_discriminator(config: GenerationConfig, place: str | None, classes: int) -> Any:
    """The discriminator of the repo `place`, or a new one where it has none, with its lower layers frozen as `config` says."""
    c = config
    sized = {} if c.discriminator_type == "projected" else {"resolution": c.resolution}
    cls, arguments = DISCRIMINATORS[c.discriminator_type], {**sized, **c.discriminator}
    discriminator = start_model(place, "discriminator", cls, arguments, classes, optional=True)
    freeze_discriminator(discriminator, c.freeze_layers)
    return discriminator


def start_model(place: str | None, name: str, cls: Any, arguments: dict[str, Any], classes: int, optional: bool = False) -> Any:
    """A model of the repo `place`, or a new one of `classes` without a repo, or where it is `optional` and not there.

    Raises:
        ModelLoadError: it cannot be loaded.
        ConfigError: arguments that no model can be built with.
    """
    if place:
        try:
            return cls.from_pretrained(place, subfolder=name).train()
        except ModelFileNotFoundError:
            if not optional:
                raise
    try:
        model = cls(**({"num_classes": classes} if classes else {}), **arguments).train()
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(f"`{name}` is {arguments}, with which no model can be built: {error}") from error
    if isinstance(model, ProjectedDiscriminator):
        model.load_trunk(load_embedded_network())
    return model


def require_classes(config: GenerationConfig, name: str, model: Any, classes: int) -> None:
    """
    Raises:
        ConfigError: the model called `name` has not as many classes as the run's images and settings give it.
    """
    c, found = config, getattr(model.config, "num_classes", 0)
    if found != classes:
        where = f" of {c.pretrained_model_name_or_path}" if c.pretrained_model_name_or_path else ""
        raise ConfigError(
            f"the {name}{where} has {found} classes, but by the images, `labels` ({c.labels}) and `generator_labels` "
            f"({c.generator_labels}) it should have {classes}; change these, or start from another model"
        )
