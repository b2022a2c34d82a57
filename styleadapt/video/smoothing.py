"""Reduces flicker: where the source video has only moved, a stylized frame takes over its predecessor."""

import cv2
import numpy as np

# Measured on the clips of benchmarks/benchmark_video.py, as docs/video.md tells.
FLOW_SIDE = 320
MOTION_ERROR = 12.0
MOST_DETAIL = 0.3
_ERROR_BLUR, _DETAIL_BLUR = 2.0, 1.5
_LEAST_FLOW_SIDE = 32


class TemporalSmoother:
    """Steadies stylized frames, one after the other, as motion-compensated recursive averaging.

    Optical flow between two frames of the film (dense inverse search, Kroeger et al., arXiv 1603.03590, on frames of 320 px)
    carries the previous result to where its parts are now. Per pixel, c = exp(-(e / 12)^2) says how far that is to be trusted,
    where e is what the same flow leaves between the two frames of the film, in levels of 255 and averaged over a small window:
    uncovered ground, lost motion and cuts differ, and get the fresh picture. With s the fresh one and w the carried one, the
    result is s + smoothing * c * (w - s). This is the short-term consistency of Lai et al. (arXiv 1808.00449) without a network.

    Averaging softens. What is shown gets its fine detail amplified to the strength of the fresh frame's, by 1.3 at most; what
    is carried on does not, so that nothing builds up.

    Args:
        smoothing: 0 gives the frames back as they are; 1 keeps what was first painted for as long as it is trusted.

    Raises:
        ValueError: `smoothing` is not between 0 and 1.

    >>> still = np.zeros((48, 64, 3), np.uint8)
    >>> smooth = TemporalSmoother(0.75)
    >>> int(smooth(still, still).max()), int(smooth(still, still + 100).max())
    (0, 25)
    """

    def __init__(self, smoothing: float):
        if not 0 <= smoothing <= 1:
            raise ValueError(f"`smoothing` is {smoothing}; it must lie between 0 and 1")
        self.smoothing = smoothing
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self._before: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    def __call__(self, photo: np.ndarray, painted: np.ndarray) -> np.ndarray:
        """The next frame of the film and its stylization, both `(H, W, 3)` uint8 and of the size of the first; the result."""
        if self.smoothing == 0:
            return painted
        gray = cv2.resize(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), _flow_size(photo), interpolation=cv2.INTER_AREA)
        if self._before is None:
            self._before = photo, painted, gray
            return painted
        photo_before, result_before, gray_before = self._before
        places = _places(self._flow.calc(gray, gray_before, None), photo.shape[:2])  # type: ignore[call-overload]  # takes None
        carried = cv2.remap(result_before, *places, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        moved = cv2.remap(photo_before, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        weight = self.smoothing * _trust(photo, moved, places)
        result = painted + weight[..., None] * (carried.astype(np.float32) - painted)
        self._before = photo, _levels(result), gray
        return _with_detail_of(painted, result)


def _flow_size(photo: np.ndarray) -> tuple[int, int]:
    height, width = photo.shape[:2]
    scale = min(1.0, FLOW_SIDE / max(height, width))
    return max(_LEAST_FLOW_SIDE, round(width * scale)), max(_LEAST_FLOW_SIDE, round(height * scale))


def _places(flow: np.ndarray, size: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Columns and rows `(H, W)`, in pixels of a frame of `size`, at which its predecessor is read."""
    height, width = size
    x, y = (np.ascontiguousarray(cv2.resize(flow[..., axis], (width, height))) for axis in (0, 1))
    columns, rows = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    return x * (width / flow.shape[1]) + columns, y * (height / flow.shape[0]) + rows


def _trust(photo: np.ndarray, moved: np.ndarray, places: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Weights `(H, W)` in [0, 1]; 0 for what comes from outside of the frame."""
    height, width = photo.shape[:2]
    error = cv2.absdiff(photo, moved).mean(-1, dtype=np.float32)
    error = cv2.GaussianBlur(error, (0, 0), _ERROR_BLUR)
    trust = np.exp(-np.square(error / MOTION_ERROR))
    for place, last in zip(places, (width - 1, height - 1)):
        trust *= (place > -0.5) & (place < last + 0.5)
    return trust


def _with_detail_of(painted: np.ndarray, result: np.ndarray) -> np.ndarray:
    """`result` with its finest structures as strong, over the whole frame, as those of `painted`."""
    detail = result - cv2.GaussianBlur(result, (0, 0), _DETAIL_BLUR)
    fresh = painted.astype(np.float32)
    fresh -= cv2.GaussianBlur(fresh, (0, 0), _DETAIL_BLUR)
    strength = float(detail.std())
    gain = min(MOST_DETAIL, max(0.0, float(fresh.std()) / strength - 1)) if strength > 0.5 else 0.0
    return _levels(result + gain * detail)


def _levels(values: np.ndarray) -> np.ndarray:
    return np.clip(values + 0.5, 0, 255).astype(np.uint8)
