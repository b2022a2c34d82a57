import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from styleadapt.adapters.deltas import merged_parameters
from styleadapt.errors import ConfigError
from styleadapt.models.generator import StyleGenerator
from styleadapt.training.parameters import (
    adapter_deltas,
    freeze_discriminator,
    merged,
    select_parameters,
    target_layers,
)

from ..conftest import TINY_GENERATOR


@pytest.fixture
def generator() -> StyleGenerator:
    torch.manual_seed(0)
    return StyleGenerator(**TINY_GENERATOR).eval()


@pytest.fixture
def inputs() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return torch.rand(1, 3, 24, 32) * 2 - 1, torch.randn(1, 16)


def randomize(generator: nn.Module) -> None:
    """Gives what trains another value, as training would."""
    torch.manual_seed(2)
    for parameter in generator.parameters():
        if parameter.requires_grad:
            parameter.data += 0.1 * torch.randn_like(parameter)


def test_all_leaves_what_is_frozen_frozen(generator):
    generator.enter.requires_grad_(False)
    names = select_parameters(generator, "all")
    assert set(names) == {name for name, _ in generator.named_parameters()} - {"enter.weight"}


def test_adalin_is_rho_and_the_layers_that_drive_it(generator):
    names = select_parameters(generator, "adalin")
    blocks = ("blocks8.0.norm1", "blocks8.0.norm2", "blocks4.0.norm1", "blocks4.0.norm2", "norm2")
    assert set(names) == {f"{b}.{p}" for b in blocks for p in ("rho", "affine.weight", "affine.bias")}
    assert all(p.requires_grad == (name in names) for name, p in generator.named_parameters())


def test_adalin_of_u_gat_it_takes_gamma_and_beta_along():
    """There the two come from layers of the generator, or are parameters beside the normalization."""
    model = nn.ModuleDict({"gamma": nn.Linear(2, 2, bias=False), "conv": nn.Conv2d(2, 2, 1), "norm": nn.Module()})
    model["norm"].rho = nn.Parameter(torch.ones(2))
    assert select_parameters(model, "adalin") == ["gamma.weight", "norm.rho"]


@pytest.mark.parametrize("kind", ["lora", "loha"])
def test_a_fresh_change_changes_nothing_and_only_it_trains(kind, generator, inputs):
    before = generator(*inputs).sample
    names = select_parameters(generator, kind, rank=2)
    assert torch.equal(generator(*inputs).sample, before)
    assert names and all(".parametrizations.weight.0." in name for name in names)
    generator(*inputs).sample.square().mean().backward()
    trained = {name for name, p in generator.named_parameters() if p.grad is not None}
    assert trained == set(names)


def test_lora_by_hand():
    """B = (1, 2), A = (3, 4): the change is ((3, 4), (6, 8))."""
    layer = nn.Sequential(nn.Linear(2, 2, bias=False))
    base = layer[0].weight.detach().clone()
    select_parameters(layer, "lora", rank=1, targets=["0"])
    change = layer[0].parametrizations.weight[0]
    change.lora_A.data, change.lora_B.data = torch.tensor([[3.0, 4.0]]), torch.tensor([[1.0], [2.0]])
    torch.testing.assert_close(layer[0].weight, base + torch.tensor([[3.0, 4.0], [6.0, 8.0]]))


def test_loha_by_hand():
    """((1, 2) x (3, 4)) * ((1, 1) x (5, 0)) = ((3, 4), (6, 8)) * ((5, 0), (5, 0)) = ((15, 0), (30, 0)): of rank 1 * 1."""
    layer = nn.Sequential(nn.Linear(2, 2, bias=False))
    base = layer[0].weight.detach().clone()
    select_parameters(layer, "loha", rank=1, targets=["0"])
    change = layer[0].parametrizations.weight[0]
    change.hada_w1_a.data, change.hada_w1_b.data = torch.tensor([[1.0], [2.0]]), torch.tensor([[3.0, 4.0]])
    change.hada_w2_a.data, change.hada_w2_b.data = torch.tensor([[1.0], [1.0]]), torch.tensor([[5.0, 0.0]])
    torch.testing.assert_close(layer[0].weight, base + torch.tensor([[15.0, 0.0], [30.0, 0.0]]))


