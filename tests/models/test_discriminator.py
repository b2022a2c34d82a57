import pytest
import torch

from styleadapt.models.discriminator import StyleDiscriminator


@pytest.fixture
def discriminator():
    torch.manual_seed(0)
    return StyleDiscriminator(channels=(4, 8), code_dim=16)


def test_two_scales_of_patches_and_their_features(discriminator):
    out = discriminator(torch.randn(2, 3, 64, 96), torch.randn(2, 16))
    assert [tuple(l.shape) for l in out.logits] == [(2, 1, 16, 24), (2, 1, 4, 6)]
    assert out.cam_logits.shape == (2, 4)
    assert list(out.features) == ["local0", "local1", "global0", "global1"]


def test_the_local_scale_sees_small_patches_only(discriminator):
    """A far corner may reach a patch logit through the CAM weights alone, which do not depend on the image."""
    x, code = torch.randn(1, 3, 64, 64), torch.randn(1, 16)
    changed = x.clone()
    changed[..., 56:, 56:] += 3
    discriminator.eval()
    before, after = discriminator(x, code), discriminator(changed, code)
    torch.testing.assert_close(before.logits[0][..., :8, :8], after.logits[0][..., :8, :8])
    assert not torch.allclose(before.logits[0][..., -1, -1], after.logits[0][..., -1, -1])


def test_logits_depend_on_the_claimed_style(discriminator):
    x = torch.randn(1, 3, 64, 64)
    discriminator.eval()
    one, other = (discriminator(x, code).logits[0] for code in (torch.ones(1, 16), -torch.ones(1, 16)))
    assert not torch.allclose(one, other)


def test_convolutions_are_spectrally_normalized(discriminator):
    for _ in range(50):
        discriminator(torch.randn(1, 3, 64, 64), torch.randn(1, 16))
    for scale in (discriminator.local_scale, discriminator.global_scale):
        for layer in (*scale.convs, scale.patch, scale.project, scale.cam.average):
            assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2) < 1.05


def test_gradients_reach_images_and_parameters(discriminator):
    x = torch.randn(1, 3, 64, 64, requires_grad=True)
    out = discriminator(x, torch.randn(1, 16))
    (sum(l.square().mean() for l in out.logits) + out.cam_logits.square().mean()).backward()
    assert x.grad.abs().sum() > 0
    assert all(p.grad is not None and p.grad.isfinite().all() for p in discriminator.parameters())


@torch.inference_mode()
def test_bf16_stays_close(discriminator):
    x, code = torch.randn(1, 3, 64, 64), torch.randn(1, 16)
    whole = discriminator.eval()(x, code)
    rough = discriminator.bfloat16()(x.bfloat16(), code.bfloat16())
    for ours, theirs in zip((*rough.logits, rough.cam_logits), (*whole.logits, whole.cam_logits)):
        assert ours.dtype == torch.bfloat16
        torch.testing.assert_close(ours.float(), theirs, atol=0.05, rtol=0.05)


@torch.inference_mode()
def test_odd_sizes_are_judged_whole(discriminator):
    out = discriminator(torch.randn(1, 3, 1031, 769), torch.randn(1, 16))
    assert [tuple(l.shape) for l in out.logits] == [(1, 1, 257, 192), (1, 1, 64, 48)]
    assert all(l.isfinite().all() for l in (*out.logits, out.cam_logits))


def test_freeze_lower_freezes_only_the_first_convolutions(discriminator):
    discriminator.freeze_lower(1)
    frozen = {name for name, p in discriminator.named_parameters() if not p.requires_grad}
    assert frozen and all(".convs.0." in name for name in frozen)


def test_too_small_an_image_is_refused_with_the_number(discriminator):
    with pytest.raises(ValueError, match="16 px"):
        discriminator(torch.randn(1, 3, 8, 8), torch.randn(1, 16))


def test_save_and_load_keep_the_spectral_norm(discriminator, tmp_path):
    discriminator(torch.randn(1, 3, 64, 64), torch.randn(1, 16))
    discriminator.save_pretrained(tmp_path)
    again = StyleDiscriminator.from_pretrained(tmp_path)
    x, code = torch.randn(1, 3, 64, 64), torch.randn(1, 16)
    torch.testing.assert_close(discriminator.eval()(x, code).logits[0], again(x, code).logits[0])
