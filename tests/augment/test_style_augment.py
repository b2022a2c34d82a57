import numpy as np
import pytest
import torch
from PIL import Image

import styleadapt
from styleadapt.augment import StyleAugment

from ..conftest import smooth_noise, stripes

PHOTO = smooth_noise((64, 48), 0)
BYTES = torch.from_numpy(np.array(PHOTO)).permute(2, 0, 1)


@pytest.fixture(scope="module")
def augment():
    return StyleAugment(p=1.0, seed=0)


def changed(one, other) -> float:
    return float(np.abs(np.asarray(one, np.float32) - np.asarray(other, np.float32)).mean())


def test_it_is_a_public_name():
    assert styleadapt.StyleAugment is StyleAugment


@pytest.mark.parametrize("size", [(64, 64), (32, 32), (1, 1), (37, 211), (300, 260)])
def test_pictures_of_any_size_come_back_stylized(augment, size):
    photo = PHOTO.resize(size)
    done = augment(photo)
    assert done.size == size and done.mode == "RGB" and changed(done, photo) > 2


def test_strength_says_how_far_a_picture_is_from_its_own_look():
    distances = [changed(StyleAugment(1.0, (s, s), seed=3)(PHOTO), PHOTO) for s in (0, 0.3, 0.8)]
    assert distances[0] == 0 and 2 < distances[1] < 0.6 * distances[2]


def test_a_seed_gives_the_same_pictures_and_images_differ():
    batch = torch.stack([BYTES] * 4)
    one, again, other = (StyleAugment(1.0, seed=seed)(batch) for seed in (1, 1, 2))
    assert torch.equal(one, again) and not torch.equal(one, other)
    assert all(not torch.equal(one[0], picture) for picture in one[1:])


def test_small_pictures_keep_what_they_show(augment):
    square = torch.zeros(3, 32, 32)
    square[:, 8:24, 8:24] = 1
    for done in augment(square.expand(6, -1, -1, -1)):
        inside, outside = done[:, 11:21, 11:21].mean(), done[:, :5].mean()
        assert inside - outside > 0.25


def test_a_large_picture_keeps_its_own_detail():
    lines = torch.zeros(3, 640, 640)
    lines[:, :, ::2] = 1
    done = StyleAugment(1.0, (0.5, 0.5), seed=0)(lines)
    assert (done[:, :, ::2] - done[:, :, 1::2]).mean() > 0.5, "lines finer than the painter sees"


def test_styles_come_from_the_users_images(tmp_path):
    stripes(96).save(tmp_path / "a.png")
    smooth_noise((64, 64), 1).save(tmp_path / "b.png")
    folder = StyleAugment(1.0, bank=tmp_path, seed=0)
    images = StyleAugment(1.0, bank=[stripes(96), tmp_path / "b.png"], seed=0)
    codes = StyleAugment(1.0, bank=folder.bank, seed=0)
    assert folder.bank.shape == (2, 192) and torch.equal(folder.bank, images.bank)
    first = folder(BYTES)
    assert torch.equal(first, images(BYTES)) and torch.equal(first, codes(BYTES))


def test_gradients_flow_around_it_and_none_through_the_painter(augment):
    done = augment(torch.rand(2, 3, 32, 32))
    weight = torch.ones(3, requires_grad=True)
    (done * weight.view(1, 3, 1, 1)).sum().backward()
    assert weight.grad is not None and not done.requires_grad


def test_rejected_pictures_are_drawn_again_and_at_last_left_as_they_were():
    answers = iter(range(100))
    never = StyleAugment(1.0, seed=0, reject=lambda images: torch.full((len(images),), next(answers)), tries=2)
    batch = torch.stack([BYTES] * 3)
    assert torch.equal(never(batch), batch)
    assert never.counts == {"stylized": 0, "rejected": 6, "kept": 3}
    labels = StyleAugment(1.0, seed=0, reject=lambda images: torch.zeros(len(images), 2))
    assert not torch.equal(labels(batch), batch) and labels.counts == {"stylized": 3, "rejected": 0, "kept": 0}


def test_only_those_that_are_rejected_are_drawn_again():
    calls = []

    def judge(images):
        calls.append(len(images))
        # of the first draws, the second picture has another name than its image
        return torch.tensor([0, 1, 0]) if len(calls) == 2 else torch.zeros(len(images), dtype=torch.long)

    judged, free = StyleAugment(1.0, seed=4, reject=judge), StyleAugment(1.0, seed=4)
    batch = torch.stack([BYTES] * 3)
    ours, theirs = judged(batch), free(batch)
    assert calls == [3, 3, 1, 1] and judged.counts == {"stylized": 3, "rejected": 1, "kept": 0}
    assert [torch.equal(a, b) for a, b in zip(ours, theirs)] == [True, False, True] and not torch.equal(ours[1], batch[1])


def test_a_content_limit_keeps_pictures_near_their_images():
    image = torch.stack([BYTES] * 8)
    free, strict = StyleAugment(1.0, (1, 1), seed=0), StyleAugment(1.0, (1, 1), seed=0, reject=0.02)
    assert torch.equal(strict(image), image) and strict.counts["kept"] == 8
    assert not torch.equal(free(image), image)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strength": (0.8, 0.3)}, "smaller one first"),
        ({"strength": (0.3, 1.2)}, "between 0 and 1"),
        ({"p": -0.1}, "probability"),
        ({"mixed": 2}, "share"),
        ({"size": 8}, "96"),
        ({"tries": 0}, "tries"),
        ({"bank": []}, "empty"),
        ({"reject": -1.0}, "above 0"),
    ],
)
def test_values_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        StyleAugment(**options)


def test_it_says_what_it_is(augment):
    assert "styles" in repr(augment) and isinstance(augment(PHOTO), Image.Image)
