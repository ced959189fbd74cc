"""Radiomics of odd regions have the result that the docstrings promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.radiomics import (
    GLCM,
    cooccurrence_matrices,
    discretise,
    first_order_features,
    glcm_features,
    shape_features,
)


def disc(radius: int, size: int = 101) -> np.ndarray:
    y, x = np.mgrid[:size, :size] - size // 2
    return x**2 + y**2 <= radius**2


def pairs_by_hand(levels: np.ndarray, n_levels: int) -> np.ndarray:
    """The definition, pixel by pixel."""
    counts = np.zeros((4, n_levels, n_levels))
    height, width = levels.shape
    for number, (down, right) in enumerate([(0, 1), (1, 0), (1, 1), (1, -1)]):
        for y in range(height):
            for x in range(width):
                y2, x2 = y + down, x + right
                if y2 < height and 0 <= x2 < width and levels[y, x] and levels[y2, x2]:
                    a, b = levels[y, x] - 1, levels[y2, x2] - 1
                    counts[number, a, b] += 1
                    counts[number, b, a] += 1
    return counts


@given(st.integers(0, 10_000))
def test_pairs_are_counted_as_defined(seed):
    """Counts over irregular regions equal a pixel-by-pixel count, borders and holes included."""
    rng = np.random.default_rng(seed)
    levels = rng.integers(0, 5, size=rng.integers(1, 9, size=2))
    assert (cooccurrence_matrices(levels, n_levels=4) == pairs_by_hand(levels, 4)).all()


@given(st.integers(0, 10_000))
def test_texture_ignores_position_and_grey_scale(seed):
    """Moving a region, or any increasing linear change of its grey values, changes nothing."""
    rng = np.random.default_rng(seed)
    patch = rng.integers(0, 200, size=(9, 7))
    image = np.zeros((30, 30))
    image[3:12, 5:12] = patch
    moved = np.full((30, 30), 7.0)
    moved[15:24, 20:27] = 2 * patch + 50

    def texture(pixels, rows, columns):
        mask = np.zeros((30, 30), dtype=bool)
        mask[rows, columns] = True
        levels = discretise(pixels, mask, n_levels=16)
        return glcm_features(cooccurrence_matrices(levels, n_levels=16))

    first = texture(image, slice(3, 12), slice(5, 12))
    assert texture(moved, slice(15, 24), slice(20, 27)) == pytest.approx(first)


def test_fixed_bin_number_spans_the_region():
    """The lowest grey value of the region is level 1, the highest the last, whatever is outside."""
    image = np.array([[0, 10, 20, 30, 255]])
    mask = np.array([[False, True, True, True, False]])
    assert discretise(image, mask, n_levels=4).tolist() == [[0, 1, 3, 4, 0]]


def test_one_grey_level_is_perfectly_ordered():
    """A flat region: no entropy, no contrast, correlation 1, information correlations 0."""
    levels = discretise(np.full((5, 5), 9), np.ones((5, 5), dtype=bool), n_levels=8)
    values = glcm_features(cooccurrence_matrices(levels, n_levels=8))
    assert values["joint_entropy"] == values["contrast"] == 0
    assert values["angular_second_moment"] == values["correlation"] == 1
    assert values["information_correlation_1"] == values["information_correlation_2"] == 0
    flat = first_order_features(np.full(25, 9.0))
    assert flat["skewness"] == flat["kurtosis"] == flat["variance"] == 0


def test_one_pixel_has_no_texture():
    """Without a pair of pixels every texture value is missing, and none is an error."""
    levels = discretise(np.array([[5]]), np.array([[True]]), n_levels=8)
    values = glcm_features(cooccurrence_matrices(levels, n_levels=8))
    assert set(values) == set(GLCM)
    assert all(math.isnan(value) for value in values.values())


def test_a_line_has_texture_along_itself():
    """A region one pixel wide is described by its one direction that has pairs."""
    levels = np.array([[1, 2, 1, 2, 1]])
    matrices = cooccurrence_matrices(levels, n_levels=2)
    assert matrices.sum(axis=(1, 2)).tolist() == [8, 0, 0, 0]
    assert glcm_features(matrices)["contrast"] == 1


def test_a_disc_is_round():
    """Area, perimeter, axes and circularity of a disc are those of a circle within 2 %."""
    values = shape_features(disc(40), spacing=0.5)
    assert values["area"] == pytest.approx(math.pi * 20**2, rel=0.02)
    assert values["perimeter"] == pytest.approx(2 * math.pi * 20, rel=0.02)
    assert values["major_axis"] == pytest.approx(40, rel=0.02)
    assert values["circularity"] > 0.97
    assert values["eccentricity"] < 0.1
    assert values["height_to_width"] == 1


def test_a_rectangle_is_long_and_lies():
    """A lying rectangle: solid, filling its box, wider than tall, at angle 0."""
    mask = np.zeros((60, 80), dtype=bool)
    mask[10:20, 5:45] = True
    values = shape_features(mask)
    assert values["area"] == 400
    assert values["solidity"] == values["extent"] == 1
    assert values["height_to_width"] == 0.25
    assert values["orientation"] == pytest.approx(0)
    # The ellipse with the second moments of a rectangle has axes of 2 / sqrt(3) its sides.
    assert values["major_axis"] == pytest.approx(40 * 2 / math.sqrt(3), rel=0.01)
    standing = shape_features(mask.T)
    assert standing["orientation"] == pytest.approx(math.pi / 2)
    assert standing["height_to_width"] == 4


@pytest.mark.parametrize(
    "mask", [np.ones((1, 1)), np.ones((1, 6)), np.ones((7, 1)), np.ones((4, 4))]
)
def test_tiny_and_border_touching_regions_are_finite(mask):
    """One pixel, a line, and a region that fills the image have finite shapes."""
    values = shape_features(mask.astype(bool))
    assert all(math.isfinite(value) for value in values.values())
    assert 0 < values["circularity"] <= 1


def test_parts_are_described_together():
    """Two separate lesions: both areas, two parts, a hull that spans them."""
    mask = np.zeros((40, 40), dtype=bool)
    mask[5:10, 5:10] = mask[30:35, 30:35] = True
    values = shape_features(mask)
    assert values["area"] == 50
    assert values["n_parts"] == 2
    assert values["solidity"] < 0.5


def test_spacing_scales_lengths_and_areas_alone():
    """At 0.1 mm per pixel lengths shrink by 10, areas by 100, ratios stay."""
    mask = disc(20)
    px, mm = shape_features(mask), shape_features(mask, spacing=0.1)
    assert mm["area"] == pytest.approx(px["area"] / 100)
    assert mm["perimeter"] == pytest.approx(px["perimeter"] / 10)
    assert mm["solidity"] == px["solidity"]
