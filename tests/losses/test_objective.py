import pytest
import torch

from styleadapt.losses.objective import LossWeights, StyleAwareObjective
from styleadapt.models.efficientnet import EfficientNetLite0
from styleadapt.models.vgg16 import load_vgg16


@pytest.fixture
def setting():
    torch.manual_seed(0)
    trunk = EfficientNetLite0()
    photo, style = torch.rand(2, 3, 64, 64) * 2 - 1, torch.rand(2, 3, 64, 64) * 2 - 1
    return trunk, photo, style


def targets(objective, trunk, photo, style):
    return objective.content_target(photo, trunk(photo)), objective.style_target(style, trunk(style))


def test_the_sum_is_the_weighted_figures(setting):
    trunk, photo, style = setting
    weights = LossWeights(gram=2, mean_std=3, color=4, content=5, structure=6, tone=8, variation=7)
    objective = StyleAwareObjective(weights)
    loss, figures = objective(photo, trunk(photo), *targets(objective, trunk, photo, style), torch.eye(3))
    expected = sum(getattr(weights, name) * value for name, value in figures.items())
    torch.testing.assert_close(loss, expected)
    assert figures["content"] < 1e-6 and figures["structure"] < 1e-5 and figures["gram"] > 0


def test_style_only_leaves_the_content_out(setting):
    trunk, photo, style = setting
    objective = StyleAwareObjective(LossWeights(gram=1, mean_std=0))
    content, target = targets(objective, trunk, photo, style)
    _, figures = objective(photo, trunk(photo), content, target, torch.eye(3))
    torch.testing.assert_close(objective.style_only(trunk(photo), target), figures["gram"])


def test_another_network_is_asked_for_its_layers_where_it_is():
    """A network without memory stands in for one on a GPU: images from elsewhere would be refused."""

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = torch.nn.Conv2d(3, 4, 3, device="meta")

        def forward(self, x):
            return {"first": self.conv(x), "second": x, "third": x}

    objective = StyleAwareObjective.for_network(LossWeights(), Network())
    assert objective.style_layers == ("first", "second", "third")
    assert objective.content_layers == ("second",) and objective.structure_layer == "second"


def test_vgg16_is_read_at_all_its_depths():
    network = load_vgg16(depth=3)
    objective = StyleAwareObjective.for_network(LossWeights(), network)
    assert objective.style_layers == ("relu1_2", "relu2_2", "relu3_3")
    assert objective.content_layers == ("relu3_3",) and objective.structure_layer == "relu2_2"
    assert objective.structure_size == 32


def test_a_negative_weight_is_refused_by_name():
    with pytest.raises(ValueError, match="`color`"):
        LossWeights(color=-1)
