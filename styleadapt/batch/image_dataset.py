"""Saves a folder of results as a data set that `datasets.load_dataset` opens, locally and from the Hub."""

import json
import logging
import math
import os
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from huggingface_hub import DatasetCard, DatasetCardData

from ..errors import HubError
from ..hub.hub import retried
from ..images.whole_files import write_whole
from .manifest import MANIFEST_FILE, SETTINGS_FILE, Entry

logger = logging.getLogger(__name__)

SUBFOLDER = "train"
METADATA_FILE = "metadata.jsonl"
_PATHS = ("_file_name", "_file_names")
# what the Hub allows
_MOST_FILES_A_FOLDER = 10_000
# of the maker's machine, or of no interest to anyone else
_NOT_PUBLISHED = [MANIFEST_FILE, SETTINGS_FILE, "manifest.part-*", ".*", "*/.*"]


def write_image_dataset(
    folder: str | os.PathLike, entries: Iterable[Entry], settings: dict[str, Any], license: str = "unknown"
) -> None:
    """Makes a folder of results one that `datasets.load_dataset(folder)` opens, with the columns `image`, `input` (name of the
    photo) and those of the photos' own data set, of which `x_file_name` becomes `x_filename`.

    Args:
        folder: holds the results in its subfolder `train`.
        entries: of the manifest.
        settings: that the card tells, by name.
        license: an identifier of the Hub.

    Raises:
        OSError: it cannot be written to.
    """
    folder = Path(folder)
    entries = list(entries)
    names = _column_names({"input", *(key for entry in entries for key in entry.columns)})
    lines = []
    for entry in entries:
        if entry.output is not None:
            columns = {names[key]: _storable(value) for key, value in {"input": entry.input, **entry.columns}.items()}
            name = PurePosixPath(entry.output).relative_to(SUBFOLDER).as_posix()
            lines.append(json.dumps({**columns, "file_name": name}) + "\n")
    (folder / SUBFOLDER).mkdir(exist_ok=True)
    write_whole(folder / SUBFOLDER / METADATA_FILE, "".join(lines).encode())
    write_whole(folder / "README.md", str(dataset_card(folder.resolve().name, len(lines), settings, license)).encode())


def dataset_card(title: str, pictures: int, settings: dict[str, Any], license: str = "unknown") -> DatasetCard:
    """The README.md of a data set of results; its header keeps `datasets` from taking words in file names for splits.

    >>> card = dataset_card("user/pictures", 2, {"strength": 0.5, "mask": None})
    >>> "| `strength` | 0.5 |" in card.text, "mask" in card.text
    (True, False)
    """
    data = DatasetCardData(
        license=license,
        task_categories=["image-to-image"],
        tags=["styleadapt", "style-transfer"],
        configs=[{"config_name": "default", "data_files": [{"split": SUBFOLDER, "path": f"{SUBFOLDER}/**"}]}],
    )
    told = {key: value for key, value in settings.items() if value is not None and value is not False}
    rows = "\n".join(f"| `{key}` | {_cell(value)} |" for key, value in told.items())
    text = f"""# {title.split("/")[-1]}

{pictures} photo{"s" if pictures != 1 else ""}, stylized with `styleadapt`.

```python
from datasets import load_dataset

pictures = load_dataset("{title}", split="{SUBFOLDER}")
pictures[0]["image"].save("first.png")
```

| setting | value |
|---|---|
{rows}
"""
    return DatasetCard(f"---\n{data.to_yaml()}\n---\n\n{text}")


def push_image_dataset(
    folder: str | os.PathLike,
    repo_id: str,
    settings: dict[str, Any],
    *,
    license: str = "unknown",
    private: bool | None = None,
    token: str | None = None,
    retries: int = 5,
    endpoint: str | None = None,
) -> str:
    """Publishes a folder that `write_image_dataset` has completed as a data set of the Hub. Manifest and settings stay here.

    Uploading again after a failure sends only what the Hub lacks.

    Args:
        folder: of the data set.
        repo_id: `user/repo`, or `repo` for one of your own.
        settings, license: for the card.
        private: of a new repo; the account's default if left out.
        token: with the right to write; the saved one, or HF_TOKEN, if left out.
        retries: how often a failure that may pass is tried again.
        endpoint: address of another Hub than HF_ENDPOINT or huggingface.co.

    Returns:
        Address of the commit.

    Raises:
        HubError: not signed in, no right, no such user, a name or a number of files that the Hub does not allow, off line, or
            still failing after the retries.
    """
    from huggingface_hub import HfApi

    folder = Path(folder)
    _require_few_files(folder, repo_id)
    api = HfApi(endpoint=endpoint, token=token)
    made = retried(
        f"create the data set {repo_id}",
        lambda: api.create_repo(repo_id, repo_type="dataset", private=private, exist_ok=True),
        retries,
        token,
    )
    with open(folder / SUBFOLDER / METADATA_FILE, encoding="utf-8") as file:
        pictures = sum(1 for _ in file)
    write_whole(folder / "README.md", str(dataset_card(made.repo_id, pictures, settings, license)).encode())
    commit = retried(
        f"upload {folder} to {made.repo_id}",
        lambda: api.upload_folder(
            repo_id=made.repo_id,
            repo_type="dataset",
            folder_path=folder,
            commit_message="Upload stylized photos",
            ignore_patterns=list(_NOT_PUBLISHED),
        ),
        retries,
        token,
    )
    return str(getattr(commit, "commit_url", commit))


def _require_few_files(folder: Path, repo_id: str) -> None:
    where, count = Counter(file.parent for file in (folder / SUBFOLDER).rglob("*") if file.is_file()).most_common(1)[0]
    if count > _MOST_FILES_A_FOLDER:
        raise HubError(
            f"{where} holds {count} files, and the Hub takes {_MOST_FILES_A_FOLDER} a folder: publish it packed as parquet, with "
            f"datasets.load_dataset({str(folder)!r}, split={SUBFOLDER!r}).push_to_hub({repo_id!r})"
        )


def _column_names(columns: Collection[str]) -> dict[str, str]:
    """What each column is called in the data set. `datasets` takes a text of the name `x_file_name` for the path of a picture."""
    names = {column: column for column in columns}
    for column in sorted(columns):
        if column.endswith(_PATHS):
            names[column] = "filename".join(column.rsplit("file_name", 1))
            while names[column] in columns:
                names[column] += "_"
            logger.warning("the column %s is called %s, since `datasets` would take it for pictures", column, names[column])
    return names


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        # the name of a file may hold bytes that are no UTF-8, and one of them would make all lines unreadable
        return value.encode("utf-8", "backslashreplace").decode()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _cell(value: Any) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")
