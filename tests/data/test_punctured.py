from types import SimpleNamespace

import torch

from styleadapt.data.punctured import PuncturedPhotos

from ..conftest import smooth_noise

PHOTOS = [SimpleNamespace(image=smooth_noise((90, 70), seed)) for seed in range(3)]


def test_item_n_depends_on_seed_and_n_alone_and_holes_are_as_asked_for():
    one, same, other = (PuncturedPhotos([PHOTOS], [1], 48, (0.1, 0.3), (0.05, 0.2), seed=seed) for seed in (1, 1, 2))
    for n in range(5):
        item = one[n]
        assert item["clean"].shape == (3, 48, 48) and item["mask"].shape == (1, 48, 48)
        assert set(item["mask"].unique().tolist()) == {0, 1} and 0.1 <= item["mask"].mean() <= 0.3
        assert torch.equal(item["clean"], same[n]["clean"]) and torch.equal(item["mask"], same[n]["mask"])
        assert not torch.equal(item["mask"], other[n]["mask"])
