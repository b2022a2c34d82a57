import numpy as np
import pytest
import torch

from styleadapt.metrics.distribution import frechet_distance, kernel_distance, mmd


def test_it_is_the_sum_over_pairs():
    """Against the definition, written as loops, on features that standardizing leaves alone."""
    torch.manual_seed(0)
    y = torch.randn(5, 3, dtype=torch.float64)
    y = (y - y.mean(0)) / y.std(0)
    x = torch.randn(4, 3, dtype=torch.float64)

    def mean(pairs):
        values = [(sum(a * b for a, b in zip(u.tolist(), v.tolist())) / 3 + 1) ** 3 for u, v in pairs]
        return sum(values) / len(values)

    within = [mean([(u, v) for i, u in enumerate(s) for j, v in enumerate(s) if i != j]) for s in (x, y)]
    expected = sum(within) - 2 * mean([(u, v) for u in x for v in y])
    assert kernel_distance(x, y) == pytest.approx(expected, rel=1e-9)


def test_it_grows_with_the_distance_and_is_near_0_for_one_distribution():
    torch.manual_seed(0)
    x, y = torch.randn(2, 300, 8)
    distances = [kernel_distance(x + shift, y) for shift in (0, 0.5, 1)]
    assert abs(distances[0]) < 0.05 < distances[1] < distances[2]


def test_a_channel_without_spread_does_not_outweigh_the_others():
    torch.manual_seed(0)
    x, y = torch.randn(2, 50, 20)
    y[:, 0] = 0
    x[:, 0] = 0.1
    assert abs(kernel_distance(x, y)) < 0.5


def test_one_image_is_no_distribution():
    with pytest.raises(ValueError, match="got 1 and 5"):
        kernel_distance(torch.zeros(1, 3), torch.zeros(5, 3))


def test_fid_of_gaussians_by_hand():
    """Two points each: means 0 and 3, variances 2 and 8, so 9 + 2 + 8 - 2 sqrt(16) = 11."""
    x, y = torch.tensor([[-1.0], [1.0]]), torch.tensor([[1.0], [5.0]])
    assert frechet_distance(x, y) == pytest.approx(11)


@pytest.mark.parametrize(("images", "channels"), [(12, 5), (6, 9)])
def test_fid_agrees_with_the_root_of_the_covariances_product(images, channels):
    from scipy.linalg import sqrtm

    torch.manual_seed(0)
    x, y = torch.randn(images, channels), 2 * torch.randn(images + 3, channels) + 1
    s, r = (np.cov(z.double().numpy().T) for z in (x, y))
    expected = float((x.mean(0) - y.mean(0)).square().sum()) + np.trace(s + r - 2 * sqrtm(s @ r).real)
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-4)


class Identity(torch.nn.Module):
    """Hands torchmetrics our embeddings as if it had computed them; `num_features` is what it asks of a network."""

    num_features = 6

    def forward(self, x):
        return x.flatten(1)


def of_torchmetrics(metric, x, y):
    metric.update(y, real=True)
    metric.update(x, real=False)
    return metric.compute()


@pytest.mark.filterwarnings("ignore:Metric `Kernel")
def test_fid_and_kid_agree_with_torchmetrics():
    fids, kids = pytest.importorskip("torchmetrics.image.fid"), pytest.importorskip("torchmetrics.image.kid")
    torch.manual_seed(0)
    x, y = torch.randn(40, 6), torch.rand(40, 6) * 2 + 0.5
    metric = fids.FrechetInceptionDistance(feature=Identity(), input_img_size=(6, 1, 1)).set_dtype(torch.float64)
    assert frechet_distance(x, y) == pytest.approx(float(of_torchmetrics(metric, x.double(), y.double())), rel=1e-4)
    # a subset of all images is the whole set
    metric = kids.KernelInceptionDistance(feature=Identity(), subsets=1, subset_size=40)
    mean, _ = of_torchmetrics(metric, x, y)
    assert mmd(x, y) == pytest.approx(float(mean), rel=1e-4)


@pytest.mark.parametrize("distance", [frechet_distance, mmd, kernel_distance])
def test_equal_sets_order_and_symmetry(distance):
    torch.manual_seed(0)
    x, y = torch.randn(60, 4), torch.randn(60, 4) + 0.5
    assert distance(x, y) > 4 * abs(distance(x, x))
    assert distance(x.flip(0), y[torch.randperm(60)]) == pytest.approx(distance(x, y), rel=1e-9)
    if distance is not kernel_distance:
        assert distance(y, x) == pytest.approx(distance(x, y), rel=1e-6)
    if distance is frechet_distance:
        assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)


def test_embeddings_of_different_backbones_do_not_fit():
    with pytest.raises(ValueError, match="3 and 4 numbers"):
        frechet_distance(torch.zeros(5, 3), torch.zeros(5, 4))
