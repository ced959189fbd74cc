"""Gabor filters equal plain convolution and measure what they claim."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import fftconvolve
from skimage.filters import gabor_kernel

from features.radiomics._gabor import (
    GABOR,
    ORIENTATIONS,
    SIGMA,
    WAVELENGTHS,
    gabor_features,
    gabor_magnitudes,
)

from regions import REGIONS, SHAPE, lesion, speckle, with_threads

SEEDS = st.integers(0, 10_000)

INVARIANT = [name for name in GABOR if "_all_" in name or "anisotropy" in name]


def directly(image: np.ndarray, wavelength: float, orientation: int) -> np.ndarray:
    """Amplitudes by scikit-image's kernel, without its constant, and a plain convolution."""
    sigma = SIGMA * wavelength
    kernel = gabor_kernel(
        1 / wavelength,
        theta=math.radians(orientation),
        sigma_x=sigma,
        sigma_y=sigma,
        # The kernel's box shrinks on a diagonal; ours is as large in every direction.
        n_stds=3 * math.sqrt(2) if orientation % 90 else 3,
    )
    envelope = np.abs(kernel)
    kernel = 2 * (kernel - envelope * kernel.real.sum() / envelope.sum()) / envelope.sum()
    reach = len(kernel) // 2
    mirrored = np.pad(image, reach, mode="symmetric")
    return np.abs(fftconvolve(mirrored, kernel, mode="valid"))


@pytest.fixture(scope="module")
def reference() -> dict[tuple[int, int], np.ndarray]:
    """Amplitudes of the whole image by wavelength and orientation."""
    image = speckle()
    return {(w, o): directly(image, w, o) for w in WAVELENGTHS for o in ORIENTATIONS}


