"""Wavelet bands equal those of PyWavelets; their features measure what they claim."""

from __future__ import annotations

import math

import numpy as np
import pytest
import pywt
from hypothesis import given
from hypothesis import strategies as st

from features.radiomics._histogram import histogram_entropy
from features.radiomics._wavelet import WAVELET, wavelet_bands, wavelet_features

from regions import REGIONS, SHAPE, lesion, speckle, with_threads

SEEDS = st.integers(0, 10_000)

BANDS = [f"level{level}_{name}" for level in (1, 2) for name in ("lateral", "depth", "diagonal")]
INVARIANT = [name for name in WAVELET if "lateral" not in name and "depth" not in name]

# PyWavelets does not mirror in its undecimated transform: it is handed a mirrored image.
PAD = 16


def bands_by_pywavelets(image: np.ndarray) -> dict[str, np.ndarray]:
    """Bands of the mirrored image by name, each moved to the pixel that it is about."""
    height, width = image.shape
    to_fours = [(PAD, PAD + -size % 4) for size in image.shape]
    padded = np.pad(image, to_fours, mode="symmetric")
    two, one = pywt.swt2(padded, "bior2.2", level=2)
    bands = {"approximation": two[0]}
    for level, (_, (depth, lateral, diagonal)) in enumerate([one, two], start=1):
        # Its high pass is about a pixel further, by one step of the level.
        step = 2 ** (level - 1)
        bands[f"level{level}_lateral"] = np.roll(lateral, step, axis=1) / 2**level
        bands[f"level{level}_depth"] = np.roll(depth, step, axis=0) / 2**level
        bands[f"level{level}_diagonal"] = np.roll(diagonal, (step, step), axis=(0, 1)) / 2**level
    bands["approximation"] = bands["approximation"] / 4
    return {name: band[PAD:, PAD:][:height, :width] for name, band in bands.items()}


@pytest.fixture(scope="module")
def reference() -> dict[str, np.ndarray]:
    """Bands of the whole image."""
    return bands_by_pywavelets(speckle())


