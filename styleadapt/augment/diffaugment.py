"""DiffAugment: differentiable augmentation of all images that the discriminator sees, for training on few images.

Zhao et al., arXiv 2006.10738. Apply it to real and generated images, in the discriminator's step and in the generator's; the
generator's gradient flows through it. Every image draws its own numbers, from torch's global random state.
"""

import torch

POLICIES = ("color", "translation", "cutout")


def parse_policy(policy: str) -> tuple[str, ...]:
    """The names in a policy such as `color,translation,cutout`; the empty string is no augmentation.

    Raises:
        ValueError: an unknown name.

    >>> parse_policy("color, cutout")
    ('color', 'cutout')
    """
    names = tuple(name.strip() for name in policy.split(",") if name.strip())
    for name in names:
        if name not in POLICIES:
            raise ValueError(f"the augmentation {name!r} in {policy!r} is unknown; allowed: {', '.join(POLICIES)}")
    return names


def diff_augment(images: torch.Tensor, policy: str = "color,translation,cutout") -> torch.Tensor:
    """Augments a batch by the named policies, in their order.

    Args:
        images: `(B, C, H, W)` in [-1, 1].
        policy: names from `POLICIES`, separated by commas.

    Returns:
        `(B, C, H, W)`, differentiable as often as need be; colors may leave [-1, 1].

    Raises:
        ValueError: an unknown name in `policy`.

    >>> diff_augment(torch.zeros(2, 3, 8, 8), "translation,cutout").shape
    torch.Size([2, 3, 8, 8])
    """
    for name in parse_policy(policy):
        images = _FUNCTIONS[name](images)
    return images


def random_color(images: torch.Tensor) -> torch.Tensor:
    """Brightness plus up to 0.5, saturation times 0 to 2, contrast times 0.5 to 1.5, one number each an image."""
    images = images + _uniform(images) - 0.5
    images = adjust_saturation(images, 2 * _uniform(images))
    return adjust_contrast(images, _uniform(images) + 0.5)


def adjust_saturation(images: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Scales the distance of each pixel's channels from their mean by `factor`, `(B, 1, 1, 1)`; 0 makes it gray."""
    gray = images.mean(1, keepdim=True)
    return torch.lerp(gray, images, factor)


def adjust_contrast(images: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Scales the distance from the mean of the whole image by `factor`, `(B, 1, 1, 1)`."""
    mean = images.mean((1, 2, 3), keepdim=True)
    return torch.lerp(mean, images, factor)


def random_translation(images: torch.Tensor, ratio: float = 0.125) -> torch.Tensor:
    """Shifts each image by whole pixels, up to `ratio` of its sides; what comes in is 0."""
    for dim in (2, 3):
        size = images.shape[dim]
        reach = round(size * ratio)
        shift = torch.randint(-reach, reach + 1, (len(images), 1), device=images.device)
        images = _shift(images, shift, dim)
    return images


def random_cutout(images: torch.Tensor, ratio: float = 0.5) -> torch.Tensor:
    """Sets a rectangle of `ratio` of the sides to 0 in each image; its center lies anywhere in the image, so that a part of it
    may fall outside."""
    inside = torch.ones(len(images), 1, 1, 1, dtype=torch.bool, device=images.device)
    for dim in (2, 3):
        size = images.shape[dim]
        length = round(size * ratio)
        first = torch.randint(0, size + 1 - length % 2, (len(images), 1), device=images.device) - length // 2
        position = torch.arange(size, device=images.device) - first
        within = (position >= 0) & (position < length)
        inside = inside & (within[:, None, :, None] if dim == 2 else within[:, None, None, :])
    return images.masked_fill(inside, 0)


def _shift(images: torch.Tensor, shift: torch.Tensor, dim: int) -> torch.Tensor:
    """Row or column n of the result is n - shift of the source; `shift` is `(B, 1)` of whole numbers."""
    size = images.shape[dim]
    source = torch.arange(size, device=images.device) - shift
    shape = (len(images), 1, size, 1) if dim == 2 else (len(images), 1, 1, size)
    index = source.clamp(0, size - 1).view(shape).expand_as(images)
    outside = ((source < 0) | (source >= size)).view(shape)
    return images.gather(dim, index).masked_fill(outside, 0)


def _uniform(images: torch.Tensor) -> torch.Tensor:
    return torch.rand(len(images), 1, 1, 1, device=images.device, dtype=images.dtype)


_FUNCTIONS = {"color": random_color, "translation": random_translation, "cutout": random_cutout}
