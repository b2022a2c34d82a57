import numpy as np
import pytest
import torch
from PIL import Image

from styleadapt import AdapterError, Inpainter, RestorationAdapter, RestorationPipeline, StyleAdapter

from ..tiny_restoration import QUICK_ADAPTATION, tiny_restoration


@pytest.fixture
def pipe():
    return tiny_restoration()


def adapted(pipe, **options):
    colors = np.random.default_rng(0).integers(0, 2, (5, 5, 3)) * 255
    image = Image.fromarray(colors.astype(np.uint8)).resize((160, 160), Image.Resampling.NEAREST)
    return pipe.adapt(image, **{"steps": 10, "config": QUICK_ADAPTATION, **options})


def restored(pipe, photo, **options):
    return np.asarray(pipe(photo, task="denoise", level=25, **options).images[0]).astype(int)


def test_an_adapter_is_active_is_saved_and_is_loaded_elsewhere(pipe, photo, tmp_path):
    before = restored(pipe, photo)
    adapter = adapted(pipe)
    assert pipe.get_active_adapters() == ["adapted"] and adapter.scores["psnr_after"] > adapter.scores["psnr_before"]
    own = restored(pipe, photo)
    assert (own != before).any()
    fresh = tiny_restoration()
    fresh.load_adapter(adapter.save(tmp_path / "kind.safetensors"), name="kind")
    assert abs(restored(fresh, photo) - own).max() <= 1
    fresh.set_adapters(["kind"], [0.0])
    assert (restored(fresh, photo) == before).all()


def test_a_seed_is_a_whole_number_of_0_or_more(pipe):
    same, other = adapted(pipe, steps=2, seed=np.int64(3)), adapted(pipe, steps=2, seed=3)
    assert all(torch.equal(value, other.deltas[key]) for key, value in same.deltas.items())
    with pytest.raises(ValueError, match="`seed` is -1"):
        adapted(pipe, seed=-1)


def test_unloading_restores_the_base_bit_for_bit(pipe, photo):
    before = {key: value.clone() for key, value in pipe.restorer.state_dict().items()}
    adapted(pipe)
    pipe.set_adapters("adapted", 0.7)
    pipe.unload_adapters()
    assert all(torch.equal(value, before[key]) for key, value in pipe.restorer.state_dict().items())


def test_both_phases_wear_the_adapter(pipe, photo):
    """At a fidelity of 0 the adapter's change is added to the natural weights; a mixture from before is not used again."""
    natural = {key: value.clone() for key, value in pipe.restorer_natural.state_dict().items()}
    base = {key: value.clone() for key, value in pipe.restorer.state_dict().items()}
    plain = {fidelity: restored(pipe, photo, fidelity=fidelity) for fidelity in (0.0, 0.5)}
    adapted(pipe)
    for fidelity in (0.0, 0.5):
        assert (restored(pipe, photo, fidelity=fidelity) != plain[fidelity]).any()
        mixed = pipe._network("restorer", fidelity, "denoise").state_dict()
        for key, value in pipe.restorer.state_dict().items():
            expected = torch.lerp(natural[key], base[key], fidelity) + value - base[key]
            torch.testing.assert_close(mixed[key], expected, atol=1e-5, rtol=1e-5)
    pipe.unload_adapters()
    assert all((restored(pipe, photo, fidelity=fidelity) == plain[fidelity]).all() for fidelity in plain)


def test_an_adapter_of_another_kind_or_base_is_refused(pipe, tmp_path):
    code = torch.zeros(1, 16)
    style = StyleAdapter({}, code, code, pipe.fingerprint)
    with pytest.raises(AdapterError, match="kind 'style', and RestorationPipeline takes the kind 'restoration'"):
        pipe.load_adapter(style)
    with pytest.raises(AdapterError, match="style.safetensors is an adapter of the kind 'style'"):
        pipe.load_adapter(style.save(tmp_path / "style.safetensors"))
    with pytest.raises(AdapterError, match=f"made for the base other .*{pipe.fingerprint}"):
        pipe.load_adapter(RestorationAdapter({}, "other"))
    with pytest.raises(AdapterError, match="does not fit the restorer: `leave.weight.delta`"):
        pipe.load_adapter(RestorationAdapter({"leave.weight.delta": torch.zeros(3)}, pipe.fingerprint))


def test_a_failure_leaves_the_active_adapter(pipe, photo):
    adapted(pipe, name="first")
    before = restored(pipe, photo)
    with pytest.raises(KeyboardInterrupt):
        adapted(pipe, callback=lambda progress: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(ValueError, match="`max_seconds` is 0"):
        adapted(pipe, steps=None, max_seconds=0)
    assert pipe.get_active_adapters() == ["first"] and (restored(pipe, photo) == before).all()


def test_saving_writes_the_base_whatever_is_active(pipe, photo, tmp_path):
    before = restored(pipe, photo)
    adapted(pipe)
    pipe.save_pretrained(tmp_path)
    assert pipe.get_active_adapters() == ["adapted"]
    assert (restored(RestorationPipeline.from_pretrained(tmp_path), photo) == before).all()


def test_a_folder_of_images_is_taken(pipe, tmp_path):
    for number in range(2):
        Image.effect_noise((80, 80), 40).convert("RGB").save(tmp_path / f"{number}.png")
    assert pipe.adapt(tmp_path, steps=1, config=QUICK_ADAPTATION).images == 2


def test_weights_without_a_restorer_have_no_adapters(tmp_path):
    pipe = RestorationPipeline(inpainter=Inpainter(widths=(8, 8, 8), dilations=(1, 2)))
    with pytest.raises(ValueError, match="no restorer"):
        pipe.load_adapter(RestorationAdapter({}, "base"))
    with pytest.raises(ValueError, match="no restorer"):
        adapted(pipe)
    pipe.save_pretrained(tmp_path)
    assert RestorationPipeline.from_pretrained(tmp_path).restorer is None
