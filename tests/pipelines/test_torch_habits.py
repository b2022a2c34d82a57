"""Pipelines where torch is set up in other ways: inference mode, default types, threads, pickling."""

import copy
import pickle

import numpy as np
import pytest
import torch

from styleadapt import ModelLoadError, StyleGenerator, StyleTransferPipeline
from styleadapt.models.discriminator import StyleDiscriminator
from styleadapt.models.ugatit import UGATITDiscriminator
from styleadapt.training.parameters import select_parameters

from .adapted import adapted


@pytest.fixture
def repo(tiny_pipe, tmp_path) -> str:
    tiny_pipe.save_pretrained(tmp_path / "repo")
    return str(tmp_path / "repo")


def test_use_safetensors_is_taken_and_its_opposite_refused(repo):
    for value in (True, None):
        StyleTransferPipeline.from_pretrained(repo, use_safetensors=value)
    with pytest.raises(ModelLoadError, match="`use_safetensors=False` is refused: pickled weights"):
        StyleTransferPipeline.from_pretrained(repo, use_safetensors=False)


def test_a_pipeline_made_in_inference_mode_adapts(repo, tiny_models, photo, tmp_path):
    with torch.inference_mode():
        loaded = StyleTransferPipeline.from_pretrained(repo).to("cpu", torch.float64).to(torch.float32)
        pipes = [loaded, loaded.clone(), StyleTransferPipeline(**tiny_models)]
        pipes[1].load_adapter(adapted(loaded), name="inside")
    for pipe in pipes:
        adapter = adapted(pipe)
        pipe.load_adapter(adapter.save(tmp_path / "a.safetensors"), name="loaded")
        assert pipe(photo).images[0].size == photo.size
        pipe.unload_adapters()
    with torch.inference_mode():
        generator = StyleGenerator.from_pretrained(repo, subfolder="generator")
    assert not any(parameter.is_inference() for parameter in generator.parameters())


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_torch_s_default_dtype_changes_nothing(repo, photo, painting, dtype):
    def results():
        pipe = StyleTransferPipeline.from_pretrained(repo)
        pictures = [
            pipe(photo, style=painting).images[0],
            pipe(photo, style=[painting, photo], style_weights=[1, 2], strength=0.3, stroke_size=0.5).images[0],
            pipe(photo, style=painting, refine=1).images[0],
        ]
        adapter = adapted(pipe)
        return [np.asarray(picture) for picture in (*pictures, pipe(photo).images[0])], adapter.deltas

    expected, deltas = results()
    torch.set_default_dtype(dtype)
    try:
        found, others = results()
    finally:
        torch.set_default_dtype(torch.float32)
    assert all(map(np.array_equal, found, expected))
    assert all(others[name].dtype == torch.float32 and torch.equal(others[name], delta) for name, delta in deltas.items())


def test_loading_leaves_the_number_of_threads_as_the_user_set_it(repo, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    try:
        StyleTransferPipeline.from_pretrained(repo)
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("copied", [lambda pipe: pickle.loads(pickle.dumps(pipe)), copy.deepcopy], ids=["pickled", "copied"])
def test_a_pipeline_is_pickled_and_copied_with_its_adapters(repo, photo, copied):
    pipe = StyleTransferPipeline.from_pretrained(repo)
    adapted(pipe)
    pipe.compile()
    again = copied(pipe)
    again._compiled = pipe._compiled = None
    assert again.get_active_adapters() == ["adapted"] and again.fingerprint == pipe.fingerprint
    assert np.array_equal(again(photo).images[0], pipe(photo).images[0])
    first, second = adapted(pipe), adapted(again)
    assert all(torch.equal(first.deltas[name], second.deltas[name]) for name in first.deltas)


@pytest.mark.parametrize(
    "model",
    [StyleDiscriminator(channels=(4, 8), code_dim=16), UGATITDiscriminator(channels=4, n_layers=5)],
    ids=["style", "ugatit"],
)
def test_a_discriminator_is_pickled_as_it_is(model):
    model.eval().half()
    next(model.parameters()).requires_grad_(False)
    state = torch.random.get_rng_state()
    again = pickle.loads(pickle.dumps(model))
    assert torch.equal(torch.random.get_rng_state(), state), "no random number of the user's is drawn"
    assert not again.training and again.config == model.config and again.dtype == torch.float16
    flags = [[parameter.requires_grad for parameter in m.parameters()] for m in (model, again)]
    assert flags[0] == flags[1]
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in model.state_dict().items())


def test_low_rank_changes_are_not_lost_by_pickling(tiny_models):
    select_parameters(tiny_models["generator"], "lora", rank=2)
    with pytest.raises(RuntimeError, match="parametrized modules"):
        pickle.dumps(tiny_models["generator"])


def test_an_adapter_named_twice_is_refused(tiny_pipe):
    adapted(tiny_pipe)
    with pytest.raises(ValueError, match="'adapted' is named 2 times"):
        tiny_pipe.set_adapters(["adapted", "adapted"], [0.5, 0.5])
    assert tiny_pipe.get_active_adapters() == ["adapted"]


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_an_adaptation_that_fails_leaves_the_active_adapters(tiny_pipe, photo, error):
    adapted(tiny_pipe, steps=4)
    tiny_pipe.set_adapters(["adapted"], [0.5])
    before = tiny_pipe(photo).images[0]

    def fail(progress):
        raise error

    with pytest.raises(error):
        adapted(tiny_pipe, callback=fail, name="other")
    assert tiny_pipe.get_active_adapters() == ["adapted"] and np.array_equal(tiny_pipe(photo).images[0], before)
