"""MixStyle: features of one image with the statistics of another, inside the network while it trains."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.nn as nn


class MixStyle(nn.Module):
    """Zhou et al., "Domain generalization with MixStyle", arXiv 2104.02008, section 2.2, with random shuffle: channel means and
    deviations of each image are mixed with those of another image of the batch, and no gradient flows through them. In evaluation
    mode features pass unchanged.

    Args:
        p: probability that a batch is mixed.
        alpha: of the Beta distribution of shares; 0.1 in the paper.
        seed: of the draws; torch's global random state if left out.
        eps: added to variances.

    Raises:
        ValueError: a value out of range.

    >>> MixStyle(p=1.0).eval()(torch.ones(2, 4, 3, 3)).equal(torch.ones(2, 4, 3, 3))
    True
    """

    def __init__(self, p: float = 0.5, alpha: float = 0.1, seed: int | None = None, eps: float = 1e-6):
        super().__init__()
        if not 0 <= p <= 1 or not alpha > 0:
            raise ValueError(f"`p` must lie between 0 and 1 and `alpha` above 0, got {p} and {alpha}")
        self.p, self.alpha, self.eps = p, alpha, eps
        self._random = torch.Generator().manual_seed(seed if seed is not None else int(torch.randint(2**31, (1,))))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """`(B, C, H, W)` -> the same shape."""
        if not self.training or float(torch.rand(1, generator=self._random)) >= self.p:
            return features
        count = len(features)
        order = torch.randperm(count, generator=self._random).to(features.device)
        share = self._beta(count).to(features).view(-1, 1, 1, 1)
        mean = features.mean((2, 3), keepdim=True).detach()
        deviation = (features.var((2, 3), keepdim=True, correction=0) + self.eps).sqrt().detach()
        mixed_mean = torch.lerp(mean[order], mean, share)
        mixed_deviation = torch.lerp(deviation[order], deviation, share)
        return (features - mean) / deviation * mixed_deviation + mixed_mean

    def _beta(self, count: int) -> torch.Tensor:
        """`(count,)` draws of Beta(alpha, alpha), as the ratio of two Gamma draws of Marsaglia and Tsang's method, boosted."""
        x, y = (self._log_gamma(count) for _ in range(2))
        return torch.sigmoid(x - y)

    def _log_gamma(self, count: int) -> torch.Tensor:
        concentration = torch.full((count,), self.alpha + 1, dtype=torch.float64)
        boosted = torch._standard_gamma(concentration, generator=self._random)
        uniform = torch.rand(count, generator=self._random, dtype=torch.float64).clamp_min(1e-300)
        return boosted.log() + uniform.log() / self.alpha


@contextmanager
def mixing(model: nn.Module, layers: Sequence[str], mixstyle: MixStyle) -> Iterator[nn.Module]:
    """Within the block, the outputs of some layers of a model go through `mixstyle` while the model trains.

    Args:
        model: whatever has these layers.
        layers: names of submodules that give features `(B, C, H, W)`, or a tuple whose first entry they are; early ones, as in
            the paper, after the first and second stage.
        mixstyle: it follows the model's mode, training or evaluation.

    Raises:
        ValueError: the model has no such layer.

    >>> model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).eval()
    >>> with mixing(model, ["1"], MixStyle()):
    ...     model(torch.zeros(2, 3, 8, 8)).shape
    torch.Size([2, 4, 6, 6])
    """
    modules = dict(model.named_modules())
    unknown = [name for name in layers if name not in modules]
    if unknown:
        raise ValueError(f"the model has no layer {unknown[0]!r}; its layers are {', '.join(filter(None, modules))[:300]}")

    def mix(module: nn.Module, inputs, output):
        mixstyle.train(module.training)
        return (mixstyle(output[0]), *output[1:]) if isinstance(output, tuple) else mixstyle(output)

    handles = [modules[name].register_forward_hook(mix) for name in layers]
    try:
        yield model
    finally:
        for handle in handles:
            handle.remove()
