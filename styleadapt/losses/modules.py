"""The losses as modules without parameters, for code that keeps its losses in an `nn.Module`: each calls its plain function.

Losses of images and features return `(B,)`, those of logits a scalar. The functions' docstrings have shapes, ranges and sources.
"""

from collections.abc import Mapping

import torch
from torch import nn

from .adversarial import Logits, adversarial_losses, cam_loss
from .consistency import correspondence_loss
from .content import content_loss, identity_loss, self_similarity_loss, tone_loss
from .regularization import r1_penalty, r2_penalty, total_variation, wgan_gp_penalty
from .style import discriminator_style_loss, gram_loss, mean_std_loss, sliced_color_loss, style_statistics

Features = Mapping[str, torch.Tensor]


class GramLoss(nn.Module):
    """`style.gram_loss` of feature maps `{layer: (B, C, H, W)}`.

    >>> features = {"a": torch.rand(1, 3, 4, 4)}
    >>> GramLoss()(features, features)
    tensor([0.])
    """

    def forward(self, generated: Features, style: Features) -> torch.Tensor:
        return gram_loss(style_statistics(generated), style_statistics(style))


class MeanStdLoss(nn.Module):
    """`style.mean_std_loss` of feature maps `{layer: (B, C, H, W)}`.

    >>> features = {"a": torch.rand(1, 3, 4, 4)}
    >>> MeanStdLoss()(features, features)
    tensor([0.])
    """

    def forward(self, generated: Features, style: Features) -> torch.Tensor:
        return mean_std_loss(style_statistics(generated), style_statistics(style))


class DiscriminatorStyleLoss(nn.Module):
    """`style.discriminator_style_loss` of the discriminator's feature maps.

    >>> features = {"local0": torch.rand(1, 3, 8, 8)}
    >>> DiscriminatorStyleLoss()(features, features)
    tensor([0.])
    """

    def forward(self, generated: Features, style: Features) -> torch.Tensor:
        return discriminator_style_loss(generated, style)


class SlicedColorLoss(nn.Module):
    """`style.sliced_color_loss` of images, along directions `(3, K)` of colour space.

    >>> x = torch.rand(1, 3, 8, 8)
    >>> SlicedColorLoss()(x, x.flip(3), torch.eye(3))
    tensor([0.])
    """

    def __init__(self, count: int = 2048):
        super().__init__()
        self.count = count

    def forward(self, generated: torch.Tensor, style: torch.Tensor, directions: torch.Tensor) -> torch.Tensor:
        return sliced_color_loss(generated, style, directions, self.count)


class ContentLoss(nn.Module):
    """`content.content_loss` of feature maps, on the named layers.

    >>> features = {"a": torch.rand(1, 3, 4, 4)}
    >>> ContentLoss(("a",))(features, features)
    tensor([0.])
    """

    def __init__(self, layers: tuple[str, ...]):
        super().__init__()
        self.layers = layers

    def forward(self, generated: Features, photo: Features) -> torch.Tensor:
        return content_loss(generated, photo, self.layers)


class SelfSimilarityLoss(nn.Module):
    """`content.self_similarity_loss` of the feature maps `(B, C, H, W)` of one layer.

    >>> f = torch.rand(1, 3, 8, 8)
    >>> SelfSimilarityLoss()(f, f)
    tensor([0.])
    """

    def __init__(self, size: int = 16, temperature: float = 0.1):
        super().__init__()
        self.size, self.temperature = size, temperature

    def forward(self, generated: torch.Tensor, photo: torch.Tensor) -> torch.Tensor:
        return self_similarity_loss(generated, photo, self.size, self.temperature)


class ToneLoss(nn.Module):
    """`content.tone_loss` of images.

    >>> x = torch.rand(1, 3, 16, 16)
    >>> ToneLoss()(x, x)
    tensor([0.])
    """

    def __init__(self, cell: int = 8):
        super().__init__()
        self.cell = cell

    def forward(self, generated: torch.Tensor, photo: torch.Tensor) -> torch.Tensor:
        return tone_loss(generated, photo, self.cell)


class IdentityLoss(nn.Module):
    """`content.identity_loss` of images.

    >>> IdentityLoss()(torch.ones(1, 3, 2, 2), torch.zeros(1, 3, 2, 2))
    tensor([1.])
    """

    def forward(self, generated: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        return identity_loss(generated, image)


class TotalVariation(nn.Module):
    """`regularization.total_variation` of images.

    >>> TotalVariation()(torch.tensor([[[[0.0, 1.0], [0.0, 1.0]]]]))
    tensor([1.])
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return total_variation(x)


class CorrespondenceLoss(nn.Module):
    """`consistency.correspondence_loss` of the features of an adapted and of a source generator.

    >>> features = {"a": torch.rand(3, 8)}
    >>> CorrespondenceLoss()(features, features)
    tensor([0., 0., 0.])
    """

    def forward(self, adapted: Features, source: Features) -> torch.Tensor:
        return correspondence_loss(adapted, source)


class DiscriminatorLoss(nn.Module):
    """The discriminator's side of `adversarial.adversarial_losses(form, label_smoothing)`.

    >>> DiscriminatorLoss("hinge")(torch.ones(2), -torch.ones(2))
    tensor(0.)
    """

    def __init__(self, form: str = "hinge", label_smoothing: float = 0.0):
        super().__init__()
        self.loss, _ = adversarial_losses(form, label_smoothing)

    def forward(self, real: Logits, fake: Logits) -> torch.Tensor:
        return self.loss(real, fake)


class GeneratorLoss(nn.Module):
    """The generator's side of `adversarial.adversarial_losses(form)`; `relativistic` reads the logits of real images too.

    >>> GeneratorLoss("lsgan")(torch.ones(2))
    tensor(0.)
    """

    def __init__(self, form: str = "hinge"):
        super().__init__()
        _, self.loss = adversarial_losses(form)

    def forward(self, fake: Logits, real: Logits | None = None) -> torch.Tensor:
        return self.loss(fake, real)


class CAMLoss(nn.Module):
    """`adversarial.cam_loss` of the generator's auxiliary classifier.

    >>> CAMLoss()(torch.zeros(1, 2), torch.zeros(1, 2))  # 2 log 2
    tensor(1.3863)
    """

    def forward(self, source_logits: torch.Tensor, target_logits: torch.Tensor) -> torch.Tensor:
        return cam_loss(source_logits, target_logits)


class R1Penalty(nn.Module):
    """`regularization.r1_penalty` of logits at real images.

    >>> x = torch.ones(1, 3, 2, 2, requires_grad=True)
    >>> R1Penalty()(x.square().sum((1, 2, 3)), x).tolist()
    [48.0]
    """

    def forward(self, logits: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        return r1_penalty(logits, real)


class R2Penalty(nn.Module):
    """`regularization.r2_penalty` of logits at generated images.

    >>> x = torch.ones(1, 3, 2, 2, requires_grad=True)
    >>> R2Penalty()(x.square().sum((1, 2, 3)), x).tolist()
    [48.0]
    """

    def forward(self, logits: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
        return r2_penalty(logits, fake)


class WGANGPPenalty(nn.Module):
    """`regularization.wgan_gp_penalty` of logits at `regularization.interpolates`.

    >>> x = torch.zeros(1, 1, 2, 2, requires_grad=True)
    >>> WGANGPPenalty(target=2.0)(x.sum((1, 2, 3)), x).tolist()  # the gradient's norm is 2
    [0.0]
    """

    def __init__(self, target: float = 1.0):
        super().__init__()
        self.target = target

    def forward(self, logits: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
        return wgan_gp_penalty(logits, points, self.target)
