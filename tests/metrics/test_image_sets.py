import pytest
import torch
from PIL import Image

from styleadapt.images.images import image_to_tensor
from styleadapt.metrics.backbones import Backbone, load_backbone
from styleadapt.metrics.image_sets import embed_images, perceptual_matrix, unit_features
from styleadapt.metrics.perceptual import perceptual_distance

from ..conftest import smooth_noise, stripes


class Pixels(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))

    def forward(self, x):
        return {"pixels": x * self.weight}


def test_batches_do_not_matter():
    images = [smooth_noise((20, 30), seed) for seed in range(5)]
    backbone = Backbone("pixels", Pixels(), embedding_size=16)
    whole = embed_images(backbone, images, batch_size=5)
    torch.testing.assert_close(embed_images(backbone, images, batch_size=2), whole)
    assert whole.shape == (5, 3)
    with pytest.raises(ValueError, match="got none"):
        embed_images(backbone, [])


def test_resizing_does_not_alias():
    """Black and white columns of one pixel are gray at a third of the size; every third column alone would be striped."""
    columns = Image.new("RGB", (96, 96))
    columns.paste((255, 255, 255), (0, 0, 96, 96), Image.frombytes("L", (96, 96), bytes([0, 255] * 48) * 96))

    class Spread(Pixels):
        def forward(self, x):
            return {"spread": (x * self.weight).std((2, 3), keepdim=True)}

    assert float(embed_images(Backbone("spread", Spread(), embedding_size=32), [columns]).max()) < 0.1
    assert float(embed_images(Backbone("spread", Spread()), [columns]).min()) > 0.9


def test_the_matrix_holds_the_perceptual_distance_of_every_pair():
    backbone = load_backbone()
    images = [smooth_noise((48, 32), 1), smooth_noise((48, 32), 2), stripes(48).crop((0, 0, 48, 32))]
    features = unit_features(backbone, images)
    found = perceptual_matrix(features, {layer: rows[:2] for layer, rows in features.items()})
    maps = [backbone(image_to_tensor(image)) for image in images]
    expected = torch.tensor([[float(perceptual_distance(a, b)) for b in maps[:2]] for a in maps])
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-3)
    with pytest.raises(ValueError, match="32 x 32, 48 x 32"):
        unit_features(backbone, [images[0], images[0].resize((32, 32))])
