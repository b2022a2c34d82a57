"""Measures how near a stylized picture is to its style and how true to its photo. Read both together: a texture without a picture
is near to its style, and the photo itself is true.

Maps come from a backbone (`metrics.backbones`), finest first. Content is read at three quarters of their depth and structure at
half of it, which in VGG-19 are the fourth and the third resolution.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields

import torch
from PIL import Image

from ..images.images import image_to_tensor
from ..losses.content import content_loss, self_similarity_loss
from ..losses.style import gram_matrix, mean_std_loss, style_statistics
from .backbones import Backbone, require_one_backbone
from .perceptual import perceptual_distance
from .pixels import ssim

_CELLS = 24


@dataclass(frozen=True)
class PairScores:
    """Figures of one picture, or means of several.

    Args:
        backbone: name of the network that the figures but `ssim` were measured with.
        gram, mean_std: distance to the style, see `style_distance`; lower is nearer.
        content, cfsd: distance to the photo, see `content_distance` and `cfsd`; lower keeps more of it.
        perceptual: perceptual distance to the photo, see `metrics.perceptual`; lower is more alike.
        ssim: structural similarity to the photo, see `metrics.pixels`; higher is more alike.
    """

    backbone: str
    gram: float
    mean_std: float
    content: float
    cfsd: float
    perceptual: float
    ssim: float

    def figures(self) -> dict[str, float]:
        """The figures by name, without the backbone.

        >>> PairScores("embedded", 0.4, 0.1, 1, 0.5, 0.3, 0.6).figures()["gram"]
        0.4
        """
        return {name: value for name, value in asdict(self).items() if name != "backbone"}


FIGURES = tuple(f.name for f in fields(PairScores) if f.name != "backbone")


def style_distance(output_maps: Mapping[str, torch.Tensor], style_maps: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Computes how far a picture's textures and colors are from the style's, relative to the style's own magnitude.

    Args:
        output_maps, style_maps: maps `(B, C, h, w)` by layer; the two may differ in h and w.

    Returns:
        `gram`, mean over layers of |G - G_s|^2 / |G_s|^2 with G the Gram matrix over positions (Gatys et al., arXiv 1508.06576,
        eq. 3 and 4, relative), and `mean_std`, the same of the channels' means and deviations (Huang and Belongie, arXiv
        1703.06868, eq. 13), each `(B,)`: 0 for equal statistics, 1 for a picture without any.

    >>> ones = {"layer": torch.ones(1, 2, 3, 3)}
    >>> style_distance({"layer": 0 * ones["layer"]}, ones)["gram"]
    tensor([1.])
    """
    grams = [(gram_matrix(output_maps[name]), gram_matrix(style_maps[name])) for name in style_maps]
    relative = [(g - s).square().sum((1, 2)) / s.square().sum((1, 2)).clamp_min(1e-12) for g, s in grams]
    mean_std = mean_std_loss(style_statistics(output_maps), style_statistics(style_maps))
    return {"gram": torch.stack(relative).mean(0), "mean_std": mean_std}


def content_distance(output_maps: Mapping[str, torch.Tensor], photo_maps: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Mean squared distance of instance-normalized features at three quarters of the depth, where colors and textures hardly
    count (the normalization: Li et al., arXiv 1701.01036).

    Args:
        output_maps, photo_maps: maps `(B, C, h, w)` by layer, of equal shapes.

    Returns:
        `(B,)`: 0 for the same content, about 2 for features without relation.

    >>> maps = {"layer": torch.rand(1, 2, 3, 3)}
    >>> content_distance(maps, {"layer": 2 * maps["layer"] + 1}) < 0.01
    tensor([True])
    """
    return content_loss(output_maps, photo_maps, (_at_depth(photo_maps, 3, 4),))


def cfsd(output_maps: Mapping[str, torch.Tensor], photo_maps: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Content feature structural distance (Chung et al., StyleID, arXiv 2312.09008, section 4): the Kullback-Leibler divergence
    of the output's patch self-similarity from the photo's, at half the depth. What looked alike in the photo should look alike.

    Here maps are averaged over 24 x 24 cells at most, so that the figure does not depend on the size of the picture, and
    similarity is the cosine over a temperature of 0.1, so that it does not depend on the scale of a backbone's features.

    Args:
        output_maps, photo_maps: maps `(B, C, h, w)` by layer, of equal shapes.

    Returns:
        `(B,)`, 0 for the same structure.

    >>> maps = {"layer": torch.rand(1, 2, 3, 3)}
    >>> cfsd(maps, maps)
    tensor([0.])
    """
    layer = _at_depth(photo_maps, 1, 2)
    return self_similarity_loss(output_maps[layer], photo_maps[layer], size=_CELLS)


@torch.no_grad()
def measure_pair(
    backbone: Backbone,
    output: Image.Image | torch.Tensor,
    photo: Image.Image | torch.Tensor,
    style: Image.Image | torch.Tensor,
) -> PairScores:
    """All figures of one stylized picture; each image goes through the backbone once.

    Args:
        output, photo, style: "RGB" images, or tensors `(1, 3, H, W)` in [-1, 1]; output and photo of one size.

    Raises:
        ValueError: output and photo differ in size, or an image is too small to be measured.
        ImportError: scikit-image, which computes `ssim`, is not installed.

    >>> from styleadapt.metrics.backbones import load_backbone
    >>> photo = Image.radial_gradient("L").convert("RGB")
    >>> scores = measure_pair(load_backbone(), photo, photo, photo.rotate(90))
    >>> scores.backbone, scores.content, round(scores.ssim, 3)
    ('embedded', 0.0, 1.0)
    """
    x, c, s = (_tensor(image, backbone) for image in (output, photo, style))
    if x.shape != c.shape:
        sizes = " and ".join(f"{t.shape[3]} x {t.shape[2]}" for t in (x, c))
        raise ValueError(f"`output` and `photo` have {sizes} pixels; resize one to the other's size before measuring")
    output_maps, photo_maps, style_maps = backbone(x), backbone(c), backbone(s)
    measured = {
        **style_distance(output_maps, style_maps),
        "content": content_distance(output_maps, photo_maps),
        "cfsd": cfsd(output_maps, photo_maps),
        "perceptual": perceptual_distance(output_maps, photo_maps),
        "ssim": ssim(x, c),
    }
    return PairScores(backbone=backbone.name, **{name: float(value) for name, value in measured.items()})


def mean_scores(scores: Sequence[PairScores]) -> PairScores:
    """The mean of every figure.

    Raises:
        BackboneError: no figures, or figures of different backbones.

    >>> one, other = (PairScores("embedded", x, x, x, x, x, x) for x in (0.25, 0.75))
    >>> mean_scores([one, other]).gram
    0.5
    """
    name = require_one_backbone([s.backbone for s in scores])
    return PairScores(name, **{figure: sum(getattr(s, figure) for s in scores) / len(scores) for figure in FIGURES})


def _at_depth(maps: Mapping[str, torch.Tensor], numerator: int, denominator: int) -> str:
    """The layer at that share of the way from the finest to the deepest, or the next deeper one."""
    return list(maps)[-(-(len(maps) - 1) * numerator // denominator)]


def _tensor(image: Image.Image | torch.Tensor, backbone: Backbone) -> torch.Tensor:
    tensor = image if isinstance(image, torch.Tensor) else image_to_tensor(image)
    device = next(backbone.parameters()).device
    return tensor.to(device, torch.float32)
