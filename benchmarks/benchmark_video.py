#!/usr/bin/env python
"""How much a stylized clip flickers with and without smoothing, and what that costs in sharpness, ghosts and time.

    python benchmarks/benchmark_video.py
    python benchmarks/benchmark_video.py --source clip.mp4 --smoothing 0.5 0.9 --sheet frames.png

Without --source, clips are made from packaged photos: the camera moves over one while a piece cut from another crosses it, with
the noise of a sensor. For every clip and style:

    before, after   `styleadapt.metrics.flicker` of the stylized frames, each for itself and smoothed; lower is steadier
    ratio           after / before
    blurred         the same ratio if every frame is only blurred, to the sharpness of the smoothed ones
    detail          energy of the Laplacian, smoothed / each for itself; 1 is equally sharp
    ghost           share of the previous picture that is left where the moving piece uncovers ground, 0 is none; made clips only
    ms              a frame: stylization, smoothing

The sheet shows successive frames of the last clip and style: film, each for itself, smoothed.
Needs `pip install -e ".[metrics]"`.
"""

import argparse
import sys
import time
from importlib import resources
from itertools import islice
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import torch
from PIL import Image

from styleadapt import StyleTransferPipeline
from styleadapt.devices.cpu import configure_cpu
from styleadapt.images.images import open_image, save_image
from styleadapt.metrics.flicker import flicker
from styleadapt.pipelines.video import SMOOTHING
from styleadapt.video.reading import Picture, VideoReader
from styleadapt.video.smoothing import TemporalSmoother

ASSETS = resources.files("styleadapt") / "assets"
# photo, the one that the piece is cut from, columns and rows and zoom of the camera a frame
MADE = {
    "pan": ("lake.jpg", "cat.jpg", (2.5, 0.8), 0.003),
    "wander": ("street.jpg", "dahlia.jpg", (-1.7, 1.8), 0.0),
    "still": ("colosseum.jpg", "dogs.jpg", (0.0, 0.0), 0.0),
}
NOISE = 3.0


