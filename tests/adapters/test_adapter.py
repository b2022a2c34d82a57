import json
import os
import struct
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from styleadapt.adapters.adapter import Adapter, RestorationAdapter, StyleAdapter
from styleadapt.errors import AdapterError

from ..server.hostile_adapters import join, split


@pytest.fixture
def adapter():
    torch.manual_seed(0)
    deltas = {
        "c.lora_A.weight": torch.randn(2, 4, 3, 3),
        "c.lora_B.weight": torch.randn(8, 2, 1, 1),
        "n.rho.delta": torch.randn(8),
    }
    scores = {"style_before": 0.5, "style_after": 0.25, "content_before": 1.0, "content_after": 0.9}
    return StyleAdapter(deltas, torch.randn(1, 16), torch.randn(1, 16), "abc123", "base", {"rank": 2}, scores, 3, 120, 58.5)


def test_save_and_load_keep_everything(adapter, tmp_path):
    again = StyleAdapter.load(adapter.save(tmp_path / "a.safetensors"))
    for field in ("base", "base_name", "config", "scores", "images", "steps", "seconds"):
        assert getattr(again, field) == getattr(adapter, field)
    torch.testing.assert_close(again.code, adapter.code, atol=2e-3, rtol=2e-3)
    assert {k: tuple(v.shape) for k, v in again.deltas.items()} == {k: tuple(v.shape) for k, v in adapter.deltas.items()}


def test_numbers_of_numpy_are_written_as_pythons(adapter, tmp_path):
    adapter.config, adapter.scores = {"rank": np.int64(2), "rate": [np.float32(0.5)]}, {"style_after": np.float32(0.25)}
    again = StyleAdapter.load(adapter.save(tmp_path / "a.safetensors"))
    assert (again.config, again.scores) == ({"rank": 2, "rate": [0.5]}, {"style_after": 0.25})


class GeneratorAdapter(Adapter):
    """An adapter of a family that the library does not know, with no style code."""

    kind = "generator"
    pipeline_name = "GenerationPipeline"
    card_call = "pipe(seed=0)"
    scores_are = "lower is better"


@pytest.mark.parametrize("of_kind", [RestorationAdapter, GeneratorAdapter])
def test_an_adapter_of_another_kind_has_no_style_code(of_kind, adapter, tmp_path):
    made = of_kind(adapter.deltas, "abc", "user/base", {"rank": 2}, {"fid": 3.5}, images=4, steps=5, seconds=6.5)
    again = of_kind.load(made.save(tmp_path / "a.safetensors"))
    assert (again.base, again.base_name, again.config, again.scores) == ("abc", "user/base", {"rank": 2}, {"fid": 3.5})
    assert (again.images, again.steps, again.seconds) == (4, 5, 6.5) and set(again.deltas) == set(adapter.deltas)
    card = made.model_card("user/a")
    assert f"A {of_kind.kind} adapter" in card and f"import {of_kind.pipeline_name}" in card and of_kind.card_call in card


def test_a_file_of_another_kind_is_refused_naming_both(adapter, tmp_path):
    file = RestorationAdapter(adapter.deltas, "abc").save(tmp_path / "a.safetensors")
    with pytest.raises(AdapterError, match="a.safetensors is an adapter of the kind 'restoration', expected the kind 'style'"):
        StyleAdapter.load(file)
    with pytest.raises(AdapterError, match="of the kind 'style', expected the kind 'restoration'"):
        RestorationAdapter.load(adapter.save(tmp_path / "b.safetensors"))


def test_a_file_without_a_kind_is_a_style_adapter(adapter, tmp_path):
    file = adapter.save(tmp_path / "new.safetensors")
    header, data = split(file.read_bytes())
    assert header["__metadata__"].pop("kind") == "style"
    (tmp_path / "old.safetensors").write_bytes(join(header, data))
    old, new = StyleAdapter.load(tmp_path / "old.safetensors"), StyleAdapter.load(file)
    assert old.kind == "style" and torch.equal(old.code, new.code) and torch.equal(old.start_code, new.start_code)
    with pytest.raises(AdapterError, match="of the kind 'style'"):
        RestorationAdapter.load(tmp_path / "old.safetensors")


