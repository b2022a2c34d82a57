"""What one visitor may ask of the server. Every limit of the interface is in this file."""

import math

MAX_FILE_SIZE = "30mb"
MAX_ADAPTER_BYTES = 2_000_000
MAX_PIXELS = 24_000_000
MAX_WORK_SIDE = 3072
MAX_STYLES = 8
PREVIEW_SIDE = 1280
LIVE_PREVIEW_SIDE = 512

MIN_SECONDS, DEFAULT_SECONDS, MAX_SECONDS = 10, 60, 300
SECONDS_BETWEEN_TICKS = 1.0
SECONDS_BETWEEN_REPORTS = 1.0
SECONDS_BETWEEN_PREVIEWS = 3.0

MAX_QUEUE = 24
MAX_SESSIONS = 500
FILE_LIFETIME = 2 * 60 * 60
SWEEP_EVERY = 10 * 60


def clamp(value: float | None, low: float, high: float, default: float) -> float:
    """`value` moved into `[low, high]`; `default` when it is missing or not a number.

    >>> clamp(900, 10, 300, default=60), clamp(None, 10, 300, default=60)
    (300, 60)
    """
    if not isinstance(value, int | float) or math.isnan(value):
        return default
    return min(max(value, low), high)
