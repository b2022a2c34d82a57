#!/usr/bin/env python
"""Measures a translation model on images whose true counterparts are known: two folders, paired by file name.

    python benchmarks/evaluate_translation.py runs/emoji/final data/emoji/test/a data/emoji/test/b --output runs/emoji/test

For both directions, beside the input as it is: L1 distance to the true counterpart in [0, 1], perceptual distance to it
(`styleadapt.metrics.perceptual`), and kernel distance to the set of all counterparts (`styleadapt.metrics.distribution`), each
with its share of the input's. Lower is better. Writes scores.json, and a sheet for each direction: input, translation, true
counterpart, and where the generator looked.
"""

import argparse
import json
import math
import sys
from pathlib import Path

from PIL import Image

from styleadapt import ImageError, ModelLoadError, TranslationPipeline
from styleadapt.console import careful_output
from styleadapt.images.image_files import list_images
from styleadapt.images.images import image_to_tensor, open_image, save_image
from styleadapt.metrics.distribution import kernel_distance
from styleadapt.metrics.embedding import embed, feature_maps, load_embedded_network
from styleadapt.metrics.perceptual import perceptual_distance
from styleadapt.training.sheets import contact_sheet

MEASURES = ("l1", "perceptual", "kernel_distance")


@careful_output()
def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", metavar="MODEL", help="folder or repo with both generators")
    parser.add_argument("domain_a", metavar="DIR_A", help="folder of images of domain a")
    parser.add_argument("domain_b", metavar="DIR_B", help="folder of their counterparts, of the same names and sizes")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder for scores.json and the sheets")
    parser.add_argument("--max_size", type=int, help="longest side that a light generator works at")
    parser.add_argument("--sheet_images", type=int, default=32, help="rows of a sheet, taken evenly from the pairs")
    args = parser.parse_args()
    try:
        domains = dict(zip("ab", read_pairs(args.domain_a, args.domain_b)))
        # the discriminators are not needed
        absent = dict.fromkeys(TranslationPipeline._optional_components)
        pipe = TranslationPipeline.from_pretrained(args.model, **absent)
        network = load_embedded_network()
        report: dict[str, dict[str, dict[str, float]]] = {}
        for source, target in ("ab", "ba"):
            out = pipe(domains[source], direction=f"{source}2{target}", return_attention=True, max_size=args.max_size)
            report[f"{source}2{target}"] = {
                "untranslated": measure(network, domains[source], domains[target]),
                "translated": measure(network, out.images, domains[target]),
            }
            rows = list(zip(domains[source], out.images, domains[target], out.attentions or []))
            chosen = rows[:: -(-len(rows) // args.sheet_images)]
            tensors = [[image_to_tensor(image) for image in row] for row in chosen]
            save_image(contact_sheet(tensors, columns=4), args.output / f"{source}2{target}.png")
        (args.output / "scores.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    except (ImageError, ModelLoadError, ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    print(table(report, len(domains["a"])))
    return 0


def read_pairs(folder_a: str, folder_b: str) -> tuple[list[Image.Image], list[Image.Image]]:
    """The images of the two folders whose names, without extension, are in both; in order of the names."""
    files_a, files_b = ({path.stem: path for path in list_images(folder)} for folder in (folder_a, folder_b))
    names = sorted(files_a.keys() & files_b.keys())
    if len(names) < 2:
        raise ValueError(f"{folder_a} and {folder_b} have {len(names)} file names in common; 2 pairs at least are needed")
    images_a, images_b = ([open_image(files[name]) for name in names] for files in (files_a, files_b))
    for name, a, b in zip(names, images_a, images_b):
        if a.size != b.size:
            raise ValueError(f"{files_a[name]} has {a.width} x {a.height} pixels, its counterpart {b.width} x {b.height}")
    return images_a, images_b


def measure(network, found: list[Image.Image], truth: list[Image.Image]) -> dict[str, float]:
    pairs = list(zip(found, truth))
    l1 = [float((image_to_tensor(x) - image_to_tensor(y)).abs().mean()) / 2 for x, y in pairs]
    perceptual = [float(perceptual_distance(feature_maps(network, x), feature_maps(network, y))) for x, y in pairs]
    return {
        "l1": sum(l1) / len(l1),
        "perceptual": sum(perceptual) / len(perceptual),
        "kernel_distance": kernel_distance(embed(network, found), embed(network, truth)),
    }


def table(report: dict[str, dict[str, dict[str, float]]], pairs: int) -> str:
    lines = [f"{'':10}{'':14}" + "".join(f"{name:>18}" for name in MEASURES) + f"   {pairs} pairs"]
    for direction, rows in report.items():
        for kind, scores in rows.items():
            cells = "".join(f"{scores[m]:11.4g}{scores[m] / (rows['untranslated'][m] or math.nan):6.0%} " for m in MEASURES)
            lines.append(f"{direction:10}{kind:14}{cells}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
