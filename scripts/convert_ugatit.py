#!/usr/bin/env python
"""The command `styleadapt convert`, as a file to start: `convert_ugatit.py CHECKPOINT.pt DIR`."""

import sys

from styleadapt.cli import main

if __name__ == "__main__":
    checkpoint, *output = sys.argv[1:] or ["--help"]
    sys.exit(main(["convert", checkpoint, *(["--output"] if len(output) == 1 else []), *output]))
