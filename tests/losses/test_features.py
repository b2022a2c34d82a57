import sys
import types

import pytest
import torch

from styleadapt.losses.features import build_feature_network
from styleadapt.models.efficientnet import EfficientNetLite0


def test_the_embedded_network_is_the_trunk_itself():
    trunk = EfficientNetLite0()
    assert build_feature_network("efficientnet-lite0", trunk) is trunk
    with pytest.raises(ValueError, match="trunk"):
        build_feature_network("efficientnet-lite0")


def test_unknown_names_are_refused_with_the_choices():
    with pytest.raises(ValueError, match="timm:NAME"):
        build_feature_network("vgg19")


def test_vgg16_is_packaged_and_the_default():
    network = build_feature_network()
    assert list(network(torch.zeros(1, 3, 32, 32))) == ["relu1_2", "relu2_2", "relu3_3", "relu4_3"]
    assert not any(p.requires_grad for p in network.parameters())


@pytest.fixture
def torchvision(monkeypatch):
    """A stand-in for what we call of it: it does not load beside every torch."""
    preset = types.SimpleNamespace(mean=[0.5] * 3, std=[0.5] * 3)
    weights = types.SimpleNamespace(DEFAULT=types.SimpleNamespace(transforms=lambda: preset))

    def get_model_weights(name):
        if name not in ("vgg16", "resnet18"):
            raise ValueError(f"Unknown model {name}")
        return weights

    def get_model(name, weights):
        layers = [torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.MaxPool2d(2), torch.nn.Conv2d(4, 8, 3, padding=1)]
        network = torch.nn.Module()
        network.features = torch.nn.Sequential(*layers, torch.nn.ReLU(), torch.nn.MaxPool2d(2))
        return network

    models = types.ModuleType("torchvision.models")
    models.get_model_weights, models.get_model = get_model_weights, get_model
    package = types.ModuleType("torchvision")
    package.models = models
    monkeypatch.setitem(sys.modules, "torchvision", package)
    monkeypatch.setitem(sys.modules, "torchvision.models", models)


def test_torchvisions_vggs_are_read_before_each_pooling(torchvision):
    features = build_feature_network("torchvision:vgg16")(torch.zeros(1, 3, 16, 16))
    assert [tuple(f.shape[1:]) for f in features.values()] == [(4, 16, 16), (8, 8, 8)]


@pytest.mark.parametrize("name, reason", [("resnet18", "VGGs"), ("vgg99", "no model")])
def test_other_models_of_torchvision_are_refused(torchvision, name, reason):
    with pytest.raises(ValueError, match=reason):
        build_feature_network(f"torchvision:{name}")


def test_a_transformers_backbone_from_a_folder(tmp_path):
    """A tiny ResNet with random weights stands in for one from the Hub."""
    transformers = pytest.importorskip("transformers")
    config = transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
    transformers.ResNetModel(config).save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(
        '{"image_processor_type": "ConvNextImageProcessor", "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}'
    )
    network = build_feature_network(f"transformers:{tmp_path}")
    features = network(torch.zeros(1, 3, 64, 64))
    assert [f.shape[1] for f in features.values()] == [8, 8, 16]
    assert not any(p.requires_grad for p in network.parameters())


def make_timm():
    """timm with random weights, or a stand-in for what we call of it, which may not be installed."""
    try:
        import timm
    except ImportError:
        timm = types.ModuleType("timm")
        stages = [torch.nn.Conv2d(3, 4, 3, 2, 1), torch.nn.Conv2d(4, 8, 3, 2, 1)]

        class Backbone(torch.nn.Sequential):
            def forward(self, x):
                return [x := stage(x) for stage in self]

        timm.create_model = lambda name, pretrained, features_only: Backbone(*stages)
        resolved = {"mean": (0.5, 0.25, 0.0), "std": (0.5, 0.5, 1.0)}
        timm.data = types.SimpleNamespace(resolve_data_config=lambda args, model: resolved)
    return timm


def test_a_timm_backbone(monkeypatch):
    timm = make_timm()
    create, asked = timm.create_model, []

    def random_weights(name, pretrained, features_only):
        asked.append((name, pretrained, features_only))
        return create(name, pretrained=False, features_only=True)

    monkeypatch.setattr(timm, "create_model", random_weights)
    monkeypatch.setitem(sys.modules, "timm", timm)
    network = build_feature_network("timm:resnet10t")
    assert asked == [("resnet10t", True, True)] and not any(p.requires_grad for p in network.parameters())
    x = torch.rand(1, 3, 64, 64) * 2 - 1
    mean, std = (torch.tensor(timm.data.resolve_data_config({}, model=network.network)[key]) for key in ("mean", "std"))
    expected = network.network(((x + 1) / 2 - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1))
    features = network(x)
    assert list(features) == [f"stage{i}" for i in range(len(expected))] and len(expected) > 1
    torch.testing.assert_close(list(features.values()), list(expected))


def test_a_missing_timm_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ImportError, match="feature network timm:vgg19 needs the package timm: pip install timm"):
        build_feature_network("timm:vgg19")
