import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from styleadapt.data.degradations import (
    blur,
    disk_kernel,
    free_form_mask,
    gaussian_kernel,
    gaussian_noise,
    jpeg_artifacts,
    kernel_spread,
    motion_kernel,
    poisson_deviation,
    poisson_noise,
)

from ..conftest import smooth_noise


def generator(seed=0):
    return np.random.default_rng(seed)


def clouds(width=48, height=40):
    return np.asarray(smooth_noise((width, height), 3), np.float32)


def test_gaussian_noise_has_its_moments_and_is_not_clipped():
    noise = gaussian_noise(np.full((300, 300, 3), 250, np.float32), 25, generator()) - 250
    assert noise.dtype == np.float32
    assert noise.mean() == pytest.approx(0, abs=0.2) and noise.std() == pytest.approx(25, rel=0.01)
    # a normal variable's fourth moment is 3 sigma^4
    assert (noise**4).mean() == pytest.approx(3 * 25**4, rel=0.03)
    assert noise.max() > 60
    neighbors = (noise[1:] * noise[:-1]).mean() / 25**2, (noise[..., 0] * noise[..., 1]).mean() / 25**2
    assert neighbors == pytest.approx((0, 0), abs=0.02)
    assert np.array_equal(gaussian_noise(clouds(), 0, generator()), clouds())


@pytest.mark.parametrize("level, peak", [(10, 4), (128, 30), (255, 500)])
def test_poisson_noise_has_variance_in_proportion_to_the_light(level, peak):
    image = np.full((300, 300, 1), level, np.float32)
    noisy = poisson_noise(image, peak, generator())
    assert noisy.mean() == pytest.approx(level, rel=0.02)
    assert noisy.var() == pytest.approx(255 * level / peak, rel=0.03)
    assert poisson_deviation(image, peak) == pytest.approx((255 * level / peak) ** 0.5)
    steps = noisy * peak / 255
    assert np.abs(steps - steps.round()).max() < 1e-3


def test_noise_below_black_counts_as_black():
    assert poisson_noise(np.full((4, 4, 1), -3, np.float32), 10, generator()).max() == 0


@pytest.mark.parametrize("quality", [5, 40, 95])
def test_jpeg_is_what_pillow_writes(quality):
    image = clouds()
    file = io.BytesIO()
    Image.fromarray(image.astype(np.uint8)).save(file, "JPEG", quality=quality, subsampling=0)
    assert np.array_equal(jpeg_artifacts(image, quality, subsampling=0), np.asarray(Image.open(file), np.float32))


def test_jpeg_rounds_to_what_a_file_can_hold_and_its_error_falls_with_quality():
    image = clouds() * 1.2 - 20
    errors = [np.abs(jpeg_artifacts(image, q) - image.clip(0, 255)).mean() for q in (5, 20, 60, 100)]
    assert errors == sorted(errors, reverse=True) and errors[-1] < 2
    assert jpeg_artifacts(image[..., :1], 50).shape == (*image.shape[:2], 1)
    with pytest.raises(ValueError, match="`quality` is 0; JPEG knows 1 to 100"):
        jpeg_artifacts(image, 0)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.5])
def test_the_gaussian_kernel_is_that_of_scipy(sigma):
    impulse = np.zeros((31, 31))
    impulse[15, 15] = 1
    expected = ndimage.gaussian_filter(impulse, sigma, radius=int(np.ceil(3 * sigma)), mode="constant")
    found = blur(impulse[..., None].astype(np.float32), gaussian_kernel(sigma))[..., 0]
    assert np.abs(found - expected).max() < 1e-6


@pytest.mark.parametrize("kernel", [gaussian_kernel(0.0), motion_kernel(0.0, 1.0)])
def test_a_kernel_without_extent_is_no_blur(kernel):
    image = clouds()
    assert np.array_equal(blur(image, kernel), image) and kernel_spread(kernel) == 0


@pytest.mark.parametrize("radius", [0.6, 1.0, 2.5, 6.0])
def test_the_disk_has_the_area_and_spread_of_a_circle(radius):
    kernel = disk_kernel(radius)
    assert kernel.sum() == pytest.approx(1) and kernel.shape[0] % 2 == 1
    assert np.array_equal(kernel, kernel.T) and np.array_equal(kernel, kernel[::-1])
    assert 1 / kernel.max() == pytest.approx(max(np.pi * radius**2, 1), rel=0.15)
    # cutting a circle into pixels adds the spread of a pixel, 1/12
    assert kernel_spread(kernel) ** 2 == pytest.approx(radius**2 / 4 + 1 / 12, rel=0.1, abs=0.11)


@pytest.mark.parametrize("angle", [0.0, 0.5, np.pi / 2, 2.8])
def test_motion_lies_along_its_angle(angle):
    kernel = motion_kernel(9.0, angle).astype(float)
    half = kernel.shape[0] // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    assert kernel.sum() == pytest.approx(1)
    assert (kernel * along).sum() == pytest.approx(0, abs=1e-3) and (kernel * across).sum() == pytest.approx(0, abs=1e-3)
    # sharing a point among four pixels adds up to 1/4 to a variance
    assert 0 <= (kernel * along**2).sum() - 9**2 / 12 <= 0.26 and (kernel * across**2).sum() <= 0.26
    assert kernel_spread(kernel) == pytest.approx(9 / 24**0.5, rel=0.05)


def test_blur_is_a_convolution_with_a_mirrored_border():
    rng = generator()
    image, kernel = rng.random((20, 23, 3), np.float32), rng.random((5, 5), np.float32)
    expected = np.stack([ndimage.convolve(image[..., c], kernel, mode="mirror") for c in range(3)], -1)
    assert np.abs(blur(image, kernel) - expected).max() < 1e-4
    assert blur(np.ones((1, 2, 3), np.float32), gaussian_kernel(2.0)) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("coverage", [(0.1, 0.4), (0.02, 0.05), (0.6, 0.8)])
def test_masks_cover_what_they_are_asked_to(coverage):
    shares = [free_form_mask(64, 96, generator(seed), coverage).mean() for seed in range(20)]
    assert min(shares) >= coverage[0] and max(shares) <= coverage[1]
    assert len({round(share, 3) for share in shares}) > 10


@pytest.mark.parametrize(
    "coverage, thickness", [((0.3, 0.3), (0.03, 0.35)), ((0.01, 0.02), (0.3, 0.5)), ((0.99, 0.999), (0.02, 0.1))]
)
def test_masks_of_limits_that_strokes_do_not_fit_between_end_all_the_same(coverage, thickness):
    for side in (8, 64):
        mask = free_form_mask(side, side, generator(), coverage, thickness)
        assert coverage[0] - 1 / side**2 <= mask.mean() <= coverage[1] + 1 / side**2 and mask.any()


def test_the_same_seed_gives_the_same_damage():
    for make in (
        lambda rng: gaussian_noise(clouds(), 10, rng),
        lambda rng: poisson_noise(clouds(), 50, rng),
        lambda rng: free_form_mask(48, 48, rng),
    ):
        assert np.array_equal(make(generator(4)), make(generator(4)))
        assert not np.array_equal(make(generator(4)), make(generator(5)))
