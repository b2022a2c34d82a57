"""Runs `styleadapt stylize` on a clip. docs/video.md explains how flicker is reduced."""

import argparse
import sys
from pathlib import Path

from ..devices.device import usable_device
from ..images.whole_files import check_writable
from ..pipelines.video import SMOOTHING, VideoProgress, stylize_video
from ..video.reading import VideoReader
from ..video.writing import check_target
from .options import progress_bar, stopping_early
from .rendering import load_pipeline


def stylize_clip(args: argparse.Namespace) -> int:
    """Stylizes the clip `args.content`; gives the exit status."""
    source, target = Path(args.content[0]), Path(args.output)
    check_target(target)
    VideoReader(source).close()
    device = usable_device(args.device)
    check_writable(target)
    pipe = load_pipeline(args, device)
    if args.compile:
        pipe.compile()
    names = ("style", "style_weights", "strength", "preserve_color", "max_size", "stroke_size")
    options = {name: getattr(args, name) for name in names}
    smoothing = SMOOTHING if args.smoothing is None else args.smoothing
    with stopping_early("what is ready is written") as stopped, progress_bar("frame") as bar:

        def show(progress: VideoProgress) -> None:
            bar.total = progress.frames
            bar.update(progress.frame - bar.n)
            if stopped():
                progress.stop()

        summary = stylize_video(pipe, source, target, **options, smoothing=smoothing, callback=show)
    sound = "with sound" if summary.audio else "without sound"
    size = f"{summary.width} x {summary.height}"
    print(f"{source} -> {target}: {summary.frames} frames, {size}, {summary.seconds:.1f} s, {sound}")
    if summary.damage:
        print(f"warning: {summary.damage}", file=sys.stderr)
    return 1 if summary.damage else 0
