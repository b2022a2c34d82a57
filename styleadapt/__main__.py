"""`python -m styleadapt`, which is also what `accelerate launch -m styleadapt` starts."""

import sys

from .cli import main

sys.exit(main())
