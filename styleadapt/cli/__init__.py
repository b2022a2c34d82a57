"""The command `styleadapt`: one module a subcommand, imported when it is asked for, so that help comes at once."""

import argparse
import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from .. import __version__
from ..console import careful_output
from ..extras import describe_missing

COMMANDS = {
    "stylize": "give photos, a folder, a data set or a clip the style of an image or of an adapter",
    "adapt": "learn a style from one or a few images, and write it as an adapter file",
    "restore": "clean damaged photos: noise, JPEG artifacts, blur, holes, missing colors",
    "augment": "give a classifier's training images random styles, in a folder or a data set of their own",
    "generate": "make pictures from noise: single ones, sheets, tiles, and clips from one to another",
    "assets": "give the sprites, sheets and textures of a game one style, and keep them usable",
    "export": "write a pipeline for ONNX Runtime and OpenVINO, and a page that works in the browser",
    "evaluate": "measure stylized or restored pictures",
    "convert": "turn a checkpoint of U-GAT-IT or StyleGAN2 into a model repo",
    "app": "serve the interface in the browser",
    "env": "print versions, devices and threads, for a bug report",
}


@careful_output()
def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Args:
        arguments: a subcommand of `COMMANDS` and its options; those of the process by default.

    Returns:
        The exit status: 0, or 1 if some of the work failed.

    Raises:
        SystemExit: with status 2 for a wrong command line, with one line for whatever else the user can mend.
    """
    listed = "\n".join(f"  {name:9} {what}" for name, what in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="styleadapt",
        description="Stylizes any photo with any painting, and adapts a GAN to a new style in about a minute.",
        epilog=f"commands:\n{listed}\n\n`styleadapt COMMAND --help` lists the options of one.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help="one of those below")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...", help="its inputs and options")
    given = parser.parse_args(arguments)
    module = importlib.import_module(f"{__name__}.{given.command}")
    with _one_line_errors():
        return module.run(module.parse_arguments(given.arguments))


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """Ends the program with one line for what its user can mend; a defect keeps its traceback."""
    try:
        yield
    except ImportError as error:
        sys.exit(f"error: {describe_missing(error)}")
    except (ValueError, OSError) as error:
        sys.exit(f"error: {' '.join(str(error).split())}")
    except RuntimeError as error:
        from ..errors import ExportError, HubError

        if not isinstance(error, (ExportError, HubError)):
            raise
        sys.exit(f"error: {' '.join(str(error).split())}")
    except KeyboardInterrupt:
        sys.exit("stopped; what is finished is kept")