def test_only_safetensors_names(adapter, tmp_path):
    with pytest.raises(AdapterError, match="safetensors"):
        adapter.save(tmp_path / "a.pt")


def test_a_file_is_as_readable_as_any_other(adapter, tmp_path):
    (tmp_path / "other").touch()
    assert adapter.save(tmp_path / "a.safetensors").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_missing_folder_is_named(adapter, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        adapter.save(tmp_path / "nowhere" / "a.safetensors")


@pytest.mark.parametrize(
    "name, snippet",
    [
        ("", "from_pretrained()\n"),
        ("user/base", 'from_pretrained("user/base")\n'),
        ("base", 'from_pretrained("path/to/base")  # base, wherever you have it\n'),
        ("/home/ann/base", 'from_pretrained("path/to/base")  # base, wherever you have it\n'),
    ],
)
def test_the_card_loads_the_adapters_own_base(adapter, name, snippet):
    adapter.base_name = name
    assert snippet in adapter.model_card("user/monet")


def test_a_name_may_be_as_long_as_the_system_allows(adapter, tmp_path):
    name = "n" * 240 + ".safetensors"
    assert StyleAdapter.load(adapter.save(tmp_path / name)).steps == 120


def test_a_full_disk_leaves_the_old_file(adapter, tmp_path, monkeypatch):
    file = adapter.save(tmp_path / "a.safetensors")
    before = file.read_bytes()
    monkeypatch.setattr("os.replace", lambda *a: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        adapter.save(file)
    assert file.read_bytes() == before and list(tmp_path.iterdir()) == [file]


def damaged(kind: str, good: bytes) -> bytes:
    length = struct.unpack("<Q", good[:8])[0]
    header = json.loads(good[8 : 8 + length])
    if kind == "truncated":
        return good[:-100]
    if kind == "empty":
        return b""
    if kind == "text":
        return b"not a model at all" * 10
    if kind == "huge header":
        return struct.pack("<Q", 1 << 40) + good[8:]
    if kind == "no code":
        header["kode"] = header.pop("code")
    if kind == "metadata":
        header["__metadata__"]["adapter"] = '{"surprise": 1}'
    encoded = json.dumps(header).encode()
    return struct.pack("<Q", len(encoded)) + encoded + good[8 + length :]


@pytest.mark.parametrize("kind", ["truncated", "empty", "text", "huge header", "no code", "metadata"])
def test_damaged_files_are_refused_by_name(adapter, tmp_path, kind):
    file = tmp_path / "bad.safetensors"
    file.write_bytes(damaged(kind, adapter.save(tmp_path / "good.safetensors").read_bytes()))
    with pytest.raises(AdapterError, match="bad.safetensors"):
        StyleAdapter.load(file)


def described(good: bytes, text: str) -> bytes:
    """The file with another description of the adapter in its metadata."""
    length = struct.unpack("<Q", good[:8])[0]
    header = json.loads(good[8 : 8 + length])
    header["__metadata__"]["adapter"] = text
    encoded = json.dumps(header).encode()
    return struct.pack("<Q", len(encoded)) + encoded + good[8 + length :]


@pytest.mark.parametrize(
    "text, reason",
    [
        ('{"steps": "many"}', "a str for `steps`"),
        ('{"config": [1]}', "a list for `config`"),
        ('{"scores": {"style_before": "low"}}', "no finite number for the score 'style_before'"),
        ('{"scores": {"style_before": NaN}}', "no finite number"),
        ('{"surprise": 1}', "the unknown field 'surprise'"),
        ("[]", "by a list"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"steps": ' + "9" * 5000 + "}", "not JSON"),
    ],
    ids=["text", "list", "text score", "NaN score", "unknown", "no object", "no JSON", "deep", "long number"],
)
def test_a_description_of_another_form_is_refused(adapter, tmp_path, text, reason):
    file = tmp_path / "bad.safetensors"
    file.write_bytes(described(adapter.save(tmp_path / "good.safetensors").read_bytes(), text))
    with pytest.raises(AdapterError, match=f"bad.safetensors is damaged: .*{reason}"):
        StyleAdapter.load(file)


def test_a_long_name_is_refused_in_a_short_line(adapter, tmp_path):
    adapter.deltas["line\n" * 10_000] = torch.zeros(2)
    with pytest.raises(AdapterError) as caught:
        StyleAdapter.load(adapter.save(tmp_path / "bad.safetensors"))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_foreign_safetensors_are_refused(tmp_path):
    save_file({"weight": torch.zeros(3)}, tmp_path / "foreign.safetensors")
    with pytest.raises(AdapterError, match="no style adapter"):
        StyleAdapter.load(tmp_path / "foreign.safetensors")


def test_nan_is_refused_with_its_key(adapter, tmp_path):
    adapter.deltas["n.rho.delta"][0] = float("nan")
    with pytest.raises(AdapterError, match="n.rho.delta"):
        StyleAdapter.load(adapter.save(tmp_path / "a.safetensors"))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(AdapterError, match="absent"):
        StyleAdapter.load(tmp_path / "absent.safetensors")


def test_push_to_hub_uploads_adapter_and_card(adapter, monkeypatch):
    import huggingface_hub

    seen = {}

    class Api:
        def __init__(self, token=None):
            seen["token"] = token

        def create_repo(self, repo_id, private=None, exist_ok=False):
            return type("Repo", (), {"repo_id": f"user/{repo_id}"})

        def upload_folder(self, repo_id, folder_path, commit_message):
            from pathlib import Path

            seen.update(repo=repo_id, files={p.name: p.read_bytes() for p in Path(folder_path).iterdir()})
            return "https://hub/commit"

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    assert adapter.push_to_hub("monet", token="secret") == "https://hub/commit"
    assert seen["repo"] == "user/monet" and set(seen["files"]) == {"adapter.safetensors", "README.md"}
    card = seen["files"]["README.md"].decode()
    assert "pipeline_tag: image-to-image" in card and "0.250" in card and 'load_adapter("user/monet"' in card
    assert "secret" not in card


PUSH = """
import locale, sys
from pathlib import Path
import huggingface_hub

class Api:
    def __init__(self, token=None): pass
    def create_repo(self, repo_id, **options): return type("Repo", (), {"repo_id": repo_id})
    def upload_folder(self, repo_id, folder_path, commit_message): return Path(folder_path, "README.md").read_bytes().hex()

assert "UTF" not in locale.getencoding()
huggingface_hub.HfApi = Api
from styleadapt.adapters.adapter import StyleAdapter
print(StyleAdapter.load(sys.argv[1]).push_to_hub("user/monet"))
"""


def test_push_to_hub_writes_utf_8_whatever_the_locale(adapter, tmp_path):
    adapter.base_name = "runs/h\u00e9l\u00e8ne"
    file = adapter.save(tmp_path / "a.safetensors")
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    pushed = subprocess.run([sys.executable, "-c", PUSH, str(file)], capture_output=True, env=environment, timeout=120)
    assert not pushed.returncode, pushed.stderr.decode()
    assert "runs/h\u00e9l\u00e8ne" in bytes.fromhex(pushed.stdout.decode()).decode("utf-8")


def test_push_to_hub_makes_no_repository_for_what_cannot_be_written(adapter, monkeypatch):
    import huggingface_hub

    made = []

    class Api:
        def __init__(self, token=None):
            pass

        def create_repo(self, repo_id, **options):
            made.append(repo_id)

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(StyleAdapter, "model_card", lambda self, repo_id: "\ud800")
    with pytest.raises(UnicodeEncodeError):
        adapter.push_to_hub("monet")
    assert not made
