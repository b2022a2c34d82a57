"""Builds the model card of a run: training, data, scores, usage and license."""

import json
import math
import os
from dataclasses import dataclass, field
from pathlib import Path

from huggingface_hub import ModelCard, ModelCardData

from ..adapters.adapter import PACKAGED, base_arguments, names_repo

ADAPTER_FILE = "adapter.safetensors"
PIPELINE_FILE = "model_index.json"
_RESEARCH = (
    "The packaged weights that this model started from were trained on research collections of photos and paintings of mixed "
    "licenses, and are for research and non-commercial use; so is this model."
)
_UNKNOWN = "Its author has named no license; that of the training images and of the base model may restrict its use."
STYLIZATION_LIMITS = (
    "It moves colors, strokes and textures, not shapes: large figures of the style do not appear in the result.",
    "Small faces and lettering lose detail in coarse styles.",
    "Frames of a video are processed each for itself, which flickers.",
)
_ONE_STYLE = "It was fitted to one set of images and knows no more of the style than they show."


@dataclass
class RunFacts:
    """The facts of a model card that are not in the folder of the run.

    Args:
        base_model: repo of the Hub, folder or `packaged weights` that the run started from; None if from nothing.
        base_revision: of that repo; the main branch if left out.
        purpose: what the model does and what it is made of, in a sentence or two.
        data: the training images in a sentence: what they are and where they are from.
        datasets: data sets of the Hub among them, by name.
        images, unreadable: number of training images, and of those that could not be read.
        settings: what else should be known of the run, such as steps, learning rate, losses.
        scores: figures of the result, by name.
        scores_before: the same figures of the base, where they were measured.
        scored_on: what the figures were measured on, after "on".
        step: training step of the figures and of the samples, if known.
        lower_is_better: of all figures; None if it is so of some alone.
        call: the line of the snippet that calls `pipe` on `photo`, where it depends on what was trained.
        samples: picture in the folder that shows results, by its path there.
        license: an identifier of the Hub (`apache-2.0`, `cc-by-4.0`, ...), or `other`, which for what started from the packaged
            weights stands for research and non-commercial use.
        license_name, license_link: of a license that the Hub does not know.
        license_note: what the license rests on, in a sentence.
        tags: beside the usual ones.
        limitations: what the model cannot do, a sentence each.
    """

    base_model: str | None = None
    base_revision: str | None = None
    purpose: str = ""
    data: str = ""
    datasets: list[str] = field(default_factory=list)
    images: int | None = None
    unreadable: int = 0
    settings: dict[str, object] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    scores_before: dict[str, float] = field(default_factory=dict)
    scored_on: str = "the run's validation pairs"
    step: int | None = None
    lower_is_better: bool | None = True
    call: str = ""
    samples: str | None = None
    license: str = "other"
    license_name: str | None = None
    license_link: str | None = None
    license_note: str = ""
    tags: list[str] = field(default_factory=list)
    limitations: tuple[str, ...] = (*STYLIZATION_LIMITS, _ONE_STYLE)


def build_model_card(folder: str | os.PathLike, repo_id: str, facts: RunFacts) -> ModelCard:
    """The README.md of a run's folder.

    Args:
        folder: a pipeline (`model_index.json` and models), an adapter (`adapter.safetensors`), or both.
        repo_id: `user/repo` under which it is published; the snippet loads it from there.
        facts: what else is known of the run.

    Returns:
        A card whose `save` writes the file.

    Raises:
        FileNotFoundError: the folder holds neither a pipeline nor an adapter, or not the picture that `facts.samples` names.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Path(folder, ADAPTER_FILE).touch()
    ...     card = build_model_card(folder, "user/monet", RunFacts(scores={"style": 0.25}))
    >>> card.data.pipeline_tag, "| style | 0.2500 |" in card.text
    ('image-to-image', True)
    """
    folder = Path(folder)
    pipeline = _pipeline_class(folder)
    has_adapter = (folder / ADAPTER_FILE).is_file()
    if facts.samples and not (folder / facts.samples).is_file():
        raise FileNotFoundError(f"the model card shows {facts.samples}, which is not in {folder}")
    base = facts.base_model if facts.base_model and names_repo(facts.base_model) else None
    license_name, license_note = _license(facts)
    metadata = ModelCardData(
        license=facts.license,
        license_name=license_name if facts.license == "other" else None,
        license_link=facts.license_link if facts.license == "other" else None,
        library_name="diffusers",
        pipeline_tag="image-to-image",
        tags=list(dict.fromkeys(["styleadapt", "style-transfer", "gan", *(["adapter"] if has_adapter else []), *facts.tags])),
        base_model=base,
        base_model_relation=("finetune" if pipeline else "adapter") if base else None,
        datasets=facts.datasets or None,
    )
    kind = "Model and style adapter" if pipeline and has_adapter else "Model" if pipeline else "Style adapter"
    start = f"fine-tuned from `{_public_name(facts.base_model)}`" if facts.base_model else "trained from nothing"
    parts = [f"# {repo_id.split('/')[-1]}", " ".join([f"{kind} for `styleadapt`, {start}.", facts.purpose]).rstrip()]
    if facts.samples:
        parts.append(f"![Results]({facts.samples})")
    snippet = _snippet(repo_id, pipeline, has_adapter, facts)
    parts += ["## Use", f"With the package `styleadapt` installed:\n\n```python\n{snippet}\n```"]
    if facts.scores:
        better = {True: "; lower is better", False: "; higher is better", None: ""}[facts.lower_is_better]
        at = f"At step {facts.step}, on" if facts.step else "On"
        parts += ["## Scores", f"{at} {facts.scored_on}{better}.", _score_table(facts)]
    parts += ["## Training", _training(facts)]
    parts += ["## Limitations", "\n".join(f"- {line}" for line in facts.limitations)]
    named = license_name if facts.license == "other" else facts.license
    parts += ["## License", " ".join(part for part in (f"`{named}`." if named else "", license_note) if part)]
    return ModelCard(f"---\n{metadata.to_yaml()}\n---\n\n" + "\n\n".join(parts) + "\n")


