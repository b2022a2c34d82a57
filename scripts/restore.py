#!/usr/bin/env python
"""Restores damaged photos: one, a folder, or a data set; `python scripts/restore.py --help` says how.

python scripts/restore.py old.jpg -o clean.png
python scripts/restore.py scratched.jpg -o whole.png --task inpaint --mask scratches.png
python scripts/restore.py photos/ -o clean/ --task jpeg --level 30
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from styleadapt.cli.restore import parse_arguments, run
from styleadapt.console import careful_output


@careful_output()
def main() -> int:
    args = parse_arguments()
    try:
        return run(args)
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"error: {' '.join(str(error).split())}")
    except KeyboardInterrupt:
        sys.exit("stopped; what is finished is kept")


if __name__ == "__main__":
    sys.exit(main())
