#!/usr/bin/env python
"""Makes the figures of docs/restoration.md from the packaged photos: the trade-off of fidelity, and what restoration cannot do.

python tools/make_restoration_figures.py curve --output docs/restoration-fidelity.svg
python tools/make_restoration_figures.py limits --output docs/restoration-limits.jpg
python tools/make_restoration_figures.py guesses --output docs/restoration-guesses.jpg

`curve` prints its points, too. `limits` shows the restorer, and `guesses` the inpainter and the colorizer. --photos and
--pretrained_model_name_or_path take others than the packaged ones.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageOps

from styleadapt import RestorationPipeline
from styleadapt.data.degradations import blur, gaussian_kernel, gaussian_noise, jpeg_artifacts, motion_kernel
from styleadapt.devices.cpu import configure_cpu
from styleadapt.images.image_files import list_images
from styleadapt.images.images import image_to_tensor, open_image
from styleadapt.metrics.backbones import load_backbone
from styleadapt.metrics.perceptual import perceptual_distance
from styleadapt.metrics.pixels import psnr
from styleadapt.metrics.sheets import captioned_sheet

PHOTOS = Path(__file__).resolve().parents[1] / "styleadapt" / "assets" / "photos"
FIDELITIES = (1.0, 0.75, 0.5, 0.25, 0.0)
COLORS = ("#1f6fb4", "#c2571a")

Damage = Callable[[np.ndarray], np.ndarray]
Point = tuple[float, float]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figure", choices=("curve", "limits", "guesses"))
    parser.add_argument("--output", type=Path, required=True, help="an .svg file for the curve, else a .jpg file")
    parser.add_argument("--photos", default=str(PHOTOS), help="folder of undamaged photos")
    parser.add_argument("--size", type=int, default=256, help="side in pixels of the middle that is taken of each photo")
    parser.add_argument("--pretrained_model_name_or_path", help="folder or repository; packaged weights by default")
    args = parser.parse_args()
    configure_cpu()
    pipe = RestorationPipeline.from_pretrained(args.pretrained_model_name_or_path)
    photos = {Path(path).stem: middle(open_image(path), args.size) for path in list_images(args.photos)}
    if args.figure == "curve":
        points = trade_off(pipe, list(photos.values()))
        for name, course in points.items():
            for fidelity, (distance, ratio) in zip(FIDELITIES, course):
                print(f"{name}, fidelity {fidelity}: perceptual distance {distance:.4f}, PSNR {ratio:.2f} dB")
        args.output.write_text(curve(points), encoding="utf-8")
    else:
        rows = (limits if args.figure == "limits" else guesses)(pipe, photos)
        captioned_sheet(rows, side=args.size).save(args.output, quality=85, optimize=True)
    return 0


def middle(image: Image.Image, size: int) -> Image.Image:
    """The middle of an image, at twice the size made half as large: photos come as JPEG files."""
    return ImageOps.fit(image, (2 * size, 2 * size)).resize((size, size), Image.Resampling.LANCZOS)


def trade_off(pipe: RestorationPipeline, photos: list[Image.Image]) -> dict[str, list[Point]]:
    """For each damage, the mean perceptual distance and the mean PSNR at each of `FIDELITIES`."""
    backbone = load_backbone("embedded")
    cases: dict[str, tuple[str, int, Callable[[np.ndarray, np.random.Generator], np.ndarray]]] = {
        "noise 50": ("denoise", 50, lambda clean, rng: gaussian_noise(clean, 50, rng)),
        "JPEG quality 10": ("jpeg", 10, lambda clean, rng: jpeg_artifacts(clean, 10)),
    }
    points: dict[str, list[Point]] = {}
    for name, (task, level, harm) in cases.items():
        for fidelity in FIDELITIES:
            found = []
            for number, photo in enumerate(photos):
                damaged = harm(np.asarray(photo, np.float32), np.random.default_rng(number))
                restored = pipe((damaged / 255).astype(np.float32), task=task, level=level, fidelity=fidelity).images[0]  # type: ignore[arg-type]
                x, y = image_to_tensor(restored), image_to_tensor(photo)
                with torch.inference_mode():
                    found.append((float(perceptual_distance(backbone(x), backbone(y))), float(psnr(x, y))))
            points.setdefault(name, []).append((sum(d for d, _ in found) / len(found), sum(r for _, r in found) / len(found)))
    return points


def curve(points: dict[str, list[Point]]) -> str:
    """An SVG picture of `trade_off`: a panel for each damage, PSNR over perceptual distance."""
    width, height, edge = 360, 280, 62
    parts = []
    for panel, (name, course) in enumerate(points.items()):
        left, color = panel * width, COLORS[panel % len(COLORS)]
        spans = [_widened([point[axis] for point in course]) for axis in (0, 1)]

        def place(point: Point, left: int = left, spans: list[Point] = spans) -> tuple[float, float]:
            shares = [(value - low) / (high - low) for value, (low, high) in zip(point, spans)]
            return left + edge + shares[0] * (width - edge - 24), height - edge - shares[1] * (height - edge - 40)

        dots = [place(point) for point in course]
        parts.append(f'<text x="{left + width / 2 + 20}" y="22" text-anchor="middle" font-weight="bold">{name}</text>')
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in dots)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="2"/>')
        for (x, y), fidelity in zip(dots, FIDELITIES):
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{color}"/>')
            parts.append(f'<text x="{x + 7:.1f}" y="{y - 6:.1f}">{fidelity:g}</text>')
        (low_x, bottom), (high_x, top) = place((spans[0][0], spans[1][0])), place((spans[0][1], spans[1][1]))
        parts.append(f'<path d="M{low_x:.1f},{top:.1f} V{bottom:.1f} H{high_x:.1f}" fill="none" stroke="#666"/>')
        for share in (0, 0.5, 1):
            distance, ratio = (low + share * (high - low) for low, high in spans)
            x, y = place((distance, ratio))
            parts.append(f'<text x="{x:.1f}" y="{bottom + 18:.1f}" text-anchor="middle">{distance:.3f}</text>')
            parts.append(f'<text x="{low_x - 6:.1f}" y="{y + 4:.1f}" text-anchor="end">{ratio:.2f}</text>')
        parts.append(
            f'<text x="{(low_x + high_x) / 2:.1f}" y="{bottom + 40:.1f}" text-anchor="middle">perceptual distance</text>'
        )
        parts.append(f'<text x="{left + 8}" y="22">PSNR, dB</text>')
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width * len(points)} {height}" '
        f'font-family="sans-serif" font-size="12">\n<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n'
    )


def limits(pipe: RestorationPipeline, photos: dict[str, Image.Image]) -> list[list[tuple[str, Image.Image]]]:
    """Rows of an undamaged photo, the damaged one and what is made of it, of damage that is not mended."""
    rng = np.random.default_rng(0)
    pictures = list(photos.values())
    harms: list[tuple[str, str, Damage]] = [
        ("noise 75: texture is gone", "denoise", lambda x: gaussian_noise(x, 75, rng)),
        ("coarse noise, as of a camera", "auto", lambda x: x + 3 * blur(gaussian_noise(0 * x, 25, rng), gaussian_kernel(1.2))),
        ("motion of 14 px", "deblur", lambda x: blur(x, motion_kernel(14, 0.5))),
        ("scratches", "auto", scratched),
    ]
    rows = []
    for (name, task, harm), photo in zip(harms, pictures[:: max(1, len(pictures) // len(harms))]):
        damaged = np.clip(harm(np.asarray(photo, np.float32)), 0, 255) / 255
        restored = pipe(damaged.astype(np.float32), task=task).images[0]  # type: ignore[arg-type]
        shown = Image.fromarray(np.rint(damaged * 255).astype(np.uint8))
        rows.append([("photo", photo), (name, shown), (f"restored, task {task}", restored)])
    return rows


def guesses(pipe: RestorationPipeline, photos: dict[str, Image.Image]) -> list[list[tuple[str, Image.Image]]]:
    """Rows of a photo, what is left of it and what is made of that: holes over things, and colors that nothing tells."""
    rows = []
    for number, photo in enumerate(list(photos.values())[:6]):
        side = photo.width
        if number % 2:
            gray = photo.convert("L")
            rows.append([("photo", photo), ("gray", gray.convert("RGB")), ("colorized", pipe(gray, task="colorize").images[0])])
            continue
        hole = Image.new("L", photo.size)
        hole.paste(255, (side * 3 // 8, side * 3 // 8, side * 5 // 8, side * 5 // 8))
        left = Image.composite(Image.new("RGB", photo.size, "white"), photo, hole)
        rows.append([("photo", photo), ("hole", left), ("inpainted", pipe(photo, task="inpaint", mask=hole).images[0])])
    return rows


def scratched(image: np.ndarray) -> np.ndarray:
    """A photo with light scratches from top to bottom."""
    canvas = Image.fromarray(image.astype(np.uint8))
    draw = ImageDraw.Draw(canvas)
    for start in (0.2, 0.45, 0.8):
        draw.line([(start * canvas.width, 0), ((start + 0.1) * canvas.width, canvas.height)], (235, 230, 220), 2)
    return np.asarray(canvas, np.float32)


def _widened(values: list[float]) -> Point:
    """Limits of an axis, a little beyond the values."""
    margin = max(0.15 * (max(values) - min(values)), 1e-6)
    return min(values) - margin, max(values) + margin


if __name__ == "__main__":
    sys.exit(main())
