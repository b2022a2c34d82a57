from types import SimpleNamespace

import torch

from styleadapt.data.twin_crops import TwinCrops

from ..conftest import smooth_noise

PHOTOS = [SimpleNamespace(image=smooth_noise((90, 70), seed)) for seed in range(3)]


def test_item_n_depends_on_seed_and_n_alone():
    one, same, other = (TwinCrops([PHOTOS], [1], 32, seed=seed) for seed in (1, 1, 2))
    for key in ("clean", "twin"):
        assert one[5][key].shape == (3, 32, 32)
        assert torch.equal(one[5][key], same[5][key]) and not torch.equal(one[5][key], other[5][key])
    assert not torch.equal(one[5]["clean"], one[5]["twin"])
