"""Adapting a tiny pipeline in a moment, and comparing pictures."""

import numpy as np
from PIL import Image

from styleadapt import AdaptationConfig

from ..conftest import smooth_noise, stripes

FAST = AdaptationConfig(rank=2, crop_size=64, pool_size=4, check_every=2, batch_size=1, frozen_layers=1)


def adapted(pipe, steps=2, styles=None, **options):
    return pipe.adapt(styles or [stripes(72)], steps=steps, content=[smooth_noise((80, 72), 0)], config=FAST, **options)


def difference(a: Image.Image, b: Image.Image) -> float:
    return float(np.abs(np.asarray(a, float) - np.asarray(b, float)).mean())
