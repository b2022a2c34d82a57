"""Style losses: they compare statistics of feature maps of an image with those of a style.

Features come as dicts `{layer: (B, C, H, W)}` from a feature network (`losses.features`); the statistics of a style image are
computed once and compared with those of every generated image.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch


def gram_matrix(features: torch.Tensor) -> torch.Tensor:
    """Gram matrices of feature maps, divided by the number of positions (Gatys et al., CVPR 2016, eq. 3).

    Args:
        features: `(B, C, H, W)`, any range.

    Returns:
        `(B, C, C)`, symmetric.

    >>> gram_matrix(torch.full((1, 2, 3, 3), 2.0))
    tensor([[[4., 4.],
             [4., 4.]]])
    """
    return _moments(features)[0]


def _moments(features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Gram matrices `(B, C, C)` and channel means `(B, C)` of `(B, C, H, W)`, in float32.

    The products of bfloat16 features are taken in bfloat16, several times as fast where features come in it: sums are
    accumulated in float32, and only the result is rounded, by 0.2 % at most.
    """
    exact = features if features.dtype == torch.bfloat16 else features.float()
    return _Moments.apply(exact.permute(0, 2, 3, 1).flatten(1, 2))


class _Moments(torch.autograd.Function):
    """`x^T x / n` and the mean over n of `(B, n, C)`. The gradient of both is one pass over x; automatic differentiation
    takes two products, an expansion and three additions as large as x."""

    @staticmethod
    def forward(ctx, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        ctx.save_for_backward(x)
        # one by one: a batched product on a CPU copies its transposed operand first, which takes ten times as long
        gram = torch.stack([sample.t() @ sample for sample in x])
        return gram.float() / x.shape[1], x.mean(1, dtype=torch.float32)

    @staticmethod
    def backward(ctx, gram: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
        (x,) = ctx.saved_tensors
        product = (gram + gram.transpose(1, 2)) / x.shape[1]
        return torch.baddbmm((mean[:, None] / x.shape[1]).to(x.dtype), x, product.to(x.dtype))


@dataclass
class StyleStatistics:
    """The statistics that the style losses compare, by layer: Gram matrices `(B, C, C)`, channel means and deviations `(B,
    C)`."""

    gram: dict[str, torch.Tensor]
    mean: dict[str, torch.Tensor]
    std: dict[str, torch.Tensor]


def style_statistics(features: Mapping[str, torch.Tensor]) -> StyleStatistics:
    """Statistics of `{layer: (B, C, H, W)}`. Means and deviations are read off the same positions as the Gram matrix.

    >>> style_statistics({"a": torch.ones(2, 3, 4, 4)}).mean["a"].shape
    torch.Size([2, 3])
    """
    grams, means, stds = {}, {}, {}
    for name, f in features.items():
        gram, mean = _moments(f)
        variance = gram.diagonal(dim1=1, dim2=2) - mean * mean
        grams[name], means[name], stds[name] = gram, mean, torch.sqrt(variance.clamp_min(0) + 1e-5)
    return StyleStatistics(grams, means, stds)


def gram_loss(generated: StyleStatistics, style: StyleStatistics) -> torch.Tensor:
    """Squared Gram distance, for every layer relative to the mean of both Grams' squared norms, averaged over layers.

    The generated norm is detached: it only keeps the loss of a pale style from exploding, so that no layer and no pale
    style dominates.

    Returns:
        `(B,)`, 0 where the statistics are equal, about 1 where they have nothing in common.

    >>> s = style_statistics({"a": torch.rand(1, 3, 4, 4)})
    >>> float(gram_loss(s, s))
    0.0
    """
    total = torch.zeros((), dtype=torch.float32)
    for name, target in style.gram.items():
        gram = generated.gram[name]
        norm = (gram.detach().square().sum((1, 2)) + target.square().sum((1, 2))) / 2
        total = total + (gram - target).square().sum((1, 2)) / norm.clamp_min(1e-12)
    return total / len(style.gram)


def discriminator_style_loss(generated: Mapping[str, torch.Tensor], style: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Computes the style loss in the discriminator's features: `gram_loss` on its feature maps, which learn the style at hand,
    where those of a network trained on photos do not.

    Args:
        generated, style: the discriminator's `features` of generated images and of crops of the style, `{layer: (B, C, H, W)}`.
            The crops, of any number, are one target: their Gram matrices are averaged, and get no gradient.

    Returns:
        `(B,)`, 0 where the Gram matrices are equal.

    >>> f = {"local0": torch.rand(2, 3, 8, 8)}
    >>> discriminator_style_loss({"local0": f["local0"][:1]}, {"local0": f["local0"][:1]})
    tensor([0.])
    """
    target = {name: gram_matrix(f.detach()).mean(0, keepdim=True) for name, f in style.items()}
    return gram_loss(
        StyleStatistics({name: gram_matrix(f) for name, f in generated.items()}, {}, {}), StyleStatistics(target, {}, {})
    )


def mean_std_loss(generated: StyleStatistics, style: StyleStatistics) -> torch.Tensor:
    """Squared distance of channel means and deviations (Huang and Belongie, arXiv 1703.06868, eq. 13), each relative to
    the style's own squared norm and averaged over layers.

    Returns:
        `(B,)`, 0 where means and deviations are equal.

    >>> s = style_statistics({"a": torch.rand(1, 3, 4, 4)})
    >>> float(mean_std_loss(s, s))
    0.0
    """
    total = torch.zeros((), dtype=torch.float32)
    for ours, target in ((generated.mean, style.mean), (generated.std, style.std)):
        for name, value in target.items():
            total = total + (ours[name] - value).square().sum(1) / value.square().sum(1).clamp_min(1e-12)
    return total / (2 * len(style.mean))


def sliced_color_loss(generated: torch.Tensor, style: torch.Tensor, directions: torch.Tensor, count: int = 2048):
    """Sliced Wasserstein distance of the two images' colors (Bonneel et al., JMIV 2015; Heitz et al., CVPR 2021).

    Pixels, at most `count` of each image on an even grid, are projected on directions of color space, sorted, and compared
    in order: an exact transport distance in one dimension, and with a gradient at every pixel.

    Args:
        generated, style: `(B, 3, H, W)` in [-1, 1]; their sizes may differ.
        directions: `(3, K)`, unit columns.

    Returns:
        `(B,)`, mean squared distance in the images' units; 0 where the color distributions are equal.

    >>> x = torch.rand(1, 3, 8, 8)
    >>> float(sliced_color_loss(x, x.flip(3), torch.eye(3)))
    0.0
    """
    sides = []
    for image in (generated, style):
        pixels = image.flatten(2)
        if pixels.shape[-1] > count:
            index = torch.linspace(0, pixels.shape[-1] - 1, count, dtype=torch.float32, device=image.device).long()
            pixels = pixels[:, :, index]
        projected = torch.einsum("bcn,ck->bkn", pixels, directions).sort(-1).values
        if projected.shape[-1] != count:
            projected = torch.nn.functional.interpolate(projected, count, mode="linear", align_corners=True)
        sides.append(projected)
    return (sides[0] - sides[1]).square().mean((1, 2))
