"""Sends validation sheets to the trackers, each of which takes pictures in its own way."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def log_picture(tracker: Any, name: str, file: Path, step: int) -> None:
    """Shows a picture in one of Accelerate's trackers: TensorBoard, Weights & Biases or trackio."""
    pixels = np.asarray(Image.open(file).convert("RGB"))
    if tracker.name == "tensorboard":
        tracker.log_images({name: pixels[None]}, step=step, dataformats="NHWC")
    elif tracker.name == "wandb":
        tracker.log_images({name: [pixels]}, step=step)
    elif tracker.name == "trackio":
        import trackio

        tracker.log({name: trackio.Image(pixels)}, step=step)
