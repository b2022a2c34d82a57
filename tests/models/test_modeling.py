"""Models are loaded whole or refused, and saved whole or not at all."""

import json
import logging
import pickle
from pathlib import Path

import diffusers.utils.hub_utils
import diffusers.utils.logging
import httpx
import pytest
import safetensors.torch
import torch
from diffusers.configuration_utils import register_to_config
from huggingface_hub import constants
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from styleadapt.errors import ModelFileNotFoundError, ModelLoadError
from styleadapt.models import checkpoint_files, modeling
from styleadapt.models.generator import StyleGenerator
from styleadapt.models.modeling import StyleAdaptModel

WEIGHTS = "diffusion_pytorch_model.safetensors"
FP16_WEIGHTS = "diffusion_pytorch_model.fp16.safetensors"
COMMIT = "0123456789abcdef0123456789abcdef01234567"

# A warning of a file that another test left open comes when the garbage collector finds it.
pytestmark = pytest.mark.filterwarnings("error", "ignore::ResourceWarning")


class Toy(StyleAdaptModel):
    @register_to_config
    def __init__(
        self,
        sizes: tuple[int, ...] = (4, 3),
        pair: tuple[int, int] = (1, 2),
        slope: float = 0.2,
        bias: bool = True,
        name: str | None = None,
    ):
        super().__init__()
        if slope < 0:
            raise ValueError(f"`slope` is {slope}, expected 0 or more")
        self.linear = torch.nn.Linear(sizes[0], sizes[1], bias=bias)
        self.register_buffer("center", torch.zeros(sizes[1]))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        self.register_buffer("window", torch.arange(4.0), persistent=False)


class Other(Toy):
    pass


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


@pytest.fixture(autouse=True)
def no_warnings_logged(caplog):
    diffusers.utils.logging.enable_propagation()
    yield
    diffusers.utils.logging.disable_propagation()
    assert not [record for record in caplog.get_records("call") if record.levelno >= logging.WARNING]


@pytest.fixture
def toy() -> Toy:
    model = Toy(pair=(5, 6), name="toy")
    model.center.normal_()
    model.count.fill_(7)
    return model


@pytest.fixture
def folder(tmp_path, toy) -> Path:
    toy.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def assert_same(model, other, dtype=None):
    state, expected = model.state_dict(), other.state_dict()
    assert state.keys() == expected.keys()
    for key, value in expected.items():
        assert torch.equal(state[key], value.to(dtype) if dtype and value.is_floating_point() else value), key


def refusal(folder, *parts, error=ModelLoadError, cls=Toy, **kwargs) -> str:
    """The error's message, which names all `parts`, on one line."""
    with pytest.raises(error) as caught:
        cls.from_pretrained(folder, **kwargs)
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message
    return message


def edit_config(folder, **changes):
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | changes), encoding="utf-8")


def edit_weights(folder, **changes):
    """Keys have `__` for a dot; None removes one."""
    tensors = safetensors.torch.load_file(folder / WEIGHTS)
    tensors |= {key.replace("__", "."): value for key, value in changes.items()}
    safetensors.torch.save_file({key: value for key, value in tensors.items() if value is not None}, folder / WEIGHTS)


def test_reload_is_bit_equal(folder, toy):
    model = Toy.from_pretrained(folder)
    assert_same(model, toy)
    assert not model.training
    assert torch.equal(model.window, torch.arange(4.0))
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", WEIGHTS]


def test_config_is_as_after_construction(folder):
    config = Toy.from_pretrained(folder).config
    assert dict(config) == {"sizes": (4, 3), "pair": (5, 6), "slope": 0.2, "bias": True, "name": "toy"}
    assert "_name_or_path" not in json.loads((folder / "config.json").read_text(encoding="utf-8"))


def test_generator_reloads(tmp_path):
    generator = StyleGenerator(channels=(8, 8), blocks=(1, 1), half_channels=4, full_channels=4, code_dim=16).eval()
    generator.save_pretrained(tmp_path)
    loaded = StyleGenerator.from_pretrained(tmp_path)
    assert_same(loaded, generator)
    photo, code = torch.rand(1, 3, 32, 32), torch.rand(1, 16)
    with torch.no_grad():
        assert torch.equal(loaded(photo, code).sample, generator(photo, code).sample)


