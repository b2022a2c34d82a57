"""Lists every limit of the interface: how much one visitor may ask of the server."""

import math
from typing import Any

MAX_FILE_SIZE = "30mb"
MAX_ADAPTER_BYTES = 2_000_000
MAX_FETCH_BYTES, FETCH_SECONDS = 30_000_000, 30
MAX_PIXELS = 24_000_000
MAX_WORK_SIDE = 3072
MAX_STYLES = 8
PREVIEW_SIDE = 1280
LIVE_PREVIEW_SIDE = 512
STRIP_STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
STRIP_SIDE = 640
CANVAS_SIDE = 768
MAX_FEATHER = 0.1

MAX_GENERATED = 16
MAX_WAY_STEPS, WAY_RATE = 96, 24
MAX_DOMAIN_IMAGES = 30
MAX_DOMAIN_BYTES = 20_000_000

MIN_SECONDS, DEFAULT_SECONDS, MAX_SECONDS = 10, 60, 300
MIN_REFINE_SECONDS, DEFAULT_REFINE_SECONDS, MAX_REFINE_SECONDS = 10, 60, 180
SECONDS_BETWEEN_TICKS = 1.0
SECONDS_BETWEEN_REPORTS = 1.0
SECONDS_BETWEEN_PREVIEWS = 3.0

MAX_QUEUE = 24
SECONDS_BETWEEN_LOOKS = 0.1
"""How long an event waits at most until the idle queue notices it."""
MAX_SESSIONS = 500
LONG_WORK: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "cpu"}
"""One adaptation, refinement, batch or video at a time."""
SHORT_WORK: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "stylize"}
"""One picture at a time beside it, which takes seconds: nobody waits five minutes for a picture."""

FILE_LIFETIME = 2 * 60 * 60
MAX_VISITS_BYTES = 4_000_000_000
MAX_CACHE_BYTES = 4_000_000_000
SWEEP_EVERY = 10 * 60
TIDY_EVERY = 20

GPU_START_SECONDS = 15
SECONDS_PER_MEGAPIXEL = 0.54
"""Of a picture in float32 on two CPU cores, where 0.29 to 0.34 were measured for a pass (docs/performance.md); the passes at
smaller sizes, which large strokes begin with, take half of that again. Any GPU beats it: the time that is borrowed is never too
short."""
GPU_MARGIN = 1.5

MAX_BATCH = 20
MAX_ZIP_BYTES = 250_000_000

MAX_ASSETS, MAX_ASSET_PIXELS, MAX_COLORS = 40, 4_000_000, 256
"""Small pieces are painted at up to 16 times their pixels."""

MAX_VIDEO_BYTES = 30_000_000
MAX_VIDEO_SECONDS, MAX_VIDEO_FRAMES = 30, 900
MAX_VIDEO_PIXELS = 3840 * 2160
MIN_VIDEO_SIDE, DEFAULT_VIDEO_SIDE, MAX_VIDEO_SIDE = 256, 512, 1024


def gpu_seconds(megapixels: float, passes: float = 1) -> int:
    """The time to borrow a GPU for, when so many pictures of so many megapixels are made.

    >>> gpu_seconds(1), gpu_seconds(9.4, passes=2)
    (16, 31)
    """
    return math.ceil(GPU_START_SECONDS + GPU_MARGIN * SECONDS_PER_MEGAPIXEL * megapixels * passes)


def clamp(value: float | None, low: float, high: float, default: float) -> float:
    """`value` moved into `[low, high]`; `default` when it is missing or not a number.

    >>> clamp(900, 10, 300, default=60), clamp(None, 10, 300, default=60)
    (300, 60)
    """
    if not isinstance(value, int | float) or math.isnan(value):
        return default
    return min(max(value, low), high)
