#!/usr/bin/env python
"""The command `styleadapt adapt`, as a file to start; `--help` lists its options."""

import sys

from styleadapt.cli import main

if __name__ == "__main__":
    sys.exit(main(["adapt", *sys.argv[1:]]))