def test_loaded_weights_do_not_follow_the_file(folder, toy):
    model = Toy.from_pretrained(folder)
    with open(folder / WEIGHTS, "r+b") as file:
        file.seek(-8, 2)
        file.write(b"\xff" * 8)
    assert_same(model, toy)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_dtype(tmp_path, toy, dtype):
    torch.nn.Module.to(toy, dtype).save_pretrained(tmp_path)
    assert_same(Toy.from_pretrained(tmp_path), toy, torch.float32)
    for name in ("dtype", "torch_dtype"):
        model = Toy.from_pretrained(tmp_path, **{name: dtype})
        assert_same(model, toy)
        assert model.dtype == dtype and model.window.dtype == dtype and model.count.dtype == torch.int64


def test_variant(folder, toy):
    half = Toy.from_pretrained(folder, dtype=torch.float16)
    half.save_pretrained(folder, variant="fp16")
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", FP16_WEIGHTS, WEIGHTS]
    assert_same(Toy.from_pretrained(folder, variant="fp16", dtype=torch.float16), half)
    assert_same(Toy.from_pretrained(folder), toy)
    (folder / WEIGHTS).unlink()
    refusal(folder, WEIGHTS, f"it holds config.json, {FP16_WEIGHTS}", error=ModelFileNotFoundError)


def test_absent_variant_does_not_fall_back(folder):
    refusal(folder, FP16_WEIGHTS, str(folder), error=ModelFileNotFoundError, variant="fp16")


def test_subfolder(folder, toy):
    assert_same(Toy.from_pretrained(folder.parent, subfolder="model"), toy)
    refusal(folder.parent, "no subfolder 'modell'", error=FileNotFoundError, subfolder="modell")


def test_keywords_of_diffusers_pipelines(folder, toy):
    options = dict.fromkeys(modeling.PIPELINE_KEYWORDS)
    model = Toy.from_pretrained(str(folder), torch_dtype=None, device_map={"": "cpu"}, use_safetensors=None, **options)
    assert_same(model, toy)


def test_unknown_arguments(folder):
    refusal(folder, "`sub_folder`", "did you mean `subfolder`", error=TypeError, sub_folder="x")
    refusal(folder, "'half'", "torch.float16", error=ValueError, dtype="half")
    refusal(folder, "torch.int8", error=ValueError, dtype=torch.int8)
    refusal(folder, "'balanced'", "one device", error=ValueError, device_map="balanced")


def test_another_class(folder):
    refusal(folder, "config.json", "expected a Other", "'Toy'", cls=Other)
    edit_config(folder, _class_name=None)
    refusal(folder, "expected a Toy", "found None")


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"slop": 0.3}, ("unknown key `slop`", "did you mean `slope`", "Toy takes bias, name")),
        ({"sizes": [4, "3"]}, ("`sizes` is [4, '3']", "tuple[int, ...]")),
        ({"sizes": 4}, ("`sizes` is 4", "tuple[int, ...]")),
        ({"pair": [1, 2, 3]}, ("`pair` is [1, 2, 3]", "tuple[int, int]")),
        ({"pair": [1, True]}, ("`pair` is [1, True]", "tuple[int, int]")),
        ({"slope": "steep"}, ("`slope` is 'steep'", "expected float")),
        ({"slope": float("inf")}, ("`slope` is inf", "expected float")),
        ({"slope": -1}, ("no Toy can be built", "`slope` is -1")),
        ({"bias": 1}, ("`bias` is 1", "expected bool")),
        ({"name": 3}, ("`name` is 3", "str | None")),
        ({"sizes": [4, -3]}, ("no Toy can be built",)),
        ({"sizes": []}, ("no Toy can be built",)),
    ],
)
def test_bad_config(folder, changes, parts):
    edit_config(folder, **changes)
    refusal(folder, "config.json", *parts)


def test_config_of_plain_diffusers(folder, toy):
    edit_config(folder, _name_or_path="somewhere", slope=1)
    assert_same(Toy.from_pretrained(folder), toy)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000])
def test_damaged_config(folder, content):
    (folder / "config.json").write_bytes(content)
    refusal(folder, "config.json", "JSON")


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"linear__bias": None}, ("1 keys missing: linear.bias (3,)",)),
        ({"center": None}, ("1 keys missing: center (3,)",)),
        ({"extra": torch.ones(2)}, ("1 keys unexpected: extra (2,)",)),
        ({"linear__weight": torch.ones(3, 5)}, ("linear.weight expected (3, 4), found (3, 5)",)),
        ({"center": torch.ones(1)}, ("center expected (3,), found (1,)",)),
        ({"count": torch.ones(())}, ("count expected torch.int64, found F32",)),
        ({"center": torch.ones(3, dtype=torch.int8)}, ("center expected torch.float32, found I8",)),
        ({"linear__weight": torch.full((3, 4), torch.nan)}, ("`linear.weight` holds NaN",)),
        ({"center": torch.full((3,), -torch.inf)}, ("`center` holds NaN or infinity",)),
        (dict.fromkeys("abcdef", torch.ones(1)), ("6 keys unexpected: a (1,), b (1,), c (1,) and 3 more",)),
    ],
)
def test_weights_that_do_not_fit(folder, changes, parts):
    edit_weights(folder, **{key: value.clone() if value is not None else None for key, value in changes.items()})
    refusal(folder, WEIGHTS, *parts)