@pytest.mark.parametrize("kind", ["lora", "loha"])
def test_values_are_those_of_peft(kind):
    """PEFT's change of a 3x3 convolution from the same factors; its alpha is its rank here."""
    from peft import LoHaConfig, LoraConfig, inject_adapter_in_model

    conv = nn.Sequential(nn.Conv2d(4, 6, 3))
    config = {
        "lora": LoraConfig(r=2, lora_alpha=2, target_modules=["0"]),
        "loha": LoHaConfig(r=2, alpha=2, target_modules=["0"]),
    }[kind]
    theirs = inject_adapter_in_model(config, copy.deepcopy(conv))[0]
    select_parameters(conv, kind, rank=2)
    change = conv[0].parametrizations.weight[0]
    randomize(conv)
    for name, factor in change.named_parameters():
        holder = getattr(theirs, name)["default"]
        (holder if isinstance(holder, nn.Parameter) else holder.weight).data.copy_(factor.data)
    torch.testing.assert_close(change.delta(), theirs.get_delta_weight("default"))


@pytest.mark.parametrize("kind", ["lora", "loha"])
def test_borders_are_repeated_for_the_change_too(kind):
    """PEFT's own convolutions would pad the change with zeros."""
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, padding_mode="replicate"))
    select_parameters(model, kind, rank=2)
    randomize(model)
    image = torch.rand(1, 3, 5, 6)
    expected = F.conv2d(F.pad(image, (1, 1, 1, 1), mode="replicate"), model[0].weight, model[0].bias)
    torch.testing.assert_close(model(image), expected)


@pytest.mark.parametrize("kind", ["adalin", "lora", "loha", "adalin+lora"])
def test_the_merged_copy_draws_the_same_and_saves_plainly(kind, generator, inputs, tmp_path):
    plain = set(generator.state_dict())
    select_parameters(generator, kind, rank=2)
    randomize(generator)
    expected = generator(*inputs).sample
    copied = merged(generator)
    assert set(copied.state_dict()) == plain
    copied.save_pretrained(tmp_path)
    loaded = StyleGenerator.from_pretrained(tmp_path)
    torch.testing.assert_close(loaded(*inputs).sample, expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(generator(*inputs).sample, expected, atol=0, rtol=0)  # the one in training is as it was


def test_a_model_without_changes_is_not_copied(generator):
    assert merged(generator) is generator


@pytest.mark.parametrize("kind", ["all", "adalin", "lora", "loha", "adalin+lora"])
def test_adapter_deltas_bring_the_base_to_where_training_came(kind, generator, inputs):
    base = copy.deepcopy(generator)
    source = dict(base.named_parameters())
    names = select_parameters(generator, kind, rank=2)
    randomize(generator)
    deltas = adapter_deltas(generator, source)
    assert any(key.endswith(".lora_A.weight") for key in deltas) == ("lora" in kind)
    if kind == "adalin":
        assert set(deltas) == {f"{name}.delta" for name in names}
    with torch.no_grad():
        for name, value in merged_parameters(source, deltas).items():
            source[name].copy_(value)
    torch.testing.assert_close(base(*inputs).sample, generator(*inputs).sample, atol=1e-5, rtol=0)


def test_adapter_deltas_of_a_source_on_another_device(generator):
    select_parameters(generator, "adalin")
    source = {name: p.detach().clone() for name, p in generator.named_parameters()}
    # nothing can be subtracted from what is on this device, as from what is on a GPU
    deltas = adapter_deltas(generator.to("meta"), source)
    assert deltas and all(delta.device.type == "meta" for delta in deltas.values())


def test_adapter_deltas_of_another_base_are_refused(generator):
    select_parameters(generator, "adalin")
    with pytest.raises(ValueError, match="norm1.rho"):
        adapter_deltas(generator, {})


def test_targets_are_endings_of_names(generator):
    assert target_layers(generator, ["conv1"]) == ["blocks8.0.conv1", "blocks4.0.conv1"]
    assert target_layers(generator, ["blocks8.0.conv1", "norm2.affine"]) == [
        "blocks8.0.conv1",
        "blocks8.0.norm2.affine",
        "blocks4.0.norm2.affine",
        "norm2.affine",
    ]
    names = select_parameters(generator, "lora", targets=["blocks8.0.conv1"])
    assert {name.split(".parametrizations")[0] for name in names} == {"blocks8.0.conv1"}


def test_the_default_targets_are_the_full_convolutions():
    model = nn.Sequential(nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 4, 1), nn.Linear(4, 4))
    assert target_layers(model) == ["1"]


