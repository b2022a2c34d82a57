"""A small classifier, and one recipe to train it with, whatever its images are augmented by.

The first blocks of its trunk are frozen, so that their features are computed once: of several augmented copies of each training
image, and of the test images. The other blocks and the last layer are trained on them. A comparison of many augmentations then
takes minutes on a CPU.
"""

import copy
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
from ..models.efficientnet import IMAGENET_MEAN, IMAGENET_SCALE, EfficientNetLite0
from ..models.style_encoder import StyleEncoder

_FROZEN = 6  # blocks, up to 1/16 of the image


@dataclass(frozen=True)
class Recipe:
    """How classifiers are trained, the same for all that are compared.

    Args:
        size: side in pixels of the square crops they see.
        margin: pixels by which images are larger than crops, which are shifted within.
        copies: of each training image, cropped, flipped and augmented afresh; each training sees a random half of them.
        epochs: passes over the training images, each with one of their copies.
        batch_size: of a step.
        lr, head_lr: of AdamW, for the blocks and for the last layer, at the start; they fall to 0 along a cosine.
        weight_decay: of AdamW.
    """

    size: int = 112
    margin: int = 16
    copies: int = 8
    epochs: int = 8
    batch_size: int = 32
    lr: float = 3e-4
    head_lr: float = 1e-3
    weight_decay: float = 0.01


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
    images: list[torch.Tensor] = []
    labels: list[int] = []
    left_out: list[str] = []
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


class Top(nn.Module):
    """The blocks that are trained, and a linear layer on means and maxima of the last activations: features `(B, C, h, w)` that
    `frozen_features` gives -> logits `(B, classes)`. A maximum sees a line drawing on an empty sheet as it sees a photo; a mean
    sees the sheet."""

    def __init__(self, trunk: EfficientNetLite0, classes: int):
        super().__init__()
        self.blocks = copy.deepcopy(trunk.blocks[_FROZEN:]).requires_grad_(True)
        self.head = nn.Linear(2 * trunk.channels["block11.expand"], classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            x, expanded, _ = block(x)
        return self.head(torch.cat([expanded.mean((2, 3)), expanded.amax((2, 3))], 1))


@torch.no_grad()
def frozen_features(trunk: EfficientNetLite0, images: torch.Tensor) -> torch.Tensor:
    """What the frozen blocks make of images `(B, 3, H, W)` in [0, 1]: `(B, C, h, w)`, in half precision to be kept."""
    x = (images - IMAGENET_MEAN) / IMAGENET_SCALE
    x = F.relu6(trunk.stem(x.contiguous(memory_format=torch.channels_last)))
    for block in trunk.blocks[:_FROZEN]:
        x = block(x)[0]
    return x.half()


def training_features(
    trunk: EfficientNetLite0,
    images: torch.Tensor,
    recipe: Recipe,
    seed: int,
    augment: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> torch.Tensor:
    """Features of augmented copies, `(N, copies, C, h, w)`.

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
            parts.append(frozen_features(trunk, crops if augment is None else augment(crops)))
        copies.append(torch.cat(parts)[order.argsort().to(images.device)])
    return torch.stack(copies, 1)


def middle_features(trunk: EfficientNetLite0, images: torch.Tensor, size: int) -> torch.Tensor:
    """Features `(N, C, h, w)` of the middles of images `(N, 3, S, S)`, uint8."""
    start = (images.shape[-1] - size) // 2
    middles = images[..., start : start + size, start : start + size]
    return torch.cat([frozen_features(trunk, batch.float() / 255) for batch in middles.split(64)])


def train_top(trunk: EfficientNetLite0, features: torch.Tensor, labels: torch.Tensor, recipe: Recipe, seed: int) -> Top:
    """Trains what is not frozen.

    Args:
        trunk: whose blocks it starts from.
        features: `(N, copies, C, h, w)`.
        labels: `(N,)`, from 0.
        recipe: see there.
        seed: of the copies that are seen, and of their order.

    Returns:
        The top, in evaluation mode.
    """
    random = torch.Generator().manual_seed(seed)
    count, copies = features.shape[:2]
    seen = torch.rand(count, copies, generator=random).argsort(1)[:, : max(1, copies // 2)]
    top = Top(trunk, int(labels.max()) + 1).to(features.device)
    groups = [{"params": top.blocks.parameters(), "lr": recipe.lr}, {"params": top.head.parameters(), "lr": recipe.head_lr}]
    optimizer = torch.optim.AdamW(groups, weight_decay=recipe.weight_decay)
    batches = max(1, round(count / recipe.batch_size))
    rates = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.epochs * batches)
    for epoch in range(recipe.epochs):
        # each copy in turn
        now = seen[:, epoch % seen.shape[1]]
        for chosen in torch.randperm(count, generator=random).chunk(batches):
            x = features[chosen.to(features.device), now[chosen].to(features.device)].float()
            loss = F.cross_entropy(top(x.contiguous(memory_format=torch.channels_last)), labels[chosen.to(labels.device)])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            rates.step()
    return top.eval()


@torch.no_grad()
def correct_answers(top: Top, features: torch.Tensor, labels: torch.Tensor) -> np.ndarray:
    """Which images are classified correctly: `(N,)`, 0 or 1."""
    answers = [top(x.float().contiguous(memory_format=torch.channels_last)).argmax(1) for x in features.split(128)]
    return (torch.cat(answers) == labels).double().cpu().numpy()


def random_crops(images: torch.Tensor, size: int, random: torch.Generator) -> torch.Tensor:
    """`(B, C, S, S)` -> `(B, C, size, size)`: each image cut out somewhere, and every second one flipped."""
    room = images.shape[-1] - size
    corners = torch.randint(room + 1, (len(images), 2), generator=random).tolist()
    flips = (torch.rand(len(images), generator=random) < 0.5).tolist()
    crops = [image[:, y : y + size, x : x + size] for image, (y, x) in zip(images, corners)]
    return torch.stack([crop.flip(-1) if flip else crop for crop, flip in zip(crops, flips)])
