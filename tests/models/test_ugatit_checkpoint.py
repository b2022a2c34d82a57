"""An official checkpoint becomes our models, whole, or is refused with one line."""

import pickle

import pytest
import torch

from styleadapt.errors import ModelFileNotFoundError, ModelLoadError
from styleadapt.models.ugatit import UGATITDiscriminator, UGATITGenerator
from styleadapt.models.ugatit_checkpoint import NETWORKS, load_ugatit_checkpoint
from ugatit_networks import discriminator_state, official_checkpoint, official_discriminator, official_generator

# A warning of a file that another test left open comes when the garbage collector finds it.
pytestmark = pytest.mark.filterwarnings("error", "ignore::ResourceWarning")


@pytest.fixture
def checkpoint():
    torch.manual_seed(0)
    return official_checkpoint(light=True)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "official.pt"


def refusal(file, *parts, error=ModelLoadError):
    """The checkpoint is refused in one line that names the file and `parts`."""
    with pytest.raises(error) as caught:
        load_ugatit_checkpoint(file)
    message = str(caught.value)
    assert "\n" not in message
    for part in (str(file), *parts):
        assert part in message


@pytest.mark.parametrize("light", [False, True])
@pytest.mark.parametrize("channels, blocks, image_size", [(4, 2, 32), (2, 11, 8), (1, 1, 64)])
def test_sizes_follow_from_the_shapes(file, light, channels, blocks, image_size):
    torch.save(official_checkpoint(light, channels, blocks, image_size), file)
    models = load_ugatit_checkpoint(file)
    assert list(models) == list(NETWORKS.values())
    for name, model in models.items():
        if name.startswith("generator"):
            assert isinstance(model, UGATITGenerator)
            expected = {"channels": channels, "blocks": blocks, "light": light}
            if not light:
                expected["image_size"] = image_size
            assert expected.items() <= model.config.items()
        else:
            assert isinstance(model, UGATITDiscriminator)
            assert dict(model.config) == {"channels": 2, "n_layers": 7 if "global" in name else 5}
        assert not model.training and all(p.requires_grad and not p.is_meta for p in model.parameters())


def test_every_tensor_arrives_where_it_belongs(checkpoint, file):
    torch.save(checkpoint, file)
    models = load_ugatit_checkpoint(file)
    for key, name in NETWORKS.items():
        state = models[name].state_dict()
        assert len(state) == len(checkpoint[key])
        assert sorted(float(v.sum()) for v in state.values()) == sorted(float(v.sum()) for v in checkpoint[key].values())
    generator, official = models["generator_b2a"], checkpoint["genB2A"]
    assert torch.equal(generator.decoder[1].norm2.rho, official["UpBlock1_2.norm2.rho"].flatten())
    discriminator, official = models["discriminator_local_b"], checkpoint["disLB"]
    norm = discriminator.convs[2].parametrizations.weight[0]
    assert torch.equal(norm._u, official["model.7.weight_u"]) and torch.equal(norm._v, official["model.7.weight_v"])


def test_what_is_converted_saves_and_loads(checkpoint, file, tmp_path):
    torch.save(checkpoint, file)
    for name, model in load_ugatit_checkpoint(file).items():
        model.save_pretrained(tmp_path / name)
        again = type(model).from_pretrained(tmp_path, subfolder=name).state_dict()
        assert all(torch.equal(again[key], value) for key, value in model.state_dict().items())


def test_half_precision_old_files_and_networks_trained_with_other_depths(checkpoint, file):
    checkpoint["genA2B"] = {key: value.half() for key, value in checkpoint["genA2B"].items()}
    checkpoint["disGA"] = discriminator_state(official_discriminator(3, 6))
    torch.save(checkpoint, file, _use_new_zipfile_serialization=False)
    models = load_ugatit_checkpoint(file)
    assert models["generator_a2b"].dtype == torch.float32
    assert models["discriminator_global_a"].config.n_layers == 6


class Bomb:
    def __reduce__(self):
        return pytest.fail, ("unpickled",)


