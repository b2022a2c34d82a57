import math

import pytest
import torch
from PIL import Image, ImageChops

from styleadapt.adaptation.refinement import RefinementConfig, refine
from styleadapt.adaptation.refinement_budget import RefinementBudget
from styleadapt.images.images import image_to_tensor
from styleadapt.losses.objective import LossWeights
from styleadapt.losses.style import gram_loss, style_statistics
from styleadapt.models.vgg16 import VGG16, load_vgg16

from ..conftest import smooth_noise, stripes

TINY = RefinementConfig(sides=(64, 96))


@pytest.fixture(scope="module")
def network() -> VGG16:
    return load_vgg16(depth=2)


@pytest.fixture
def photo() -> Image.Image:
    return smooth_noise((108, 84), seed=1)


def after(steps: int, photo, painting, network, picture=None, **options) -> Image.Image:
    budget = RefinementBudget(steps=steps)
    return refine(picture or photo, photo, [painting], network, budget, **{"config": TINY, **options})


def style_distance(image: Image.Image, style: Image.Image, network: VGG16) -> float:
    found, wanted = (style_statistics(network(image_to_tensor(i))) for i in (image, style))
    return float(gram_loss(found, wanted))


def change(one: Image.Image, other: Image.Image) -> float:
    histogram = ImageChops.difference(one, other).convert("L").histogram()
    return sum(level * count for level, count in enumerate(histogram)) / sum(histogram)


def test_it_comes_nearer_to_the_style_step_by_step(network, photo, painting):
    seen = []
    result = after(10, photo, painting, network, callback=seen.append)
    assert [progress.step for progress in seen] == list(range(11))
    assert math.isnan(seen[0].loss) and seen[-1].loss < 0.7 * seen[1].loss
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions) and fractions[0] == 0 and fractions[-1] == 1
    assert seen[0].seconds_left == math.inf and seen[-1].seconds_left == 0
    assert style_distance(result, painting, network) < 0.7 * style_distance(photo, painting, network)
    assert result.size == photo.size and result.mode == "RGB"


def test_without_weight_on_the_style_the_photo_stays(network, photo, painting):
    off = dict.fromkeys(("gram", "mean_std", "color", "tone", "variation"), 0.0)
    kept = RefinementConfig(sides=(64, 96), losses=LossWeights(**off, content=1.0, structure=1.0))
    assert change(after(6, photo, painting, network, config=kept), photo) < 1
    assert change(after(6, photo, painting, network), photo) > 5


def test_the_same_call_gives_the_same_picture_and_leaves_random_state_and_network_alone(network, photo, painting):
    state, weights = torch.get_rng_state(), [p.clone() for p in network.parameters()]
    one, other = (after(4, photo, painting, network) for _ in range(2))
    assert one.tobytes() == other.tobytes() != photo.tobytes()
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(p, w) and p.grad is None for p, w in zip(network.parameters(), weights))


@pytest.mark.parametrize("size", [(1, 1), (130, 3), (400, 300)])
def test_every_size_comes_back(network, painting, size):
    assert after(2, smooth_noise(size, 0), painting, network).size == size


def test_a_large_picture_keeps_the_detail_that_no_size_worked_at_shows(network, painting):
    photo = smooth_noise((256, 192), 0)
    fine = stripes(256, 4).crop((0, 0, 256, 192))
    result = after(2, photo, painting, network, picture=fine)
    edges = [sum(image.convert("L").getpixel((x, 96)) > 128 for x in range(0, 256)) for image in (fine, result)]
    assert edges[1] == pytest.approx(edges[0], rel=0.3)


@pytest.mark.parametrize("at", [0, 3])
def test_stop_keeps_the_best_so_far(network, photo, painting, at):
    previews = []

    def stop_then(progress):
        if progress.step == at:
            previews.append(progress.preview())
            progress.stop()

    result = after(40, photo, painting, network, callback=stop_then)
    assert len(previews) == 1 and previews[0].size == (82, 64)  # the coarse level's
    assert result.size == photo.size
    assert (change(result, photo) < 0.01) is (at == 0)


def test_a_loss_that_is_not_finite_keeps_the_best_so_far(network, photo, painting):
    class Failing(VGG16):
        """Sees NaN from the fourth picture with a gradient on."""

        def __init__(self):
            super().__init__(depth=2)
            self.seen = 0

        def forward(self, x):
            self.seen += x.requires_grad
            features = network(x)
            return {name: f * math.nan for name, f in features.items()} if self.seen > 3 else features

    seen = []
    result = after(8, photo, painting, Failing(), callback=seen.append)
    assert seen[-1].step == 3 and math.isfinite(seen[-1].loss)
    assert result.size == photo.size and change(result, photo) > 1


def test_going_on_is_sensible(network, photo, painting):
    first = after(8, photo, painting, network)
    second = after(8, photo, painting, network, picture=first, resume=True)
    start, once, twice = (style_distance(image, painting, network) for image in (photo, first, second))
    assert twice < once < 0.8 * start


def test_seconds_are_kept(network, photo, painting):
    seen = []
    refine(photo, photo, [painting], network, RefinementBudget(seconds=1.5), config=TINY, callback=seen.append)
    assert seen[-1].step >= 1 and seen[0].seconds_left <= 1.5


def test_several_styles_are_blended_by_weight(network, photo, painting):
    other = smooth_noise((96, 96), 5)
    budget, options = RefinementBudget(steps=3), {"config": TINY}
    alone = refine(photo, photo, [painting], network, budget, **options)
    blended = refine(photo, photo, [painting, other], network, budget, style_weights=[2, 0], **options)
    mixed = refine(photo, photo, [painting, other], network, budget, style_weights=[1, 1], **options)
    assert change(alone, blended) < 1 < change(alone, mixed)


def test_strength_goes_part_of_the_way(network, photo, painting):
    distances = [style_distance(after(6, photo, painting, network, strength=s), painting, network) for s in (0.3, 1.0)]
    assert distances[1] < distances[0] < style_distance(photo, painting, network)


@pytest.mark.parametrize(
    ("name", "value"),
    [("sides", ()), ("sides", (512, 256)), ("sides", (32,)), ("style_scales", ()), ("style_scales", (0.0,)), ("learning_rate", 0)]
    + [("photo_share", 1.5)]
    + [("learning_rate", math.nan), ("layers", 0)],
)
def test_settings_that_cannot_be_are_refused(name, value):
    with pytest.raises(ValueError, match=f"`{name}` is"):
        RefinementConfig(**{name: value})
