"""Radiomics of odd regions have the result that the docstrings promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.measure import label, perimeter_crofton, regionprops

from features.radiomics import (
    GLCM,
    NGTDM,
    cooccurrence_matrices,
    dependence_matrix,
    discretise,
    discretise_by_width,
    find_zones,
    first_order_features,
    glcm_features,
    gldzm_features,
    glrlm_features,
    glszm_features,
    ngldm_features,
    ngtdm_features,
    run_length_matrices,
    shape_features,
    tone_differences,
)


def disc(radius: int, size: int = 101) -> np.ndarray:
    y, x = np.mgrid[:size, :size] - size // 2
    return x**2 + y**2 <= radius**2


# In the order of the angles 0, 90, 135 and 45 degrees.
STEPS = [(0, 1), (1, 0), (1, 1), (1, -1)]
ANGLES = (0, 90, 135, 45)


def some_levels(seed: int) -> np.ndarray:
    """Levels 0 to 4 in a small frame; few enough for runs and zones to be long."""
    rng = np.random.default_rng(seed)
    levels = rng.integers(0, 5, size=rng.integers(1, 9, size=2))
    levels[rng.random(levels.shape) < 0.4] = 1
    return levels.astype(np.uint8)


def all_texture(levels: np.ndarray, n_levels: int) -> dict[str, float]:
    zones, n_pixels = find_zones(levels), int((levels > 0).sum())
    families = {
        "glcm": glcm_features(cooccurrence_matrices(levels, n_levels=n_levels)),
        "glrlm": glrlm_features(run_length_matrices(levels, n_levels=n_levels), n_pixels=n_pixels),
        "glszm": glszm_features(zones, n_levels=n_levels),
        "gldzm": gldzm_features(zones, n_levels=n_levels),
        "ngldm": ngldm_features(dependence_matrix(levels, n_levels=n_levels)),
        "ngtdm": ngtdm_features(tone_differences(levels, n_levels=n_levels)),
    }
    return {f"{name}_{key}": v for name, part in families.items() for key, v in part.items()}


def inside(levels: np.ndarray, y: int, x: int) -> bool:
    return 0 <= y < levels.shape[0] and 0 <= x < levels.shape[1] and levels[y, x] > 0


def neighbours(levels: np.ndarray, y: int, x: int) -> list[int]:
    around = [(y + down, x + right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    return [int(levels[at]) for at in around if at != (y, x) and inside(levels, *at)]


def runs_by_hand(levels: np.ndarray, n_levels: int) -> np.ndarray:
    """Walk from every pixel that has no equal one behind it."""
    counts = np.zeros((4, n_levels, max(levels.shape)))
    for number, (down, right) in enumerate(STEPS):
        for y, x in zip(*np.nonzero(levels), strict=True):
            level, length = levels[y, x], 0
            if inside(levels, y - down, x - right) and levels[y - down, x - right] == level:
                continue
            while inside(levels, y + length * down, x + length * right) and (
                levels[y + length * down, x + length * right] == level
            ):
                length += 1
            counts[number, level - 1, length - 1] += 1
    return counts


def zones_by_hand(levels: np.ndarray) -> list[tuple[int, int, int]]:
    """Flood each zone; the depth of a pixel is found by peeling the region."""
    depth, layer = np.zeros(levels.shape, dtype=int), levels > 0
    while layer.any():
        depth += layer
        padded = np.pad(layer, 1)
        beside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
        layer = layer & beside
    found, seen = [], set()
    for start in zip(*np.nonzero(levels), strict=True):
        if start in seen:
            continue
        level, waiting, zone = levels[start], [start], set()
        while waiting:
            y, x = waiting.pop()
            if (y, x) in zone or not inside(levels, y, x) or levels[y, x] != level:
                continue
            zone.add((y, x))
            waiting += [(y + down, x + right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
        seen |= zone
        found.append((int(level), len(zone), min(int(depth[at]) for at in zone)))
    return sorted(found)


def pairs_by_hand(levels: np.ndarray, n_levels: int) -> np.ndarray:
    """The definition, pixel by pixel."""
    counts = np.zeros((4, n_levels, n_levels))
    height, width = levels.shape
    for number, (down, right) in enumerate(STEPS):
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
    levels = some_levels(seed)
    counts = cooccurrence_matrices(levels, n_levels=4, angles=ANGLES)
    assert (counts == pairs_by_hand(levels, 4)).all()


@given(st.integers(0, 10_000))
def test_runs_are_counted_as_defined(seed):
    """Run lengths in all four directions equal those of a walk from pixel to pixel."""
    levels = some_levels(seed)
    counts = run_length_matrices(levels, n_levels=4, angles=ANGLES)
    assert (counts == runs_by_hand(levels, 4)).all()


@given(st.integers(0, 10_000))
def test_zones_are_found_as_defined(seed):
    """Level, size and depth of every zone equal those of a flood fill and of peeling."""
    levels = some_levels(seed)
    if levels.any():
        zones = find_zones(levels)
        assert sorted(zip(*(part.tolist() for part in zones), strict=True)) == zones_by_hand(levels)


@given(st.integers(0, 10_000), st.integers(0, 2))
def test_dependence_is_counted_as_defined(seed, coarseness):
    """Each pixel is counted by its level and its alike neighbours."""
    levels = some_levels(seed)
    expected = np.zeros((4, 9))
    for y, x in zip(*np.nonzero(levels), strict=True):
        around = neighbours(levels, y, x)
        alike = sum(abs(other - int(levels[y, x])) <= coarseness for other in around)
        expected[levels[y, x] - 1, alike] += 1
    counts = dependence_matrix(levels, n_levels=4, coarseness=coarseness)
    assert (counts == expected).all()


@given(st.integers(0, 10_000))
def test_tone_differences_are_summed_as_defined(seed):
    """Each pixel with a neighbour adds its distance from the neighbours' mean."""
    levels = some_levels(seed)
    n_pixels, difference = np.zeros(4), np.zeros(4)
    for y, x in zip(*np.nonzero(levels), strict=True):
        around = neighbours(levels, y, x)
        if around:
            n_pixels[levels[y, x] - 1] += 1
            difference[levels[y, x] - 1] += abs(int(levels[y, x]) - np.mean(around))
    summed = tone_differences(levels, n_levels=4)
    assert summed.n_pixels.tolist() == n_pixels.tolist()
    assert summed.difference == pytest.approx(difference)


