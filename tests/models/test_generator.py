import pytest
import torch

from styleadapt.models.generator import StyleGenerator

from ..conftest import TINY_GENERATOR


@pytest.fixture
def generator():
    torch.manual_seed(0)
    return StyleGenerator(**TINY_GENERATOR).eval()


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (7, 5), (16, 16), (33, 47), (100, 64), (1031, 769)])
def test_any_size_comes_back_finite_and_in_range(generator, size):
    with torch.inference_mode():
        out = generator(torch.rand(1, 3, *size) * 2 - 1, torch.randn(1, 16))
    assert out.sample.shape == (1, 3, *size)
    assert out.sample.isfinite().all() and out.sample.abs().max() <= 1
    assert out.cam_logits.shape == (1, 2)


def test_a_batch_is_its_images_one_by_one(generator):
    x, code = torch.rand(2, 3, 40, 40) * 2 - 1, torch.randn(2, 16)
    with torch.inference_mode():
        both = generator(x, code).sample
        torch.testing.assert_close(both[1:], generator(x[1:], code[1:]).sample, atol=1e-4, rtol=1e-4)


def test_channels_last_changes_nothing(generator):
    x, code = torch.rand(1, 3, 64, 48) * 2 - 1, torch.randn(1, 16)
    with torch.inference_mode():
        plain = generator(x, code).sample
        generator.to(memory_format=torch.channels_last)
        last = generator(x.contiguous(memory_format=torch.channels_last), code).sample
    torch.testing.assert_close(plain, last, atol=1e-4, rtol=1e-4)


def test_photo_and_style_both_matter(generator):
    x, code = torch.rand(1, 3, 64, 64) * 2 - 1, torch.randn(1, 16)
    with torch.inference_mode():
        out = generator(x, code).sample
        assert (out - generator(x.flip(3), code).sample).abs().mean() > 1e-3
        assert (out - generator(x, -code).sample).abs().mean() > 1e-3


def test_every_parameter_gets_a_gradient(generator):
    out = generator(torch.rand(2, 3, 64, 64) * 2 - 1, torch.randn(2, 16))
    (out.sample.square().mean() + out.cam_logits.square().mean()).backward()
    without = [name for name, p in generator.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert without == []
    silent = [name for name, p in generator.named_parameters() if p.grad.abs().max() == 0]
    assert silent == []


def test_bf16_autocast_stays_close(generator):
    x, code = torch.rand(1, 3, 64, 64) * 2 - 1, torch.randn(1, 16)
    with torch.inference_mode():
        exact = generator(x, code).sample
        with torch.autocast("cpu", torch.bfloat16):
            rough = generator(x, code).sample.float()
    assert (exact - rough).abs().mean() < 0.02


def test_bf16_weights_run(generator):
    with torch.inference_mode():
        out = generator.to(torch.bfloat16)(torch.rand(1, 3, 33, 47).bfloat16(), torch.randn(1, 16).bfloat16())
    assert out.sample.dtype == torch.bfloat16 and out.sample.isfinite().all()


def test_wrong_channels_are_refused_by_name():
    with pytest.raises(ValueError, match="`channels`"):
        StyleGenerator(channels=(8, 8, 8))


def test_default_size_stays_in_its_budget():
    assert sum(p.numel() for p in StyleGenerator().parameters()) <= 3_000_000


def test_no_checkerboard_in_a_flat_area(generator):
    """A flat photo has no phase: pixels 1, 2, 4 or 8 apart may not differ in the middle of the picture."""
    with torch.inference_mode():
        out = generator(torch.full((1, 3, 128, 128), 0.2), torch.randn(1, 16)).sample[..., 48:80, 48:80]
    assert float(out.std((2, 3)).max()) < 1e-3


def test_gradient_checkpointing_changes_no_gradient(generator):
    gradients = []
    for _ in range(2):
        generator.zero_grad()
        generator(torch.linspace(-1, 1, 3 * 32 * 32).view(1, 3, 32, 32), torch.ones(1, 16)).sample.sum().backward()
        gradients.append([p.grad.clone() for p in generator.parameters()])
        generator.enable_gradient_checkpointing()
    assert all(torch.equal(a, b) for a, b in zip(*gradients))


def test_kernels_follow_the_code_of_each_image_and_start_without_a_change():
    plain = StyleGenerator(**TINY_GENERATOR).eval()
    following = plain.with_kernels(3)
    assert not following.training and following.config.kernel_rank == 3
    photos, codes = torch.rand(2, 3, 40, 48) * 2 - 1, torch.randn(2, TINY_GENERATOR["code_dim"])
    torch.testing.assert_close(following(photos, codes).sample, plain(photos, codes).sample)
    with torch.no_grad():
        for name, parameter in following.named_parameters():
            if name.endswith("basis_out"):
                parameter.normal_()
    together = following(photos, codes).sample
    assert (together - plain(photos, codes).sample).abs().max() > 1e-3
    apart = torch.cat([following(photos[n : n + 1], codes[n : n + 1]).sample for n in range(2)])
    torch.testing.assert_close(together, apart, rtol=1e-4, atol=1e-4)


def test_a_higher_rank_of_kernels_goes_on_from_the_lower_one():
    generator = StyleGenerator(**TINY_GENERATOR, kernel_rank=2).eval()
    with torch.no_grad():
        for name, parameter in generator.named_parameters():
            if name.endswith("basis_out"):
                parameter.normal_()
    photos, codes = torch.rand(2, 3, 40, 48) * 2 - 1, torch.randn(2, TINY_GENERATOR["code_dim"])
    higher = generator.with_kernels(5)
    assert higher.blocks8[0].kernel1.basis_in.shape[0] == 5
    torch.testing.assert_close(higher(photos, codes).sample, generator(photos, codes).sample, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rank, already", [(0, 0), (2, 2), (1, 2)])
def test_kernels_are_given_a_higher_rank_alone(rank, already):
    with pytest.raises(ValueError, match="rank"):
        StyleGenerator(**TINY_GENERATOR, kernel_rank=already).with_kernels(rank)
