import pytest
import torch

from styleadapt.errors import ModelLoadError
from styleadapt.models.restorer import LEVEL_UNITS, Restorer


def tiny(**options):
    torch.manual_seed(0)
    model = Restorer(**{"widths": (8, 16, 16), "blocks": (1, 1, 1), "estimator_widths": (8, 8), **options})
    torch.nn.init.normal_(model.leave.weight, std=0.1)
    return model.eval()


def test_it_begins_by_leaving_the_image_alone():
    image = torch.randn(2, 3, 20, 24)
    assert torch.equal(Restorer(widths=(8, 16), blocks=(1, 1))(image).sample, image)


@pytest.mark.parametrize("size", [(1, 1), (7, 9), (16, 8), (33, 50)])
def test_any_size_goes_in_and_comes_out(size):
    out = tiny()(torch.rand(2, 3, *size))
    assert out.sample.shape == (2, 3, *size) and out.levels.shape == out.estimate.shape == (2, 3)
    assert (out.levels >= 0).all() and out.sample.isfinite().all()


def test_given_levels_are_used_and_the_others_are_estimated():
    model, image = tiny(), torch.rand(2, 3, 16, 16)
    torch.nn.init.ones_(model.opinions.bias)
    levels = torch.tensor([[10.0, 0.0, 0.0], [torch.nan, 60.0, torch.nan]])
    out = model(image, levels)
    given = ~levels.isnan()
    assert torch.equal(out.levels[given], levels[given]) and torch.equal(out.levels[~given], out.estimate[~given].clamp(min=0))
    assert model(image, levels.nan_to_num()).estimate is None
    assert torch.equal(model(image, model.estimated_levels(image)).sample, model(image).sample)
    for kind in range(3):
        changed = out.levels.clone()
        changed[:, kind] += LEVEL_UNITS[kind]
        assert not torch.equal(model(image, changed).sample, out.sample)


def test_twice_the_image_and_its_damage_give_twice_the_result():
    """Without biases the network is homogeneous; this is why it holds at levels that it has not seen."""
    model, image = tiny().double(), torch.randn(1, 3, 16, 16, dtype=torch.float64)
    levels = torch.tensor([[25.0, 30.0, 1.0]], dtype=torch.float64)
    assert torch.allclose(2 * model(image, levels).sample, model(2 * image, 2 * levels).sample)


def test_the_image_does_not_teach_the_estimator():
    model, image = tiny().train(), torch.rand(1, 3, 16, 16)
    model(image).sample.sum().backward()
    assert model.opinions.weight.grad is None and model.enter.weight.grad is not None
    model(image, torch.zeros(1, 3)).estimate.sum().backward()
    assert model.estimator[0].weight.grad is not None


def test_far_pixels_do_not_matter():
    """So a photo may be restored in bands: those of ten blocks of 8 px beyond a pixel are out of its sight."""
    model = tiny()
    image, levels = torch.randn(1, 3, 16, 256), torch.tensor([[25.0, 0.0, 0.0]])
    changed = image.clone()
    changed[..., 144:] = 0
    assert torch.equal(model(image, levels).sample[..., :64], model(changed, levels).sample[..., :64])
    assert not torch.equal(model(image, levels).sample[..., 136:144], model(changed, levels).sample[..., 136:144])


def test_it_is_as_small_as_it_should_be():
    from torch.utils.flop_counter import FlopCounterMode

    model = Restorer()
    assert sum(p.numel() for p in model.parameters()) <= 3_000_000
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, 3, 96, 96))
    assert counter.get_total_flops() / 2 / 96**2 < 115_000


def test_it_saves_loads_and_computes_in_half_precision(tmp_path):
    model, image = tiny(), torch.rand(1, 3, 16, 16)
    model.save_pretrained(tmp_path)
    loaded = Restorer.from_pretrained(tmp_path)
    assert torch.equal(loaded(image).sample, model(image).sample)
    half = Restorer.from_pretrained(tmp_path, dtype=torch.bfloat16)(image.bfloat16())
    assert (half.sample.float() - model(image).sample).abs().max() < 0.1
    (tmp_path / "config.json").write_text('{"_class_name": "StyleGenerator"}')
    with pytest.raises(ModelLoadError):
        Restorer.from_pretrained(tmp_path)


@pytest.mark.parametrize("options", [{"widths": (8,), "blocks": (1, 1)}, {"widths": (), "blocks": ()}, {"estimator_widths": ()}])
def test_shapes_that_do_not_fit_are_refused(options):
    with pytest.raises(ValueError, match="at least|one entry"):
        Restorer(**options)
