import copy
import importlib
import math

import pytest
import torch

from styleadapt.errors import ConfigError
from styleadapt.training.optimizers import OPTIMIZERS, averaged_weights, build_optimizer, kept_settings

LIBRARIES = {"prodigy": "prodigyopt", "schedule_free": "schedulefree", "lion": "lion_pytorch", "adam8bit": "bitsandbytes"}


@pytest.fixture(params=OPTIMIZERS)
def available(request) -> str:
    """Every optimizer whose library is here."""
    if request.param in LIBRARIES:
        pytest.importorskip(LIBRARIES[request.param])
    return request.param


def stepped(name: str, gradients: list[float], start: float = 1.0, **settings) -> float:
    """Where a weight that starts at `start` stands after steps along the given gradients."""
    weight = torch.nn.Parameter(torch.full((1,), start))
    optimizer = build_optimizer(name, [weight], **{"lr": 0.1, "betas": (0.5, 0.75), **settings})
    for gradient in gradients:
        weight.grad = torch.full((1,), gradient)
        optimizer.step()
    return weight.item()


def test_adam_by_hand():
    """The corrected averages of one step are g and g^2, so it goes lr sign(g); decay 0.2 w is added to the gradient."""
    assert stepped("adam", [0.3]) == pytest.approx(0.9)
    assert stepped("adam", [-0.1], weight_decay=0.2) == pytest.approx(0.9)  # -0.1 + 0.2 is positive


def test_adam_reads_both_betas_and_eps():
    """Gradients 1, 0: m = 0.25 / 0.75 = 1/3, v = 0.1875 / 0.4375 = 3/7; with eps 1 the first step is lr / 2."""
    assert stepped("adam", [1.0, 0.0]) == pytest.approx(0.9 - 0.1 / 3 / math.sqrt(3 / 7))
    assert stepped("adam", [1.0], eps=1.0) == pytest.approx(0.95)


def test_adamw_by_hand():
    """Decay apart from the gradient: 1 (1 - 0.1 * 0.2) - lr sign(g)."""
    assert stepped("adamw", [-0.1], weight_decay=0.2) == pytest.approx(0.98 + 0.1)


def test_rmsprop_by_hand():
    """v = (1 - 0.75) g^2 without correction: the step is lr / sqrt(0.25) = 0.2, and there is no momentum."""
    assert stepped("rmsprop", [0.3]) == pytest.approx(0.8)
    assert stepped("rmsprop", [0.3, 0.0]) == pytest.approx(0.8)


def test_sgd_by_hand():
    """Momentum 0.5: steps of 0.1 * 1 and 0.1 * (0.5 + 2)."""
    assert stepped("sgd", [1.0, 2.0]) == pytest.approx(1 - 0.1 - 0.25)


def test_adafactor_by_hand():
    """At its first step v = g^2, the update sign(g) of RMS 1, of which beta1 = 0.5 lets half through; beta1 = 0: all."""
    assert stepped("adafactor", [0.3]) == pytest.approx(0.95)
    assert stepped("adafactor", [0.3], betas=(0.0, 0.75)) == pytest.approx(0.9)


def test_lion_by_hand():
    """Decay 1 - 0.1 * 0.2, then lr sign(0.5 m + 0.5 g): +, and, with m = 0.25 * 3 = 0.75 and g = -0.5, + again."""
    pytest.importorskip("lion_pytorch")
    assert stepped("lion", [3.0, -0.5], weight_decay=0.2) == pytest.approx((0.98 - 0.1) * 0.98 - 0.1)


def test_prodigy_by_hand():
    """From d = 1e-6: d * 0.5 g / sqrt(d^2 * 0.25 g^2) = 1, so the first step is d lr = 1e-6."""
    pytest.importorskip("prodigyopt")
    assert stepped("prodigy", [0.3], start=0.0, lr=1.0, eps=1e-12) == pytest.approx(-1e-6, rel=1e-3)


def two_steps_of_schedule_free():
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = build_optimizer("schedule_free", [weight], lr=0.1, betas=(0.5, 0.75))
    for _ in range(2):
        weight.grad = torch.full((1,), 0.3)
        optimizer.step()
    return weight, optimizer


def test_schedule_free_by_hand():
    """z falls by lr a step: 0.9, 0.8 (v is g^2 throughout), and the average x of both is 0.85; y is x half way to z."""
    pytest.importorskip("schedulefree")
    weight, optimizer = two_steps_of_schedule_free()
    assert weight.item() == pytest.approx(0.825)
    with averaged_weights(optimizer):
        assert weight.item() == pytest.approx(0.85)
    assert weight.item() == pytest.approx(0.825)
    weight.grad = torch.full((1,), 0.3)
    optimizer.step()  # it refuses to if it is not in training mode


