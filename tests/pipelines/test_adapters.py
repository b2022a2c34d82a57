import numpy as np
import pytest
import torch

from styleadapt import AdapterError, RestorationAdapter, StyleAdapter, StyleTransferPipeline

from ..conftest import smooth_noise
from .adapted import adapted, difference


def test_an_adapter_is_active_and_knows_its_style(tiny_pipe, photo, painting, tmp_path):
    zero_shot = tiny_pipe(photo, style=painting).images[0]
    adapter = adapted(tiny_pipe, steps=20, styles=[painting])
    assert tiny_pipe.get_active_adapters() == ["adapted"]
    own = tiny_pipe(photo).images[0]
    assert difference(own, zero_shot) > 0
    fresh = tiny_pipe.clone()
    fresh.load_adapter(adapter.save(tmp_path / "a.safetensors"), name="monet")
    assert difference(fresh(photo).images[0], own) < 1
    fresh.set_adapters(["monet"], [0.0])
    assert difference(fresh(photo).images[0], zero_shot) < 1


def test_unloading_restores_the_base_bit_for_bit(tiny_pipe):
    before = {k: v.clone() for k, v in tiny_pipe.generator.state_dict().items()}
    adapted(tiny_pipe)
    tiny_pipe.set_adapters(["adapted"], [0.7])
    tiny_pipe.unload_adapters()
    assert all(torch.equal(v, before[k]) for k, v in tiny_pipe.generator.state_dict().items())
    with pytest.raises(ValueError, match="loaded: none"):
        tiny_pipe.set_adapters(["adapted"])


def test_adapting_twice_starts_from_the_base_each_time(tiny_pipe):
    first = adapted(tiny_pipe)
    again = adapted(tiny_pipe)
    assert all(torch.equal(first.deltas[k], again.deltas[k]) for k in first.deltas)


def test_two_adapters_blend(tiny_pipe, photo):
    a = adapted(tiny_pipe, steps=4)
    b = adapted(tiny_pipe, steps=4, styles=[smooth_noise((64, 64), 7)])
    tiny_pipe.load_adapter(a, name="a")
    tiny_pipe.load_adapter(b, name="b")
    pictures = {}
    for weights in ([1, 0], [0.5, 0.5], [0, 1]):
        tiny_pipe.set_adapters(["a", "b"], weights)
        pictures[weights[0]] = tiny_pipe(photo).images[0]
    whole = difference(pictures[1], pictures[0])
    assert whole > 0
    assert difference(pictures[1], pictures[0.5]) < whole and difference(pictures[0], pictures[0.5]) < whole


def test_an_adapter_for_another_base_is_refused_naming_both(tiny_pipe):
    adapter = adapted(tiny_pipe)
    torch.nn.init.normal_(tiny_pipe.generator.to_rgb.weight)
    stranger = StyleTransferPipeline(tiny_pipe.generator, tiny_pipe.style_encoder)
    with pytest.raises(AdapterError, match=f"{adapter.base}.*{stranger.fingerprint}"):
        stranger.load_adapter(adapter)


def test_an_adapter_of_another_kind_is_refused_by_name(tiny_pipe, tmp_path):
    adapter = RestorationAdapter({}, tiny_pipe.fingerprint)
    with pytest.raises(AdapterError, match="kind 'restoration', and StyleTransferPipeline takes the kind 'style'"):
        tiny_pipe.load_adapter(adapter)
    with pytest.raises(AdapterError, match="kind 'restoration', expected the kind 'style'"):
        tiny_pipe.load_adapter(adapter.save(tmp_path / "a.safetensors"))
    assert not tiny_pipe.get_active_adapters()


def test_checking_an_adapter_loads_nothing(tiny_pipe):
    adapter = adapted(tiny_pipe)
    tiny_pipe.unload_adapters()
    tiny_pipe.check_adapter(adapter)
    with pytest.raises(AdapterError, match="style code"):
        tiny_pipe.check_adapter(StyleAdapter(**{**vars(adapter), "code": torch.zeros(1, 3)}))
    with pytest.raises(ValueError, match="loaded: none"):
        tiny_pipe.set_adapters(["adapted"])


def test_misshapen_deltas_are_refused_and_nothing_is_loaded(tiny_pipe):
    adapter = adapted(tiny_pipe)
    before = {k: v.clone() for k, v in tiny_pipe.generator.state_dict().items()}
    name = next(k for k in adapter.deltas if k.endswith(".delta"))
    broken = StyleAdapter(**{**vars(adapter), "deltas": {**adapter.deltas, name: torch.zeros(3, 3)}})
    with pytest.raises(AdapterError, match=name.removesuffix(".delta")):
        tiny_pipe.load_adapter(broken, name="broken")
    assert all(torch.equal(v, before[k]) for k, v in tiny_pipe.generator.state_dict().items())


@pytest.mark.parametrize(
    "names, weights, message", [(["x"], None, "'x'"), (["adapted"], [1, 2], "2 entries"), (["adapted"], [float("nan")], "nan")]
)
def test_bad_adapter_settings_are_refused(tiny_pipe, names, weights, message):
    adapted(tiny_pipe)
    with pytest.raises(ValueError, match=message):
        tiny_pipe.set_adapters(names, weights)


def test_a_weight_and_a_seed_may_be_numbers_of_numpy(tiny_pipe):
    first = adapted(tiny_pipe, seed=np.int64(3))
    assert torch.equal(first.code, adapted(tiny_pipe, seed=3).code)
    tiny_pipe.set_adapters("adapted", np.float32(0.5))
    assert tiny_pipe._active == {"adapted": 0.5}
    with pytest.raises(ValueError, match="`seed` is -1"):
        adapted(tiny_pipe, seed=-1)


@pytest.mark.parametrize("part", ["code", "start_code"])
def test_a_style_code_of_another_length_is_refused(tiny_pipe, part):
    adapter = adapted(tiny_pipe)
    with pytest.raises(AdapterError, match="style code is"):
        tiny_pipe.load_adapter(StyleAdapter(**{**vars(adapter), part: torch.zeros(1, 3)}))


def test_a_half_precision_pipeline_adapts_and_shares_adapters(tiny_pipe, photo, tmp_path):
    tiny_pipe.save_pretrained(tmp_path)
    half = StyleTransferPipeline.from_pretrained(tmp_path, dtype=torch.bfloat16)
    assert half.fingerprint == tiny_pipe.fingerprint
    tiny_pipe.load_adapter(adapted(half), name="half")
    assert tiny_pipe(photo).images[0].size == half(photo).images[0].size


def test_an_adapter_may_lie_in_a_folder(tiny_pipe, tmp_path):
    adapted(tiny_pipe).save(tmp_path / "adapter.safetensors")
    tiny_pipe.load_adapter(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(AdapterError, match="empty/adapter.safetensors"):
        tiny_pipe.load_adapter(tmp_path / "empty")
