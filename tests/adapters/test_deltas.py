import copy

import pytest
import torch

from styleadapt.adapters.deltas import (
    check_deltas,
    initial_deltas,
    lora_targets,
    merged_parameters,
    weight_deltas,
    whole_parameters,
)
from styleadapt.models.generator import StyleGenerator

CONFIG = {"channels": (16, 56), "blocks": (1, 1), "half_channels": 8, "full_channels": 4, "code_dim": 16}


def test_fresh_deltas_change_nothing():
    generator = StyleGenerator(**CONFIG)
    for name, change in weight_deltas(initial_deltas(generator, 4)).items():
        assert change.shape == dict(generator.named_parameters())[name].shape
        assert not change.any()


def test_each_parameter_is_trained_whole_low_rank_or_not_at_all():
    generator = StyleGenerator(**CONFIG)
    low_rank, whole = {f"{n}.weight" for n in lora_targets(generator)}, set(whole_parameters(generator))
    assert low_rank and whole and not low_rank & whole
    assert "blocks8.0.conv1.weight" in low_rank and "blocks8.0.norm1.rho" in whole and "to_rgb.weight" in whole
    assert "blocks8.0.norm1.affine.bias" in whole and "blocks8.0.norm1.affine.weight" not in low_rank | whole


def test_a_merged_weight_is_base_plus_product():
    base = {"c.weight": torch.randn(6, 5, 3, 3)}
    a, b = torch.randn(2, 5, 3, 3), torch.randn(6, 2, 1, 1)
    merged = merged_parameters(base, {"c.lora_A.weight": a, "c.lora_B.weight": b})["c.weight"]
    torch.testing.assert_close(merged, base["c.weight"] + torch.einsum("orxy,rikl->oikl", b, a))


def test_peft_reads_the_low_rank_part_and_merges_to_the_same_weights():
    from peft import LoraConfig, inject_adapter_in_model, set_peft_model_state_dict

    torch.manual_seed(0)
    generator = StyleGenerator(**CONFIG)
    deltas = {k: torch.randn_like(v) * 0.1 for k, v in initial_deltas(generator, 4).items() if "lora_" in k}
    config = LoraConfig(r=4, lora_alpha=4, target_modules=lora_targets(generator))
    injected = inject_adapter_in_model(config, copy.deepcopy(generator))
    outcome = set_peft_model_state_dict(injected, dict(deltas))
    assert not outcome.unexpected_keys
    ours = merged_parameters(dict(generator.named_parameters()), deltas)
    for layer in lora_targets(generator):
        module = injected.get_submodule(layer)
        theirs = module.base_layer.weight + module.get_delta_weight("default")
        torch.testing.assert_close(ours[f"{layer}.weight"], theirs, atol=1e-5, rtol=1e-5)


SHAPES = {"c.weight": torch.Size([6, 5, 3, 3]), "l.weight": torch.Size([6, 5]), "c.bias": torch.Size([6])}


def test_deltas_that_fit_pass():
    low_rank = {"c.lora_A.weight": torch.ones(2, 5, 3, 3), "c.lora_B.weight": torch.ones(6, 2, 1, 1)}
    linear = {"l.lora_A.weight": torch.ones(2, 5), "l.lora_B.weight": torch.ones(6, 2)}
    check_deltas({**low_rank, **linear, "c.bias.delta": torch.ones(6), "l.weight.delta": torch.ones(6, 5)}, SHAPES)
    generator = StyleGenerator(**CONFIG)
    check_deltas(initial_deltas(generator, 4), {name: p.shape for name, p in generator.named_parameters()})


@pytest.mark.parametrize(
    "deltas, message",
    [
        ({"c.lora_A.weight": (2, 5, 3, 3)}, "no `lora_B` beside it"),
        ({"c.lora_B.weight": (6, 2, 1, 1)}, "no `lora_A` beside it"),
        ({"c.lora_A.weight": (2, 5, 3, 3), "c.lora_B.weight": (6, 3, 1, 1)}, "`c.lora_A.weight` is"),
        ({"c.lora_A.weight": (1, 60000), "c.lora_B.weight": (60000, 1)}, "the network's `c.weight` is"),
        ({"c.lora_A.weight": (), "c.lora_B.weight": ()}, "`c.lora_A.weight` is"),
        ({"d.bias.delta": (6,)}, "changes nothing"),
        ({"surprise": (6,)}, "changes nothing"),
        ({"c.bias.delta": (7,)}, "`c.bias.delta` is"),
    ],
)
def test_deltas_that_do_not_fit_are_refused_before_they_are_multiplied(deltas, message):
    with pytest.raises(ValueError, match=message):
        check_deltas({name: torch.ones(shape) for name, shape in deltas.items()}, SHAPES)


@pytest.mark.parametrize("train", ["all", "low-rank+small"])
def test_bases_of_kernels_that_follow_the_code_do_not_train_with_one_code(train):
    generator = StyleGenerator(**CONFIG).with_kernels(2)
    deltas = initial_deltas(generator, rank=2, train=train)
    assert any("conv1.weight" in name or "conv1.lora" in name for name in deltas)
    assert [name for name in deltas if "kernel" in name] == []
