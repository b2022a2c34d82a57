"""Fine-tuning of a generator from noise to 10 to 100 images, with what keeps it from forgetting its variety."""

from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar

import torch

from ..adapters.adapter import PACKAGED, GeneratorAdapter
from ..data.square_crops import SquareCrops
from ..errors import ConfigError
from ..hub.model_card import ADAPTER_FILE, RunFacts
from ..hub.publishing import public_settings
from ..losses.adversarial import nonsaturating_generator_loss
from ..losses.consistency import correspondence_loss, elastic_penalty, fisher_diagonal
from ..losses.features import VGG16, build_feature_network
from ..losses.semi_supervised import UNLABELED
from ..pipelines.generation import GenerationPipeline
from ..training.adversary import steady
from ..training.config import require_at_least
from ..training.parameters import adapter_deltas, check_consolidation, check_output, select_parameters
from ..training.processes import process_state
from .generation import GenerationTask, State, card_facts
from .generation_config import GenerationConfig
from .generation_models import build_discriminator


@dataclass
class GenerationFinetuneConfig(GenerationConfig):
    """Configuration of `scripts/finetune.py --task generation`. It starts from the packaged generator if
    `pretrained_model_name_or_path` is left out, and `resolution` must be that of where it starts. The classes of a source that
    has some are drawn at random, and all of them learn the images alike. A source whose pictures repeat without a seam goes on
    making such ones, with `tileable` or without.

    Args:
        train_parameters: what changes of the generator, see `training.parameters.select_parameters`.
        rank, targets: of low-rank changes.
        ewc_weight: of elastic weight consolidation: weights that mattered to the source stay near it (Li et al., arXiv
            2012.02780).
        ewc_samples: pictures of the source by which that is measured.
        correspondence_weight: of cross-domain correspondence: pictures resemble each other as their sources do (Ojha et al.,
            arXiv 2104.06820).
        output: `model`, a whole repo, or `adapter`, a file of changes for the source.
    """

    fixed_settings: ClassVar[tuple[str, ...]] = ("train_parameters", "rank", "targets", "freeze_layers")

    output_dir: str = "runs/finetune-generation"
    train_parameters: str = "all"
    rank: int = 8
    targets: list[str] = field(default_factory=list)
    ewc_weight: float = 0.0
    ewc_samples: int = 64
    correspondence_weight: float = 0.0
    output: str = "model"
    learning_rate: float = 5e-4
    lr_d: float = 5e-4
    max_train_steps: int = 1000
    augment: str = "color,translation,cutout"

    def validate(self) -> None:
        super().validate()
        for key in ("ewc_weight", "correspondence_weight"):
            require_at_least(key, getattr(self, key), 0)
        require_at_least("ewc_samples", self.ewc_samples, 1)
        check_consolidation(self.ewc_weight, self.train_parameters)
        if self.correspondence_weight and self.train_batch_size < 3:
            raise ConfigError(
                f"`correspondence_weight` compares pictures of a batch, 3 at least; `train_batch_size` is {self.train_batch_size}"
            )
        if self.labels:
            raise ConfigError("`labels` cannot be taught anew; fine-tune without them")
        check_output(self.output, self.train_parameters, "affine, lora, loha or affine+lora")


def build_models(config: GenerationFinetuneConfig) -> dict[str, Any]:
    """The source's generator, and its discriminator or a new one, ready for training.

    Raises:
        ModelLoadError: nothing there, or not whole.
        ConfigError: a source of another resolution, or parameters that it does not have.
    """
    c = config
    pipe = _source(c)
    generator = pipe.generator.train().requires_grad_(True)
    if generator.config.resolution != c.resolution:
        raise ConfigError(
            f"`resolution` is {c.resolution}, but the source generates pictures of {generator.config.resolution} px"
        )
    # a new discriminator needs no classes, since the images have none of the source's
    return {"generator": generator, "discriminator": build_discriminator(c, _place(c), classes=0)}


