#!/usr/bin/env python
"""Measures what docs/game-assets.md says of `styleadapt assets`, on what tools/fetch_game_assets.py fetched.

    python benchmarks/benchmark_assets.py assets/ --style styleadapt/assets/styles/mosaic.jpg -o figures/

Prints one line of JSON for each mark, and writes pictures to look at: maps of Tiled before and after, textures, and sprites.
"""

import argparse
import base64
import gzip
import itertools
import json
import struct
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import torch
from PIL import Image

from styleadapt import GameAssetPipeline
from styleadapt.batch.game_folder import stylize_folder
from styleadapt.console import careful_output
from styleadapt.devices.cpu import configure_cpu
from styleadapt.game.sprites import bleed
from styleadapt.game.tiled import read_tiled
from styleadapt.images.images import image_to_tensor, load_image
from styleadapt.metrics.backbones import load_backbone
from styleadapt.metrics.stylization import style_distance

TEXTURES, SPRITES, MANY, SIDE = 20, 200, 1000, 64
MARKS = ("textures", "sprites", "consistency", "flicker", "speed", "maps")
MAPS = ("desert.tmx", "rpg/island.tmx", "sewers.tmx")


@careful_output()
def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("assets", metavar="ASSETS", type=Path, help="what tools/fetch_game_assets.py made")
    parser.add_argument("--style", required=True, metavar="S", help="style image")
    parser.add_argument("-o", "--output", required=True, metavar="OUT", type=Path, help="folder for the pictures")
    parser.add_argument("--colors", type=int, default=32, metavar="N", help="of the palette")
    parser.add_argument("--backbone", default="embedded", help="of the style distance, see metrics/backbones.py")
    parser.add_argument("--marks", nargs="+", choices=MARKS, help="what to measure; all by default")
    parser.add_argument("--num_threads", type=int, metavar="N", help="all cores by default")
    args = parser.parse_args()
    configure_cpu(args.num_threads)
    args.output.mkdir(parents=True, exist_ok=True)
    pipe = GameAssetPipeline.from_pretrained()
    textures = [load_image(path) for path in spread(sorted((args.assets / "freedoom/textures").glob("*.png")), TEXTURES)]
    units = sorted((args.assets / "wesnoth").rglob("*.png"))
    sprites = [load_image(path) for path in spread([path for path in units if Image.open(path).size == (72, 72)], SPRITES)]
    marks: dict[str, Callable[[], dict[str, Any]]] = {
        "textures": lambda: measure_textures(pipe, textures, args.style, args.output),
        "sprites": lambda: measure_sprites(pipe, sprites, args.style, args.colors, args.output),
        "consistency": lambda: measure_consistency(
            pipe, {"textures": textures, "sprites": sprites[:20]}, args.style, args.backbone
        ),
        "flicker": lambda: measure_flicker(pipe, units, args.style),
        "speed": lambda: measure_speed(pipe, args.assets, args.style),
        "maps": lambda: measure_maps(pipe, args.assets / "tiled", args.style, args.output),
    }
    for name in args.marks or marks:
        print(json.dumps({"mark": name, **marks[name]()}), flush=True)
    return 0


