"""Checkpoints of others become our models, which make the same pictures, or are refused with one line."""

import argparse
import pickle

import pytest
import torch

from styleadapt import GenerationPipeline
from styleadapt.cli import main
from styleadapt.errors import ModelFileNotFoundError, ModelLoadError
from styleadapt.models import stylegan2_checkpoint
from styleadapt.models.network_pickle import unpickled
from styleadapt.models.stylegan2 import StyleGAN2Discriminator
from styleadapt.models.stylegan2_checkpoint import is_stylegan2_checkpoint, load_stylegan2_checkpoint
from ugatit_networks import official_checkpoint

from . import stylegan2_reference as reference

# A warning of a file that another test left open comes when the garbage collector finds it.
pytestmark = pytest.mark.filterwarnings("error", "ignore::ResourceWarning")


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture
def here(monkeypatch):
    """Pickles are read in this process; one of its own takes seconds to start, and `test_network_pickle` starts some."""

    def read(path):
        with open(path, "rb") as file:
            return unpickled(file)

    monkeypatch.setattr(stylegan2_checkpoint, "read_network_pickle", read)


@pytest.fixture
def dump(tmp_path, monkeypatch):
    """Writes a pickle as StyleGAN2-ADA does."""
    reference.with_authors_modules(monkeypatch)

    def write(content, protocol=4):
        path = tmp_path / "network.pkl"
        path.write_bytes(pickle.dumps(content, protocol=protocol))
        return path

    return write


def varied_images():
    return torch.randn(4, 3, 16, 16) * torch.tensor([0.1, 1.0, 3.0, 9.0]).view(4, 1, 1, 1)


def close(ours, theirs):
    assert ours.shape == theirs.shape and float(theirs.std()) > 0.1
    torch.testing.assert_close(ours, theirs, atol=1e-3 * float(theirs.std()), rtol=1e-3)


@torch.no_grad()
@pytest.mark.parametrize(
    "residual, classes, clamp, protocol", [(False, 0, None, 3), (True, 0, 256, 4), (False, 3, 1.5, 4), (True, 4, None, 5)]
)
def test_an_official_generator_makes_the_same_pictures(here, dump, residual, classes, clamp, protocol):
    state = reference.official_generator_state(residual=residual, classes=classes)
    content = {"G": None, "D": None, "G_ema": reference.persistent(state, clamp=clamp), "training_set_kwargs": {}}
    models = load_stylegan2_checkpoint(dump(content, protocol))
    assert list(models) == ["generator"] and not models["generator"].training
    label = torch.tensor([0, classes - 1]) if classes else None
    z = torch.randn(2, 5)
    for truncation in (1.0, 0.6):
        ours = models["generator"](z, label, truncation, "constant").sample
        close(ours, reference.official_pictures(state, z, label, truncation, clamp))


@torch.no_grad()
@pytest.mark.parametrize("residual, clamp, group", [(True, 8.0, 2), (False, None, 4), (True, None, None)])
def test_an_official_discriminator_gives_the_same_logits(here, dump, residual, clamp, group):
    state = reference.official_discriminator_state(residual=residual)
    content = {
        "G_ema": reference.persistent(reference.official_generator_state()),
        "D": reference.persistent(state, "Discriminator", clamp, group),
    }
    judge = load_stylegan2_checkpoint(dump(content))["discriminator"]
    x = varied_images()
    close(judge(x).logits, reference.official_logits(state, x, clamp, group or 4))


@torch.no_grad()
@pytest.mark.parametrize("own_format", [True, False])
def test_a_checkpoint_of_stylegan2_pytorch(tmp_path, own_format):
    g, d = reference.rosinality_generator_state(), reference.rosinality_discriminator_state()
    mean = 0.3 * torch.randn(7)
    in_training = {"g": g, "d": d, "g_ema": g, "args": argparse.Namespace(size=16)}
    content = {"g_ema": g, "latent_avg": mean} if own_format else in_training
    path = tmp_path / "550000.pt"
    torch.save(content, path, _use_new_zipfile_serialization=own_format)
    assert is_stylegan2_checkpoint(path)
    models = load_stylegan2_checkpoint(path)
    z, x = torch.randn(2, 7), varied_images()
    generator = models["generator"]
    close(generator(z, noise="constant").sample, reference.rosinality_pictures(g, z))
    if own_format:
        close(generator(z, None, 0.5, "constant").sample, reference.rosinality_pictures(g, z, mean, 0.5))
        assert list(models) == ["generator"]
    else:
        many = generator.mapping(torch.randn(20000, 7))[:, 0]
        assert ((generator.mapping.w_avg - many.mean(0)).abs() < 0.1 * many.std(0)).all()
        close(models["discriminator"](x).logits, reference.rosinality_logits(d, x))


