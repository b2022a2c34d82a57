"""What only a GPU can show: the same pictures as on the CPU, half precision, training with a gradient scaler, resuming."""

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState

from styleadapt import StyleTransferPipeline
from styleadapt.tasks.stylization import StylizationConfig, StylizationTask, build_dataset, build_models
from styleadapt.training.config import build_config
from styleadapt.training.engine import Trainer

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
DEVICE = "cuda"


@pytest.fixture(scope="module")
def pipes():
    """The packaged pipeline on the CPU and on the GPU."""
    return StyleTransferPipeline.from_pretrained(), StyleTransferPipeline.from_pretrained().to(DEVICE)


def difference(first, second) -> float:
    """Mean absolute difference of two pictures, 0 to 255."""
    first, second = (np.asarray(image, float) for image in (first, second))
    return float(np.abs(first - second).mean())


@pytest.mark.parametrize("size", [(97, 61), (900, 700), (2400, 1800)])
def test_pictures_are_those_of_the_cpu(pipes, photo, painting, size):
    large = photo.resize(size)
    on_cpu, on_gpu = (pipe(large, style=painting).images[0] for pipe in pipes)
    assert difference(on_cpu, on_gpu) < 0.5


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_paints_nearly_the_same(pipes, photo, painting, dtype):
    half = StyleTransferPipeline.from_pretrained(torch_dtype=dtype).to(DEVICE)
    large = photo.resize((640, 480))
    assert difference(half(large, style=painting).images[0], pipes[0](large, style=painting).images[0]) < 6


def test_a_seed_gives_the_same_adapter(pipes, photo, painting):
    first, second = (pipes[1].adapt(painting, steps=3, content=[photo], seed=5).deltas for _ in range(2))
    for name, value in first.items():
        # a GPU adds up gradients in no fixed order
        torch.testing.assert_close(value.float().cpu(), second[name].float().cpu(), rtol=5e-2, atol=2e-3)


def test_refinement_lowers_the_loss(pipes, photo, painting):
    losses = []
    settings = {"refine": 30, "refine_callback": lambda progress: losses.append(progress.loss)}
    pipes[1](photo.resize((256, 192)), style=painting, **settings)
    assert losses[-1] < losses[1]


@pytest.fixture
def new_accelerator_state():
    AcceleratorState._reset_state(True)
    yield
    AcceleratorState._reset_state(True)


@pytest.mark.parametrize("precision", ["no", "bf16", "fp16"])
def test_training_goes_on_as_an_unbroken_run(image_folders, tiny_pipe, tmp_path, new_accelerator_state, precision):
    tiny_pipe.save_pretrained(tmp_path / "repo")

    def train(name, steps, **more):
        photos, paintings = map(str, image_folders)
        values = {"photos": photos, "paintings": [paintings], "resolution": 64, "max_train_steps": 4, "train_batch_size": 2}
        values |= {"photo_short_side": [64, 80], "painting_short_side": [64, 80], "adv_warmup": 1, "checkpointing_steps": 2}
        values |= {"pretrained_model_name_or_path": str(tmp_path / "repo"), "validation_steps": 0, "logging_steps": 1}
        values |= {"mixed_precision": precision, "output_dir": str(tmp_path / name)}
        config = build_config(StylizationConfig, values | more)
        trainer = Trainer(config, StylizationTask(config, build_models(config)), build_dataset(config))
        trainer.train()
        assert trainer.accelerator.device.type == DEVICE
        return StyleTransferPipeline.from_pretrained(tmp_path / name / "final").generator.state_dict()

    unbroken = train("unbroken", 4)
    (tmp_path / "resumed").mkdir()
    (tmp_path / "unbroken" / "checkpoint-2").rename(tmp_path / "resumed" / "checkpoint-2")
    resumed = train("resumed", 4, resume_from_checkpoint="latest")
    for name, value in unbroken.items():
        torch.testing.assert_close(value, resumed[name], rtol=1e-2, atol=2e-3)
