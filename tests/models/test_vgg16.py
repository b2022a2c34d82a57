import pytest
import torch
import torch.nn.functional as F

from styleadapt.models.vgg16 import VGG16, load_vgg16


@pytest.fixture(scope="module")
def network():
    return load_vgg16()


def test_shapes_strides_and_names(network):
    features = network(torch.zeros(2, 3, 64, 48))
    assert {name: tuple(f.shape) for name, f in features.items()} == {
        "relu1_2": (2, 64, 64, 48),
        "relu2_2": (2, 128, 32, 24),
        "relu3_3": (2, 256, 16, 12),
        "relu4_3": (2, 512, 8, 6),
    }
    assert network.layers == tuple(features)


def test_it_is_frozen_and_lets_gradients_through(network):
    image = torch.rand(1, 3, 32, 32, requires_grad=True)
    sum(f.mean() for f in network(image).values()).backward()
    assert image.grad.abs().sum() > 0
    assert not any(p.requires_grad for p in network.parameters())


def test_it_reads_blue_green_red_around_the_means_of_imagenet(network):
    """By hand, in plain operations, from the first convolution's weights."""
    image = torch.rand(1, 3, 16, 16) * 2 - 1
    pixels = (image + 1) / 2 * 255
    prepared = torch.stack([pixels[:, 2] - 103.939, pixels[:, 1] - 116.779, pixels[:, 0] - 123.68], 1)
    first, second = (network.convolutions[f"conv1_{n}"] for n in (1, 2))
    expected = prepared
    for layer in (first, second):
        expected = F.conv2d(expected, layer.weight, layer.bias, padding=1).relu()
    torch.testing.assert_close(network(image)["relu1_2"], expected, rtol=1e-4, atol=1e-3)


def test_the_weights_are_trained_ones(network):
    """Filters of a trained first layer are smooth: neighbors of a kernel agree, which random ones do not."""
    kernels = network.convolutions["conv1_1"].weight.flatten(0, 1)
    center, neighbors = kernels[:, 1, 1], kernels[:, [0, 1, 1, 2], [1, 0, 2, 1]].mean(1)
    assert torch.corrcoef(torch.stack([center, neighbors]))[0, 1] > 0.4
    ours = network(torch.rand(1, 3, 64, 64) * 2 - 1)["relu4_3"]
    assert 0.05 < float((ours > 0).float().mean()) < 0.6


def test_half_precision_sees_the_same(network):
    image = F.interpolate(torch.rand(1, 3, 8, 8) * 2 - 1, size=64, mode="bicubic").clamp(-1, 1)
    half = load_vgg16(torch.bfloat16)
    for name, exact in network(image).items():
        seen = half(image)[name]
        assert seen.dtype == torch.bfloat16
        assert (seen.float() - exact).square().mean() < 1e-3 * exact.square().mean()


@pytest.mark.parametrize("depth, last", [(1, "relu1_2"), (3, "relu3_3")])
def test_fewer_stages_see_the_same(network, depth, last):
    image = torch.rand(1, 3, 32, 32) * 2 - 1
    shallow = load_vgg16(depth=depth)
    assert shallow.layers[-1] == last
    torch.testing.assert_close(shallow(image)[last], network(image)[last])


def test_bad_depths_are_refused():
    with pytest.raises(ValueError, match="`depth` is 5"):
        VGG16(depth=5)


def test_a_package_without_the_weights_says_where_they_should_be(monkeypatch, tmp_path):
    monkeypatch.setattr("styleadapt.models.vgg16.resources.files", lambda package: tmp_path)
    with pytest.raises(FileNotFoundError, match="conv4_3.safetensors"):
        load_vgg16()