@pytest.mark.parametrize(
    "write, part",
    [
        (lambda f: f.write_text("no checkpoint"), "not a PyTorch checkpoint"),
        (lambda f: f.write_bytes(b""), "not a PyTorch checkpoint"),
        (lambda f: f.write_bytes(pickle.dumps({"genA2B": Bomb()})), "not a PyTorch checkpoint"),
        (lambda f: torch.save({"genA2B": Bomb()}, f), "never unpickled"),
        (lambda f: torch.save(torch.nn.Linear(2, 2), f), "never unpickled"),
        (lambda f: torch.save([1, 2], f), "holds a list, expected a dict with the keys genA2B"),
        (lambda f: torch.save({}, f), "6 networks missing: genA2B, genB2A, disGA and 3 more"),
        (lambda f: torch.save(official_generator(), f), "networks missing"),
    ],
)
def test_what_is_no_checkpoint_is_refused(file, write, part):
    write(file)
    refusal(file, part)


def test_an_absent_and_a_truncated_file_are_refused(checkpoint, file):
    refusal(file, "there is no file", error=ModelFileNotFoundError)
    torch.save(checkpoint, file)
    file.write_bytes(file.read_bytes()[:-1000])
    refusal(file, "damaged")


def drop(network, key):
    def change(checkpoint):
        del checkpoint[network][key]

    return change


def put(network, key, value):
    def change(checkpoint):
        checkpoint[network][key] = value

    return change


@pytest.mark.parametrize(
    "change, parts",
    [
        (lambda c: c.pop("disLB"), ("1 networks missing: disLB",)),
        (lambda c: c.update(G_optim={}), ("1 networks unexpected: G_optim",)),
        (lambda c: c.update(genB2A=3), ("`genB2A` is no state dict",)),
        (lambda c: c.update(genB2A={"DownBlock.1.weight": 3}), ("`genB2A` is no state dict",)),
        (lambda c: c.update(genB2A={}), ("`genB2A` has no key `DownBlock.1.weight`; it holds nothing",)),
        (lambda c: c.update(genA2B=c["disGA"]), ("`genA2B` has no key `DownBlock.1.weight`; it holds model.1.bias",)),
        (lambda c: c.update(disGA=c["genA2B"]), ("`disGA` has no key `model.1.weight_orig`",)),
        (drop("genA2B", "conv1x1.bias"), ("`genA2B`", "1 keys missing: conv1x1.bias")),
        (drop("genA2B", "FC.0.weight"), ("`genA2B` has no key `FC.0.weight`",)),
        (drop("genA2B", "UpBlock1_2.conv1.weight"), ("1 keys missing: UpBlock1_2.conv1.weight",)),
        (lambda c: c.update(genB2A={k: v for k, v in c["genB2A"].items() if "Up" not in k}), ("`blocks` is 0",)),
        (drop("disLA", "model.4.weight_v"), ("`disLA`", "1 keys missing: model.4.weight_v")),
        (put("genB2A", "extra", torch.ones(1)), ("`genB2A`", "1 keys unexpected: extra")),
        (put("genB2A", "UpBlock2.3.rho", torch.ones(8)), ("UpBlock2.3.rho expected (1, 8, 1, 1), found (8,)",)),
        (put("genB2A", "DownBlock.1.weight", torch.ones(4)), ("`DownBlock.1.weight` has the shape (4,)",)),
        (put("genB2A", "DownBlock.1.weight", torch.ones(4, 1, 7, 7)), ("expected (4, 3, 7, 7), found (4, 1, 7, 7)",)),
        (put("genB2A", "FC.0.weight", torch.ones(16, 32)), ("`FC.0.weight` (16, 32) fits no square image",)),
        (put("genB2A", "FC.0.weight", torch.ones(16, 0)), ("`FC.0.weight` has the shape (16, 0)",)),
        (put("disGB", "model.1.bias", torch.ones(2, dtype=torch.int64)), ("model.1.bias expected floats, found torch.int64",)),
        (put("disGB", "conv.weight_u", torch.full((1,), torch.nan)), ("`disGB`", "conv.weight_u holds NaN")),
        (put("genA2B", "beta.weight", torch.full((16, 16), torch.inf)), ("`genA2B`", "beta.weight holds NaN or infinity")),
    ],
)
def test_what_does_not_fit_is_refused_by_name(checkpoint, file, change, parts):
    change(checkpoint)
    torch.save(checkpoint, file)
    refusal(file, *parts)
