import math

import pytest
import torch

from styleadapt.models.gan import GANDiscriminator
from styleadapt.models.gan_heads import DiscriminatorHead, check_labels
from styleadapt.models.stylegan2 import StyleGAN2Discriminator


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def test_without_classes_there_is_one_logit():
    head, x = DiscriminatorHead(5, 0, "k+1"), torch.randn(2, 5)
    logits, classes = head(x, None)
    torch.testing.assert_close(logits, head.out(x))
    assert classes is None and not head.classifies


def test_a_projection_adds_the_inner_product_for_those_with_a_label():
    head, x = DiscriminatorHead(4, 3, "projection"), torch.randn(3, 4)
    logits, classes = head(x, torch.tensor([2, -1, 0]))
    embedding = head.embed.weight.detach()
    for n, y in enumerate((2, None, 0)):
        product = 0.0 if y is None else sum(float(x[n, i] * embedding[y, i]) for i in range(4)) / 2
        assert float(logits[n].detach()) == pytest.approx(float(head.out(x[n : n + 1]).detach()) + product, abs=1e-5)
    assert classes is None
    with pytest.raises(ValueError, match="needs `label`"):
        head(x, None)


def test_k_plus_one_is_real_by_the_log_sum_exp():
    head, x = DiscriminatorHead(4, 3, "k+1"), torch.randn(2, 4)
    logits, classes = head(x, None)
    assert head.out is None and classes.shape == (2, 3)
    for n in range(2):
        assert float(logits[n].detach()) == pytest.approx(math.log(sum(math.exp(v) for v in classes[n].tolist())), rel=1e-5)


def test_an_auxiliary_classifier_has_layers_of_its_own():
    head, x = DiscriminatorHead(4, 3, "auxiliary"), torch.randn(2, 4)
    logits, classes = head(x, torch.tensor([0, -1]))
    torch.testing.assert_close(logits, head.out(x))
    torch.testing.assert_close(classes, head.classes(x))


@pytest.mark.parametrize("head", ["k+1", "auxiliary"])
@pytest.mark.parametrize(
    "build",
    [
        lambda **o: StyleGAN2Discriminator(32, 64, 8, **o),
        lambda **o: GANDiscriminator(32, 4, **o),
        lambda **o: GANDiscriminator(32, 4, blocks="resnet", **o),
    ],
)
def test_a_discriminator_is_a_classifier_of_single_images(build, head):
    judge, x = build(num_classes=4, head=head).eval(), torch.randn(5, 3, 32, 32)
    probabilities = judge.class_probabilities(x)
    torch.testing.assert_close(probabilities.sum(1), torch.ones(5))
    torch.testing.assert_close(probabilities, judge(x).class_logits.softmax(1))
    torch.testing.assert_close(judge.class_probabilities(x[:1]), probabilities[:1], atol=1e-5, rtol=1e-4)


def test_what_does_not_classify_says_so():
    for judge in (StyleGAN2Discriminator(16, 64, 8), GANDiscriminator(32, 4, num_classes=2)):
        with pytest.raises(ValueError, match="does not classify"):
            judge.class_probabilities(torch.zeros(1, 3, 16, 16))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: DiscriminatorHead(4, -1, "k+1"), "`num_classes` is -1"),
        (lambda: DiscriminatorHead(4, 2, "softmax"), "`head` is 'softmax'"),
        (lambda: check_labels(torch.tensor([0]), 2, 3), r"shape \(2,\)"),
        (lambda: check_labels(torch.tensor([0.5]), 1, 3), "int64"),
        (lambda: check_labels(torch.tensor([-2]), 1, 3, unlabeled=True), "from -1 to 2"),
        (lambda: check_labels(torch.tensor([-1]), 1, 3), "from 0 to 2"),
        (lambda: check_labels(torch.tensor([0]), 1, 0), "without classes"),
        (lambda: DiscriminatorHead(4, 0, "k+1")(torch.zeros(1, 4), torch.tensor([0])), "without classes"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