def spread(things: Sequence[Any], count: int) -> list[Any]:
    """So many of them, evenly spaced."""
    return [things[n * len(things) // count] for n in range(min(count, len(things)))]


def seam_ratio(texture: Image.Image) -> float:
    """The mean step of colors across the edges of a texture that repeats, by that between the rows and columns inside at their
    95th percentile; 1 or less is a seam that is not stronger than the texture's own lines."""
    pixels = np.asarray(texture.convert("RGB")).astype(float)
    ratios = []
    for axis in (0, 1):
        steps = np.abs(pixels - np.roll(pixels, 1, axis)).mean((1 - axis, 2))
        ratios.append(steps[0] / max(float(np.percentile(steps[1:], 95)), 1.0))
    return max(ratios)


def measure_textures(pipe: GameAssetPipeline, textures: Sequence[Image.Image], style: str, output: Path) -> dict[str, Any]:
    """Mark 1: the textures rolled by a multiple of 8 pixels, and their seams."""
    made = pipe(textures, style=style, tile=True)
    shift = (24, 40)
    rolled = [Image.fromarray(np.roll(np.asarray(texture.convert("RGB")), shift, (0, 1))) for texture in textures]
    again = pipe(rolled, look=made.look, tile=True).images
    apart = [np.abs(np.roll(levels(a), shift, (0, 1)) - levels(b)) for a, b in zip(made.images, again)]
    plain = pipe(textures, look=made.look).images
    save_rows(output / "textures.png", [[repeated(t) for t in row[:6]] for row in (textures, made.images, plain)])
    before, after, without = ([seam_ratio(picture) for picture in row] for row in (textures, made.images, plain))
    # a texture that repeats within itself has several places to begin at, and a dark or bright seam of its own is no fault
    return {
        "textures": len(textures),
        "equal_to_one_level_after_rolling": sum(int(difference.max() <= 1) for difference in apart),
        "largest_mean_difference_after_rolling": round(max(float(difference.mean()) for difference in apart), 4),
        "seam_before": round(float(np.mean(before)), 3),
        "seam_after": round(float(np.mean(after)), 3),
        "seam_after_largest": round(max(after), 3),
        "seam_within_own_gradient": sum(bool(a <= max(1.0, b)) for a, b in zip(after, before)),
        "seam_without_tile": round(float(np.mean(without)), 3),
    }


def measure_sprites(
    pipe: GameAssetPipeline, sprites: Sequence[Image.Image], style: str, colors: int, output: Path
) -> dict[str, Any]:
    """Mark 2: alpha, colors, and frames of a sheet against frames alone."""
    made = pipe(sprites, style=style, colors=colors)
    alphas = [
        (np.asarray(a.convert("RGBA"))[..., 3] == np.asarray(b.convert("RGBA"))[..., 3]).all()
        for a, b in zip(sprites, made.images)
    ]
    found = {color for picture in made.images for color in seen_colors(picture)}
    free = pipe(sprites, style=style)
    columns = 10
    sheet = Image.new("RGBA", (72 * columns, 72 * -(-len(sprites) // columns)))
    for n, sprite in enumerate(sprites):
        sheet.paste(sprite, (72 * (n % columns), 72 * (n // columns)))
    whole = pipe([sheet], look=free.look, grid="72x72").images[0]
    apart = []
    for n, picture in enumerate(free.images):
        left, top = 72 * (n % columns), 72 * (n // columns)
        part, alone = levels(whole.crop((left, top, left + 72, top + 72)).convert("RGBA")), levels(picture.convert("RGBA"))
        apart.append(int(np.abs(part - alone)[alone[..., 3] > 0].max(initial=0)))
    save_rows(output / "sprites.png", [row[:14] for row in (sprites, free.images, made.images)])
    return {
        "sprites": len(sprites),
        "alpha_identical": int(sum(alphas)),
        "colors_allowed": colors,
        "colors_found_in_the_set": len(found),
        "largest_difference_of_a_frame_alone": max(apart),
        "enlarged": free.look.enlarge,
    }


def measure_consistency(
    pipe: GameAssetPipeline, sets: dict[str, Sequence[Image.Image]], style: str, backbone_name: str
) -> dict[str, Any]:
    """Mark 3: mean style distance between all pairs of pieces, with shared statistics and one by one; and that of the sources.

    And how far what has one color in the sources is apart in two pieces, in levels of 255.
    """
    backbone = load_backbone(backbone_name)
    result: dict[str, Any] = {"backbone": backbone.name}
    for name, images in sets.items():
        tile = name == "textures"
        shared = pipe(images, style=style, tile=tile)
        times = shared.look.enlarge
        alone = [pipe([image], style=style, tile=tile, enlarge=times).images[0] for image in images]
        distances = {}
        for way, pictures in (("sources", images), ("shared", shared.images), ("one_by_one", alone)):
            maps = [backbone(image_to_tensor(on_view(picture))) for picture in pictures]
            pairs = [style_distance(a, b) for a, b in itertools.permutations(maps, 2)]
            distances[way] = {key: round(float(np.mean([float(pair[key]) for pair in pairs])), 4) for key in ("gram", "mean_std")}
        result[name] = distances
        result[f"{name}_same_color_apart"] = {
            way: round(same_color_apart(images, pictures), 2)
            for way, pictures in (("shared", shared.images), ("one_by_one", alone))
        }
    return result


def measure_flicker(pipe: GameAssetPipeline, units: Sequence[Path], style: str) -> dict[str, Any]:
    """What changes from frame to frame where the source does not, in levels of 255, with shared statistics and frame by frame."""
    names = [path for path in units if path.name.startswith("archer-bow") or path.name == "archer.png"]
    frames = [image for image in (load_image(path).convert("RGBA") for path in names) if image.size == (72, 72)]
    shared = pipe(frames, style=style)
    alone = [pipe([frame], style=style, enlarge=shared.look.enlarge).images[0] for frame in frames]
    changes: dict[str, list[float]] = {"shared": [], "one_by_one": []}
    for n in range(1, len(frames)):
        before, after = levels(frames[n - 1]), levels(frames[n])
        still = (before == after).all(2) & (after[..., 3] > 0)
        for way, pictures in (("shared", shared.images), ("one_by_one", alone)):
            if still.any():
                changes[way].append(float(np.abs(levels(pictures[n - 1]) - levels(pictures[n]))[still][:, :3].mean()))
    return {
        "frames": len(frames),
        **{way: round(float(np.mean(values)), 2) for way, values in changes.items()},
    }


def measure_speed(pipe: GameAssetPipeline, assets: Path, style: str) -> dict[str, Any]:
    """Mark 4: a thousand sprites of 64 x 64 pixels, in memory; from taking the statistics to the last picture."""
    sources = itertools.cycle(sorted((assets / "freedoom/sprites").glob("*.png")))
    sprites: list[Image.Image] = []
    while len(sprites) < MANY:
        canvas = Image.new("RGBA", (SIDE, SIDE))
        canvas.paste(load_image(next(sources)).convert("RGBA"), (0, 0))
        if np.asarray(canvas)[..., 3].any():
            sprites.append(canvas)
    result: dict[str, Any] = {"sprites": MANY, "threads": torch.get_num_threads()}
    for enlarge in (None, 1):
        wall, cpu = time.perf_counter(), time.process_time()
        look = pipe(sprites, style=style, colors=32, enlarge=enlarge).look
        seconds = {"wall": round(time.perf_counter() - wall, 1), "cpu": round(time.process_time() - cpu, 1)}
        result[f"enlarged_{look.enlarge}"] = seconds
    return result


def measure_maps(pipe: GameAssetPipeline, folder: Path, style: str, output: Path) -> dict[str, Any]:
    """Mark 5: the example maps of Tiled, drawn with their own tiles and with the stylized ones."""
    made = output / "tiled"
    entries = stylize_folder(pipe, folder, made, style)
    drawn = []
    for name in MAPS:
        pictures = [draw_map(root / name) for root in (folder, made)]
        save_rows(output / f"{Path(name).stem}.png", [pictures])
        drawn.append({"map": name, "size": pictures[0].size, "same_size": pictures[0].size == pictures[1].size})
    failed = {entry.input: entry.error for entry in entries if entry.error}
    return {"files": len(entries), "failed": failed, "maps": drawn}


def draw_map(path: Path) -> Image.Image:
    """An orthogonal map of Tiled, of tiles that are not turned, layer on layer."""
    root = ElementTree.parse(path).getroot()
    columns, rows, width, height = (int(root.attrib[name]) for name in ("width", "height", "tilewidth", "tileheight"))
    tiles: dict[int, Image.Image] = {}
    for tileset in root.iter("tileset"):
        source = path if "source" not in tileset.attrib else path.parent / tileset.attrib["source"]
        [(picture, told)] = read_tiled(source).items()
        image = load_image(picture).convert("RGBA")
        if told.key:
            pixels = np.array(image)
            pixels[(pixels[..., :3] == told.key).all(2)] = 0
            image = Image.fromarray(pixels)
        assert told.grid is not None
        for n, frame in enumerate(told.grid.frames(image.size)):
            tiles[int(tileset.attrib["firstgid"]) + n] = image.crop(frame.box)
    canvas = Image.new("RGBA", (columns * width, rows * height))
    for layer in root.iter("layer"):
        for n, number in enumerate(_numbers(layer)):
            tile = tiles.get(number & 0x0FFFFFFF)
            if tile is not None:
                place = (n % columns * width, n // columns * height + height - tile.height)
                canvas.alpha_composite(tile, (max(0, place[0]), max(0, place[1])))
    return canvas


def _numbers(layer: ElementTree.Element) -> Iterator[int]:
    data = layer.find("data")
    assert data is not None
    text = (data.text or "").strip()
    if data.get("encoding") == "csv":
        yield from map(int, text.split(","))
        return
    packed = base64.b64decode(text)
    if data.get("compression") == "zlib":
        packed = zlib.decompress(packed)
    elif data.get("compression") == "gzip":
        packed = gzip.decompress(packed)
    yield from struct.unpack(f"<{len(packed) // 4}I", packed)


def levels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


def seen_colors(picture: Image.Image) -> set[tuple[int, ...]]:
    pixels = np.asarray(picture.convert("RGBA")).reshape(-1, 4)
    return {tuple(color) for color in np.unique(pixels[pixels[:, 3] > 0][:, :3], axis=0).tolist()}


def on_view(picture: Image.Image) -> Image.Image:
    """A picture for the judge: what is transparent has the nearest color that is seen."""
    pixels = np.asarray(picture.convert("RGBA"))
    return Image.fromarray(bleed(pixels[..., :3], pixels[..., 3]))


def same_color_apart(sources: Sequence[Image.Image], pictures: Sequence[Image.Image]) -> float:
    """Of every color of the sources, to 4 bits a channel, that two pieces have: the mean difference of what became of it."""
    became = []
    for source, picture in zip(sources, pictures):
        before, after = (np.asarray(image.convert("RGBA")).reshape(-1, 4) for image in (source, picture))
        keys = (before[:, :3] >> 4).astype(int) @ (256, 16, 1)
        seen = before[:, 3] > 0
        became.append({key: after[seen & (keys == key), :3].mean(0) for key in np.unique(keys[seen])})
    apart = [
        float(np.abs(one[key] - other[key]).mean())
        for one, other in itertools.combinations(became, 2)
        for key in one.keys() & other.keys()
    ]
    return float(np.mean(apart)) if apart else 0.0


def repeated(texture: Image.Image) -> Image.Image:
    return Image.fromarray(np.tile(np.asarray(texture.convert("RGB")), (3, 3, 1)))


def save_rows(path: Path, rows: Sequence[Sequence[Image.Image]]) -> None:
    """Pictures of one size in rows, on gray."""
    width, height = rows[0][0].size
    sheet = Image.new("RGB", ((width + 8) * len(rows[0]), (height + 8) * len(rows)), "gray")
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            shown = picture.convert("RGBA")
            sheet.paste(shown, (x * (width + 8), y * (height + 8)), shown)
    sheet.save(path)


if __name__ == "__main__":
    sys.exit(main())
