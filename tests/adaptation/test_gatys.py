import pytest
import torch
from PIL import ImageChops

from styleadapt.adaptation.gatys import stylize_by_optimization
from styleadapt.losses.objective import LossWeights
from styleadapt.metrics.backbones import load_backbone
from styleadapt.metrics.embedding import load_embedded_network
from styleadapt.metrics.stylization import measure_pair

from ..conftest import smooth_noise


@pytest.fixture(scope="module")
def network():
    return load_embedded_network()


def test_it_comes_nearer_to_the_style_step_by_step(network, photo, painting):
    losses = []
    result = stylize_by_optimization(photo, painting, network, 25, callback=lambda step, loss: losses.append((step, loss)))
    assert [step for step, _ in losses] == list(range(1, 26))
    assert losses[-1][1] < 0.7 * losses[0][1]
    before, after = (measure_pair(load_backbone(), image, photo, painting) for image in (photo, result))
    assert after.gram < 0.6 * before.gram and after.mean_std < before.mean_std
    assert result.size == photo.size and result.mode == "RGB"


def test_without_weight_on_the_style_the_photo_stays(network, photo, painting):
    off = dict.fromkeys(("gram", "mean_std", "color", "tone", "variation"), 0.0)
    result = stylize_by_optimization(photo, painting, network, 5, LossWeights(**off, content=1.0, structure=1.0))
    difference = ImageChops.difference(result, photo).getextrema()
    styled = ImageChops.difference(stylize_by_optimization(photo, painting, network, 5), photo).getextrema()
    assert max(high for _, high in difference) < min(high for _, high in styled)


def test_the_same_call_gives_the_same_picture_and_leaves_random_state_and_network_alone(network, photo, painting):
    state, weights = torch.get_rng_state(), [p.clone() for p in network.parameters()]
    one, other = (stylize_by_optimization(photo, painting, network, 3) for _ in range(2))
    assert one.tobytes() == other.tobytes() != photo.tobytes()
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(p, w) and p.grad is None for p, w in zip(network.parameters(), weights))


@pytest.mark.parametrize("size", [(1, 1), (130, 3)])
def test_photos_that_are_too_small_for_the_network_come_back_in_their_size(network, painting, size):
    assert stylize_by_optimization(smooth_noise(size, 0), painting, network, 1).size == size


def test_no_steps_are_refused(network, photo, painting):
    with pytest.raises(ValueError, match="`steps` is 0"):
        stylize_by_optimization(photo, painting, network, 0)
