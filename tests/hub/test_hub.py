"""Publishing, against a stand-in for the Hub's HTTP API."""

import json
import logging
import warnings

import huggingface_hub
import pytest

from styleadapt.errors import HubError
from styleadapt.hub.hub import push_run_to_hub
from styleadapt.hub.model_card import RunFacts

from .fake_hub import TOKEN, FakeHub, Fault, connected


@pytest.fixture
def hub(monkeypatch):
    yield from connected(monkeypatch)


@pytest.fixture
def run_folder(tmp_path):
    """A finished run: models of several sizes, an adapter, samples, and what is nobody else's business."""
    folder = tmp_path / "final"
    contents = {
        "model_index.json": json.dumps({"_class_name": "StyleTransferPipeline"}).encode(),
        "generator/config.json": b"{}",
        "generator/diffusion_pytorch_model.safetensors": bytes(range(256)) * 10,
        "style_encoder/diffusion_pytorch_model.safetensors": b"small",
        "adapter.safetensors": b"adapter",
        "samples.jpg": b"picture",
        "checkpoint-5/random_states_0.pkl": b"pickle",
        "optimizer.bin": b"pickle",
        ".cache/state": b"state",
    }
    for path, data in contents.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def push(hub, folder, repo="user/monet", **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        facts = options.pop("facts", RunFacts(samples="samples.jpg", scores={"style": 0.25}))
        return push_run_to_hub(folder, repo, facts, token=TOKEN, endpoint=hub.endpoint, **options)


def test_a_folder_that_cannot_be_written_to_leaves_no_repository(hub, run_folder):
    (run_folder / "README.md").mkdir()
    with pytest.raises(OSError):
        push(hub, run_folder)
    assert not hub.requests


def test_models_adapter_samples_and_card_arrive_whole(hub, run_folder):
    assert push(hub, run_folder, commit_message="Ten paintings") == f"{hub.endpoint}/user/monet/commit/abc"
    published = {path: data for (repo, branch, path), data in hub.files.items() if (repo, branch) == ("user/monet", "main")}
    expected = {
        str(p.relative_to(run_folder)): p.read_bytes()
        for p in run_folder.rglob("*")
        if p.is_file() and p.suffix not in (".pkl", ".bin") and ".cache" not in p.parts
    }
    assert published == expected and len(published) == 7
    assert b"0.2500" in published["README.md"] and b'from_pretrained("user/monet")' in published["README.md"]
    assert hub.messages == ["Ten paintings"] and hub.verified == set(hub.stored)
    assert len(hub.parts) == 3, "the large file goes in parts"


def test_an_exported_folder_keeps_openvinos_weights(hub, run_folder):
    for name in ("generator.xml", "generator.bin", "generator.onnx"):
        (run_folder / name).write_bytes(name.encode())
    push(hub, run_folder)
    published = {path for _, _, path in hub.files}
    assert {"generator.xml", "generator.bin", "generator.onnx"} <= published and "optimizer.bin" not in published


def test_a_repo_can_be_private_of_ones_own_and_on_a_branch(hub, run_folder):
    push(hub, run_folder, "monet", private=True, revision="v2")
    assert hub.visibility == {"user/monet": "private"}
    assert {(repo, branch) for repo, branch, _ in hub.files} == {("user/monet", "v2")}
    assert b'load_adapter("user/monet")' in hub.files["user/monet", "v2", "README.md"]


def test_publishing_again_sends_only_what_is_new(hub, run_folder):
    push(hub, run_folder)
    hub.requests.clear()
    push(hub, run_folder)
    assert not [r for r in hub.requests if r.startswith("PUT")] and hub.messages == ["Upload styleadapt run"] * 2


@pytest.mark.parametrize(
    "path", ["repos/create", "validate-yaml", "preupload", "batch", "storage/whole", "storage/part", "commit"]
)
@pytest.mark.parametrize("status", [503, 0])
def test_failures_that_pass_are_tried_again(hub, run_folder, path, status):
    hub.faults = [Fault(path, status)]
    push(hub, run_folder)
    assert len(hub.files) == 7 and hub.waits


def test_waiting_grows_and_ends(hub, run_folder, caplog):
    hub.faults = [Fault("repos/create", 503, times=99)]
    with caplog.at_level(logging.WARNING), pytest.raises(HubError, match="could not create user/monet in 4 attempts: 503"):
        push(hub, run_folder, retries=3)
    assert hub.waits == [1, 2, 4] and hub.faults[0].times == 99 - 4
    assert "attempt 2 of 4 follows in 1 s" in caplog.text


@pytest.mark.parametrize(
    "path, status, said",
    [
        ("repos/create", 401, "you are not signed in.*hf auth login.*HF_TOKEN"),
        ("preupload", 401, "you are not signed in"),
        ("commit", 403, "the token may not write there.*settings/tokens"),
        ("preupload", 404, "there is no such user"),
        ("commit", 413, "too large"),
    ],
)
def test_what_will_not_pass_is_explained_at_once(hub, run_folder, path, status, said):
    hub.faults = [Fault(path, status, times=99)]
    with pytest.raises(HubError, match=said) as failure:
        push(hub, run_folder)
    assert not hub.waits and "\n" not in str(failure.value) and str(status) in str(failure.value)
    assert (run_folder / "generator/config.json").is_file()


def test_no_right_to_the_organization(hub, run_folder):
    with pytest.raises(HubError, match="could not create others/monet: the token may not write there"):
        push(hub, run_folder, "others/monet")


@pytest.mark.parametrize("repo", ["a/b/c", "with space", "user/-x-"])
def test_names_that_the_hub_does_not_allow(hub, run_folder, repo):
    with pytest.raises(HubError, match="could not create"):
        push(hub, run_folder, repo)
    assert not hub.requests


def test_no_connection_is_tried_again_and_then_said(hub, run_folder):
    with FakeHub() as gone:
        pass
    with pytest.raises(HubError, match="in 3 attempts: ConnectError"):
        push(gone, run_folder, retries=2)
    assert hub.waits == [1, 2]


def test_off_line_is_said_at_once(hub, run_folder, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match="off line, since HF_HUB_OFFLINE is set"):
        push(hub, run_folder)
    assert not hub.waits and not hub.requests


def test_a_folder_without_a_result_makes_no_repo(hub, tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing to publish"):
        push(hub, tmp_path)
    assert not hub.requests


@pytest.mark.parametrize("status", [200, 503, 401])
def test_the_token_is_never_shown(hub, run_folder, caplog, capfd, status):
    """Not even where the server repeats it, and with the client's own log at its most talkative."""
    huggingface_hub.logging.set_verbosity_debug()
    try:
        if status != 200:
            hub.faults = [Fault("commit", status, times=99, message=f"bad token {TOKEN}")]
        with caplog.at_level(logging.DEBUG):
            try:
                push(hub, run_folder, retries=1)
                assert status == 200
            except HubError as error:
                assert TOKEN not in str(error) and ("bad token ***" in str(error)) == (status == 401)
                assert error.__cause__ is None and error.__context__ is None
    finally:
        huggingface_hub.logging.set_verbosity_warning()
    shown = caplog.text + "".join(capfd.readouterr())
    assert "commit" in shown and TOKEN not in shown
    assert all(TOKEN.encode() not in data for data in hub.files.values())