def test_overflow_in_the_wanted_dtype(folder):
    edit_weights(folder, center=torch.full((3,), 1e6))
    Toy.from_pretrained(folder)
    refusal(folder, "`center`", "torch.float16", dtype=torch.float16)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:-1],
        lambda data: data[:20],
        lambda data: data + b"x",
        lambda data: b"\xff" * 8 + data[8:],
        lambda data: data.replace(b'"F32"', b'"F99"'),
        lambda data: data.replace(b'"shape":[3,4]', b'"shape":[3,9]'),
        lambda data: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        lambda data: pickle.dumps({"linear.weight": 1}),
    ],
)
def test_damaged_weights(folder, damage):
    file = folder / WEIGHTS
    file.write_bytes(damage(file.read_bytes()))
    refusal(folder, str(file), "not a whole safetensors file")


class Bomb:
    def __reduce__(self):
        return pytest.fail, ("unpickled",)


@pytest.mark.parametrize("name", ["diffusion_pytorch_model.bin", "model.pt", "model.ckpt"])
def test_pickles_are_never_loaded(folder, name):
    (folder / WEIGHTS).unlink()
    (folder / name).write_bytes(pickle.dumps(Bomb()))
    refusal(folder, WEIGHTS, name, "pickled weights", "never loaded")
    refusal(folder / name, name, "pickled weights")
    refusal(folder, "pickled weights", use_safetensors=False)


def test_absent_files(folder, tmp_path):
    refusal(folder / WEIGHTS, "is a file", "give the folder")
    refusal(tmp_path / "nowhere", "there is no folder", error=FileNotFoundError)
    refusal(str(tmp_path / "nowhere"), "neither an existing folder nor a Hub repository id", error=FileNotFoundError)
    (folder / "config.json").unlink()
    refusal(folder, "no file `config.json`", f"it holds {WEIGHTS}", error=FileNotFoundError)


def test_error_is_what_hugging_face_users_catch():
    assert issubclass(ModelLoadError, OSError) and issubclass(ModelLoadError, ValueError)


@pytest.fixture
def cache(folder, tmp_path) -> Path:
    """A Hub cache that holds `owner/name`, with the model in the subfolder `toy`."""
    repo = tmp_path / "cache" / "models--owner--name"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text(COMMIT, encoding="utf-8")
    (repo / "snapshots" / COMMIT).mkdir(parents=True)
    folder.rename(repo / "snapshots" / COMMIT / "toy")
    return tmp_path / "cache"


def test_cached_repository_offline(cache, toy):
    assert_same(Toy.from_pretrained("owner/name", subfolder="toy", cache_dir=cache), toy)
    model = Toy.from_pretrained("owner/name", subfolder="toy", cache_dir=cache, revision=COMMIT, local_files_only=True)
    assert_same(model, toy)
    refusal("owner/name", f"`toy/{FP16_WEIGHTS}`", subfolder="toy", cache_dir=cache, variant="fp16")


@pytest.mark.parametrize("local_files_only", [True, False])
def test_unknown_repository_offline(tmp_path, local_files_only):
    message = refusal(
        "owner/unknown",
        "'owner/unknown', revision v2",
        "`config.json`",
        str(tmp_path),
        "hf download owner/unknown",
        error=ModelFileNotFoundError,
        cache_dir=tmp_path,
        revision="v2",
        local_files_only=local_files_only,
    )
    assert ("local_files_only" if local_files_only else "HF_HUB_OFFLINE") in message


def response(status: int) -> httpx.Response:
    return httpx.Response(status, request=httpx.Request("GET", "https://huggingface.co"))


