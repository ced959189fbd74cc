"""Local binary patterns equal their definition, ties and borders included."""

from __future__ import annotations

import math
import warnings
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.feature import local_binary_pattern

from features.radiomics._lbp import LBP, RADII, lbp_codes, lbp_features

from regions import REGIONS, SHAPE, lesion, speckle, with_threads

SEEDS = st.integers(0, 10_000)


def patterns_by_skimage(image: np.ndarray, radius: int) -> np.ndarray:
    # It warns that rounding may decide ties between floating-point values; `speckle` has none.
    padded = np.pad(image, 5, mode="symmetric")
    with warnings.catch_warnings(action="ignore", category=UserWarning):
        return local_binary_pattern(padded, 8, radius, method="uniform")[5:-5, 5:-5]


def pattern_by_hand(image: np.ndarray, row: int, column: int, radius: int) -> int:
    """The definition in fractions, which do not round."""
    centre = Fraction(int(image[row, column]))
    bits = []
    for number in range(8):
        angle = 2 * math.pi * number / 8
        y = row - Fraction(str(round(radius * math.sin(angle), 5)))
        x = column + Fraction(str(round(radius * math.cos(angle), 5)))
        top, left = math.floor(y), math.floor(x)
        value = sum(
            (1 - abs(y - i)) * (1 - abs(x - j)) * int(image[i, j])
            for i in range(top, math.ceil(y) + 1)
            for j in range(left, math.ceil(x) + 1)
        )
        bits.append(value >= centre)
    changes = sum(bits[number] != bits[number - 1] for number in range(8))
    return sum(bits) if changes <= 2 else 9


@pytest.mark.parametrize("radius", RADII)
def test_codes_equal_a_plain_implementation(radius):
    """Every pixel of a mirrored image has the code that scikit-image gives it."""
    image = speckle()
    assert (lbp_codes(image, radius=radius) == patterns_by_skimage(image, radius)).all()


@pytest.mark.parametrize("radius", RADII)
@given(SEEDS)
def test_ties_count_as_no_darker(radius, seed):
    """In images of few grey levels, full of ties, codes equal the definition in fractions."""
    image = np.random.default_rng(seed).integers(0, 4, size=(9, 9)).astype(np.uint8)
    codes = lbp_codes(image, radius=radius)
    for row, column in [(4, 4), (3, 5), (5, 3)]:
        assert codes[row, column] == pattern_by_hand(image, row, column, radius)


@pytest.mark.parametrize("name", REGIONS)
def test_shares_count_the_pixels_of_the_region(name):
    """Shares, entropy and uniformity come from the region's pixels alone."""
    image, mask = speckle(), REGIONS[name]
    values = lbp_features(image, mask)
    assert list(values) == list(LBP)
    for radius in RADII:
        codes = patterns_by_skimage(image, radius)[mask]
        shares = [np.mean(codes == code) for code in range(10)]
        names = [f"r{radius}_uniform_{code}" for code in range(9)] + [f"r{radius}_not_uniform"]
        assert [values[one] for one in names] == pytest.approx(shares)
        entropy = -sum(share * math.log2(share) for share in shares if share)
        assert values[f"r{radius}_entropy"] == pytest.approx(entropy)
        assert values[f"r{radius}_uniformity"] == pytest.approx(sum(s**2 for s in shares))


@given(SEEDS, st.floats(0.01, 100), st.floats(-1e4, 1e4))
def test_brightness_and_contrast_change_nothing(seed, factor, offset):
    """An increasing linear change of grey values leaves every feature as it is."""
    image = np.random.default_rng(seed).integers(0, 256, size=(20, 20))
    mask = lesion(9, 9, image.shape)
    assert lbp_features(image * factor + offset, mask) == lbp_features(image, mask)


@given(SEEDS)
def test_quarter_turns_change_nothing(seed):
    """Turning image and region by 90 degrees leaves every feature as it is."""
    image = np.random.default_rng(seed).integers(0, 256, size=(24, 31))
    mask = lesion(9, 12, image.shape)
    turned = lbp_features(np.rot90(image), np.rot90(mask))
    assert turned == lbp_features(image, mask)


@given(SEEDS, st.integers(0, 20), st.integers(0, 20))
def test_position_changes_nothing(seed, down, right):
    """Away from the border, moving a region and what is around it changes nothing."""
    patch = np.random.default_rng(seed).integers(0, 256, size=(24, 30))
    image, moved = np.zeros((50, 60)), np.full((50, 60), 9.0)
    image[5:29, 5:35] = patch
    moved[down : down + 24, right : right + 30] = patch
    first = lbp_features(image, lesion(17, 20, image.shape))
    assert lbp_features(moved, lesion(12 + down, 15 + right, image.shape)) == first


@pytest.mark.parametrize("grey", [0, 7, 0.1, 1e6 + 0.1])
@pytest.mark.parametrize("name", REGIONS)
def test_one_grey_level_is_one_pattern(name, grey):
    """In a constant image, also of a value that binary numbers round, no neighbour is darker."""
    values = lbp_features(np.full(SHAPE, grey), REGIONS[name])
    for radius in RADII:
        assert values[f"r{radius}_uniform_8"] == values[f"r{radius}_uniformity"] == 1
        assert values[f"r{radius}_entropy"] == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (2, 2), (7, 1)])
def test_images_smaller_than_the_circle_are_described(shape):
    """Mirroring fills the circle, however small the image is."""
    image = np.arange(math.prod(shape), dtype=np.uint8).reshape(shape)
    values = lbp_features(image, np.ones(shape, dtype=bool))
    assert all(math.isfinite(value) for value in values.values())


def test_integers_and_floats_agree():
    """An 8-bit image and the same image in floating point have the same features."""
    image = speckle().astype(np.uint8)
    first = lbp_features(image, REGIONS["inside"])
    assert lbp_features(image.astype(np.float32), REGIONS["inside"]) == first


def test_threads_change_nothing():
    """Values are the same to the last bit with one OpenCV thread and with several."""
    image, mask = speckle((200, 210)), np.ones((200, 210), dtype=bool)
    assert with_threads(lbp_features, image, mask, 1) == with_threads(lbp_features, image, mask, 4)