def test_bands_equal_pywavelets(reference):
    """Every coefficient of a mirrored image equals PyWavelets', borders included."""
    bands = wavelet_bands(speckle())
    for name, band in zip([*BANDS, "approximation"], bands, strict=True):
        np.testing.assert_allclose(band, reference[name], rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", REGIONS)
def test_features_count_the_pixels_of_the_region(name, reference):
    """Features of a region equal those of PyWavelets' bands of the whole image."""
    values = wavelet_features(speckle(), REGIONS[name])
    assert list(values) == list(WAVELET)
    inside = {band: reference[band][REGIONS[name]] for band in BANDS}
    total = sum(np.sum(band**2) for band in inside.values())
    for band, coefficients in inside.items():
        share = np.sum(coefficients**2) / total
        assert values[f"{band}_energy_share"] == pytest.approx(share)
        assert values[f"{band}_sd"] == pytest.approx(coefficients.std())
        assert values[f"{band}_entropy"] == pytest.approx(histogram_entropy(coefficients))
    rest = reference["approximation"][REGIONS[name]]
    assert values["approximation_sd"] == pytest.approx(rest.std(), abs=1e-9)
    assert values["approximation_entropy"] == pytest.approx(histogram_entropy(rest))


def test_edges_put_two_bands_together():
    """``edges`` adds energies and averages deviations and entropies of lateral and depth."""
    values = wavelet_features(speckle(), REGIONS["inside"])
    for level in ("level1", "level2"):
        lateral, depth, edges = (
            [values[f"{level}_{band}_{what}"] for what in ("energy_share", "sd", "entropy")]
            for band in ("lateral", "depth", "edges")
        )
        assert edges[0] == pytest.approx(lateral[0] + depth[0])
        assert edges[1:] == pytest.approx(np.mean([lateral[1:], depth[1:]], axis=0))


@given(SEEDS)
def test_energy_shares_sum_to_one(seed):
    """The details share all of the energy between them."""
    image = np.random.default_rng(seed).integers(0, 256, size=(20, 20))
    values = wavelet_features(image, lesion(9, 9, image.shape))
    assert sum(values[f"{band}_energy_share"] for band in BANDS) == pytest.approx(1)


def test_stripes_lie_in_their_direction():
    """Layers change into depth alone, upright stripes across alone, a chessboard in both."""
    y, x = np.mgrid[:40, :40]
    mask = lesion(20, 20, (40, 40))
    for pattern, band in [(y % 2, "depth"), (x % 2, "lateral"), ((x + y) % 2, "diagonal")]:
        values = wavelet_features(10 * pattern, mask)
        assert values[f"level1_{band}_energy_share"] == 1
        # The high pass turns 0, 10, 0 into 5 and -5.
        assert values[f"level1_{band}_sd"] == pytest.approx(5, rel=0.02)


@given(SEEDS)
def test_quarter_turns_exchange_directions(seed):
    """Turned by 90 degrees, lateral and depth change places, and all else stays."""
    image = np.random.default_rng(seed).integers(0, 256, size=(24, 31))
    mask = lesion(9, 12, image.shape)
    first = wavelet_features(image, mask)
    turned = wavelet_features(np.rot90(image), np.rot90(mask))
    assert [turned[n] for n in INVARIANT] == pytest.approx([first[n] for n in INVARIANT])
    for level in ("level1", "level2"):
        for what in ("energy_share", "sd"):
            there = first[f"{level}_lateral_{what}"]
            assert turned[f"{level}_depth_{what}"] == pytest.approx(there)


@given(SEEDS, st.integers(0, 20), st.integers(0, 20))
def test_position_changes_nothing(seed, down, right):
    """Away from the border, moving a region and what is around it changes nothing."""
    patch = np.random.default_rng(seed).integers(0, 256, size=(30, 36))
    image, moved = np.zeros((60, 60)), np.full((60, 60), 9.0)
    image[5:35, 5:41] = patch
    moved[down : down + 30, right : right + 36] = patch
    first = wavelet_features(image, lesion(20, 23, image.shape))
    second = wavelet_features(moved, lesion(15 + down, 18 + right, image.shape))
    assert second == pytest.approx(first)


@given(SEEDS, st.sampled_from([0.25, 4.0, 32.0]), st.integers(-1000, 1000))
def test_deviations_scale_with_contrast_alone(seed, factor, offset):
    """A factor multiplies deviations; shares and entropies ignore it; a constant does nothing."""
    image = np.random.default_rng(seed).integers(0, 256, size=(20, 20))
    mask = lesion(9, 9, image.shape)
    first, second = wavelet_features(image, mask), wavelet_features(image * factor + offset, mask)
    for name, value in first.items():
        expected = value * factor if name.endswith("sd") else value
        assert second[name] == pytest.approx(expected)


@pytest.mark.parametrize("grey", [0, 7, 0.1, 1e6 + 0.1])
@pytest.mark.parametrize("name", REGIONS)
def test_one_grey_level_has_no_detail(name, grey):
    """In a constant image energy shares are missing, and deviations and entropies exactly 0."""
    values = wavelet_features(np.full(SHAPE, grey), REGIONS[name])
    for feature, value in values.items():
        assert math.isnan(value) if "share" in feature else value == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (2, 2), (7, 1)])
def test_images_smaller_than_the_filter_are_mirrored(shape):
    """Where the filter is larger than the image, it sees the image again and again."""
    image = np.random.default_rng(0).integers(0, 256, size=shape).astype(float)
    bands = bands_by_pywavelets(image)
    for name, band in zip([*BANDS, "approximation"], wavelet_bands(image), strict=True):
        np.testing.assert_allclose(band, bands[name], rtol=0, atol=1e-10)


def test_one_pixel_has_no_spread():
    """Coefficients of a single pixel do not vary, and share its energy between the bands."""
    values = wavelet_features(speckle(), REGIONS["one pixel"])
    assert all(value == 0 for name, value in values.items() if name.endswith(("sd", "entropy")))
    assert sum(values[f"{band}_energy_share"] for band in BANDS) == pytest.approx(1)


def test_integers_and_floats_agree():
    """An 8-bit image and the same image in floating point have the same features."""
    image = speckle().astype(np.uint8)
    first = wavelet_features(image, REGIONS["inside"])
    assert wavelet_features(image.astype(np.float32), REGIONS["inside"]) == first


def test_threads_change_nothing():
    """Values are the same to the last bit with one OpenCV thread and with several."""
    image, mask = speckle((200, 210)), np.ones((200, 210), dtype=bool)
    one, four = (with_threads(wavelet_features, image, mask, n_threads) for n_threads in (1, 4))
    assert one == four