def test_adam8bit_by_hand():
    """Small tensors keep their state in full: as Adam, lr sign(g)."""
    pytest.importorskip("bitsandbytes")
    assert stepped("adam8bit", [0.3]) == pytest.approx(0.9, rel=1e-3)


def test_groups_bring_their_own_rates(available):
    slow, fast = (torch.nn.Parameter(torch.ones(4)) for _ in range(2))
    optimizer = build_optimizer(available, [{"params": [slow]}, {"params": [fast], "lr": 1.0}], lr=1.0, betas=(0.5, 0.99))
    assert len(optimizer.param_groups) == 2 and optimizer.param_groups[1]["lr"] == 1.0


def test_a_saved_state_goes_on_where_it_stood(available):
    """Two steps, or one, a reload, and one more."""

    def step(weight, optimizer):
        weight.grad = weight.detach() + torch.linspace(0, 1, 12).view(3, 4)
        optimizer.step()

    settings = {"lr": 1.0 if available == "prodigy" else 0.1, "betas": (0.5, 0.99)}
    weight = torch.nn.Parameter(torch.ones(3, 4))
    optimizer = build_optimizer(available, [weight], **settings)
    step(weight, optimizer)
    again = torch.nn.Parameter(weight.detach().clone())
    resumed = build_optimizer(available, [again], **settings)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    step(weight, optimizer)
    step(again, resumed)
    assert torch.equal(weight, again)


def test_settings_of_now_stay_and_the_state_of_before_is_loaded(available):
    rate = 1.0 if available == "prodigy" else 0.1
    weight = torch.nn.Parameter(torch.ones(3, 4))
    older = build_optimizer(available, [weight], lr=rate, betas=(0.5, 0.99))
    weight.grad = torch.ones(3, 4)
    older.step()
    newer = build_optimizer(available, [weight], lr=rate, betas=(0.75, 0.95), weight_decay=0.25)
    settings = {"betas", "alpha", "momentum", "weight_decay", "eps"}
    wanted = {key: value for key, value in newer.param_groups[0].items() if key in settings}
    with kept_settings(newer):
        newer.load_state_dict(older.state_dict())
    group, loaded = newer.param_groups[0], older.param_groups[0]
    assert {key: group[key] for key in wanted} == wanted and wanted["weight_decay"] == 0.25
    assert {key: group[key] for key in ("d", "k", "weight_sum", "train_mode") if key in group} == {
        key: loaded[key] for key in ("d", "k", "weight_sum", "train_mode") if key in loaded
    }
    newer.step()


def test_other_betas_leave_the_average_of_schedule_free_as_it_was():
    pytest.importorskip("schedulefree")
    weight, older = two_steps_of_schedule_free()
    newer = build_optimizer("schedule_free", [weight], lr=0.1, betas=(0.9, 0.75))
    with kept_settings(newer):
        newer.load_state_dict(older.state_dict())
    with averaged_weights(newer):
        assert weight.item() == pytest.approx(0.85)


def test_prodigy_refuses_rates_it_cannot_use():
    weights = [torch.nn.Parameter(torch.ones(1)) for _ in range(2)]
    with pytest.raises(ConfigError, match="share one rate, got 0.03, 1"):
        build_optimizer("prodigy", [{"params": weights[:1], "lr": 0.03}, {"params": weights[1:]}], lr=1.0)
    with pytest.raises(ConfigError, match="should be 1, got 0.001"):
        build_optimizer("prodigy", weights, lr=1e-3)


def test_averaged_weights_leaves_plain_optimizers_alone_and_survives_errors():
    optimizer = build_optimizer("adamw", [torch.nn.Parameter(torch.ones(1))], lr=0.1)
    with pytest.raises(KeyError), averaged_weights(optimizer):
        raise KeyError


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ConfigError, match="'adamm' is unknown; allowed: adam, adamw"):
        build_optimizer("adamm", [torch.nn.Parameter(torch.ones(1))], lr=0.1)


def test_settings_that_are_out_of_range_name_the_optimizer():
    with pytest.raises(ConfigError, match="'adam' refuses its settings"):
        build_optimizer("adam", [torch.nn.Parameter(torch.ones(1))], lr=0.1, betas=(1.5, 0.9))


@pytest.mark.parametrize("name, module", LIBRARIES.items())
def test_a_missing_library_is_named(name, module, monkeypatch):
    def refuse(wanted, *args, **kwargs):
        if wanted == module:
            raise ModuleNotFoundError(f"No module named '{wanted}'")
        return real(wanted, *args, **kwargs)

    real = importlib.import_module
    monkeypatch.setattr(importlib, "import_module", refuse)
    with pytest.raises(ConfigError, match=f"{name}.*pip install {module.replace('_', '-')}$"):
        build_optimizer(name, [torch.nn.Parameter(torch.ones(1))], lr=1.0)
