#!/usr/bin/env python
"""Stylises a clip with a style image, or with an adapter; its sound is kept.

    python scripts/stylize_video.py --content clip.mp4 --style painting.jpg --output out.mp4
    python scripts/stylize_video.py --content clip.mov --adapter monet.safetensors --max_size 720 --output out.webm

The output is .mp4, .m4v, .mov, .mkv or .webm, and appears whole or not at all. If the clip is damaged, what can be read is
stylised, a line says what is missing, and the exit status is 1. How the frames are kept from flickering: docs/video.md.
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from styleadapt import ModelLoadError, StyleTransferPipeline
from styleadapt.console import careful_output
from styleadapt.data.whole_files import check_writable
from styleadapt.models.cpu import configure_cpu
from styleadapt.models.device import usable_device
from styleadapt.pipelines.precision import DTYPES
from styleadapt.pipelines.strokes import AUTO, read_stroke_size
from styleadapt.pipelines.video import SMOOTHING, VideoProgress, stylize_video
from styleadapt.pipelines.video_reading import VideoReader
from styleadapt.pipelines.video_writing import check_target


@careful_output()
def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--content", required=True, metavar="P", help="the clip: MP4, MOV, MKV, WebM, AVI, GIF ...")
    parser.add_argument("--style", nargs="+", metavar="P", help="style images; several are blended")
    parser.add_argument("--style_weights", nargs="+", type=float, metavar="W", help="one number a style image")
    parser.add_argument("--adapter", metavar="F", help="adapter file, or a repository of the Hub; then --style may be left out")
    parser.add_argument("--adapter_weight", type=float, default=1.0, help="0: zero-shot, 1: the full adapter (default)")
    parser.add_argument("--strength", type=float, default=1.0, help="0: the clip, 1: the full style (default)")
    parser.add_argument("--preserve_color", action="store_true", help="keep the clip's colours")
    parser.add_argument(
        "--stroke_size", metavar="S", default=AUTO,
        help="width of the strokes, a share of the longer side such as 0.02; auto (default): one pass on frames up to 1,280 px",
    )  # fmt: skip
    parser.add_argument("--max_size", type=int, help="work at this longest side at most, then scale back")
    parser.add_argument("--smoothing", type=float, default=SMOOTHING, help="0: every frame for itself; towards 1: steadier")
    parser.add_argument("--pretrained_model_name_or_path", metavar="P", help="folder or repository; packaged weights by default")
    parser.add_argument("--dtype", choices=DTYPES, default="float32", help="auto: bfloat16 where that is faster")
    parser.add_argument("--compile", action="store_true", help="compile the generator: pays from a few hundred frames on")
    parser.add_argument("--device", metavar="D", help="cpu, cuda, cuda:1 ...; a GPU where there is one by default")
    parser.add_argument("--output", required=True, metavar="OUT", help="file to write")
    args = parser.parse_args()
    if not (args.style or args.adapter):
        parser.error("give --style, --adapter or both")
    for name in ("strength", "smoothing"):
        if not 0 <= getattr(args, name) <= 1:
            parser.error(f"--{name} is {getattr(args, name)}; it must lie between 0 and 1")
    try:
        args.stroke_size = read_stroke_size(args.stroke_size, "--stroke_size")
    except ValueError as error:
        parser.error(str(error))
    if args.max_size is not None and args.max_size < 1:
        parser.error(f"--max_size is {args.max_size}; it must be 1 pixel at least")
    try:
        check_target(Path(args.output))
        VideoReader(Path(args.content)).close()
        configure_cpu()
        device = usable_device(args.device)
        check_writable(Path(args.output))
        pipe = StyleTransferPipeline.from_pretrained(args.pretrained_model_name_or_path, dtype=DTYPES[args.dtype]).to(device)
        if args.compile:
            pipe.compile()
        if args.adapter:
            pipe.load_adapter(args.adapter, name="adapter")
            pipe.set_adapters(["adapter"], [args.adapter_weight])
        names = ("style", "style_weights", "strength", "preserve_color", "max_size", "stroke_size")
        options = {name: getattr(args, name) for name in names}
        summary = stylize_video(pipe, args.content, args.output, **options, smoothing=args.smoothing, callback=Ticker())
    except (ModelLoadError, ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("error: interrupted; nothing is written")
    sound = "with sound" if summary.audio else "without sound"
    size = f"{summary.width} x {summary.height}"
    print(f"{args.content} -> {args.output}: {summary.frames} frames, {size}, {summary.seconds:.1f} s, {sound}")
    if summary.damage:
        print(f"warning: {summary.damage}", file=sys.stderr)
    return 1 if summary.damage else 0


class Ticker:
    """Prints the progress in one line that is written over on a terminal, and every ten seconds elsewhere."""

    def __init__(self) -> None:
        self.on_terminal = sys.stderr.isatty()
        self.printed = time.monotonic()

    def __call__(self, progress: VideoProgress) -> None:
        now, last = time.monotonic(), progress.frame == progress.frames
        if not last and now - self.printed < (0.2 if self.on_terminal else 10):
            return
        self.printed = now
        left = "" if progress.seconds_left is None else f", {progress.seconds_left:.0f} s left "
        text = f"frame {progress.frame} of {progress.frames or 'unknown'}, {progress.seconds:.0f} s{left}"
        if self.on_terminal:
            print(f"\r{text}", end="\n" if last else "", file=sys.stderr, flush=True)
        else:
            print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
