from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from styleadapt.data.damaged import DamagedPhotos, DamageMix, as_tensor, damage, luminance, photo_crop

from ..conftest import smooth_noise

PHOTOS = [SimpleNamespace(image=smooth_noise((90, 70), seed)) for seed in range(3)]
ONLY = {"noise": 0.0, "jpeg": 0.0, "blur": 0.0, "clean": 0.0, "gray": 0.0, "stored": 0.0, "poisson": 0.0}


def image(side=64):
    return np.asarray(smooth_noise((side, side), 1), np.float32)


def only(kind, **options):
    return DamageMix(**{**ONLY, kind: 1.0, **options})


def test_item_n_depends_on_seed_and_n_alone():
    one, same, other = (DamagedPhotos([PHOTOS], [1], 32, DamageMix(), seed=seed) for seed in (1, 1, 2))
    for key, shape in (("clean", (3, 32, 32)), ("damaged", (3, 32, 32)), ("levels", (3,))):
        assert one[5][key].shape == shape and one[5][key].dtype == torch.float32
        assert torch.equal(one[5][key], same[5][key])
    assert not torch.equal(one[5]["clean"], one[6]["clean"]) and not torch.equal(one[5]["clean"], other[5]["clean"])


def test_groups_are_drawn_by_their_weights():
    dark, light = ([SimpleNamespace(image=Image.new("RGB", (80, 80), (level,) * 3))] for level in (0, 255))
    drawn = DamagedPhotos([dark, light], [1, 3], 32, only("clean"))
    share = np.mean([float(drawn[n]["clean"].mean()) > 0 for n in range(300)])
    assert share == pytest.approx(0.75, abs=0.08)


def test_levels_say_what_the_damage_is():
    rng = np.random.default_rng(0)
    for _ in range(4):
        drawn = damage(image(200), only("noise", sigma=(5, 50)), rng)
        assert (drawn.damaged - drawn.clean).std() == pytest.approx(drawn.levels[0], rel=0.03)
        drawn = damage(image(200), only("noise", sigma=(5, 50), poisson=1.0), rng)
        assert (drawn.damaged - drawn.clean).std() == pytest.approx(drawn.levels[0], rel=0.05)
        drawn = damage(image(), only("jpeg", quality=(30, 30)), rng)
        assert drawn.levels == (0, 70, 0)
        drawn = damage(image(), only("blur", spread=(1.5, 1.5), blur_sigma=(0, 0)), rng)
        assert drawn.levels[2] == pytest.approx(1.5, rel=0.06) and drawn.levels[:2] == (0, 0)
    drawn = damage(image(), only("clean"), rng)
    assert drawn.levels == (0, 0, 0) and np.array_equal(drawn.clean, drawn.damaged)


def test_shares_are_kept():
    rng = np.random.default_rng(1)
    drawn = [damage(image(16), DamageMix(), rng).levels for _ in range(600)]
    jpeg, blurred = np.mean([levels[1] > 0 for levels in drawn]), np.mean([levels[2] > 0 for levels in drawn])
    assert jpeg == pytest.approx(0.2, abs=0.05) and blurred == pytest.approx(0.15, abs=0.05)


def test_stored_noise_is_what_a_file_holds_and_gray_noise_is_the_same_in_all_channels():
    rng = np.random.default_rng(2)
    stored = damage(image(), only("noise", sigma=(50, 50), stored=1.0), rng).damaged
    assert stored.min() >= 0 and stored.max() <= 255 and np.array_equal(stored, stored.round())
    assert damage(image(), only("noise", sigma=(50, 50)), rng).damaged.max() > 255
    for kind in ("noise", "jpeg", "blur"):
        gray = damage(image(), only(kind, gray=1.0), rng)
        assert gray.damaged.shape == gray.clean.shape == (64, 64, 3)
        assert np.array_equal(gray.damaged[..., 0], gray.damaged[..., 2])
        assert np.array_equal(gray.clean[..., :1], luminance(image()))


def test_crops_are_pieces_of_the_photo_and_small_photos_are_enlarged():
    photo = smooth_noise((90, 70), 0)
    array = np.asarray(photo, np.float32)
    crop = photo_crop(photo, 32, (1.0, 1.0), np.random.default_rng(3))
    turned = [np.rot90(side, k) for side in (crop, crop[:, ::-1]) for k in range(4)]
    windows = np.lib.stride_tricks.sliding_window_view(array, (32, 32, 3))[:, :, 0]
    assert any((windows == piece).all((2, 3, 4)).any() for piece in turned)
    for scale in ((0.5, 0.9), (0.98, 1.0)):
        assert photo_crop(smooth_noise((20, 50), 0), 48, scale, np.random.default_rng(0)).shape == (48, 48, 3)


def test_tensors_have_white_at_one_and_are_not_clipped():
    assert as_tensor(np.array([[[0.0, 255.0, 382.5]]])).flatten().tolist() == [-1, 1, 2]


@pytest.mark.parametrize(
    "values, message",
    [
        ({"noise": 1.5}, "`noise` is 1.5; a share"),
        ({"sigma": (9.0, 5.0)}, "two numbers in order, from 0 to 255"),
        ({"quality": (0, 50)}, "`quality` is"),
        (ONLY, "one share at least"),
    ],
)
def test_mixes_that_cannot_be_drawn_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        DamageMix(**values)
