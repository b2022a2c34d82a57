#!/usr/bin/env python
"""Runs a study of quick adaptation and reports it: which settings pay, at equal time.

    python benchmarks/study.py run configs/study/one-factor.yaml --data FEWSHOT --photos PHOTOS --output runs/study
    python benchmarks/study.py run configs/study/one-factor.yaml --data FEWSHOT --photos PHOTOS --output runs/study --part 0/2
    python benchmarks/study.py report runs/study --output docs/study

FEWSHOT holds a folder an artist, each with `shots10` (training images) and `reference` (unseen works); PHOTOS are photos to
stylize. `run` adds one row a run to `runs.jsonl` in the output folder and a strip of pictures beside it; what has a row is not
run again, so it can be killed and goes on. With `--part`, several processes share the work, each on one thread. `report` needs
matplotlib.
"""

import argparse
import sys
import time
from pathlib import Path

import torch
from PIL import Image

from study_bench import FIGURES, Bench, append_row, picture_name, read_rows, remaining
from study_plan import Study, StudyError
from study_report import write_report
from styleadapt import ImageError
from styleadapt.console import careful_output
from styleadapt.errors import BackboneError
from styleadapt.images.images import save_image

THUMBNAIL = 160


@careful_output()
def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run what has no row yet")
    run.add_argument("plan", type=Path, help="YAML file of the study")
    run.add_argument("--data", type=Path, required=True, help="folder with a folder an artist")
    run.add_argument("--photos", type=Path, required=True, help="folder of photos to stylize")
    run.add_argument("--output", type=Path, required=True, help="folder of runs.jsonl and the pictures")
    run.add_argument("--part", default="0/1", metavar="I/N", help="of the work: every N-th run, starting with the I-th")
    report = commands.add_parser("report", help="tables, plots and sheets of all rows")
    report.add_argument("runs", type=Path, help="folder with runs.jsonl")
    report.add_argument("--output", type=Path, required=True, help="folder for the report's parts")
    args = parser.parse_args()
    try:
        if args.command == "run":
            execute(args)
        else:
            write_report(args.runs, args.output)
    except (StudyError, BackboneError, ImageError, ImportError, OSError) as error:
        sys.exit(f"error: {error}")
    return 0


def execute(args: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    index, count = part(args.part)
    study = Study.from_file(args.plan)
    rows = args.output / "runs.jsonl"
    todo = [run for i, run in enumerate(study.runs()) if i % count == index]
    todo = list(remaining(todo, read_rows(rows)))
    print(f"{len(todo)} runs to do", flush=True)
    if not todo:
        return
    bench = Bench(study, args.data, args.photos)
    args.output.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    for done, run in enumerate(todo):
        row, pictures = bench.execute(run)
        save_image(strip(pictures), args.output / "pictures" / f"{picture_name(row)}.jpg", quality=88)
        append_row(rows, row)
        minutes = (time.monotonic() - started) / (done + 1) * (len(todo) - done - 1) / 60
        figures = " ".join(f"{name} {row[name]:.4f}" for name in FIGURES)
        print(
            f"{done + 1}/{len(todo)} {minutes:.0f} min left {picture_name(row)} {row.get('steps', 0)} steps {figures}", flush=True
        )


def part(text: str) -> tuple[int, int]:
    """`"0/2"` -> (0, 2)."""
    index, _, count = text.partition("/")
    if not (index.isdigit() and count.isdigit() and int(index) < int(count)):
        raise StudyError(f"`--part` is {text!r}; it must be I/N with I below N, such as 0/2")
    return int(index), int(count)


def strip(pictures: list[Image.Image]) -> Image.Image:
    sheet = Image.new("RGB", (THUMBNAIL * len(pictures), THUMBNAIL))
    for i, picture in enumerate(pictures):
        sheet.paste(picture.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS), (i * THUMBNAIL, 0))
    return sheet


if __name__ == "__main__":
    sys.exit(main())
