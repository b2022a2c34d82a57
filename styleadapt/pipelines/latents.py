"""Makes and checks the inputs of a generator from noise: seeds, latents and class labels."""

import difflib
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

MOST_IMAGES = 1000
MOST_TRUNCATION = 1.5

Label = int | str
Labels = Label | Sequence[Label]


def check_seed(seed: Any) -> int:
    """The seed as a number.

    Raises:
        ValueError: it is no whole number from 0 to 2^63 - 1.

    >>> check_seed(np.int64(3))
    3
    """
    try:
        number = -1 if isinstance(seed, bool) else operator.index(seed)
    except TypeError:
        number = -1
    if not 0 <= number < 1 << 63:
        raise ValueError(f"`seed` is {seed!r}; it must be a whole number from 0 to 2**63 - 1")
    return number


def check_num_images(num_images: Any) -> int:
    """Raises ValueError if this is no whole number from 1 to `MOST_IMAGES`.

    >>> check_num_images(0)
    Traceback (most recent call last):
    ValueError: `num_images` is 0; it must be a whole number from 1 to 1000
    """
    whole = isinstance(num_images, (int, np.integer)) and not isinstance(num_images, bool)
    if not whole or not 1 <= num_images <= MOST_IMAGES:
        raise ValueError(f"`num_images` is {num_images!r}; it must be a whole number from 1 to {MOST_IMAGES}")
    return int(num_images)


def check_class_names(classes: Any, num_classes: int) -> list[str]:
    """Names of the classes of a model as a list.

    Raises:
        ValueError: they are not as many different names as it has classes.

    >>> check_class_names(["cat", "cat"], 2)
    Traceback (most recent call last):
    ValueError: `classes` must be 2 different names, as many as the model has classes, got ['cat', 'cat']
    """
    named = isinstance(classes, (list, tuple)) and all(isinstance(name, str) and name for name in classes)
    if not named or len(set(classes)) != len(classes) or len(classes) != num_classes:
        raise ValueError(
            f"`classes` must be {num_classes} different names, as many as the model has classes, got {classes!r:.200}"
        )
    return list(classes)


def check_truncation(truncation: Any) -> float:
    """Raises ValueError if this is no number from 0 to `MOST_TRUNCATION`; beyond it, pictures fall apart.

    >>> check_truncation(1)
    1.0
    """
    number = isinstance(truncation, (int, float, np.number)) and not isinstance(truncation, bool)
    if not number or not 0 <= truncation <= MOST_TRUNCATION:
        raise ValueError(f"`truncation` is {truncation!r}; it must be a number from 0, the mean picture, to {MOST_TRUNCATION}")
    return float(truncation)


def drawn_latents(num_images: int, length: int, seed: int) -> torch.Tensor:
    """`(num_images, length)`, standard normal, on the CPU. The first latents of a seed are the same however many are drawn.

    >>> torch.equal(drawn_latents(3, 5, seed=1)[:2], drawn_latents(2, 5, seed=1))
    True
    """
    generator = torch.Generator().manual_seed(seed)
    # one by one, since torch draws a long row otherwise than a short one
    return torch.stack([torch.randn(length, generator=generator, dtype=torch.float32) for _ in range(num_images)])


