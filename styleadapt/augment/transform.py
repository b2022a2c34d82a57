"""What the augmentations of a classifier's images share: any kind of image in, the same kind out, within any library."""

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import get_worker_info

IMAGE_KEYS = ("image", "img", "pixel_values")
# and "I" and "F", which `to_batch` refuses
_ROOMY = ("RGB", "RGBA", "L", "LA", "I", "F")


class ImageAugmentation(ABC):
    """Base of `StyleAugment`, `ColorJitter` and `RandConv`. A subclass defines `augment`.

    An image is a PIL image, an array `(H, W, 3)` or a tensor `(3, H, W)`, and a batch is a tensor `(B, 3, H, W)`; uint8, or
    floating point in [0, 1]. Images of one size are worked on together, on the device where they are. Of PIL images the modes
    "RGB", "RGBA", "L", "LA" and "I;16" stay what they are; modes without room for other colors, such as "P", "1" and "CMYK",
    become "RGB", whether they are drawn or not.

    A call takes images as they are, and what data sets give: a list of images; a tuple whose first entry is one, such as
    `(image, label)`; a dict with one, or a list of them, under one of `keys`, as `datasets.map` and `set_transform` pass it.
    torchvision's `tv_tensors.Image` is augmented wherever it stands, and its masks, boxes and everything else stay as they are.

    Args:
        p: probability with which each image is augmented.
        seed: of the draws; torch's global random state if left out. Each worker of a `DataLoader` draws numbers of its own, from
            this seed and from the loader's, so that a loader with a seeded `generator` gives the same images again.
        keys: under which a dict keeps its images.

    Raises:
        ValueError: `p` is not in [0, 1].
    """

    def __init__(self, p: float, seed: int | None, keys: Sequence[str] = IMAGE_KEYS):
        if not 0 <= p <= 1:
            raise ValueError(f"`p` is {p}; a probability lies between 0 and 1")
        self.p, self.seed, self.keys = p, seed, tuple(keys)
        self._random: torch.Generator | None = None
        self._worker: int | None = None

    @abstractmethod
    def augment(self, images: torch.Tensor, random: torch.Generator) -> torch.Tensor:
        """
        Args:
            images: `(B, 3, H, W)` in [-1, 1], float32.
            random: on the CPU.

        Returns:
            All of them augmented; the same shape.
        """

    def __call__(self, *inputs: Any) -> Any:
        """The input with its images augmented; several arguments are taken as a tuple, as torchvision passes a sample.

        Raises:
            TypeError: there is no image in it.
            ValueError: an image of another shape, type or range.
        """
        sample = inputs[0] if len(inputs) == 1 else inputs
        found: list[Any] = []
        self._visit(sample, found.append)
        if not found:
            keys = f" under {', '.join(self.keys)}" if isinstance(sample, Mapping) else ""
            raise TypeError(f"there is no image{keys} in a {type(sample).__name__}; pass images, or name `keys`")
        done = iter(self._augment_all(found))
        return self._visit(sample, lambda image: next(done))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p}, seed={self.seed})"

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        if self._random is not None:
            state["_random"] = self._random.get_state()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if isinstance(self._random, torch.Tensor):
            self._random = torch.Generator()
            self._random.set_state(state["_random"])

    def _augment_all(self, images: list[Any]) -> list[Any]:
        # also those that are not drawn, so that all images of a data set come back in one mode
        images = [_with_room(image) for image in images]
        batches = [to_batch(image) for image in images]
        groups: dict[tuple, list[int]] = {}
        for number, batch in enumerate(batches):
            groups.setdefault((batch.shape[-2:], batch.device), []).append(number)
        random = self._generator()
        results: list[Any] = [None] * len(images)
        for numbers in groups.values():
            joined = torch.cat([batches[number] for number in numbers])
            chosen = torch.rand(len(joined), generator=random, dtype=torch.float32) < self.p
            if not chosen.any():
                for number in numbers:
                    results[number] = images[number]
                continue
            where = chosen.nonzero().squeeze(1).to(joined.device)
            joined[where] = self.augment(joined[where], random)
            lengths = [len(batches[number]) for number in numbers]
            for number, batch, taken in zip(numbers, joined.split(lengths), chosen.split(lengths)):
                results[number] = from_batch(batch, images[number], taken)
        return results

    def _generator(self) -> torch.Generator:
        worker = get_worker_info()
        if self._random is None or (worker is not None and self._worker != worker.seed):
            seed = self.seed if self.seed is not None else int(torch.randint(2**62, (1,)))
            if worker is not None:
                self._worker = worker.seed
                # one large number of both, as of a hash
                seed = (seed * 0x9E3779B97F4A7C15 + worker.seed) % 2**63
            self._random = torch.Generator().manual_seed(seed)
        return self._random

    def _visit(self, sample: Any, change: Callable[[Any], Any], typed_only: bool = False) -> Any:
        """`sample` with its images changed; if `typed_only`, only those that say by their type that they are images."""
        if isinstance(sample, (Image.Image, np.ndarray, torch.Tensor)):
            typed = _torchvision_image(sample)
            return change(sample) if typed or (typed is None and not typed_only) else sample
        if isinstance(sample, Mapping):
            return {key: self._visit(value, change, typed_only or key not in self.keys) for key, value in sample.items()}
        if isinstance(sample, tuple):
            return tuple(self._visit(value, change, typed_only or number > 0) for number, value in enumerate(sample))
        if isinstance(sample, list):
            return [self._visit(value, change, typed_only) for value in sample]
        return sample