def _place(config: GenerationFinetuneConfig) -> str:
    return config.pretrained_model_name_or_path or str(resources.files("styleadapt") / "assets" / "generation")


def _source(config: GenerationFinetuneConfig) -> GenerationPipeline:
    return GenerationPipeline.from_pretrained(_place(config))


class GenerationFinetuningTask(GenerationTask):
    """Generation that starts from a source, which it keeps for what the pictures shall have in common with its own."""

    config: GenerationFinetuneConfig

    def __init__(self, config: GenerationFinetuneConfig, models: dict[str, Any]):
        source = _source(config)
        self.base, self.base_name = source.fingerprint, source.config.get("_name_or_path") or PACKAGED
        self.parameters = {name: p.detach().clone() for name, p in models["generator"].named_parameters()}
        # a source that was trained to repeat without a seam goes on so
        for generator in (models["generator"], source.generator):
            if hasattr(generator, "tileable"):
                generator.tileable = config.tileable or source.config.tileable
        self.source = source.generator.to(process_state().device) if config.correspondence_weight else None
        self.network = build_feature_network(VGG16, None, process_state().device) if self.source is not None else None
        select_parameters(models["generator"], config.train_parameters, config.rank, config.targets)
        super().__init__(config, models)
        self.generator_classes = source.classes or []
        self.fisher = self._measured_fisher() if config.ewc_weight else {}

    def _measured_fisher(self) -> dict[str, torch.Tensor]:
        """How much each weight matters to what the discriminator thinks of the source's pictures."""
        generator, discriminator = self.models["generator"], self.models["discriminator"]
        trained = {name: p for name, p in generator.named_parameters() if p.requires_grad}
        self.anchors = {name: p.detach().clone() for name, p in trained.items()}
        device = process_state().device

        def opinions():
            with steady(discriminator), steady(generator):
                for _ in range(self.config.ewc_samples):
                    label, _, told = self._labels(torch.zeros(1, dtype=torch.int64, device=device))
                    picture = generator(self.latents(1, device), told, noise="constant").sample
                    yield nonsaturating_generator_loss(discriminator(picture, label).logits)

        return fisher_diagonal(opinions(), trained)

    def _labels(self, label: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]:
        """As of training, but labels that the images have are not of the source's classes: those are drawn. The discriminator is
        told none, of real images nor of generated ones, which it would otherwise know by their label."""
        taught, judged = (getattr(self.models[name].config, "num_classes", 0) for name in ("generator", "discriminator"))
        unknown = torch.full_like(label, UNLABELED) if judged else None
        return unknown, unknown, torch.randint_like(label, taught) if taught else None

    def generator_loss(self, state: State, step: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        c = self.config
        loss, figures = super().generator_loss(state, step)
        if self.fisher:
            figures["ewc"] = elastic_penalty(dict(self.models["generator"].named_parameters()), self.anchors, self.fisher)
            loss = loss + c.ewc_weight * figures["ewc"]
        if self.source is not None and self.network is not None:
            with torch.no_grad():
                before = self.network(self.source(**state.inputs).sample.float())
            figures["correspondence"] = correspondence_loss(self.network(state.generated), before).mean()
            loss = loss + c.correspondence_weight * figures["correspondence"]
        return loss, figures

    def save_pretrained(self, folder: Path) -> None:
        if self.config.output == "model":
            super().save_pretrained(folder)
            return
        GeneratorAdapter(
            deltas=adapter_deltas(self.models["generator"], self.parameters),
            base=self.base,
            base_name=self.base_name,
            config=public_settings(self.config),
            images=len(self.crops.images),
        ).save(folder / ADAPTER_FILE)


def finetuning_facts(config: GenerationFinetuneConfig, dataset: SquareCrops) -> RunFacts:
    """What the model card of a finished run says of it, beside settings and scores."""
    facts = card_facts(config, dataset)
    facts.base_model = config.pretrained_model_name_or_path or PACKAGED
    return facts