def drawn_labels(num_images: int, num_classes: int, seed: int) -> torch.Tensor:
    """`(num_images,)` class numbers in random order, each class as often as the others, as far as that goes; the first labels
    of a seed are the same however many are drawn.

    >>> drawn_labels(6, 3, seed=0).bincount().tolist()
    [2, 2, 2]
    """
    generator = torch.Generator().manual_seed(seed)
    rounds = -(-num_images // num_classes)
    return torch.cat([torch.randperm(num_classes, generator=generator) for _ in range(rounds)])[:num_images]


def read_labels(
    label: Labels | None, num_images: int, num_classes: int, classes: list[str] | None, seed: int
) -> torch.Tensor | None:
    """The class of each image.

    Args:
        label: a class for all images, by number or by name; or several, which the images take in turn, so that each has as many.
            None draws them, see `drawn_labels`.
        num_classes: of the generator, 0 for none.
        classes: their names.

    Returns:
        `(num_images,)` int64, or None for a generator without classes.

    Raises:
        ValueError: a class that there is not, or any where there are none.

    >>> read_labels(["cat", 0], 3, 2, ["dog", "cat"], seed=0)
    tensor([1, 0, 1])
    """
    if not num_classes:
        if label is not None:
            raise ValueError(f"`label` is {label!r}, but this generator knows no classes; leave it out")
        return None
    if label is None:
        return drawn_labels(num_images, num_classes, seed)
    several = list(label) if are_several(label) else [label]  # type: ignore[arg-type]
    if not several:
        raise ValueError("`label` is empty; name one class at least, or leave it out")
    numbers = [_class_number(one, num_classes, classes) for one in several]
    return torch.tensor([numbers[n % len(numbers)] for n in range(num_images)])


def are_several(label: Any) -> bool:
    """Several classes rather than one?

    >>> are_several(np.array([0, 2])), are_several("oak"), are_several(np.int64(2))
    (True, False, False)
    """
    return isinstance(label, (list, tuple)) or (isinstance(label, (np.ndarray, torch.Tensor)) and label.ndim > 0)


def _class_number(label: Any, num_classes: int, classes: list[str] | None) -> int:
    if isinstance(label, str):
        if classes is not None and label in classes:
            return classes.index(label)
        close = difflib.get_close_matches(label, classes or [], n=1)
        known = (
            f"it knows {', '.join((classes or [])[:20])}"
            if classes
            else f"its classes have numbers alone, 0 to {num_classes - 1}"
        )
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"`label` is {label!r}, which the generator does not know{hint}; {known}")
    try:
        number = -1 if isinstance(label, bool) else operator.index(label)
    except TypeError:
        number = -1
    if not 0 <= number < num_classes:
        raise ValueError(f"`label` is {label!r}; classes have the numbers 0 to {num_classes - 1}, or names")
    return number


def read_tensor(value: Any, name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """Latents or codes as float32 on the CPU, with a batch axis, which may be left out.

    Args:
        value: a tensor, an array or nested lists.
        name: of the argument, for messages.
        shape: without the batch axis.

    Raises:
        ValueError: another shape, no numbers, or numbers that are not finite.

    >>> read_tensor([1.0, 2.0], "latents", (2,)).shape
    torch.Size([1, 2])
    """
    try:
        tensor = torch.as_tensor(value).detach().to("cpu", torch.float32)
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"`{name}` is a {type(value).__name__}; it must be a tensor or an array of numbers") from None
    if tensor.ndim == len(shape):
        tensor = tensor[None]
    if tensor.ndim != len(shape) + 1 or tensor.shape[1:] != shape or not len(tensor):
        wanted = ", ".join(map(str, shape))
        raise ValueError(f"`{name}` has the shape {tuple(tensor.shape)}; this generator takes (B, {wanted})")
    if len(tensor) > MOST_IMAGES:
        raise ValueError(f"`{name}` is of {len(tensor)} images; at most {MOST_IMAGES} are made at once")
    if not tensor.isfinite().all():
        raise ValueError(f"`{name}` holds values that are not finite")
    return tensor


def spherical(a: torch.Tensor, b: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Interpolation along a great circle (White, arXiv 1609.04468): between Gaussian latents it passes through likely ones, where
    a straight line would pass near the origin.

    Args:
        a, b: `(D,)`.
        share: `(N,)`, 0 for a, 1 for b.

    Returns:
        `(N, D)`; lengths go from that of a to that of b.

    >>> spherical(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), torch.tensor([0.5]))
    tensor([[0.7071, 0.7071]])
    """
    share = share[:, None]
    lengths = torch.stack([a.norm(), b.norm()]).clamp_min(1e-12)
    one, other = a / lengths[0], b / lengths[1]
    angle = (one @ other).clamp(-1, 1).arccos()
    if angle.sin() < 1e-4:
        return torch.lerp(a, b, share)
    way = (((1 - share) * angle).sin() * one + (share * angle).sin() * other) / angle.sin()
    return way * torch.lerp(lengths[0], lengths[1], share)