def to_batch(image: Any) -> torch.Tensor:
    """A new float32 batch `(B, 3, H, W)` in [-1, 1] of an image of any kind.

    Raises:
        ValueError: another shape, type or range, or a PIL image of mode "I" or "F", whose scale is not known.

    >>> to_batch(Image.new("L", (4, 2), 255)).shape, float(to_batch(torch.zeros(3, 2, 2)).max())
    (torch.Size([1, 3, 2, 4]), -1.0)
    """
    if isinstance(image, Image.Image):
        if image.mode in ("I", "F"):
            raise ValueError(f'a PIL image of mode "{image.mode}" has no scale of its own; make it "L", "I;16" or "RGB" first')
        if image.mode.startswith("I;16"):
            levels = torch.from_numpy(np.asarray(image).astype(np.float32))
            return (levels / 32767.5 - 1).expand(1, 3, -1, -1).clone()
        image = np.array(image.convert("RGB"))
    if isinstance(image, np.ndarray):
        if image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(f"an array of shape {image.shape} is no color image; it is (H, W, 3)")
        image = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)
    if image.ndim not in (3, 4) or image.shape[-3] != 3 or 0 in image.shape[-2:]:
        raise ValueError(
            f"a tensor of shape {tuple(image.shape)} is no color image; it is (3, H, W) or (B, 3, H, W), and a gray one becomes "
            "that by `.expand(3, -1, -1)`"
        )
    plain = image.detach().as_subclass(torch.Tensor).reshape(-1, *image.shape[-3:])
    if plain.dtype == torch.uint8:
        return plain.float() / 127.5 - 1
    if not plain.is_floating_point():
        raise ValueError(f"an image of type {plain.dtype} cannot be augmented; it is uint8, or floating point in [0, 1]")
    plain = plain.float()
    if plain.numel():
        low, high = (float(value) for value in plain.aminmax())
        if not (low >= -1e-3 and high <= 1 + 1e-3):
            raise ValueError(f"a float image holds {low:.4g} to {high:.4g}; it lies in [0, 1]: augment before you normalize")
    return plain * 2 - 1


def from_batch(batch: torch.Tensor, like: Any, changed: torch.Tensor) -> Any:
    """The image or images of `batch` as the kind that `like` is; those that are not `changed` are exactly as they were.

    Args:
        batch: `(B, 3, H, W)`, [-1, 1] for all kinds but floating point, which is not cut off.
        like: what `to_batch` was given.
        changed: `(B,)`, true for the images that were augmented.
    """
    if not changed.any():
        return like
    if isinstance(like, Image.Image):
        if like.mode.startswith("I;16"):
            # the weights of Pillow's "L"
            gray = torch.einsum("chw,c->hw", batch[0].cpu(), batch.new_tensor([0.299, 0.587, 0.114], device="cpu"))
            levels = ((gray + 1) * 32767.5).round().clamp(0, 65535).numpy()
            return Image.fromarray(levels.astype(np.asarray(like).dtype))
        done = Image.fromarray(_to_bytes(batch[0]).permute(1, 2, 0).cpu().numpy())
        if like.mode in ("L", "LA"):
            done = done.convert("L")
        if like.mode in ("RGBA", "LA"):
            done.putalpha(like.getchannel("A"))
        return done
    array = isinstance(like, np.ndarray)
    before = torch.from_numpy(np.ascontiguousarray(like)).permute(2, 0, 1) if array else like.as_subclass(torch.Tensor)
    values = _to_bytes(batch) if before.dtype == torch.uint8 else ((batch + 1) / 2).to(before.dtype)
    values = torch.where(changed.to(values.device).view(-1, 1, 1, 1), values, before.reshape(values.shape)).reshape(before.shape)
    if array:
        return np.ascontiguousarray(values.permute(1, 2, 0).numpy())
    return sys.modules["torchvision"].tv_tensors.wrap(values, like=like) if _torchvision_image(like) else values


def _with_room(image: Any) -> Any:
    """A PIL image whose mode has no room for other colors as "RGB"; anything else as it is."""
    roomy = not isinstance(image, Image.Image) or image.mode in _ROOMY or image.mode.startswith("I;16")
    return image if roomy else image.convert("RGB")


def _to_bytes(values: torch.Tensor) -> torch.Tensor:
    return ((values + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def _torchvision_image(sample: Any) -> bool | None:
    """Whether torchvision's type says that it is an image; None where the type says nothing."""
    tv_tensors = sys.modules.get("torchvision.tv_tensors")
    if tv_tensors is None or not isinstance(sample, tv_tensors.TVTensor):
        return None
    return isinstance(sample, tv_tensors.Image)
