import numpy as np
import pytest
import torch

from styleadapt.augment.rejection import Rejection

from ..conftest import smooth_noise


def batch(*images) -> torch.Tensor:
    return torch.stack([torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 127.5 - 1 for image in images])


def test_a_classifier_sees_images_from_0_to_1_and_rejects_other_names():
    seen = []

    def scores(images):
        seen.append((float(images.min()), float(images.max())))
        light = images.mean((1, 2, 3))
        return torch.stack([light, 1 - light], 1)

    light, dark = torch.full((3, 4, 4), 0.5), torch.full((3, 4, 4), -0.5)
    images = torch.stack([light, light, dark])
    results = torch.stack([light * 0.1, dark, dark * 2])
    assert Rejection(scores)(images, results).tolist() == [False, True, False]
    assert seen[0] == (0.25, 0.75)


def test_content_distance_grows_from_colors_to_another_picture():
    photo, other = smooth_noise((96, 96), 0), smooth_noise((96, 96), 7)
    image = batch(photo)
    judge = Rejection(0.5)
    same, recolored, foreign = (float(judge.distance(image, x)) for x in (image, image * 0.8 + 0.1, batch(other)))
    assert same < 1e-6 < recolored < 0.7 * foreign
    assert Rejection(foreign - 0.01)(image, batch(other)).tolist() == [True]
    assert Rejection(foreign + 0.01)(image, batch(other)).tolist() == [False]


def test_an_answer_of_another_shape_and_a_limit_of_nothing_are_refused():
    with pytest.raises(ValueError, match=r"shape \(2, 3, 4, 4\)"):
        Rejection(lambda images: images)(torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 4))
    with pytest.raises(ValueError, match="above 0"):
        Rejection(0.0)
