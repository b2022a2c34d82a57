"""Serves the interface in the browser, as a Space does; GRADIO_SERVER_NAME and GRADIO_SERVER_PORT serve as options too."""

import argparse
from collections.abc import Sequence

from .options import new_parser


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = new_parser("app", __doc__)
    optional = parser.add_argument_group("optional")
    optional.add_argument("--host", metavar="H", help="address to answer at: 127.0.0.1 by default, 0.0.0.0 for the network")
    optional.add_argument("--port", type=int, metavar="P", help="the first free one from 7860 on by default")
    return parser.parse_args(arguments)


def run(args: argparse.Namespace) -> int:
    """Serves until Ctrl-C; gives the exit status."""
    from ..ui import build_app, launch_options

    build_app().launch(server_name=args.host, server_port=args.port, **launch_options())
    return 0