def test_sizes_follow_from_the_shapes(here, dump):
    state = reference.official_generator_state((16, 16, 16, 8, 4), latent_dim=3, code_dim=9, mapping=8)
    config = load_stylegan2_checkpoint(dump({"G_ema": reference.persistent(state, clamp=256)}))["generator"].config
    expected = {"resolution": 64, "latent_dim": 3, "code_dim": 9, "mapping_layers": 8, "mapping_lr": 0.01, "clamp": 256.0}
    expected |= {"channel_base": 256, "channel_max": 16, "architecture": "skip", "num_classes": 0}
    assert expected.items() <= config.items()


@torch.no_grad()
def test_the_command_writes_a_repo_that_the_pipeline_loads(dump, tmp_path, capsys):
    state = reference.official_generator_state()
    content = {
        "G_ema": reference.persistent(state),
        "D": reference.persistent(reference.official_discriminator_state(), "Discriminator"),
    }
    out = tmp_path / "repo"
    assert main(["convert", str(dump(content)), "-o", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "generator" in printed and "discriminator" in printed and printed.strip().endswith(str(out))
    z = torch.randn(2, 5)
    again = GenerationPipeline.from_pretrained(out).generator
    close(again(z, noise="constant").sample, reference.official_pictures(state, z))
    # training starts from both
    assert StyleGAN2Discriminator.from_pretrained(out, subfolder="discriminator").config.resolution == again.config.resolution


def test_the_kinds_are_told_apart(dump, tmp_path):
    torch.save(official_checkpoint(light=True), tmp_path / "ugatit.pt")
    assert not is_stylegan2_checkpoint(tmp_path / "ugatit.pt")
    assert is_stylegan2_checkpoint(dump({"G_ema": 1}))
    (tmp_path / "text.pkl").write_text("words", encoding="utf-8")
    assert not is_stylegan2_checkpoint(tmp_path / "text.pkl")


def changed(key, value=None):
    """A generator's state with one tensor less, or another one."""
    state = reference.official_generator_state()
    if value is None:
        del state[key]
    else:
        state[key] = value
    return state


@pytest.mark.parametrize(
    "state, message",
    [
        (lambda: changed("synthesis.b8.conv1.bias"), "1 keys missing: synthesis.b8.conv1.bias"),
        (lambda: changed("mapping.fc0.weight"), "no key `mapping.fc0.weight`"),
        (lambda: changed("synthesis.b8.extra", torch.ones(1)), "1 keys unexpected: synthesis.b8.extra"),
        (
            lambda: changed("synthesis.b8.conv0.weight", torch.ones(6, 5, 3, 3)),
            "expected \\(6, 6, 3, 3\\), found \\(6, 5, 3, 3\\)",
        ),
        (lambda: changed("synthesis.b4.const", torch.full((6, 4, 4), torch.nan)), "expected finite floats"),
        (lambda: changed("synthesis.b8.resample_filter", torch.ones(4, 4) / 16), "is not the filter \\[1, 3, 3, 1\\]"),
        (lambda: reference.official_generator_state((4, 6, 4)), "channels \\(4, 6, 4\\)"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(here, dump, state, message):
    with pytest.raises(ModelLoadError, match=message) as caught:
        load_stylegan2_checkpoint(dump({"G_ema": reference.persistent(state())}))
    assert "\n" not in str(caught.value)


def test_another_activation_and_a_wrong_rate_are_refused(here, dump):
    for name, key, value in (("b4", "activation", "relu"), ("fc0", "bias_gain", 0)):
        tree = reference.persistent(reference.official_generator_state())
        inside = tree.attributes["_modules"]["mapping" if name == "fc0" else "synthesis"].attributes["_modules"][name]
        inside = inside if name == "fc0" else inside.attributes["_modules"]["conv1"]
        inside.attributes[key] = value
        with pytest.raises(ModelLoadError, match=key if name == "fc0" else "activation"):
            load_stylegan2_checkpoint(dump({"G_ema": tree}))


class Bomb:
    def __reduce__(self):
        return pytest.fail, ("unpickled",)


@pytest.mark.parametrize(
    "content, message",
    [
        ({"g_ema": Bomb()}, "never unpickled"),
        ({"g_ema": [1]}, "no state dict"),
        ({"g_ema": {}}, "no key `style.1.weight`; it holds nothing"),
        ({"g": {}}, "expected the key `g_ema`, found g"),
        ([1], "found list"),
    ],
)
def test_wrong_checkpoints_of_pytorch_are_refused(tmp_path, content, message):
    torch.save(content, tmp_path / "wrong.pt")
    with pytest.raises(ModelLoadError, match=message):
        load_stylegan2_checkpoint(tmp_path / "wrong.pt")


def test_an_absent_file():
    with pytest.raises(ModelFileNotFoundError):
        load_stylegan2_checkpoint("absent.pt")
