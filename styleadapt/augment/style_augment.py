"""StyleAugment: training images in other styles, so that a classifier looks at shapes.

Stylized training data make networks rely less on texture (Geirhos et al., "ImageNet-trained CNNs are biased towards texture",
arXiv 1811.12231), and random style transfer is an augmentation of its own (Jackson et al., "Style augmentation", arXiv
1809.05375). Here the packaged generator paints, at random strength, by codes of a packaged bank.
"""

from collections import Counter
from collections.abc import Callable, Sequence

import torch

from .rejection import Rejection
from .style_bank import Bank, bank_digest, draw_codes, read_bank
from .style_paint import SHORTEST, StylePainter
from .transform import IMAGE_KEYS, ImageAugmentation


class StyleAugment(ImageAugmentation):
    """Gives images random styles; what an image is, and which kinds of samples a call takes, is told in `ImageAugmentation`.

    Args:
        p: probability with which each image is stylized.
        strength: between which limits the strength is drawn; 0 is the image, 1 the full style. Above 0.8 small objects become
            hard to read.
        bank: where styles come from: None, the packaged codes; style codes `(N, D)`, or a safetensors file of such; style images
            as PIL images, paths or a folder.
        seed: of the draws, see `ImageAugmentation`.
        mixed: share of styles that lie between two of the bank.
        size: shorter side in pixels at which the generator paints: smaller is faster, and its strokes are wider.
        reject: which results are drawn again: a classifier, from images `(B, 3, H, W)` in [0, 1] to probabilities `(B, C)` or
            labels `(B,)`, rejects what it calls by another name than the image itself; a number rejects what lies farther from
            the image in content, 0 for equal structure and 2 for none, see `losses.content`.
        tries: how often at most an image is drawn; after that it stays as it was.
        keys: under which a dict keeps its images.

    `counts` tells how many images were "stylized", how many draws were "rejected", and how many images were "kept" as they were
    because all their draws were; in a `DataLoader` every worker counts for itself.

    Raises:
        ValueError: a value out of range, or a bank without styles.

    >>> augment = StyleAugment(p=1.0, bank=torch.zeros(1, 192), seed=0)
    >>> augment(torch.full((3, 32, 32), 128, dtype=torch.uint8)).shape
    torch.Size([3, 32, 32])
    """

    def __init__(
        self,
        p: float = 0.5,
        strength: tuple[float, float] = (0.3, 0.8),
        bank: Bank | None = None,
        seed: int | None = None,
        *,
        mixed: float = 0.5,
        size: int = 160,
        reject: Callable[[torch.Tensor], torch.Tensor] | float | None = None,
        tries: int = 3,
        keys: Sequence[str] = IMAGE_KEYS,
    ):
        super().__init__(p, seed, keys)
        if len(strength) != 2 or not 0 <= strength[0] <= strength[1] <= 1:
            raise ValueError(f"`strength` is {strength}; it is two numbers between 0 and 1, the smaller one first")
        if not 0 <= mixed <= 1:
            raise ValueError(f"`mixed` is {mixed}; a share lies between 0 and 1")
        if size < SHORTEST or tries < 1:
            raise ValueError(f"`size` must be {SHORTEST} at least and `tries` 1, got {size} and {tries}")
        self.strength = (float(strength[0]), float(strength[1]))
        self.mixed, self.size, self.tries = mixed, size, tries
        self.bank, self.bank_digest = read_bank(bank), bank_digest(bank)
        self.rejection = None if reject is None else Rejection(reject)
        self.counts: Counter[str] = Counter(stylized=0, rejected=0, kept=0)
        self._paint = StylePainter(size)

    def augment(self, images: torch.Tensor, random: torch.Generator) -> torch.Tensor:
        """All of `(B, 3, H, W)` in [-1, 1] stylized, but for those whose draws were all rejected."""
        results = images.clone()
        waiting = torch.arange(len(images), device=images.device)
        for _ in range(self.tries):
            count = len(waiting)
            codes = draw_codes(self.bank, count, random, self.mixed)
            low, high = self.strength
            strengths = low + (high - low) * torch.rand(count, generator=random, dtype=torch.float32)
            painted = self._paint(images[waiting], codes, strengths)
            bad = self.rejection(images[waiting], painted) if self.rejection else torch.zeros_like(waiting, dtype=torch.bool)
            results[waiting[~bad]] = painted[~bad]
            waiting = waiting[bad]
            self.counts["rejected"] += len(waiting)
            if not len(waiting):
                break
        self.counts["kept"] += len(waiting)
        self.counts["stylized"] += len(images) - len(waiting)
        return results

    def __repr__(self) -> str:
        return f"StyleAugment(p={self.p}, strength={self.strength}, bank={len(self.bank)} styles, seed={self.seed})"