def test_larger_neighbourhoods_and_steps():
    """Distance 2: pairs two pixels apart, and neighbours in a square of five pixels."""
    levels = np.array([[1, 2, 1, 2, 1]], dtype=np.uint8)
    assert cooccurrence_matrices(levels, n_levels=2, distance=2, angles=(0,)).tolist() == [
        [[4, 0], [0, 2]]
    ]
    counts = dependence_matrix(levels, n_levels=2, distance=2)
    # Ends see one alike, the middle sees both ends; each 2 sees the other.
    assert counts[0, [1, 2]].tolist() == [2, 1]
    assert counts[1, 1] == 2
    assert tone_differences(levels, n_levels=2, distance=4).n_pixels.tolist() == [3, 2]


def test_many_grey_levels_do_not_overflow():
    """With 256 levels and a long side, counts are those of the definition."""
    levels = np.arange(1, 257, dtype=np.uint16)[None].repeat(3, axis=0)
    counts = run_length_matrices(levels, n_levels=256, angles=(0, 90))
    assert counts[0, :, 0].tolist() == [3] * 256
    assert counts[1, :, 2].tolist() == [1] * 256
    assert cooccurrence_matrices(levels, n_levels=256, angles=(0,)).sum() == 2 * 3 * 255


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
        return all_texture(discretise(pixels, mask, n_levels=16), 16)

    first = texture(image, slice(3, 12), slice(5, 12))
    assert texture(moved, slice(15, 24), slice(20, 27)) == pytest.approx(first)


def test_fixed_bin_number_spans_the_region():
    """The lowest grey value of the region is level 1, the highest the last, whatever is outside."""
    image = np.array([[0, 10, 20, 30, 255]])
    mask = np.array([[False, True, True, True, False]])
    assert discretise(image, mask, n_levels=4).tolist() == [[0, 1, 3, 4, 0]]


def test_fixed_bin_width_is_the_same_in_every_image():
    """Grey value 20 at width 10 is level 3, whatever else the region holds."""
    everything = np.ones((1, 3), dtype=bool)
    for others in ([0, 5], [90, 255]):
        image = np.array([[20, *others]], dtype=np.uint8)
        assert discretise_by_width(image, everything, bin_width=10)[0, 0] == 3
        assert discretise_by_width(image / 1.0, everything, bin_width=10)[0, 0] == 3


@given(st.integers(0, 10_000))
def test_statistics_of_eight_bits_are_those_of_the_values(seed):
    """The way through a histogram gives what the definitions give on the values themselves."""
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 256, size=rng.integers(1, 60), dtype=np.uint8)
    fast, plain = first_order_features(values), values.astype(np.float64)
    assert first_order_features(plain) == pytest.approx(fast, nan_ok=True)
    assert fast["variance"] == pytest.approx(plain.var())
    assert fast["percentile_10"] == pytest.approx(np.percentile(plain, 10))
    assert fast["interquartile_range"] == pytest.approx(np.ptp(np.percentile(plain, [25, 75])))
    assert fast["median_absolute_deviation"] == pytest.approx(
        np.abs(plain - np.median(plain)).mean()
    )


