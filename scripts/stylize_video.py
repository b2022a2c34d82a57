#!/usr/bin/env python
"""The command `styleadapt stylize`, as a file to start; `--help` lists its options."""

import sys

from styleadapt.cli import main

if __name__ == "__main__":
    sys.exit(main(["stylize", *sys.argv[1:]]))
