#!/usr/bin/env python
"""Adapts the pretrained generator to one or a few style images and writes the adapter, one small file.

    python scripts/adapt.py --style painting.jpg --output painting.safetensors
    python scripts/adapt.py --style a.jpg b.jpg --content photos/ --max_seconds 120 --output artist.safetensors

Ctrl-C ends it early; the best state so far is written. At the end it says how healthy the result is, and what to change if not.
"""

import argparse
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from styleadapt import AdaptationProgress, ModelLoadError, StyleTransferPipeline
from styleadapt.adaptation.health import Advice, health
from styleadapt.console import careful_output
from styleadapt.data.whole_files import check_writable
from styleadapt.models.cpu import configure_cpu
from styleadapt.models.device import usable_device

ADVICE = Advice(
    style="Give it more time (--max_seconds or --steps), or another image or a crop of it as --style.",
    content="Stylise with a lower --adapter_weight or --strength (stylize.py), or train on photos like yours (--content).",
    memorization="Give more images of the style (--style), less time (--max_seconds or --steps), or more photos (--content).",
)


@careful_output()
def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--style", nargs="+", required=True, metavar="P", help="images of the style")
    parser.add_argument("--output", required=True, metavar="F.safetensors", help="where the adapter goes")
    parser.add_argument("--content", metavar="FOLDER", help="photos to train on; a small packaged set by default")
    parser.add_argument("--max_seconds", type=float, default=60.0, help="time limit (default 60)")
    parser.add_argument("--steps", type=int, help="exactly so many steps instead of a time limit")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pretrained_model_name_or_path", metavar="P", help="folder or repository; packaged weights by default")
    parser.add_argument("--device", metavar="D", help="cpu, cuda, cuda:1 ...; a GPU where there is one by default")
    args = parser.parse_args()
    output = Path(args.output)
    if output.suffix != ".safetensors":
        parser.error(f"--output is {args.output}; an adapter is a .safetensors file")
    interrupted = False

    def interrupt(signum, frame) -> None:
        nonlocal interrupted
        interrupted = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        print("\nstopping; the best state so far is kept (Ctrl-C again gives up)", flush=True)

    def report(progress: AdaptationProgress) -> None:
        print(
            f"\rstep {progress.step:4d}  {progress.seconds_left:4.0f} s left  style {progress.style:.4f}  "
            f"content {progress.content:.4f} ",
            end="",
            flush=True,
        )
        if interrupted:
            progress.stop()

    try:
        configure_cpu()
        device = usable_device(args.device)
        check_writable(output)
        pipe = StyleTransferPipeline.from_pretrained(args.pretrained_model_name_or_path).to(device)
        signal.signal(signal.SIGINT, interrupt)
        adapter = pipe.adapt(
            args.style, max_seconds=args.max_seconds, steps=args.steps, seed=args.seed, content=args.content, callback=report
        )
        adapter.save(output)
    except (ModelLoadError, ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("error: interrupted; nothing is written")
    s = adapter.scores
    print(
        f"\n{adapter.steps} steps in {adapter.seconds:.0f} s: style {s['style_before']:.4f} -> {s['style_after']:.4f}, "
        f"content {s['content_before']:.4f} -> {s['content_after']:.4f} (lower is better)\n"
        f"{output} ({output.stat().st_size >> 10} kB)"
    )
    for finding in health(s, ADVICE):
        print(finding)
    return 0


if __name__ == "__main__":
    sys.exit(main())