def test_one_grey_level_is_perfectly_ordered():
    """A flat region: no entropy, no contrast, correlation 1, information correlations 0."""
    levels = discretise(np.full((5, 5), 9), np.ones((5, 5), dtype=bool), n_levels=8)
    values = all_texture(levels, 8)
    assert values["glcm_joint_entropy"] == values["glcm_contrast"] == 0
    assert values["glcm_angular_second_moment"] == values["glcm_correlation"] == 1
    assert values["glcm_information_correlation_1"] == 0
    assert values["glcm_information_correlation_2"] == 0
    assert values["glszm_large_zone_emphasis"] == 25**2
    assert values["glszm_zone_percentage"] == 1 / 25
    assert values["gldzm_large_distance_emphasis"] == 1
    assert values["ngtdm_coarseness"] == 1e6
    assert values["ngtdm_contrast"] == values["ngtdm_strength"] == values["ngtdm_busyness"] == 0
    assert all(math.isfinite(value) for value in values.values())
    flat = first_order_features(np.full(25, 9.0))
    assert flat["skewness"] == flat["kurtosis"] == flat["variance"] == 0


def test_one_pixel_has_runs_and_zones_but_no_pairs():
    """Without a neighbour, pair-based values are missing; runs, zones and counts are of one."""
    levels = discretise(np.array([[5]]), np.array([[True]]), n_levels=8)
    values = all_texture(levels, 8)
    missing = {name for name, value in values.items() if math.isnan(value)}
    assert missing == {f"glcm_{name}" for name in GLCM} | {f"ngtdm_{name}" for name in NGTDM}
    assert values["glrlm_run_percentage"] == values["glszm_zone_percentage"] == 1
    assert values["glrlm_short_runs_emphasis"] == values["glszm_small_zone_emphasis"] == 1
    assert values["ngldm_low_dependence_emphasis"] == 1


def test_a_line_has_texture_along_itself():
    """A region one pixel wide is described by its one direction that has pairs."""
    levels = np.array([[1, 2, 1, 2, 1]], dtype=np.uint8)
    matrices = cooccurrence_matrices(levels, n_levels=2)
    assert matrices.sum(axis=(1, 2)).tolist() == [8, 0, 0, 0]
    values = all_texture(levels, 2)
    assert values["glcm_contrast"] == 1
    assert all(math.isfinite(value) for value in values.values())
    # Every run is of one pixel, in each direction.
    assert values["glrlm_run_percentage"] == 1


def test_separate_parts_are_one_region():
    """Two equal parts far apart have the texture of one: normalised values do not change."""
    part = np.random.default_rng(3).integers(1, 5, size=(6, 7)).astype(np.uint8)
    both = np.zeros((20, 30), dtype=np.uint8)
    both[:6, :7] = both[-6:, -7:] = part  # both touch the frame
    alone, together = all_texture(part, 4), all_texture(both, 4)
    grown = {
        name for name in alone if name.endswith("non_uniformity") and "normalised" not in name
    } | {"ngtdm_coarseness", "ngtdm_busyness", "ngtdm_strength", "ngldm_dependence_count_energy"}
    for name in set(alone) - grown:
        assert together[name] == pytest.approx(alone[name]), name
    assert together["glszm_grey_level_non_uniformity"] == pytest.approx(
        2 * alone["glszm_grey_level_non_uniformity"]
    )


@given(st.integers(0, 10_000))
def test_shape_measures_are_the_known_ones(seed):
    """Perimeter, axes and tilt equal those of scikit-image on ragged regions."""
    rng = np.random.default_rng(seed)
    mask = rng.random((9, 12)) < 0.6
    mask[4, 5] = True
    values = shape_features(mask)
    (props,) = regionprops(np.pad(mask, 1).astype(int))
    assert values["perimeter"] == pytest.approx(perimeter_crofton(np.pad(mask, 1), directions=4))
    # Ours are the moments of square pixels, which have one of 1/12 each; theirs are of points.
    theirs = {"major_axis": props.axis_major_length, "minor_axis": props.axis_minor_length}
    for name, length in theirs.items():
        assert (values[name] / 4) ** 2 == pytest.approx((length / 4) ** 2 + 1 / 12)
    assert values["n_parts"] == euler_parts(mask)
    assert 0 < values["solidity"] <= 1
    assert 0 < values["convexity"] <= 1


def euler_parts(mask: np.ndarray) -> int:
    return int(label(mask, connectivity=2).max())


def test_the_largest_diameter_is_from_corner_to_corner():
    """A rectangle of 3 by 4 pixels measures 5 across; its hull is itself."""
    values = shape_features(np.ones((3, 4), dtype=bool), spacing=2.0)
    assert values["maximum_diameter"] == 10
    assert values["solidity"] == 1


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