@pytest.mark.parametrize(
    ("failure", "kind", "part"),
    [
        (RepositoryNotFoundError("404", response=response(404)), ModelFileNotFoundError, "hf auth login"),
        (GatedRepoError("403", response=response(403)), ModelFileNotFoundError, "accept its terms"),
        (RevisionNotFoundError("404", response=response(404)), ModelFileNotFoundError, "revision main: there is no such"),
        (RemoteEntryNotFoundError("404", response=response(404)), ModelFileNotFoundError, "there is no `config.json`"),
        (LocalEntryNotFoundError("no connection"), ModelFileNotFoundError, "the Hub did not answer (no connection)"),
        (HfHubHTTPError("500 broken", response=response(500)), ModelLoadError, "could not be downloaded: 500 broken"),
        (httpx.ReadTimeout("timed out"), ModelLoadError, "could not be downloaded: timed out"),
        (OSError(28, "No space left on device"), ModelLoadError, "No space left"),
    ],
)
def test_hub_failures(monkeypatch, failure, kind, part):
    def download(*args, **kwargs):
        raise failure

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(checkpoint_files, "hf_hub_download", download)
    refusal("owner/name", "owner/name", part, error=kind)


def test_weights_come_from_the_commit_of_the_config(monkeypatch, cache, toy):
    asked = []

    def download(repo_id, filename, *, subfolder, revision, token, **kwargs):
        asked.append((repo_id, filename, revision, token))
        return str(cache / "models--owner--name" / "snapshots" / COMMIT / subfolder / filename)

    monkeypatch.setattr(checkpoint_files, "hf_hub_download", download)
    assert_same(Toy.from_pretrained("owner/name", subfolder="toy", revision="main", token="secret"), toy)
    assert asked == [("owner/name", "config.json", "main", "secret"), ("owner/name", WEIGHTS, COMMIT, "secret")]


@pytest.mark.parametrize("failure", [KeyboardInterrupt, OSError])
def test_interrupted_save_leaves_the_old_files(monkeypatch, folder, toy, failure):
    def half_written(tensors, path, metadata=None):
        Path(path).write_bytes(b"half")
        raise failure

    monkeypatch.setattr(modeling, "save_file", half_written)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(failure):
        Toy(pair=(8, 9)).save_pretrained(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert_same(Toy.from_pretrained(folder), toy)


def test_leftovers_of_a_killed_save_are_ignored(folder, toy):
    (folder / ".saving-killed").mkdir()
    (folder / ".saving-killed" / WEIGHTS).write_bytes(b"half")
    assert_same(Toy.from_pretrained(folder), toy)


def test_save_refusals(folder, toy):
    before = (folder / WEIGHTS).read_bytes()
    with pytest.raises(ValueError, match="never pickled"):
        toy.save_pretrained(folder, safe_serialization=False)
    with pytest.raises(TypeError, match="varient"):
        toy.save_pretrained(folder, varient="fp16")
    with torch.no_grad():
        toy.center[1] = torch.nan
    with pytest.raises(ValueError, match="`center` holds NaN"):
        toy.save_pretrained(folder)
    toy.linear.base_layer = torch.nn.Linear(1, 1)
    with pytest.raises(ValueError, match="unload the adapter"):
        toy.save_pretrained(folder)
    assert (folder / WEIGHTS).read_bytes() == before


def test_only_the_main_process_saves(tmp_path, toy):
    toy.save_pretrained(tmp_path / "model", is_main_process=False, save_function=torch.save)
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("through_save", [True, False])
def test_push_to_hub(monkeypatch, tmp_path, toy, through_save):
    uploads = []

    class Card:
        def save(self, path):
            Path(path).write_text("card", encoding="utf-8")

    def upload_folder(*, repo_id, folder_path, token, **kwargs):
        names = sorted(path.name for path in Path(folder_path).iterdir())
        uploads.append((repo_id, token, names))
        assert_same(Toy.from_pretrained(folder_path, variant="fp16"), toy)

    hub = diffusers.utils.hub_utils
    monkeypatch.setattr(hub, "create_repo", lambda repo_id, **kwargs: type("Url", (), {"repo_id": f"owner/{repo_id}"}))
    monkeypatch.setattr(hub, "load_or_create_model_card", lambda *args, **kwargs: Card())
    monkeypatch.setattr(hub, "populate_model_card", lambda card: card)
    monkeypatch.setattr(hub, "upload_folder", upload_folder)
    if through_save:
        toy.save_pretrained(tmp_path / "toy", variant="fp16", push_to_hub=True, token="secret")
    else:
        toy.push_to_hub("toy", variant="fp16", token="secret")
    assert uploads == [("owner/toy", "secret", ["README.md", "config.json", FP16_WEIGHTS])]
