import pytest
import torch

from styleadapt.models.style_encoder import StyleEncoder


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return StyleEncoder(code_dim=16, hidden_dim=8).eval()


def test_code_from_images_equals_code_from_features(encoder):
    images = torch.rand(2, 3, 64, 80) * 2 - 1
    torch.testing.assert_close(encoder(images), encoder(features=encoder.trunk(images)))


def test_only_the_mapping_trains(encoder):
    assert {name.split(".")[0] for name, p in encoder.named_parameters() if p.requires_grad} == {"mapping"}


def test_gradients_reach_the_whole_mapping_and_nothing_of_the_trunk(encoder):
    encoder(torch.rand(2, 3, 64, 64) * 2 - 1).square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in encoder.mapping.parameters())
    assert all(p.grad is None for p in encoder.trunk.parameters())


@torch.inference_mode()
def test_bf16_stays_close(encoder):
    images = torch.rand(2, 3, 64, 80) * 2 - 1
    whole = encoder(images)
    rough = encoder.bfloat16()(images.bfloat16())
    assert rough.dtype == torch.bfloat16
    torch.testing.assert_close(rough.float(), whole, atol=0.02, rtol=0.05)


@torch.inference_mode()
@pytest.mark.parametrize("size", [(1, 1), (1, 33), (1031, 769)])
def test_every_size_gives_a_code(encoder, size):
    code = encoder(torch.rand(1, 3, *size) * 2 - 1)
    assert code.shape == (1, 16) and code.isfinite().all()


def test_calibration_standardizes_the_statistics(encoder):
    statistics = encoder.channel_statistics(encoder.trunk(torch.rand(8, 3, 64, 64) * 2 - 1))
    encoder.calibrate(statistics)
    standard = (statistics - encoder.center) / encoder.spread
    torch.testing.assert_close(standard.mean(0), torch.zeros_like(encoder.center), atol=1e-3, rtol=0)
    assert standard.std(0).max() <= 1.0


def test_mix_is_the_weighted_mean(encoder):
    codes = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    torch.testing.assert_close(encoder.mix(codes), torch.tensor([[0.5, 1.0]]))
    torch.testing.assert_close(encoder.mix(codes, [3, 1]), torch.tensor([[0.75, 0.5]]))


@pytest.mark.parametrize("weights, message", [([1.0], "2 style images"), ([1.0, -1.0], "sum to 0")])
def test_mix_refuses_weights_that_mean_nothing(encoder, weights, message):
    with pytest.raises(ValueError, match=message):
        encoder.mix(torch.zeros(2, 4), weights)


def test_save_and_load_give_the_same_code(encoder, tmp_path):
    encoder.calibrate(torch.randn(8, len(encoder.center)))
    encoder.save_pretrained(tmp_path)
    images = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(StyleEncoder.from_pretrained(tmp_path)(images), encoder(images))
