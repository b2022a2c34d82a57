"""Defines the style adapter, a small safetensors file that turns the base generator into one for a certain style."""

import json
import math
import os
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from ..errors import AdapterError
from ..images.whole_files import write_whole

FORMAT = "styleadapt-adapter-1"
PACKAGED = "packaged weights"  # the name of the base that comes with the library
MAX_FILE_BYTES = 64 << 20
LONGEST_NAME = 1000  # a base may be named by a path

_FIELDS: dict[str, Any] = {"config": dict, "scores": dict, "images": int, "steps": int, "seconds": int | float}


@dataclass
class StyleAdapter:
    """What `StyleTransferPipeline.adapt` returns, and what one file holds.

    Args:
        deltas: changes of the generator's weights, see `adapters.deltas`.
        code: `(1, D)`, the adapted style code.
        start_code: `(1, D)`, the zero-shot style code that adaptation began with.
        base: fingerprint of the base model that the deltas belong to.
        base_name: its name or path, for people.
        config: settings of the adaptation.
        scores: `style_before`, `style_after`, `content_before`, `content_after` and `memorization`; lower is better. See
            `adaptation.health`.
        images: number of style images.
        steps, seconds: how long it trained.
    """

    deltas: dict[str, torch.Tensor]
    code: torch.Tensor
    start_code: torch.Tensor
    base: str
    base_name: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    images: int = 1
    steps: int = 0
    seconds: float = 0.0

    def save(self, path: str | os.PathLike) -> Path:
        """Writes the adapter in half precision; the file appears whole or not at all.

        Raises:
            OSError: the folder does not exist or cannot be written, or the disk is full.
        """
        path = Path(path)
        if path.suffix != ".safetensors":
            raise AdapterError(f"an adapter is a .safetensors file, got {path.name!r}")
        tensors = {"code": self.code, "start_code": self.start_code, **self.deltas}
        if not path.parent.is_dir():
            raise FileNotFoundError(f"no folder {path.parent} to write {path.name} to")
        data = save({k: v.detach().to("cpu", torch.float16).contiguous() for k, v in tensors.items()}, self._metadata())
        write_whole(path, data)
        return path

    def _metadata(self) -> dict[str, str]:
        described = {k: v for k, v in asdict_without_tensors(self).items() if k not in ("base", "base_name")}
        return {"format": FORMAT, "base": self.base, "base_name": self.base_name, "adapter": json.dumps(described)}

    @classmethod
    def load(cls, path: str | os.PathLike) -> "StyleAdapter":
        """Reads an adapter file.

        Raises:
            AdapterError: no such file, no adapter, damaged, or with values that are not finite.
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
                        f"{path.name} is no style adapter (format {_brief(metadata.get('format'))!r}, expected {FORMAT!r})"
                    )
                tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
            code, start_code = tensors.pop("code"), tensors.pop("start_code")
            described = _described(metadata["adapter"])
            base, base_name = metadata["base"], metadata.get("base_name", "")
            adapter = cls(tensors, code, start_code, base, base_name, **described)
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
        for name, tensor in {"code": code, "start_code": start_code, **tensors}.items():
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
            return str(api.upload_folder(repo_id=full_id, folder_path=folder, commit_message="Upload style adapter"))

    def model_card(self, repo_id: str) -> str:
        """The text of the adapter's README on the Hub, with a snippet that runs."""
        rows = "\n".join(f"| {name.replace('_', ' ')} | {value:.3f} |" for name, value in self.scores.items())
        packaged = self.base_name in ("", PACKAGED)
        return f"""---
library_name: styleadapt
pipeline_tag: image-to-image
license: other
tags: [style-transfer, gan, adapter]
---
# {repo_id}

A style adapter for the library `styleadapt`, made from {self.images} image(s) in {self.steps} steps
({self.seconds:.0f} s). Base: `{self.base_name or PACKAGED}` (`{self.base}`).

```python
from styleadapt import StyleTransferPipeline

pipe = StyleTransferPipeline.from_pretrained({"" if packaged else f'"{self.base_name}"'})
pipe.load_adapter("{repo_id}", name="style")
pipe("photo.jpg").images[0].save("styled.png")
```

| figure (lower is better) | value |
|---|---|
{rows}
"""


def _brief(text: object) -> str:
    """A line for a message, of text from a stranger's file, which may be of any length."""
    return " ".join(str(text).split())[:200]


class _Malformed(Exception):
    """Says what an adapter's description is, to be read after "its metadata"."""


def _described(text: str) -> dict[str, Any]:
    """The plain fields that `StyleAdapter._metadata` wrote into a file, each of the type it had."""
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


def asdict_without_tensors(adapter: StyleAdapter) -> dict[str, Any]:
    """The adapter's plain fields, for the file's metadata and for people."""
    tensors = ("deltas", "code", "start_code")
    return {k: v for k, v in asdict(StyleAdapter(**{**vars(adapter), "deltas": {}})).items() if k not in tensors}
