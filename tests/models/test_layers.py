import pytest
import torch
import torch.nn.functional as F

from styleadapt.models.layers import AdaLIN, AdaLINBlock, ClassActivationMap, StyleNoise, channel_moments


def test_channel_moments_are_mean_and_biased_variance():
    x = torch.randn(2, 3, 7, 5) * 3 + 1
    mean, variance = channel_moments(x)
    torch.testing.assert_close(mean, x.mean((2, 3)))
    torch.testing.assert_close(variance, x.var((2, 3), correction=0))


def test_channel_moments_of_a_constant_map_have_no_negative_variance():
    assert (channel_moments(torch.full((1, 4, 9, 9), 7.3))[1] >= 0).all()


def _reference_adalin(layer: AdaLIN, x, code):
    """The textbook form: both normalizations written out, then mixed."""
    gamma, beta = layer.affine(code).chunk(2, 1)
    instance = (x - x.mean((2, 3), keepdim=True)) / torch.sqrt(x.var((2, 3), keepdim=True, correction=0) + layer.eps)
    whole = (x - x.mean((1, 2, 3), keepdim=True)) / torch.sqrt(x.var((1, 2, 3), keepdim=True, correction=0) + layer.eps)
    rho = layer.rho.clamp(0, 1)[None, :, None, None]
    return (1 + gamma)[..., None, None] * (rho * instance + (1 - rho) * whole) + beta[..., None, None]


@pytest.mark.parametrize("rho", [0.0, 0.3, 1.0, 1.7])
def test_adalin_equals_the_textbook_form(rho):
    torch.manual_seed(0)
    layer = AdaLIN(6, 4)
    layer.rho.data.fill_(rho)
    x, code = torch.randn(3, 6, 8, 5) * 2 + 1, torch.randn(3, 4)
    torch.testing.assert_close(layer(x, code), _reference_adalin(layer, x, code), atol=1e-5, rtol=1e-5)


def test_adalin_gives_each_image_its_own_style():
    layer = AdaLIN(6, 4)
    x, codes = torch.randn(2, 6, 8, 8), torch.randn(2, 4)
    both = layer(x, codes)
    torch.testing.assert_close(both[1:], layer(x[1:], codes[1:]))
    assert not torch.allclose(layer(x[:1], codes[:1]), layer(x[:1], codes[1:]))


def test_block_adds_to_its_input():
    block = AdaLINBlock(6, 4)
    for parameter in block.norm2.parameters():
        parameter.data.zero_()
    block.norm2.affine.bias.data[:6] = -1  # gain 0
    x = torch.randn(1, 6, 8, 8)
    torch.testing.assert_close(block(x, torch.zeros(1, 4)), x)


def test_cam_equals_the_two_maps_fused_one_after_the_other():
    torch.manual_seed(0)
    cam, x = ClassActivationMap(5), torch.randn(2, 5, 6, 7)
    attended, logits, heat = cam(x)
    w_avg, w_max = (m.weight.view(1, -1, 1, 1) for m in (cam.average, cam.maximum))
    plain = F.relu(cam.fuse(torch.cat([x * w_avg, x * w_max], 1)))
    torch.testing.assert_close(attended, plain, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(logits[:, :1], cam.average(x.mean((2, 3))))
    torch.testing.assert_close(logits[:, 1:], cam.maximum(x.amax((2, 3))))
    torch.testing.assert_close(heat, plain.sum(1, keepdim=True), atol=1e-5, rtol=1e-5)


def test_noise_is_the_same_every_time_and_shifted_in_training():
    noise = StyleNoise(3, 4).eval()
    torch.nn.init.ones_(noise.gain.bias)
    x, code = torch.zeros(1, 3, 100, 30), torch.zeros(1, 4)
    first = noise(x, code)
    assert torch.equal(first, noise(x, code))
    assert torch.equal(first[..., :36, :30], first[..., 64:, :30])  # the tile repeats
    torch.manual_seed(0)
    assert not torch.equal(noise.train()(x, code), first)


def test_noise_is_scaled_by_the_code_and_not_saved():
    noise = StyleNoise(3, 4).eval()
    torch.nn.init.normal_(noise.gain.weight)
    x, code = torch.zeros(1, 3, 8, 8), torch.randn(1, 4)
    torch.testing.assert_close(noise(x, 2 * code), 2 * noise(x, code))
    assert set(noise.state_dict()) == {"gain.weight", "gain.bias"}


def test_a_style_kernel_is_the_kernel_and_a_low_rank_change_by_hand():
    from styleadapt.models.layers import StyleKernel

    torch.manual_seed(0)
    conv = torch.nn.Conv2d(4, 4, 3, padding=1, padding_mode="replicate", bias=False)
    follows, code = StyleKernel(4, 5, rank=2), torch.randn(1, 5)
    torch.nn.init.normal_(follows.basis_out)
    amounts = follows.affine(code)[0]
    expected = conv.weight.clone()
    for out in range(4):
        for direction in range(2):
            expected[out] = (
                expected[out] + follows.basis_out[out, direction, 0, 0] * amounts[direction] * follows.basis_in[direction]
            )
    torch.testing.assert_close(follows.kernel(conv.weight, code), expected)


@pytest.mark.parametrize("dtype, tolerance", [(torch.float32, 1e-5), (torch.bfloat16, 1e-2)])
def test_a_single_map_is_normalized_as_one_of_a_batch(dtype, tolerance):
    """A single map on a CPU has gradients of our own; those of a batch are torch's."""
    torch.manual_seed(0)
    layer, code = AdaLIN(6, 4), torch.randn(1, 4)
    maps = torch.randn(1, 6, 9, 7).to(dtype).contiguous(memory_format=torch.channels_last)
    weights = torch.randn(1, 6, 9, 7)
    results = []
    for count in (1, 2):
        layer.zero_grad()
        x = maps.clone().requires_grad_()
        y = layer(x.expand(count, -1, -1, -1), code.expand(count, -1))[:1].float()
        (y * weights).sum().backward()
        results.append([y.detach(), x.grad.float(), *(p.grad.clone() for p in layer.parameters())])
    for single, of_batch in zip(*results):
        torch.testing.assert_close(single, of_batch, rtol=tolerance, atol=tolerance * float(of_batch.abs().max()))
