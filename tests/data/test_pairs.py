import numpy as np
import pytest
import torch

from styleadapt.data.pairs import PairDataset, PairMaker
from styleadapt.data.sources import open_source


@pytest.fixture
def pairs(image_folders):
    photos, styles = map(open_source, image_folders)
    return PairDataset(styles, PairMaker(photos, 32, (40, 60), (40, 60)), seed=3, length=10)


def test_a_pair_depends_on_its_number_alone(pairs):
    first, again, other = pairs[4], pairs[4], pairs[5]
    assert first["photo"].shape == first["style"].shape == (3, 32, 32)
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["photo"], other["photo"])
    with pytest.raises(IndexError):
        pairs[10]


def test_an_unreadable_style_gives_way_to_another(pairs, image_folders):
    for file in sorted(image_folders[1].iterdir())[:2]:
        file.write_bytes(b"broken")
    styles = {float(pairs[n]["style"].sum()) for n in range(10)}
    assert len(styles) > 1 and 1 <= len(pairs.styles.unreadable) <= 2


def test_colors_are_changed_where_it_is_asked_for(image_folders):
    photos, styles = map(open_source, image_folders)
    makers = [PairMaker(photos, 32, (40, 60), (40, 60), jitter) for jitter in (0.0, 1.0)]
    plain, changed = (make(styles[0], np.random.default_rng(0))["style"] for make in makers)
    assert not torch.equal(plain, changed)
