"""A small classifier, and one recipe to train it with, whatever its images are augmented by.

Its trunk is frozen, so that features are computed once: of several augmented copies of each training image, and of the test
images. What is trained on them is the last layer. A comparison of many augmentations then takes minutes on a CPU.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from PIL import Image, ImageOps

from ..augment.style_bank import WEIGHTS
from ..errors import ImageError, SourceError
from ..images.image_files import list_images
from ..images.images import open_image
from ..models.efficientnet import EfficientNetLite0
from ..models.style_encoder import StyleEncoder

_LAYERS = ("block8.expand", "block11.expand")


@dataclass(frozen=True)
class Recipe:
    """How classifiers are trained, the same for all that are compared.

    Args:
        size: side in pixels of the square crops they see.
        margin: pixels by which images are larger than crops, which are shifted within.
        copies: of each training image, cropped, flipped and augmented afresh; each training sees a random half of them.
        steps: of AdamW on the last layer.
        batch_size: of a step.
        lr, weight_decay: of AdamW; the rate falls to 0 along a cosine.
    """

    size: int = 128
    margin: int = 16
    copies: int = 8
    steps: int = 400
    batch_size: int = 128
    lr: float = 1e-3
    weight_decay: float = 0.05


@dataclass(frozen=True)
class ClassFolder:
    """Images of a folder with a subfolder for each class.

    Args:
        name: of the folder.
        images: `(N, 3, S, S)`, uint8.
        labels: `(N,)`.
        left_out: why files were left out that could not be read.
    """

    name: str
    images: torch.Tensor
    labels: torch.Tensor
    left_out: list[str]


def read_class_folder(folder: Path, classes: list[str], side: int) -> ClassFolder:
    """The images of those subfolders that `classes` names, as squares of `side` pixels: scaled, and cut in the middle.

    Raises:
        SourceError: a class has no image that can be read.
    """
    images, labels, left_out = [], [], []
    for label, name in enumerate(classes):
        before = len(images)
        for file in list_images(folder / name) if (folder / name).is_dir() else []:
            try:
                square = ImageOps.fit(open_image(file), (side, side), Image.Resampling.LANCZOS)
            except ImageError as error:
                left_out.append(str(error))
                continue
            images.append(torch.from_numpy(np.array(square)).permute(2, 0, 1))
            labels.append(label)
        if len(images) == before:
            raise SourceError(f"{folder} has no image of the class {name!r} that can be read; each class is a folder of images")
    return ClassFolder(folder.name, torch.stack(images), torch.tensor(labels), left_out)


def load_trunk(device: torch.device) -> EfficientNetLite0:
    """The packaged EfficientNet-Lite0, frozen, in evaluation mode."""
    trunk = StyleEncoder.from_pretrained(str(WEIGHTS), subfolder="style_encoder").trunk
    return trunk.to(device, memory_format=torch.channels_last).eval()


@torch.no_grad()
def pooled_features(trunk: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Means and maxima of the trunk's last wide activations, `(B, D)`, of images `(B, 3, H, W)` in [0, 1]. A maximum sees a line
    drawing on an empty sheet as it sees a photo; a mean sees the sheet."""
    maps = trunk((images * 2 - 1).contiguous(memory_format=torch.channels_last))
    return torch.cat([pooled for name in _LAYERS for pooled in (maps[name].mean((2, 3)), maps[name].amax((2, 3)))], 1)


def training_features(
    trunk: nn.Module,
    images: torch.Tensor,
    recipe: Recipe,
    seed: int,
    augment: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> torch.Tensor:
    """Features of augmented copies, `(N, copies, D)`.

    Args:
        trunk: in training mode where something within it mixes features.
        images: `(N, 3, S, S)`, uint8, with S the recipe's size and margin.
        recipe: see there.
        seed: of crops, flips and batches.
        augment: of each batch `(B, 3, size, size)` in [0, 1], after crops and flips.
    """
    random = torch.Generator().manual_seed(seed)
    copies = []
    for _ in range(recipe.copies):
        # in random order, so that what mixes images of a batch meets all classes
        order = torch.randperm(len(images), generator=random)
        parts = []
        for chosen in order.to(images.device).split(64):
            crops = random_crops(images[chosen], recipe.size, random).float() / 255
            parts.append(pooled_features(trunk, crops if augment is None else augment(crops)))
        copies.append(torch.cat(parts)[order.argsort().to(images.device)])
    return torch.stack(copies, 1)


def middle_features(trunk: nn.Module, images: torch.Tensor, size: int) -> torch.Tensor:
    """Features `(N, D)` of the middles of images `(N, 3, S, S)`, uint8."""
    start = (images.shape[-1] - size) // 2
    middles = images[..., start : start + size, start : start + size]
    return torch.cat([pooled_features(trunk, batch.float() / 255) for batch in middles.split(64)])


def train_last_layer(features: torch.Tensor, labels: torch.Tensor, recipe: Recipe, seed: int) -> nn.Module:
    """Trains a linear layer on standardized features.

    Args:
        features: `(N, copies, D)`.
        labels: `(N,)`, from 0.
        recipe: see there.
        seed: of the copies that are seen, and of their order.

    Returns:
        A module from features `(B, D)` to logits `(B, classes)`.
    """
    random = torch.Generator().manual_seed(seed)
    count, copies = features.shape[:2]
    seen = torch.rand(count, copies, generator=random).argsort(1)[:, : max(1, copies // 2)].to(features.device)
    x = features.gather(1, seen[..., None].expand(-1, -1, features.shape[2])).flatten(0, 1)
    y = labels.repeat_interleave(seen.shape[1])
    layer = _Standardized(x.mean(0), x.std(0) + 1e-3, int(labels.max()) + 1).to(x.device)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    rates = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.steps)
    for _ in range(recipe.steps):
        chosen = torch.randint(len(x), (recipe.batch_size,), generator=random).to(x.device)
        loss = F.cross_entropy(layer(x[chosen]), y[chosen])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        rates.step()
    return layer.eval()


@torch.no_grad()
def correct_answers(layer: nn.Module, features: torch.Tensor, labels: torch.Tensor) -> np.ndarray:
    """Which images are classified correctly: `(N,)`, 0 or 1."""
    return (layer(features).argmax(1) == labels).double().cpu().numpy()


def random_crops(images: torch.Tensor, size: int, random: torch.Generator) -> torch.Tensor:
    """`(B, C, S, S)` -> `(B, C, size, size)`: each image cut out somewhere, and every second one flipped."""
    room = images.shape[-1] - size
    corners = torch.randint(room + 1, (len(images), 2), generator=random).tolist()
    flips = (torch.rand(len(images), generator=random) < 0.5).tolist()
    crops = [image[:, y : y + size, x : x + size] for image, (y, x) in zip(images, corners)]
    return torch.stack([crop.flip(-1) if flip else crop for crop, flip in zip(crops, flips)])


class _Standardized(nn.Module):
    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, mean: torch.Tensor, std: torch.Tensor, classes: int):
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.linear = nn.Linear(len(mean), classes)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(((x - self.mean) / self.std).clamp(-6, 6))