def test_layers_that_are_parametrized_already_are_no_targets():
    model = nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Conv2d(4, 4, 1)), nn.Conv2d(4, 4, 1))
    assert target_layers(model) == ["1"]


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"train": "adaline"}, "'adaline' is unknown; allowed: all, adalin"),
        ({"train": "lora+loha"}, "twice"),
        ({"train": "lora", "rank": 0}, "`rank` is 0"),
        ({"train": "lora", "targets": ["conv3"]}, "no layer is called 'conv3'.*conv1, conv2"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, message, generator):
    with pytest.raises(ConfigError, match=message):
        select_parameters(generator, **settings)


def test_a_model_without_adalin_says_so():
    with pytest.raises(ConfigError, match="Sequential has no AdaLIN"):
        select_parameters(nn.Sequential(nn.Conv2d(3, 3, 1)), "adalin")


def test_the_change_is_full_precision_under_autocast():
    """bf16 would round the product of the factors, and the merged weights would not be those that were trained."""
    model = nn.Sequential(nn.Conv2d(4, 4, 3))
    select_parameters(model, "lora", rank=4)
    randomize(model)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(model[0].weight, model[0].weight.float())
        inside = model[0].weight.detach().clone()
    assert torch.equal(inside, model[0].weight)


@pytest.mark.parametrize("kind", ["lora", "loha"])
def test_a_checkpoint_of_the_changes_is_read_back(kind, generator, inputs):
    select_parameters(generator, kind, rank=2)
    randomize(generator)
    other = StyleGenerator(**TINY_GENERATOR).eval()
    select_parameters(other, kind, rank=2)
    other.load_state_dict(generator.state_dict())
    assert torch.equal(other(*inputs).sample, generator(*inputs).sample)


def test_frozen_discriminator_layers_get_no_gradient(tiny_models):
    discriminator = tiny_models["discriminator"]
    names = freeze_discriminator(discriminator, 1)
    out = discriminator(torch.rand(1, 3, 32, 32), torch.randn(1, 16))
    sum(l.sum() for l in (*out.logits, out.cam_logits)).backward()
    frozen = {name for name, p in discriminator.named_parameters() if p.grad is None}
    assert frozen and all(".convs.0." in name for name in frozen)
    assert set(names) == {name for name, _ in discriminator.named_parameters()} - frozen


def test_freezing_none_leaves_all(tiny_models):
    discriminator = tiny_models["discriminator"]
    assert len(freeze_discriminator(discriminator, 0)) == len(list(discriminator.parameters()))


@pytest.mark.parametrize("layers", [-1, 3])
def test_more_layers_than_there_are_cannot_be_frozen(layers, tiny_models):
    with pytest.raises(ConfigError, match=f"layers is {layers}; allowed: 0 to 2"):
        freeze_discriminator(tiny_models["discriminator"], layers)


def test_a_model_without_lower_layers_says_so():
    with pytest.raises(ConfigError, match="Linear cannot freeze"):
        freeze_discriminator(nn.Linear(2, 2), 1)


@pytest.mark.parametrize("kind", ["lora", "loha"])
def test_a_model_with_a_low_rank_change_is_not_saved_until_it_is_merged(generator, kind, tmp_path):
    select_parameters(generator, kind, rank=2)
    with pytest.raises(ValueError, match="low-rank change.*merged"):
        generator.save_pretrained(tmp_path)
    merged(generator).save_pretrained(tmp_path)
    StyleGenerator.from_pretrained(tmp_path)
