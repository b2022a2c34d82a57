import pytest
import torch

from styleadapt.metrics.perceptual import art_distance, perceptual_distance


def maps(*values):
    """Two layers of one position, and of the same features whatever their length."""
    features = torch.tensor(values)[None, :, None, None]
    return {"one": features, "other": 7 * features}


def test_known_angles():
    assert float(perceptual_distance(maps(1.0, 0.0), maps(3.0, 0.0))) == pytest.approx(0)
    assert float(perceptual_distance(maps(1.0, 0.0), maps(0.0, 1.0))) == pytest.approx(2)
    assert float(perceptual_distance(maps(1.0, 0.0), maps(1.0, 1.0))) == pytest.approx(2 - 2**0.5)


def test_each_image_of_a_batch_has_its_own():
    x, y = torch.rand(2, 3, 4, 5, 5)
    both = perceptual_distance({"one": x}, {"one": y})
    alone = torch.cat([perceptual_distance({"one": u[None]}, {"one": v[None]}) for u, v in zip(x, y)])
    torch.testing.assert_close(both, alone)


def test_art_distance_is_1_at_best_and_grows_with_either_distance():
    assert art_distance(0, 0) == 1
    assert art_distance(0.5, 3) == 6 and art_distance(0.6, 3) > 6 < art_distance(0.5, 4)
