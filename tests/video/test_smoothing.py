import numpy as np
import pytest

from styleadapt.video.smoothing import TemporalSmoother

from ..conftest import smooth_noise


def noisy(image: np.ndarray, seed: int, deviation: float = 12) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, deviation, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def change(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(int) - b.astype(int)).mean())


@pytest.fixture
def wide() -> np.ndarray:
    return np.asarray(smooth_noise((160, 96), 3, cell=12))


def test_a_style_that_flickers_on_a_moving_film_is_halved_and_moves_along(wide):
    film = [wide[:, 3 * t : 3 * t + 112] for t in range(8)]
    painted = [noisy(255 - frame, t) for t, frame in enumerate(film)]
    smooth = TemporalSmoother(0.9)
    results = [smooth(photo, fresh) for photo, fresh in zip(film, painted)]
    # 3 pixels a frame, known exactly; the border comes in anew
    plain, steadied = (change(x[-2][:, 3:-8], x[-1][:, :-11]) for x in (painted, results))
    assert steadied < 0.5 * plain
    # noise aside it shows the fresh frame, not a trail of old ones
    assert change(results[-1], 255 - film[-1]) < change(painted[-1], 255 - film[-1])


def test_uncovered_ground_gets_the_fresh_picture(wide):
    ground = wide[:, :112]
    film, painted = [], []
    for t in range(6):
        frame = ground.copy()
        frame[30:60, 10 + 8 * t : 40 + 8 * t] = (250, 20, 20)
        film.append(frame)
        painted.append(255 - frame)
    smooth = TemporalSmoother(0.9)
    for photo, fresh in zip(film, painted):
        result = smooth(photo, fresh)
    trail = (slice(35, 55), slice(20, 44))
    assert change(result[trail], painted[-1][trail]) < 0.05 * change(painted[0][trail], painted[-1][trail])


def test_nothing_is_carried_over_a_cut(wide):
    other = np.asarray(smooth_noise((160, 96), 9, cell=12))
    smooth = TemporalSmoother(1.0)
    smooth(wide, np.zeros_like(wide))
    assert change(smooth(other, np.full_like(wide, 200)), np.full_like(wide, 200)) < 0.1 * 200


def test_where_nothing_moves_full_smoothing_keeps_the_first_frame(wide):
    smooth = TemporalSmoother(1.0)
    first = smooth(wide, noisy(wide, 0))
    assert change(smooth(wide, noisy(wide, 1)), first) < 1.5


def test_detail_does_not_build_up(wide):
    smooth = TemporalSmoother(0.9)
    for t in range(40):
        result = smooth(wide, noisy(wide, t, 5))
    assert change(result, wide) < 5


def test_no_smoothing_gives_the_frames_back(wide):
    smooth = TemporalSmoother(0)
    for t in range(2):
        fresh = noisy(wide, t)
        assert smooth(wide, fresh) is fresh


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (31, 5), (700, 40)])
def test_every_size_is_taken(size):
    height, width = size
    photo = np.zeros((height, width, 3), np.uint8)
    smooth = TemporalSmoother(0.5)
    for _ in range(2):
        assert smooth(photo, photo).shape == photo.shape


@pytest.mark.parametrize("smoothing", [-0.1, 1.1, float("nan")])
def test_a_smoothing_out_of_range_is_refused(smoothing):
    with pytest.raises(ValueError, match="`smoothing` is"):
        TemporalSmoother(smoothing)