class MadeClip:
    """Frames `(T, H, W, 3)` uint8, where the piece is `(T, H, W)` in [0, 1], and the camera's matrices `(T, 2, 3)`."""

    def __init__(self, name: str, width: int, frames: int):
        photo, other, step, zoom = MADE[name]
        height = round(width * 0.625)
        rng = np.random.default_rng(0)
        ground = np.asarray(open_image(str(ASSETS / "photos" / photo)))
        scale = 1.4 * max(width / ground.shape[1], height / ground.shape[0])
        ground = cv2.resize(ground, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        side = width // 4
        piece = cv2.resize(np.asarray(open_image(str(ASSETS / "photos" / other))), (side, side), interpolation=cv2.INTER_AREA)
        y, x = np.mgrid[:side, :side] - side / 2
        shape = cv2.GaussianBlur((np.hypot(x, y) < side / 2.2).astype(np.float32), (0, 0), 0.8)
        film, masks, cameras = [], [], []
        margin = (np.array(ground.shape[1::-1]) - (width, height)) / 2
        for t in range(frames):
            camera = np.array([[1 + zoom * t, 0, -margin[0] - step[0] * t], [0, 1 + zoom * t, -margin[1] - step[1] * t]])
            path = np.array([[1, 0, 0.04 * width + 4.3 * t], [0, 1, height / 3 + 12 * np.sin(t / 5)]])
            seen = cv2.warpAffine(ground, camera, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
            before = cv2.warpAffine(piece, path, (width, height), flags=cv2.INTER_CUBIC)
            mask = cv2.warpAffine(shape, path, (width, height))
            frame = seen + mask[..., None] * (before.astype(np.float32) - seen) + rng.normal(0, NOISE, seen.shape)
            film.append(np.clip(frame + 0.5, 0, 255).astype(np.uint8))
            masks.append(mask)
            cameras.append(camera)
        self.film, self.masks, self.cameras = np.stack(film), np.stack(masks), np.stack(cameras)

    def ghost(self, plain: np.ndarray, smoothed: np.ndarray) -> float:
        """Weight of the previous result, along the camera's true motion, in ground that was covered by the piece before."""
        shared = total = 0.0
        for t in range(1, len(self.film)):
            here, there = (np.vstack([self.cameras[i], [0, 0, 1]]) for i in (t, t - 1))
            back = (there @ np.linalg.inv(here))[:2]
            size = plain.shape[2], plain.shape[1]
            old, mask_before = (
                cv2.warpAffine(x, back, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
                for x in (smoothed[t - 1].astype(np.float32), self.masks[t - 1])
            )
            uncovered = (mask_before > 0.9) & (self.masks[t] < 0.1)
            fresh = plain[t].astype(np.float32)[uncovered]
            toward = old[uncovered] - fresh
            shared += float(((smoothed[t][uncovered] - fresh) * toward).sum())
            total += float((toward**2).sum())
        return shared / total


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", metavar="P", help="a clip to measure on, in place of the made ones")
    parser.add_argument("--clips", nargs="+", choices=MADE, default=list(MADE), help="made clips")
    parser.add_argument("--styles", nargs="+", default=["mosaic", "swirls", "watercolor"], help="packaged styles")
    parser.add_argument("--smoothing", nargs="+", type=float, default=[SMOOTHING])
    parser.add_argument("--width", type=int, default=320)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--threads", type=int, help="all cores by default")
    parser.add_argument("--sheet", metavar="P", help="image file to write successive frames to")
    args = parser.parse_args()
    configure_cpu(args.threads)
    cv2.setNumThreads(torch.get_num_threads())
    pipe = StyleTransferPipeline.from_pretrained()
    names = ("smoothing", "before", "after", "ratio", "blurred", "detail", "ghost")
    print(f"{'clip':10}{'style':12}" + "".join(f"{name:>10}" for name in names) + "   ms")
    for name in [Path(args.source).stem] if args.source else args.clips:
        made = None if args.source else MadeClip(name, args.width, args.frames)
        film = read_film(args.source, args.width, args.frames) if made is None else made.film
        for style in args.styles:
            plain, stylization = stylized(pipe, film, style)
            before = flicker(as_tensor(plain), as_tensor(film)).output
            for smoothing in args.smoothing:
                smoothed, cost = steadied(film, plain, smoothing)
                after = flicker(as_tensor(smoothed), as_tensor(film)).output
                blurred = flicker(as_tensor(blurred_to(plain, detail(smoothed))), as_tensor(film)).output
                ghost = made.ghost(plain, smoothed) if made else float("nan")
                figures = (smoothing, before, after, after / before, blurred / before, detail(smoothed) / detail(plain), ghost)
                cells = "".join(f"{figure:10.3f}" for figure in figures)
                print(f"{name:10.9}{style:12.11}{cells}   {1000 * stylization:.0f} + {1000 * cost:.0f}", flush=True)
    if args.sheet:
        middle = slice(len(film) // 2, len(film) // 2 + 4)
        rows = [np.concatenate(frames[middle], 1) for frames in (film, plain, smoothed)]
        save_image(Image.fromarray(np.concatenate(rows, 0)), args.sheet)
    return 0


def read_film(source: str, width: int, frames: int) -> np.ndarray:
    with VideoReader(Path(source), max_size=width) as clip:
        return np.stack([item.pixels for item in islice((i for i in clip if isinstance(i, Picture)), frames)])


def stylized(pipe: StyleTransferPipeline, film: np.ndarray, style: str) -> tuple[np.ndarray, float]:
    """The frames, each for itself, and the median seconds of one."""
    painting = open_image(str(ASSETS / "styles" / f"{style}.jpg"))
    seconds, out = [], []
    for frame in film:
        start = time.perf_counter()
        out.append(np.asarray(pipe(Image.fromarray(frame), style=painting).images[0]))
        seconds.append(time.perf_counter() - start)
    return np.stack(out), median(seconds)


def steadied(film: np.ndarray, plain: np.ndarray, smoothing: float) -> tuple[np.ndarray, float]:
    smooth = TemporalSmoother(smoothing)
    seconds, out = [], []
    for photo, painted in zip(film, plain):
        start = time.perf_counter()
        out.append(smooth(photo, painted))
        seconds.append(time.perf_counter() - start)
    return np.stack(out), median(seconds)


def detail(frames: np.ndarray) -> float:
    return float(np.mean([np.square(cv2.Laplacian(f.astype(np.float32).mean(-1), cv2.CV_32F)).mean() for f in frames]))


def blurred_to(frames: np.ndarray, energy: float) -> np.ndarray:
    """The frames, blurred by a Gaussian until their detail has that energy."""
    low, high = 0.05, 3.0
    for _ in range(12):
        sigma = (low + high) / 2
        blurred = np.stack([cv2.GaussianBlur(frame, (0, 0), sigma) for frame in frames])
        low, high = (sigma, high) if detail(blurred) > energy else (low, sigma)
    return blurred


def as_tensor(frames: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 127.5 - 1


if __name__ == "__main__":
    sys.exit(main())
