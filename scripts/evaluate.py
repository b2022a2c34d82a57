#!/usr/bin/env python
"""The command `styleadapt evaluate`, as a file to start; `--help` lists its options."""

import sys

from styleadapt.cli import main

if __name__ == "__main__":
    sys.exit(main(["evaluate", *sys.argv[1:]]))
