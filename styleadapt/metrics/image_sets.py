"""Computes embeddings of a set of images, and the perceptual distance of every image to every other."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from PIL import Image

from ..images.images import image_to_tensor
from .backbones import Backbone


@torch.no_grad()
def embed_images(backbone: Backbone, images: Sequence[Image.Image], batch_size: int = 16) -> torch.Tensor:
    """The embeddings `(N, d)` of N "RGB" images, on the CPU: what `metrics.distribution` compares.

    Where the backbone asks for a size, images are resized with a bicubic filter that widens with the reduction (antialiased); one
    that does not changes FID by several points (Parmar et al., arXiv 2104.11222). Otherwise they are embedded as they are, one by
    one, since their sizes may differ.

    Raises:
        ValueError: no images.

    >>> from .backbones import load_backbone
    >>> embed_images(load_backbone(), [Image.new("RGB", (32, 32))] * 2).shape
    torch.Size([2, 1920])
    """
    if not images:
        raise ValueError("a set needs 1 image or more, got none")
    side = backbone.embedding_size
    if side is None:
        batch_size = 1
    else:
        images = [image.resize((side, side), Image.Resampling.BICUBIC) for image in images]
    device = next(backbone.parameters()).device
    batches = (images[start : start + batch_size] for start in range(0, len(images), batch_size))
    return torch.cat([backbone.embedding(torch.cat([image_to_tensor(i) for i in b]).to(device)).cpu() for b in batches])


@torch.no_grad()
def unit_features(backbone: Backbone, images: Sequence[Image.Image]) -> dict[str, torch.Tensor]:
    """Features of unit length, each image's in one row by layer, scaled so that squared distances of rows are those of
    `metrics.perceptual`; in half precision, about 5 MB an image of 256 x 256 pixels for the embedded backbone.

    Args:
        images: "RGB", of one size.

    Returns:
        `{layer: (N, C h w)}`.

    Raises:
        ValueError: no images, or images of different sizes.

    >>> from .backbones import load_backbone
    >>> unit_features(load_backbone(), [Image.new("RGB", (32, 32))] * 2)["block8.expand"].shape
    torch.Size([2, 1920])
    """
    sizes = {image.size for image in images}
    if len(sizes) != 1:
        found = ", ".join(f"{w} x {h}" for w, h in sorted(sizes)) or "no images"
        raise ValueError(f"perceptual distances need images of one size, got {found}; resize them")
    device = next(backbone.parameters()).device
    rows: dict[str, list[torch.Tensor]] = {}
    for image in images:
        for layer, m in backbone(image_to_tensor(image).to(device)).items():
            positions = m.shape[2] * m.shape[3]
            rows.setdefault(layer, []).append(F.normalize(m).flatten(1).div(positions**0.5).half().cpu())
    return {layer: torch.cat(parts) for layer, parts in rows.items()}


def perceptual_matrix(x: dict[str, torch.Tensor], y: dict[str, torch.Tensor]) -> torch.Tensor:
    """`metrics.perceptual.perceptual_distance` of every image of x to every image of y.

    Args:
        x, y: of N and M images, from `unit_features`.

    Returns:
        `(N, M)`, from 0 to 2.

    >>> perceptual_matrix({"layer": torch.eye(2)}, {"layer": torch.eye(2)})
    tensor([[0., 2.],
            [2., 0.]])
    """
    total = torch.zeros(())
    for layer in x:
        a, b = x[layer].float(), y[layer].float()
        total = total + a.square().sum(1)[:, None] + b.square().sum(1)[None] - 2 * a @ b.T
    return (total / len(x)).clamp_min(0)
