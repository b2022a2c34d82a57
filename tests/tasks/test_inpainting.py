import pytest
import torch
from PIL import Image

from styleadapt.errors import ConfigError
from styleadapt.pipelines.restoration import RestorationPipeline
from styleadapt.tasks.inpainting import InpaintingTask, build_dataset, build_models
from styleadapt.tasks.restoration_config import InpaintingConfig
from styleadapt.training.config import build_config

TINY = {
    "resolution": 48,
    "train_batch_size": 4,
    "max_train_steps": 3,
    "inpainter": {"widths": (8, 8, 8), "dilations": (1, 2)},
    "discriminator": {"channels": (4, 8), "global_factor": 2},
    "held_out": 0,
    "validation_steps": 0,
    "report_to": "none",
}


def config(folder, /, **options):
    return build_config(InpaintingConfig, {**TINY, "photos": [str(folder)], **options})


def task(folder, /, **options):
    torch.manual_seed(0)
    c = config(folder, **options)
    return InpaintingTask(c, build_models(c))


def test_a_few_steps_lower_the_distortion_of_holes(image_folders):
    t, dataset = task(image_folders[0]), build_dataset(config(image_folders[0]))
    assert len(dataset) == 12
    data = torch.utils.data.default_collate([dataset[n] for n in range(4)])
    optimizer = torch.optim.Adam(t.models["inpainter"].parameters(), 3e-3)
    history = []
    for _ in range(30):
        state = t.forward(data, 0)
        assert torch.equal(state.repaired * (1 - data["mask"]), data["clean"] * (1 - data["mask"]))
        loss, figures = t.generator_loss(state, 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(float(figures["distortion"].detach()))
    assert history[-1] < 0.8 * history[0]


def test_the_second_phase_has_a_discriminator(image_folders):
    second = {"perceptual_weight": 0.1, "adv_weight": 0.5, "adv_warmup": 0, "resolution": 64}
    t, dataset = task(image_folders[0], **second), build_dataset(config(image_folders[0], **second))
    data = torch.utils.data.default_collate([dataset[n] for n in range(2)])
    state = t.forward(data, 5)
    assert state.code.shape == (2, 1) and set(t.discriminator_loss(state, 5)[1]) == {"d_adv"}
    loss, figures = t.generator_loss(state, 5)
    loss.backward()
    assert {"g_adv", "perceptual"} < set(figures) and t.models["inpainter"].leave.weight.grad.any()


def test_validation_scores_holes_and_the_result_is_a_pipeline(image_folders, tmp_path):
    t = task(image_folders[0], held_out=2, validation_steps=1)
    scores = t.validate(3, tmp_path)
    # untrained, it gives the smooth fill
    assert scores["psnr"] == pytest.approx(scores["psnr_smooth"], abs=0.2) and scores["rmse"] > 0
    assert Image.open(tmp_path / "step-3.jpg").size == (2 * 3 * 256 + 6, 256)
    t.save_pretrained(tmp_path / "repo")
    photo = smooth = Image.open(image_folders[0] / "0.png")
    mask = Image.new("L", photo.size)
    mask.paste(255, (10, 10, 30, 30))
    assert RestorationPipeline.from_pretrained(tmp_path / "repo")(smooth, "inpaint", mask=mask).images[0].size == photo.size


@pytest.mark.parametrize(
    "values, message", [({"hole_coverage": [0.5, 0.1]}, "`hole_coverage` is"), ({"photos": []}, "--photos DIR")]
)
def test_bad_values_are_refused(image_folders, values, message):
    with pytest.raises(ConfigError, match=message):
        config(image_folders[0], **values)
