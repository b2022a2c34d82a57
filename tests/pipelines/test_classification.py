"""A discriminator as a classifier."""

import numpy as np
import pytest
import torch
from PIL import Image

from styleadapt.errors import ImageError, ModelLoadError
from styleadapt.models.gan import GANDiscriminator
from styleadapt.models.stylegan2 import StyleGAN2Discriminator
from styleadapt.pipelines.classification import DiscriminatorClassifier
from styleadapt.pipelines.generation import GenerationPipeline

CLASSES = ["cat", "dog", "owl"]


def discriminator(kind="gan", head="k+1"):
    torch.manual_seed(0)
    if kind == "gan":
        return GANDiscriminator(32, channels=4, num_classes=3, head=head, blocks="resnet")
    return StyleGAN2Discriminator(32, channel_base=128, num_classes=3, head=head)


def picture(size=(32, 32), seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), np.uint8))


@pytest.mark.parametrize("head", ["k+1", "auxiliary"])
@pytest.mark.parametrize("kind", ["gan", "stylegan2"])
def test_the_classes_of_an_image_by_their_probabilities(kind, head):
    network = discriminator(kind, head)
    classifier = DiscriminatorClassifier(network, CLASSES)
    (out,) = classifier(picture())
    values = torch.tensor(np.asarray(picture())).permute(2, 0, 1)[None] / 127.5 - 1
    expected = network(values.float()).class_logits[0].softmax(0)
    assert out.scores == pytest.approx(sorted(expected.tolist(), reverse=True), abs=1e-5)
    assert out.labels == [CLASSES[n] for n in expected.argsort(descending=True)]
    assert len(classifier(picture(), top_k=np.int64(2))[0].labels) == 2


def test_images_of_any_size_are_judged_by_their_middle():
    classifier = DiscriminatorClassifier(discriminator(), CLASSES)
    wide = Image.new("RGB", (96, 32))
    wide.paste(picture(), (32, 0))
    assert classifier([wide, picture()])[0].scores == pytest.approx(classifier(picture())[0].scores)
    assert len(classifier([Image.new("L", (1, 9)), Image.new("RGBA", (50, 40))])) == 2


def test_it_is_saved_and_loaded(tmp_path):
    classifier = DiscriminatorClassifier(discriminator(), CLASSES)
    classifier.save_pretrained(tmp_path / "repo")
    loaded = DiscriminatorClassifier.from_pretrained(str(tmp_path / "repo"))
    assert loaded.classes == CLASSES and loaded(picture())[0] == classifier(picture())[0]
    with pytest.raises(ModelLoadError, match="describes DiscriminatorClassifier"):
        GenerationPipeline.from_pretrained(str(tmp_path / "repo"))


def test_classes_without_names_have_numbers():
    assert DiscriminatorClassifier(discriminator()).classes == ["0", "1", "2"]


def test_what_cannot_be():
    with pytest.raises(ValueError, match="does not classify"):
        DiscriminatorClassifier(GANDiscriminator(32, channels=4))
    with pytest.raises(ValueError, match="3 different names"):
        DiscriminatorClassifier(discriminator(), ["cat", "dog"])
    classifier = DiscriminatorClassifier(discriminator(), CLASSES)
    with pytest.raises(ValueError, match="whole number from 1"):
        classifier(picture(), top_k=0)
    with pytest.raises(ImageError):
        classifier("nowhere.png")
