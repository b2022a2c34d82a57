"""Content losses: they measure how much of the photo's structure is kept, whatever its colors and textures."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F


def instance_normalize(features: torch.Tensor, eps: float = 1e-4) -> torch.Tensor:
    """Every channel of every image to mean 0 and variance 1: `(B, C, H, W)` -> the same shape."""
    return torch.instance_norm(features, None, None, None, None, True, 0.0, eps, True)


def content_loss(generated: Mapping[str, torch.Tensor], photo: Mapping[str, torch.Tensor], layers: tuple[str, ...]):
    """Mean squared distance of instance-normalized features (Li et al., "Demystifying neural style transfer", arXiv
    1701.01036, motivates the normalization): color and contrast may change, structure may not.

    Returns:
        `(B,)`, 0 for equal structure, 2 on average for unrelated features.

    >>> f = {"a": torch.rand(1, 3, 4, 4)}
    >>> float(content_loss(f, f, ("a",)))
    0.0
    """
    return normalized_distance(generated, {name: instance_normalize(photo[name].float()) for name in layers})


def normalized_distance(generated: Mapping[str, torch.Tensor], normalized: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """`content_loss` with the photo's features normalized already: `(B,)`."""
    total = torch.zeros((), dtype=torch.float32)
    for name, target in normalized.items():
        total = total + (instance_normalize(generated[name].float()) - target).square().mean((1, 2, 3))
    return total / len(normalized)


def self_similarity_loss(generated: torch.Tensor, photo: torch.Tensor, size: int = 16, temperature: float = 0.1):
    """KL divergence between the patch self-similarity of photo and output: which places look alike must stay.

    Each of `size` x `size` cells is compared with all others by cosine of centered features, a softmax makes a distribution of
    each row, and the rows are compared, as in the content feature structural distance (Wright and Ommer, ArtFID, and its use in
    StyleID, arXiv 2312.09008) and the self-similarity loss of STROTSS (arXiv 1904.12785, eq. 4).

    Args:
        generated, photo: `(B, C, H, W)` feature maps.

    Returns:
        `(B,)`, 0 for equal structure.

    >>> f = torch.rand(1, 3, 16, 16)
    >>> float(self_similarity_loss(f, f))
    0.0
    """
    return similarity_distance(*(log_similarity(f, size, temperature) for f in (generated, photo)))


def similarity_distance(generated: torch.Tensor, photo: torch.Tensor) -> torch.Tensor:
    """`self_similarity_loss` of what `log_similarity` gave for both: `(B,)`."""
    return (photo.exp() * (photo - generated)).sum(-1).mean(-1)


def log_similarity(features: torch.Tensor, size: int = 16, temperature: float = 0.1) -> torch.Tensor:
    """Logarithms of how alike each of `size` x `size` cells is to all others, `(B, C, H, W)` -> `(B, cells, cells)`; see
    `self_similarity_loss`."""
    cells = F.normalize(_cells(features, size).float(), dim=-1, eps=1e-6)
    return F.log_softmax(cells @ cells.transpose(1, 2) / temperature, -1)


def tone_loss(generated: torch.Tensor, photo: torch.Tensor, cell: int = 8) -> torch.Tensor:
    """Keeps light parts of the photo light: mean squared distance of instance-normalized luminance, averaged over cells of `cell`
    pixels, so that strokes are free and the modeling of a face is not.

    Args:
        generated, photo: `(B, 3, H, W)` in [-1, 1].

    Returns:
        `(B,)`, 2 (1 - correlation) of the two luminances: 0 for the same tones, 4 for a negative.

    >>> x = torch.eye(64).expand(1, 3, 64, 64)
    >>> round(float(tone_loss(-x, x)), 1)
    4.0
    """
    weights = torch.tensor([0.299, 0.587, 0.114], dtype=torch.float32, device=photo.device).view(1, 3, 1, 1)
    ours, theirs = (F.avg_pool2d((x * weights).sum(1, keepdim=True), min(cell, *x.shape[-2:])) for x in (generated, photo))
    return (instance_normalize(ours, 1e-5) - instance_normalize(theirs, 1e-5)).square().mean((1, 2, 3))


def identity_loss(generated: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """Mean absolute distance: an image that is styled by itself, or that is of the target domain already, stays as it is (Taigman
    et al., arXiv 1611.02200, eq. 6; U-GAT-IT, arXiv 1907.10830, eq. 4).

    Args:
        generated, image: `(B, 3, H, W)` in [-1, 1].

    Returns:
        `(B,)` in the images' units, 0 to 2.

    >>> identity_loss(torch.full((1, 3, 2, 2), 0.5), torch.full((1, 3, 2, 2), -0.25))
    tensor([0.7500])
    """
    return (generated - image).abs().mean((1, 2, 3))


def _cells(features: torch.Tensor, size: int) -> torch.Tensor:
    """Means over `size` x `size` cells of `(B, C, H, W)`, or over fewer where a side is shorter: `(B, cells, C)`.

    They are those of `adaptive_avg_pool2d`, as products with the cells' shares: where cells and pixels do not divide, its
    gradient takes ten times as long on a CPU.
    """
    height, width = features.shape[-2:]
    rows, columns = (_shares(side, min(size, side)).to(features) for side in (height, width))
    means = columns @ features.permute(0, 2, 3, 1)  # (B, H, columns, C)
    return (rows @ means.transpose(1, 2)).flatten(1, 2)


def _shares(length: int, cells: int) -> torch.Tensor:
    """What each of `length` positions counts for each of `cells` cells, `(cells, length)`; a row sums to 1.

    >>> _shares(3, 2)
    tensor([[0.5000, 0.5000, 0.0000],
            [0.0000, 0.5000, 0.5000]])
    """
    number, position = torch.arange(cells)[:, None], torch.arange(length)
    first, end = number * length // cells, -(-(number + 1) * length // cells)
    inside = ((position >= first) & (position < end)).to(torch.float32)
    return inside / inside.sum(1, keepdim=True)
