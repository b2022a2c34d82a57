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
