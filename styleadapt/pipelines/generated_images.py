"""Gives pictures of a generator with classes as labeled images, as many of each class, to train a classifier on."""

from collections.abc import Callable
from typing import Any

from PIL import Image
from torch.utils.data import Dataset

from .generation import GenerationPipeline
from .latents import check_seed, check_truncation


class GeneratedImages(Dataset):
    """Labeled pictures of a generator, which are made when they are asked for.

    Classes take turns, so that any `num_classes` neighbors have one of each. A picture is the same whenever and in whatever order
    it is asked for. To be used beside real images: gains of generated data alone tend to vanish.

    Args:
        pipe: of a generator with classes.
        per_class: pictures of each class.
        seed: of the first round of classes; the next round has the next seed.
        truncation, tileable: as of the pipeline's call; a truncation of 1 is full variety.
        transform: what a picture is given to first, such as a `StyleAugment`.

    Raises:
        ValueError: a generator without classes, or numbers out of range.

    Example:
        more = GeneratedImages(GenerationPipeline.from_pretrained("user/digits"), per_class=100)
        loader = DataLoader(ConcatDataset([real, more]), shuffle=True)
    """

    def __init__(
        self,
        pipe: GenerationPipeline,
        per_class: int,
        seed: int = 0,
        truncation: float = 1.0,
        tileable: bool | None = None,
        transform: Callable[[Image.Image], Any] | None = None,
    ):
        if not pipe.num_classes:
            raise ValueError("the generator has no classes, so that its pictures have no labels; train one with `labels: true`")
        if per_class < 1:
            raise ValueError(f"`per_class` is {per_class}; it must be 1 at least")
        self.pipe, self.per_class, self.tileable, self.transform = pipe, per_class, tileable, transform
        self.seed, self.truncation = check_seed(seed), check_truncation(truncation)

    @property
    def classes(self) -> list[str]:
        """See `GenerationPipeline.class_names`."""
        return self.pipe.class_names

    def __len__(self) -> int:
        return self.per_class * self.pipe.num_classes

    def __getitem__(self, index: int) -> tuple[Any, int]:
        """A picture, "RGB", or what `transform` made of it, and the number of its class."""
        if not 0 <= index < len(self):
            raise IndexError(f"there are {len(self)} pictures, and no number {index}")
        turn, label = divmod(index, self.pipe.num_classes)
        made = self.pipe(1, seed=self.seed + turn, truncation=self.truncation, label=label, tileable=self.tileable)
        picture = made.images[0]
        return (picture if self.transform is None else self.transform(picture)), label
