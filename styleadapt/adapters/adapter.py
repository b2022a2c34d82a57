"""Adapters: one small safetensors file that turns a base network into one for a certain style, or for a certain kind of images.

An adapter is of a kind, which is of the family of the network that it changes. A new family is a subclass of `Adapter` with a
kind of its own.
"""

import json
import math
import os
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from ..errors import AdapterError
from ..images.whole_files import write_whole

FORMAT = "styleadapt-adapter-1"
PACKAGED = "packaged weights"  # the name of the base that comes with the library
MAX_FILE_BYTES = 64 << 20
LONGEST_NAME = 1000  # a base may be named by a path
_REPO = re.compile(r"[\w.-]+/[\w.-]+")
_FIRST_KIND = "style"  # of files that were written before there were others, and name none

_FIELDS: dict[str, Any] = {"config": dict, "scores": dict, "images": int, "steps": int, "seconds": int | float}


@dataclass
class Adapter:
    """What changes a base network, and what one file holds. A subclass names its kind.

    Args:
        deltas: changes of the network's weights, see `adapters.deltas`.
        base: fingerprint of the base model that the deltas belong to.
        base_name: its name or path, for people.
        config: settings of the adaptation.
        scores: finite numbers by name: how good it is.
        images: number of images it was made from.
        steps, seconds: how long it trained.
    """

    kind: ClassVar[str]
    """What tells adapters of one family of networks from those of another, as it stands in the file."""
    other_tensors: ClassVar[tuple[str, ...]] = ()
    """Attributes that are tensors and go into the file beside the deltas."""
    pipeline_name: ClassVar[str]
    """For the model card: the pipeline that loads it."""
    card_call: ClassVar[str]
    """For the model card: a line that uses that pipeline, `pipe`."""
    tags: ClassVar[tuple[str, ...]] = ()
    """For the model card."""
    scores_are: ClassVar[str]
    """For the model card: how to read the scores."""

    deltas: dict[str, torch.Tensor]
    base: str
    base_name: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    images: int = 1
    steps: int = 0
    seconds: float = 0.0

    @property
    def tensors(self) -> dict[str, torch.Tensor]:
        """All tensors that the file holds, by name."""
        return {**{name: getattr(self, name) for name in self.other_tensors}, **self.deltas}

    def save(self, path: str | os.PathLike) -> Path:
        """Writes the adapter in half precision; the file appears whole or not at all.

        Raises:
            OSError: the folder does not exist or cannot be written, or the disk is full.
        """
        path = Path(path)
        if path.suffix != ".safetensors":
            raise AdapterError(f"an adapter is a .safetensors file, got {path.name!r}")
        if not path.parent.is_dir():
            raise FileNotFoundError(f"no folder {path.parent} to write {path.name} to")
        data = save({k: v.detach().to("cpu", torch.float16).contiguous() for k, v in self.tensors.items()}, self._metadata())
        write_whole(path, data)
        return path

    def _metadata(self) -> dict[str, str]:
        # numbers of NumPy, which a configuration may hold, become Python's
        described = json.dumps({name: getattr(self, name) for name in _FIELDS}, default=lambda number: number.item())
        return {"format": FORMAT, "kind": self.kind, "base": self.base, "base_name": self.base_name, "adapter": described}

    @classmethod
    def load(cls, path: str | os.PathLike) -> Self:
        """Reads an adapter file of this class's kind.

        Raises:
            AdapterError: no such file, no adapter, one of another kind, damaged, or with values that are not finite.
        """
        path = Path(path)
        if not path.is_file():
            raise AdapterError(f"no adapter file at {path}")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise AdapterError(f"{path.name} has {path.stat().st_size >> 20} MB; an adapter has {MAX_FILE_BYTES >> 20} at most")
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                if metadata.get("format") != FORMAT:
                    raise AdapterError(
                        f"{path.name} is no {cls.kind} adapter (format {_brief(metadata.get('format'))!r}, expected {FORMAT!r})"
                    )
                kind = metadata.get("kind", _FIRST_KIND)
                if kind != cls.kind:
                    raise AdapterError(f"{path.name} is an adapter of the kind {_brief(kind)!r}, expected the kind {cls.kind!r}")
                tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
            others = {name: tensors.pop(name) for name in cls.other_tensors}
            described = _described(metadata["adapter"])
            base, base_name = metadata["base"], metadata.get("base_name", "")
            adapter = cls(deltas=tensors, base=base, base_name=base_name, **others, **described)
        except (SafetensorError, OSError) as error:
            raise AdapterError(f"{path.name} is not a readable safetensors file: {_brief(error)}") from None
        except KeyError as error:
            raise AdapterError(f"{path.name} is damaged: {error} is missing") from None
        except _Malformed as error:
            raise AdapterError(f"{path.name} is damaged: its metadata {error}") from None
        # Later errors quote them.
        for name in (base, base_name, *tensors):
            if len(name) > LONGEST_NAME or not name.isprintable():
                raise AdapterError(f"{path.name} is damaged: {_brief(name)!r} is no name of a tensor or a base")
        for name, tensor in adapter.tensors.items():
            if not torch.isfinite(tensor).all():
                raise AdapterError(f"{path.name} holds values that are not finite in `{name}`")
        return adapter

    def push_to_hub(self, repo_id: str, *, private: bool | None = None, token: str | None = None) -> str:
        """Uploads the adapter with a model card and returns the address of the commit.

        Raises:
            huggingface_hub.errors.HfHubHTTPError: not signed in, no right to write, or no network.
        """
        from huggingface_hub import HfApi

        api = HfApi(token=token)
        with tempfile.TemporaryDirectory() as folder:
            # Both files are written first, so that a full disk does not leave an empty repository behind.
            self.save(Path(folder) / "adapter.safetensors")
            card = Path(folder) / "README.md"
            card.write_text(self.model_card(repo_id), encoding="utf-8")
            full_id = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
            card.write_text(self.model_card(full_id), encoding="utf-8")
            return str(api.upload_folder(repo_id=full_id, folder_path=folder, commit_message=f"Upload {self.kind} adapter"))

    def model_card(self, repo_id: str) -> str:
        """The text of the adapter's README on the Hub, with a snippet that runs, unless the base is a folder of its author's."""
        rows = "\n".join(f"| {name.replace('_', ' ')} | {value:.3f} |" for name, value in self.scores.items())
        return f"""---
library_name: styleadapt
pipeline_tag: image-to-image
license: other
tags: [{", ".join((*self.tags, "gan", "adapter"))}]
---
# {repo_id}

A {self.kind} adapter for the library `styleadapt`, made from {self.images} image(s) in {self.steps} steps
({self.seconds:.0f} s). Base: `{self.base_name or PACKAGED}` (`{self.base}`).

```python
from styleadapt import {self.pipeline_name}

pipe = {self.pipeline_name}.from_pretrained{base_arguments(self.base_name or PACKAGED)}
pipe.load_adapter("{repo_id}", name="{self.kind}")
{self.card_call}
```

| figure ({self.scores_are}) | value |
|---|---|
{rows}
"""