def _pipeline_class(folder: Path) -> str | None:
    """Name of the pipeline in `folder`, or None if it holds an adapter alone."""
    index = folder / PIPELINE_FILE
    if index.is_file():
        name = json.loads(index.read_text(encoding="utf-8")).get("_class_name")
        return name[-1] if isinstance(name, list) else name
    if not (folder / ADAPTER_FILE).is_file():
        raise FileNotFoundError(f"{folder} holds nothing to publish: neither {PIPELINE_FILE} nor {ADAPTER_FILE}")
    return None


def _license(facts: RunFacts) -> tuple[str | None, str]:
    """Name of a license that the Hub does not know, and the sentence about the license."""
    if facts.license != "other" or facts.license_name or facts.license_note:
        return facts.license_name, facts.license_note
    return ("research-non-commercial", _RESEARCH) if facts.base_model == PACKAGED else (None, _UNKNOWN)


def _public_name(base: str) -> str:
    """A base model's name without the path of a folder on the trainer's machine."""
    return Path(base).name if Path(base).exists() else base


def _snippet(repo_id: str, pipeline: str | None, has_adapter: bool, facts: RunFacts) -> str:
    """Code that stylizes a photo that comes with the package; it runs as it stands, unless an adapter's base is private."""
    cls = pipeline or "StyleTransferPipeline"
    arguments = f'("{repo_id}")' if pipeline else base_arguments(facts.base_model, facts.base_revision)
    lines = [
        "from importlib.resources import files",
        "",
        f"from styleadapt import {cls}",
        "",
        'assets = files("styleadapt") / "assets"',
        f"pipe = {cls}.from_pretrained{arguments}",
        'photo = assets / "photos" / "cat.jpg"  # or a photo of yours',
    ]
    if facts.call:
        lines.append(facts.call)
    elif cls == "TranslationPipeline":
        lines.append('pipe(photo, direction="a2b").images[0].save("translated.png")')
    elif has_adapter:
        lines += [f'pipe.load_adapter("{repo_id}")', 'pipe(photo).images[0].save("stylized.png")']
    else:
        lines += [
            'style = assets / "styles" / "mosaic.jpg"  # or an image of the style',
            'pipe(photo, style=style).images[0].save("stylized.png")',
        ]
    return "\n".join(lines)


def _score_table(facts: RunFacts) -> str:
    compared = bool(facts.scores_before)
    lines = ["| figure | base | this model |", "|---|---|---|"] if compared else ["| figure | this model |", "|---|---|"]
    for name, value in facts.scores.items():
        before = [_number(facts.scores_before.get(name))] if compared else []
        lines.append(f"| {' | '.join([name.replace('_', ' '), *before, _number(value)])} |")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return f"{value:.4f}" if value is not None and math.isfinite(value) else "-"


def _training(facts: RunFacts) -> str:
    lines = [facts.data or "The training images are not described."]
    if facts.images is not None:
        skipped = f", of which {facts.unreadable} could not be read and were left out" if facts.unreadable else ""
        lines.append(f"{facts.images} image{'s' if facts.images != 1 else ''}{skipped}.")
    text = " ".join(lines)
    if facts.settings:
        text += "\n\n| setting | value |\n|---|---|\n" + "\n".join(f"| `{k}` | {_cell(v)} |" for k, v in facts.settings.items())
    return text


def _cell(value: object) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")
