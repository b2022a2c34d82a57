import pytest
import torch

from styleadapt.augment import style_paint
from styleadapt.augment.style_bank import packaged_bank
from styleadapt.augment.style_paint import StylePainter, resize, working_sides


@pytest.mark.parametrize("sides", [(32, 32), (64, 200), (224, 224), (1, 1), (1000, 10), (480, 640)])
def test_working_sides_suit_the_generator(sides):
    height, width = working_sides(*sides, 160)
    assert height % 8 == width % 8 == 0 and min(height, width) >= 96 and max(height, width) <= 1024
    if max(sides) / min(sides) < 4:
        assert min(height, width) <= 160 and abs(height / width - sides[0] / sides[1]) < 0.1 * sides[0] / sides[1]


def test_at_the_working_size_strength_is_a_share_of_the_generators_picture():
    images = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(0)) * 2 - 1
    paint, codes = StylePainter(160), packaged_bank()[:2]
    whole, half, nothing = (paint(images, codes, torch.full((2,), s)) for s in (1.0, 0.5, 0.0))
    assert torch.equal(nothing, images) and torch.allclose(half, (images + whole) / 2, atol=1e-5)
    assert whole.abs().max() <= 1 and (whole[0] - whole[1]).abs().mean() > 0.05


def test_every_image_has_its_own_strength():
    images = torch.zeros(2, 3, 96, 96)
    done = StylePainter(160)(images, packaged_bank()[:2], torch.tensor([0.0, 1.0]))
    assert torch.equal(done[0], images[0]) and (done[1] - images[1]).abs().mean() > 0.05


def test_resizing_keeps_the_mean_and_what_has_its_size():
    images = torch.rand(1, 3, 40, 60)
    assert resize(images, (40, 60)) is images
    assert torch.allclose(resize(images, (20, 30)).mean(), images.mean(), atol=0.01)


def test_many_images_are_painted_in_parts_and_come_out_the_same(monkeypatch):
    images = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    paint, codes, strengths = StylePainter(160), packaged_bank()[:3], torch.tensor([0.5, 1.0, 0.8])
    together = paint(images, codes, strengths)
    counts = []
    paint._generator.register_forward_pre_hook(lambda module, inputs: counts.append(len(inputs[0])))
    monkeypatch.setattr(style_paint, "BATCH_PIXELS", 2 * 96 * 96)
    assert torch.allclose(paint(images, codes, strengths), together, atol=1e-5) and counts == [2, 1]
