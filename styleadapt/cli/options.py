"""Helpers that the subcommands share: the layout of their help, common options, and a clean stop at Ctrl-C."""

import argparse
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

DTYPES = ("auto", "float32", "bfloat16")  # the names of `runtime.precision.DTYPES`, which would import torch
# A GIF or an APNG is a clip where OUT is one.
CLIP_EXTENSIONS = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".m2ts", ".mts", ".flv", ".wmv", ".asf", ".ogv"),
    *(".3gp", ".vob"),
)
_OF_DATASET = ("dataset_config_name", "split", "image_column", "name_column")
_MOST_LISTED = 20


class _Help(argparse.RawDescriptionHelpFormatter):
    """Keeps the line breaks of the description, and tells the default of every option that has one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        told = any(action.default is nothing for nothing in (None, False, argparse.SUPPRESS)) or "default" in (action.help or "")
        default = " ".join(map(str, action.default)) if isinstance(action.default, list) else action.default
        return action.help if told else f"{action.help} (default: {default})"


def new_parser(command: str, description: str | None, epilog: str | None = None) -> argparse.ArgumentParser:
    """An empty parser for `styleadapt COMMAND`; options are not abbreviated."""
    return argparse.ArgumentParser(
        prog=f"styleadapt {command}", description=description, epilog=epilog, formatter_class=_Help, allow_abbrev=False
    )


def add_model_option(group: argparse._ActionsContainer, *aliases: str) -> None:
    """Adds `--pretrained_model_name_or_path`, also under other names."""
    group.add_argument(
        "--pretrained_model_name_or_path", *aliases, metavar="P", help="folder or repository; packaged weights by default"
    )


def add_model_options(group: argparse._ActionsContainer, *aliases: str) -> None:
    """Adds `--pretrained_model_name_or_path`, also under other names, and `--device`."""
    add_model_option(group, *aliases)
    group.add_argument("--device", metavar="D", help="cpu, cuda, cuda:1 ...; a GPU where there is one by default")


def add_dataset_options(group: argparse._ActionsContainer) -> None:
    """Adds which data set of the Hub is read, and what of it."""
    group.add_argument("--dataset_config_name", metavar="NAME", help="its configuration")
    group.add_argument("--split", default="train", help="which part of it")
    group.add_argument("--image_column", metavar="C", help="found by its type if left out")
    group.add_argument("--name_column", metavar="C", help="text or numbers to name results after; the row's number if left out")
    group.add_argument("--streaming", action="store_true", help="read row by row, without downloading first")
    group.add_argument("--cache_dir", metavar="DIR", help="where data sets are kept that were downloaded")


def dataset_settings(args: argparse.Namespace) -> dict[str, Any]:
    """What tells a data set `args.input` from others, in the settings of a run; nothing for a folder."""
    if Path(args.input).is_dir():
        return {}
    return {"dataset": args.input, **{name: getattr(args, name) for name in _OF_DATASET}}


def add_publishing_options(group: argparse._ActionsContainer) -> None:
    """Adds whether the result is published as a data set of the Hub, and under which name."""
    group.add_argument("--push_to_hub", action="store_true", help="publish the result as a data set")
    group.add_argument("--hub_dataset_id", metavar="ID", help="user/name; the name of OUT by default")
    group.add_argument("--hub_private", action="store_true", default=None, help="if the data set is new")
    group.add_argument("--hub_license", metavar="L", default="unknown", help="an identifier of the Hub, such as cc-by-4.0")


def complete_publishing(args: argparse.Namespace, refuse: Callable[[str], Any]) -> None:
    """Sets `args.output_format` and `args.metadata` where they were left out: what is published is a data set, and says nothing
    of where its photos were taken."""
    if args.push_to_hub and args.output_format == "folder":
        refuse("--push_to_hub publishes a data set: leave out --output_format folder")
    args.output_format = args.output_format or ("dataset" if args.push_to_hub else "folder")
    args.metadata = args.metadata or ("no-location" if args.push_to_hub else "all")


def advance(bar: tqdm) -> Callable[[Any], None]:
    """A callback for work on many files: moves the bar on, and tells above it what failed.

    Its argument has `total` and `entry`, as `batch.stylizing.BatchProgress` has.
    """

    def show(progress: Any) -> None:
        bar.total = progress.total
        bar.update()
        if progress.entry.error:
            bar.write(f"error: {progress.entry.input}: {progress.entry.error}", file=sys.stderr)

    return show


def report_failed(failed: list[str], count: int, things: str = "photos") -> int:
    """Names what failed of `count` things on stderr, up to 20 of them, and gives the exit status."""
    if not failed:
        return 0
    more = f" and {len(failed) - _MOST_LISTED} more" if len(failed) > _MOST_LISTED else ""
    print(f"{len(failed)} of {count} {things} failed: {', '.join(failed[:_MOST_LISTED])}{more}", file=sys.stderr)
    return 1


def progress_bar(unit: str, **options) -> tqdm:
    """A bar on stderr with the time that is left; every ten seconds where stderr is no terminal."""
    return tqdm(unit=unit, dynamic_ncols=True, mininterval=0.2 if sys.stderr.isatty() else 10, **options)


def fraction_bar() -> tqdm:
    """A bar for work that tells its own fraction, 0 to 1, as `n`; what else there is to say is its description."""
    return tqdm(total=1, bar_format="{percentage:3.0f}%|{bar:30}| {desc}", leave=True)


@contextmanager
def stopping_early(what_is_kept: str) -> Iterator[Callable[[], bool]]:
    """Gives a function that says whether Ctrl-C was pressed in the block; pressed again, it raises `KeyboardInterrupt`.

    Args:
        what_is_kept: of the work so far, for the message.
    """
    pressed = False

    def note(signum, frame) -> None:
        nonlocal pressed
        pressed = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        tqdm.write(f"stopping; {what_is_kept} (Ctrl-C again gives up)", file=sys.stderr)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, before)