@pytest.mark.parametrize("wavelength", WAVELENGTHS)
def test_amplitudes_equal_direct_convolution(wavelength, reference):
    """Every pixel of a mirrored image has the amplitude that a plain convolution gives it."""
    grey = speckle().astype(np.float32)
    amplitudes = gabor_magnitudes(grey, wavelength=wavelength)
    for orientation, amplitude in zip(ORIENTATIONS, amplitudes, strict=True):
        expected = reference[wavelength, orientation]
        np.testing.assert_allclose(amplitude, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", REGIONS)
def test_moments_count_the_pixels_of_the_region(name, reference):
    """Features of a region equal those of plain convolution of the whole image."""
    values, mask = gabor_features(speckle(), REGIONS[name]), REGIONS[name]
    assert list(values) == list(GABOR)
    for wavelength in WAVELENGTHS:
        regions = [reference[wavelength, orientation][mask] for orientation in ORIENTATIONS]
        means, sds = [one.mean() for one in regions], [one.std() for one in regions]
        for orientation, mean, sd in zip(ORIENTATIONS, means, sds, strict=True):
            wave = f"w{wavelength}_{orientation}deg"
            assert values[f"{wave}_mean"] == pytest.approx(mean, abs=1e-4)
            assert values[f"{wave}_sd"] == pytest.approx(sd, abs=1e-4)
        assert values[f"w{wavelength}_all_mean"] == pytest.approx(np.mean(means), abs=1e-4)
        assert values[f"w{wavelength}_all_sd"] == pytest.approx(np.mean(sds), abs=1e-4)
        anisotropy = np.std(means) / np.mean(means)
        assert values[f"w{wavelength}_anisotropy"] == pytest.approx(anisotropy, rel=1e-3)


@pytest.mark.parametrize("wavelength", WAVELENGTHS)
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_wave_has_its_amplitude_in_its_direction(wavelength, orientation):
    """A wave of amplitude 20 reads 20 at its length and direction, and less at all others."""
    y, x = np.mgrid[:160, :160]
    angle = math.radians(orientation)
    along = x * math.cos(angle) + y * math.sin(angle)
    mask = np.zeros((160, 160), dtype=bool)
    mask[60:100, 60:100] = True
    values = gabor_features(100 + 20 * np.cos(2 * math.pi * along / wavelength), mask)
    means = {name: values[name] for name in GABOR if name.endswith("deg_mean")}
    own = f"w{wavelength}_{orientation}deg_mean"
    assert means.pop(own) == pytest.approx(20, rel=0.01)
    assert max(means.values()) < 12


@given(SEEDS)
def test_quarter_turns_exchange_directions(seed):
    """Turned by 90 degrees, averages stay; 0° and 90°, 45° and 135° change places."""
    image = np.random.default_rng(seed).integers(0, 256, size=(24, 31)).astype(np.uint8)
    mask = lesion(9, 12, image.shape)
    first, turned = gabor_features(image, mask), gabor_features(np.rot90(image), np.rot90(mask))
    assert [turned[n] for n in INVARIANT] == pytest.approx([first[n] for n in INVARIANT], rel=1e-3)
    for wavelength in WAVELENGTHS:
        for one, other in [(0, 90), (45, 135)]:
            there = first[f"w{wavelength}_{one}deg_mean"]
            assert turned[f"w{wavelength}_{other}deg_mean"] == pytest.approx(there, rel=1e-3)


@given(SEEDS, st.integers(0, 30), st.integers(0, 30))
def test_position_changes_nothing(seed, down, right):
    """Away from the border, moving a region and what is around it changes nothing."""
    patch = np.random.default_rng(seed).integers(0, 256, size=(80, 80))
    image, moved = np.zeros((110, 110)), np.full((110, 110), 9.0)
    image[5:85, 5:85] = patch
    moved[down : down + 80, right : right + 80] = patch
    first = gabor_features(image, lesion(45, 45, image.shape))
    second = gabor_features(moved, lesion(40 + down, 40 + right, image.shape))
    assert second == pytest.approx(first, rel=1e-4, abs=1e-4)


@given(SEEDS, st.floats(0.01, 100), st.floats(-1e6, 1e6))
def test_amplitudes_scale_with_contrast_and_ignore_brightness(seed, factor, offset):
    """A factor multiplies amplitudes, a constant changes nothing, and anisotropy ignores both."""
    image = np.random.default_rng(seed).integers(0, 256, size=(20, 20))
    mask = lesion(9, 9, image.shape)
    first, second = gabor_features(image, mask), gabor_features(image * factor + offset, mask)
    for name, value in first.items():
        expected = value if "anisotropy" in name else value * factor
        assert second[name] == pytest.approx(expected, rel=1e-3, abs=1e-3 * factor)


@pytest.mark.parametrize("grey", [0, 7, 0.1, 1e6 + 0.1])
@pytest.mark.parametrize("name", REGIONS)
def test_one_grey_level_has_no_waves(name, grey):
    """In a constant image all amplitudes are exactly 0, and their anisotropy is missing."""
    values = gabor_features(np.full(SHAPE, grey), REGIONS[name])
    for feature, value in values.items():
        assert math.isnan(value) if "anisotropy" in feature else value == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (2, 2), (40, 1)])
def test_images_smaller_than_the_filter_are_mirrored(shape):
    """Where the filter is larger than the image, it sees the image again and again."""
    image = np.random.default_rng(0).integers(0, 256, size=shape).astype(float)
    values = gabor_features(image, np.ones(shape, dtype=bool))
    for wavelength in WAVELENGTHS:
        for orientation in ORIENTATIONS:
            expected = directly(image, wavelength, orientation).mean()
            name = f"w{wavelength}_{orientation}deg_mean"
            assert values[name] == pytest.approx(expected, abs=1e-3)


def test_one_pixel_has_no_deviation():
    """The amplitudes of a single pixel do not vary."""
    values = gabor_features(speckle(), REGIONS["one pixel"])
    assert all(value == 0 for name, value in values.items() if name.endswith("sd"))


def test_integers_and_floats_agree():
    """An 8-bit image and the same image in floating point have the same features."""
    image = speckle().astype(np.uint8)
    first = gabor_features(image, REGIONS["inside"])
    assert gabor_features(image.astype(np.float64), REGIONS["inside"]) == first


def test_threads_change_nothing():
    """Values are the same to the last bit with one OpenCV thread and with several."""
    image, mask = speckle((200, 210)), np.ones((200, 210), dtype=bool)
    one, four = (with_threads(gabor_features, image, mask, n_threads) for n_threads in (1, 4))
    assert one == four
