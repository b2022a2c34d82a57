"""Resampling and convolutions written out in float64, one output value at a time."""

import itertools

import numpy as np

TAPS = np.array([1.0, 3.0, 3.0, 1.0]) / 8


def upfirdn(x, up=1, down=1, before=0, after=0, gain=1.0):
    """One map `(H, W)`: zeros put between, zeros (if negative, nothing) around it, filtered by TAPS, every `down`-th taken."""
    height, width = x.shape
    sparse = np.zeros((height * up, width * up))
    for i, j in itertools.product(range(height), range(width)):
        sparse[i * up, j * up] = x[i, j]
    padded = np.pad(sparse, ((before, after), (before, after)))
    rows, columns = (n - 3 for n in padded.shape)
    y = np.zeros((rows, columns))
    for i, j, k, l in itertools.product(range(rows), range(columns), range(4), range(4)):
        y[i, j] += gain * TAPS[k] * TAPS[l] * padded[i + k, j + l]
    return y[::down, ::down]


def conv(x, weight, padding=0, stride=1):
    """`(C, H, W)` and `(D, C, k, k)` -> `(D, H', W')`, zeros beyond the edges."""
    size = weight.shape[-1]
    padded = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    rows, columns = ((n - size) // stride + 1 for n in padded.shape[1:])
    y = np.zeros((len(weight), rows, columns))
    for d, i, j in itertools.product(range(len(weight)), range(rows), range(columns)):
        window = padded[:, i * stride : i * stride + size, j * stride : j * stride + size]
        y[d, i, j] = (weight[d] * window).sum()
    return y


def transposed_conv(x, weight):
    """`(C, H, W)` and `(D, C, k, k)` -> `(D, 2 H + k - 2, 2 W + k - 2)`: every value puts the kernel down, two places apart."""
    size = weight.shape[-1]
    _, height, width = x.shape
    y = np.zeros((len(weight), 2 * height + size - 2, 2 * width + size - 2))
    for d, c, i, j in itertools.product(range(len(weight)), range(len(x)), range(height), range(width)):
        y[d, 2 * i : 2 * i + size, 2 * j : 2 * j + size] += weight[d, c] * x[c, i, j]
    return y


def modulated_conv(x, weight, style, demodulate=True, up=False):
    """`(B, C, H, W)`, `(D, C, 3, 3)` or `(D, C, 1, 1)` and `(B, C)` -> `(B, D, H, W)`, or twice as large."""
    images = []
    for image, scales in zip(x, style):
        changed = np.zeros_like(weight)
        for d in range(len(weight)):
            for c in range(len(scales)):
                changed[d, c] = scales[c] * weight[d, c]
            if demodulate:
                changed[d] /= np.sqrt((changed[d] ** 2).sum() + 1e-8)
        if up:
            wide = transposed_conv(image, changed)
            images.append(np.stack([upfirdn(m, before=1, after=1, gain=4.0) for m in wide]))
        else:
            images.append(conv(image, changed, padding=weight.shape[-1] // 2))
    return np.stack(images)


def leaky(x):
    return np.where(x >= 0, x, 0.2 * x) * np.sqrt(2)
