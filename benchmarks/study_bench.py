"""Executes the runs of a study and measures each.

A task is an artist: training images (`ARTIST/shots10`) and works that no run sees (`ARTIST/reference`). A run adapts by its
settings, stylizes photos that nothing trains on, and is measured against the unseen works and the photos. Time is this process's
working time on one thread, so that runs beside each other, and beside other work, get equal shares.
"""

import json
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageOps

from study_plan import KEY, Run, Study, StudyError, configure
from styleadapt.adaptation.adapt import AdaptationProgress, adapt
from styleadapt.images.image_files import list_images
from styleadapt.images.images import image_to_tensor, open_image
from styleadapt.losses.style import gram_matrix
from styleadapt.metrics.backbones import Backbone, load_backbone
from styleadapt.metrics.distribution import kernel_distance
from styleadapt.metrics.stylization import cfsd, content_distance
from styleadapt.pipelines.style_transfer import StyleTransferPipeline

FIGURES = ("style", "shots_style", "content", "cfsd", "kid")


class Bench:
    """
    Args:
        study: the plan.
        data: folder with a folder an artist.
        photos: folder of photos to stylize, other than the packaged ones, which adaptation trains on.

    Raises:
        StudyError: a folder is missing, or holds too few images.
        BackboneError: the network that measures is not here.
    """

    def __init__(self, study: Study, data: Path, photos: Path):
        self.study, self.data = study, data
        self.pipe = StyleTransferPipeline.from_pretrained()
        self.backbone: Backbone = load_backbone(study.backbone)
        self.crops = list_images(str(resources.files("styleadapt") / "assets" / "photos"))
        files = _images(photos, study.photos)
        self.photos = [self._square(files[i * len(files) // study.photos]) for i in range(study.photos)]
        self.photo_maps = [self._maps(photo) for photo in self.photos]
        most_shots = max(run.shots for run in study.runs())
        for artist in study.artists:
            _images(data / artist / "shots10", most_shots)
            _images(data / artist / "reference", 2)

    def execute(self, run: Run) -> tuple[dict[str, Any], list[Image.Image]]:
        """Adapts and measures: the row of the run, and the pictures."""
        styles = self.shots(run.artist, run.shots)
        curve: list[tuple[int, float, float]] = []
        row: dict[str, Any] = asdict(run)
        if run.seconds > 0:
            adapter = adapt(
                self.pipe.generator,
                self.pipe.style_encoder,
                self.pipe.discriminator,
                styles,
                self.crops,
                base=self.pipe.fingerprint,
                max_seconds=run.seconds,
                seed=run.seed,
                config=configure(run.settings),
                callback=lambda progress: _note(curve, progress),
                clock=time.process_time,
            )
            self.pipe.load_adapter(adapter)
            row |= {"steps": adapter.steps, "worked": adapter.seconds, "curve": curve, "scores": adapter.scores}
        try:
            pictures = self.pipe(self.photos, style=None if run.seconds > 0 else styles).images
        finally:
            self.pipe.unload_adapters()
        row |= {"base": self.pipe.fingerprint, "backbone": self.backbone.name, "size": self.study.size}
        return row | self.measure(pictures, run.artist, run.shots), pictures

    @torch.no_grad()
    def measure(self, pictures: list[Image.Image], artist: str, shots: int) -> dict[str, float]:
        """Means over pictures of the whole: `style` and `shots_style` are the relative distances of Gram matrices, averaged over
        layers, to the mean of the artist's unseen works and to that of the training images; `content` and `cfsd` the distances
        to the photos; `kid` the kernel distance of the set of pictures to the unseen works."""
        unseen, embedded = self._works(artist)
        given = self._grams(self.shots(artist, shots))
        maps = [self._maps(picture) for picture in pictures]
        grams = [{name: gram_matrix(m) for name, m in each.items()} for each in maps]
        seen = torch.cat([self.backbone.embedding(image_to_tensor(picture)) for picture in pictures])
        sums = (
            sum(_relative(each, unseen) for each in grams),
            sum(_relative(each, given) for each in grams),
            sum(float(content_distance(ours, theirs)) for ours, theirs in zip(maps, self.photo_maps)),
            sum(float(cfsd(ours, theirs)) for ours, theirs in zip(maps, self.photo_maps)),
        )
        return dict(zip(FIGURES, (*(total / len(pictures) for total in sums), kernel_distance(seen, embedded))))

    def shots(self, artist: str, count: int) -> list[Image.Image]:
        """The first `count` training images of an artist, cut to squares."""
        return [self._square(file) for file in _images(self.data / artist / "shots10", count)[:count]]

    @cache  # noqa: B019  # a bench lives as long as its process
    def _works(self, artist: str) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """Mean Gram matrices of the unseen works, and their embeddings."""
        works = [self._square(file) for file in _images(self.data / artist / "reference", 2)]
        return self._grams(works), torch.cat([self.backbone.embedding(image_to_tensor(work)) for work in works])

    def _grams(self, images: list[Image.Image]) -> dict[str, torch.Tensor]:
        total: dict[str, torch.Tensor] = {}
        for image in images:
            for name, m in self._maps(image).items():
                total[name] = total.get(name, torch.zeros(())) + gram_matrix(m) / len(images)
        return total

    @torch.no_grad()
    def _maps(self, image: Image.Image) -> dict[str, torch.Tensor]:
        return self.backbone(image_to_tensor(image))

    def _square(self, file: Path) -> Image.Image:
        return ImageOps.fit(open_image(file), (self.study.size, self.study.size), Image.Resampling.LANCZOS)


def picture_name(row: dict[str, Any]) -> str:
    """Returns the file name, without its ending, of a run's strip of pictures. It begins with `picture_prefix`."""
    return picture_prefix(row["factor"], row["arm"], row["artist"]) + f"{row['shots']}-shot_seed{row['seed']}_{row['seconds']:g}s"


def picture_prefix(factor: str, arm: str, artist: str) -> str:
    """With what the names of an arm's strips begin.

    >>> picture_prefix("what trains", "low-rank", "ann")
    'what-trains_low-rank_ann_'
    """
    return "".join("".join(c if c.isalnum() or c in ".-" else "-" for c in part) + "_" for part in (factor, arm, artist))


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSONL file, whole ones only: a killed process may leave half a line; none if there is no file."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return rows


def append_row(path: Path, row: dict[str, Any]) -> None:
    """Adds a row in one write, so that several processes can share the file."""
    text = json.dumps(row, sort_keys=True) + "\n"
    if path.is_file() and path.stat().st_size and not path.read_bytes().endswith(b"\n"):
        text = "\n" + text
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(handle, text.encode())
    finally:
        os.close(handle)


def remaining(runs: Iterable[Run], rows: Iterable[dict[str, Any]]) -> Iterator[Run]:
    """The runs that have no row yet."""
    done = {tuple(row[name] for name in KEY) for row in rows}
    return (run for run in runs if run.key not in done)


def _relative(ours: dict[str, torch.Tensor], target: dict[str, torch.Tensor]) -> float:
    return float(sum((ours[n] - t).square().sum() / t.square().sum() for n, t in target.items())) / len(target)


def _note(curve: list[tuple[int, float, float]], progress: AdaptationProgress) -> None:
    """Figures change at checks only."""
    figures = (round(progress.style, 5), round(progress.content, 5))
    if not curve or curve[-1][1:] != figures:
        curve.append((progress.step, *figures))


def _images(folder: Path, least: int) -> list[Path]:
    if not folder.is_dir():
        raise StudyError(f"there is no folder {folder}")
    files = list_images(folder)
    if len(files) < least:
        raise StudyError(f"{folder} holds {len(files)} images, {least} at least are needed")
    return files
