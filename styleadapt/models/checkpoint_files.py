"""The files of a saved model: where they are, in a folder or on the Hub, and what a safetensors file holds."""

import os
from collections.abc import Collection
from typing import Any

from huggingface_hub import constants, hf_hub_download, is_offline_mode
from huggingface_hub.errors import (
    EntryNotFoundError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from safetensors import safe_open

from ..errors import ModelFileNotFoundError, ModelLoadError

PICKLE_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
PICKLE_REFUSAL = "pickled weights (.bin, .pt, .ckpt) are never loaded, because they can run code: convert them to safetensors"


def fetch(name: str | os.PathLike, filename: str, subfolder: str = "", revision: str | None = None, **hub: Any) -> str:
    """Local path of a file of a folder or of a Hub repository, downloaded if need be.

    Args:
        name: a folder, or a repository's id.
        filename: of the file.
        subfolder: where in the folder or repository it lies.
        revision: branch, tag or commit of the repository.
        hub: `token`, `cache_dir`, `local_files_only` and `force_download` for `hf_hub_download`.

    Raises:
        ModelFileNotFoundError: the folder, the repository, its revision or the file is absent, or cannot be had off line.
        ModelLoadError: `name` is a file, or the Hub refused.
    """
    text = os.fspath(name)
    if os.path.isfile(text):
        reason = PICKLE_REFUSAL if text.endswith(PICKLE_SUFFIXES) else "give the folder that holds it and its config.json"
        raise ModelLoadError(f"{text} is a file, not a model's folder; {reason}")
    if os.path.isdir(text):
        return _in_folder(text, subfolder, filename)
    if not isinstance(name, str):
        raise ModelFileNotFoundError(f"there is no folder {text}")
    try:
        return hf_hub_download(name, filename, subfolder=subfolder or None, revision=revision, **hub)
    except (HFValidationError, RepositoryNotFoundError, RevisionNotFoundError, EntryNotFoundError) as error:
        file = f"`{subfolder}/{filename}`" if subfolder else f"`{filename}`"
        raise ModelFileNotFoundError(_why_absent(error, name, file, revision or "main", hub)) from error
    except Exception as error:
        where = f"Hub repository '{name}', revision {revision or 'main'}"
        raise ModelLoadError(f"{where}: {filename} could not be downloaded: {error}") from error


def _in_folder(name: str, subfolder: str, filename: str) -> str:
    folder = os.path.join(name, subfolder)
    if not os.path.isdir(folder):
        raise ModelFileNotFoundError(f"{name} has no subfolder '{subfolder}'")
    found = sorted(os.listdir(folder))
    if filename not in found:
        pickled = f"; {PICKLE_REFUSAL}" if any(other.endswith(PICKLE_SUFFIXES) for other in found) else ""
        raise ModelFileNotFoundError(f"{folder} has no file `{filename}`; it holds {first_few(found, 8) or 'nothing'}{pickled}")
    return os.path.join(folder, filename)


def _why_absent(error: Exception, name: str, file: str, revision: str, hub: dict[str, Any]) -> str:
    where = f"Hub repository '{name}', revision {revision}"
    if isinstance(error, HFValidationError):
        return f"'{name}' is neither an existing folder nor a Hub repository id such as 'owner/name'"
    if isinstance(error, RepositoryNotFoundError):
        return (
            f"'{name}' is neither an existing folder nor a repository on {constants.ENDPOINT} that you may read; for a private or"
            " gated one pass `token` or log in with `hf auth login`, and accept its terms"
        )
    if isinstance(error, RevisionNotFoundError):
        return f"{where}: there is no such branch, tag or commit"
    if not isinstance(error, LocalEntryNotFoundError):
        return f"{where}: there is no {file}" + (f"; {PICKLE_REFUSAL}" if file.endswith(".safetensors`") else "")
    reason = f"the Hub did not answer ({error.__cause__ or error})"
    if hub.get("local_files_only"):
        reason = "`local_files_only=True` keeps off the network"
    elif is_offline_mode():
        reason = "HF_HUB_OFFLINE keeps off the network"
    return (
        f"{where}: {file} is not in the cache {hub.get('cache_dir') or constants.HF_HUB_CACHE}, there is no folder of that name, "
        f"and {reason}. Go on line once, or run `hf download {name} --local-dir FOLDER` on a machine that is, and pass FOLDER"
    )


def read_header(file: str) -> dict[str, tuple[tuple[int, ...], str]]:
    """Shape and type, such as `F32`, of every tensor in a safetensors file, by key.

    Raises:
        ModelLoadError: the file is damaged, or of another format.
    """
    try:
        with safe_open(file, "pt") as tensors:
            slices = {key: tensors.get_slice(key) for key in tensors.keys()}  # noqa: SIM118  it is no mapping
            return {key: (tuple(part.get_shape()), part.get_dtype()) for key, part in slices.items()}
    except Exception as error:
        raise ModelLoadError(
            f"{file} is not a whole safetensors file ({error}); it may be truncated, a Git LFS pointer or of another format"
        ) from error


def first_few(names: Collection[str], count: int = 3) -> str:
    """
    >>> first_few(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(list(names)[:count]) + more