class StyleAdapter(Adapter):
    """A learned style: what `StyleTransferPipeline.adapt` returns.

    Its `scores` are `style_before`, `style_after`, `content_before`, `content_after` and `memorization`; lower is better. See
    `adaptation.health`.

    Args:
        deltas: changes of the generator's weights, see `adapters.deltas`.
        code: `(1, D)`, the adapted style code.
        start_code: `(1, D)`, the zero-shot style code that adaptation began with.
        base, others, named: the other arguments of `Adapter`.
    """

    kind = "style"
    other_tensors = ("code", "start_code")
    pipeline_name = "StyleTransferPipeline"
    card_call = 'pipe("photo.jpg").images[0].save("styled.png")'
    tags = ("style-transfer",)
    scores_are = "lower is better"

    def __init__(
        self,
        deltas: dict[str, torch.Tensor],
        code: torch.Tensor,
        start_code: torch.Tensor,
        base: str,
        *others: Any,
        **named: Any,
    ):
        super().__init__(deltas, base, *others, **named)
        self.code, self.start_code = code, start_code


class RestorationAdapter(Adapter):
    """A restorer for a certain kind of images: what `RestorationPipeline.adapt` returns.

    Its `scores` are `psnr_before` and `psnr_after`, in decibels, on damaged crops that were kept from training.
    """

    kind = "restoration"
    pipeline_name = "RestorationPipeline"
    card_call = 'pipe("damaged.jpg").images[0].save("restored.png")'
    tags = ("image-restoration",)
    scores_are = "higher is better"


class GeneratorAdapter(Adapter):
    """A domain of pictures for a generator from noise: what `GenerationPipeline.adapt` returns.

    Its `scores` are `style_before` and `style_after`, Gram distances of pictures to the nearest of the images, where lower is
    better, and `diversity_before` and `diversity_after`, mean perceptual distances between two pictures, where higher is.
    """

    kind = "generator"
    pipeline_name = "GenerationPipeline"
    card_call = 'pipe(num_images=1, seed=0).images[0].save("picture.png")'
    tags = ("image-generation",)
    scores_are = "style: lower is better, diversity: higher"


def names_repo(base: str) -> bool:
    """Whether the name of a base has the form `user/repo`, and is no folder here.

    >>> names_repo("user/base"), names_repo("/home/ann/base")
    (True, False)
    """
    return bool(_REPO.fullmatch(base)) and not Path(base).exists()


def base_arguments(base: str | None, revision: str | None = None) -> str:
    """Arguments of `from_pretrained` that load the base of an adapter, which fits no other, for a model card.

    >>> base_arguments("user/base", "v2"), base_arguments("/home/ann/base")
    ('("user/base", revision="v2")', '("path/to/base")  # base, wherever you have it')
    """
    if base == PACKAGED:
        return "()"
    if base is None or not names_repo(base):
        return f'("path/to/base")  # {Path(base).name if base else "the base model"}, wherever you have it'
    return f'("{base}", revision="{revision}")' if revision else f'("{base}")'


def _brief(text: object) -> str:
    """A line for a message, of text from a stranger's file, which may be of any length."""
    return " ".join(str(text).split())[:200]


class _Malformed(Exception):
    """Says what an adapter's description is, to be read after "its metadata"."""


def _described(text: str) -> dict[str, Any]:
    """The plain fields that `Adapter._metadata` wrote into a file, each of the type it had."""
    try:
        fields = json.loads(text)
    # Python reads neither JSON of great depth nor numbers of thousands of digits.
    except (ValueError, RecursionError):
        raise _Malformed("is not JSON that can be read") from None
    if not isinstance(fields, dict):
        raise _Malformed(f"describes the adapter by a {type(fields).__name__}, expected an object")
    for name, value in fields.items():
        if name not in _FIELDS:
            raise _Malformed(f"has the unknown field {_brief(name)!r}, expected {', '.join(_FIELDS)}")
        if not isinstance(value, _FIELDS[name]):
            raise _Malformed(f"has a {type(value).__name__} for `{name}`")
    for name, value in fields.get("scores", {}).items():
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise _Malformed(f"has no finite number for the score {_brief(name)!r}")
    return fields
