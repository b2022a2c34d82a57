import numpy as np
import pytest
import torch
from PIL import Image

from styleadapt.errors import SourceError
from styleadapt.metrics.classification import (
    Recipe,
    Top,
    correct_answers,
    frozen_features,
    load_trunk,
    middle_features,
    random_crops,
    read_class_folder,
    train_top,
    training_features,
)

from ..conftest import smooth_noise

RECIPE = Recipe(size=64, margin=8, copies=2, epochs=6, batch_size=8, head_lr=3e-3)


def test_a_class_folder_is_read_in_the_order_of_its_classes(tmp_path):
    for name, shade in (("b/1.png", 10), ("a/2.png", 200), ("a/1.png", 100), ("c/1.png", 50)):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        Image.new("RGB", (40, 30), (shade,) * 3).save(file)
    (tmp_path / "b" / "broken.png").write_bytes(b"nothing")
    data = read_class_folder(tmp_path, ["a", "b"], 16)
    assert data.images.shape == (3, 3, 16, 16) and data.images.dtype == torch.uint8
    assert data.images[:, 0, 0, 0].tolist() == [100, 200, 10] and data.labels.tolist() == [0, 0, 1]
    assert len(data.left_out) == 1 and "broken.png" in data.left_out[0]
    with pytest.raises(SourceError, match="no image of the class 'd'"):
        read_class_folder(tmp_path, ["a", "d"], 16)


def test_crops_are_parts_of_their_images_and_some_are_flipped():
    ramp = torch.arange(12 * 12).view(1, 1, 12, 12).expand(40, 3, -1, -1)
    crops = random_crops(ramp, 8, torch.Generator().manual_seed(0))
    steps = crops[:, 0, 0, 1] - crops[:, 0, 0, 0]
    assert crops.shape == (40, 3, 8, 8) and set(steps.tolist()) == {1, -1}
    assert (crops[:, 0, 1, 0] - crops[:, 0, 0, 0] == 12).all() and len(crops[:, 0].amin((1, 2)).unique()) > 10


def test_copies_belong_to_their_images_whatever_the_order():
    images = torch.stack([torch.full((3, 72, 72), 25 * n, dtype=torch.uint8) for n in range(10)])
    trunk = load_trunk(torch.device("cpu"))
    copies = training_features(trunk, images, RECIPE, seed=0)
    plain = middle_features(trunk, images, 64)
    assert copies.shape == (10, 2, *plain.shape[1:]) and plain.shape[1:] == (80, 4, 4)
    assert torch.allclose(copies, plain[:, None].expand_as(copies), atol=1e-3)
    dark = training_features(trunk, images, RECIPE, seed=0, augment=lambda batch: batch * 0)
    assert torch.allclose(dark, plain[:1, None].expand_as(dark), atol=1e-3)


def test_frozen_features_go_on_to_what_the_whole_trunk_gives():
    trunk = load_trunk(torch.device("cpu"))
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    top = Top(trunk, 5)
    top.head = torch.nn.Identity()
    maps = trunk(images * 2 - 1)["block11.expand"]
    whole = torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], 1)
    assert torch.allclose(top(frozen_features(trunk, images).float()), whole, atol=0.05)


def test_it_learns_what_can_be_learned_and_nothing_else():
    random = np.random.default_rng(0)
    pictures = [smooth_noise((72, 72), n, cell=4 if n % 2 else 24) for n in range(40)]
    images = torch.stack([torch.from_numpy(np.array(picture)).permute(2, 0, 1) for picture in pictures])
    labels = torch.arange(40) % 2
    trunk = load_trunk(torch.device("cpu"))
    features, middles = training_features(trunk, images, RECIPE, 0), middle_features(trunk, images, 64)
    before = {name: value.clone() for name, value in trunk.state_dict().items()}
    top = train_top(trunk, features[:28], labels[:28], RECIPE, 0)
    assert correct_answers(top, middles[28:], labels[28:]).mean() > 0.9
    again = train_top(trunk, features[:28], labels[:28], RECIPE, 0)
    assert torch.equal(top(middles.float()), again(middles.float()))
    assert all(torch.equal(value, before[name]) for name, value in trunk.state_dict().items())
    assert not torch.equal(top.blocks[0].expand.weight, trunk.blocks[6].expand.weight)
    shuffled = torch.from_numpy(random.permutation(labels.numpy()[:28]))
    confused = train_top(trunk, features[:28], shuffled, RECIPE, 0)
    assert correct_answers(confused, middles[28:], labels[28:]).mean() < 0.9
