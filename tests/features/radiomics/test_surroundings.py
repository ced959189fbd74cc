"""Ring, edge and boxes around a lesion are where the docstring puts them."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import binary_erosion, distance_transform_edt, sobel
from sklearn.metrics import roc_auc_score

from cohorts import BenchmarkError, load_cohort
from features.imaging import decode_image, decode_mask
from features.radiomics._histogram import histogram_entropy
from features.radiomics._surroundings import SURROUNDINGS, surroundings_features

from regions import REGIONS, SHAPE, lesion, speckle, with_threads

SEEDS = st.integers(0, 10_000)

RING = [name for name in SURROUNDINGS if name.startswith("ring")]
OUTLINE = [*RING, *(name for name in SURROUNDINGS if name.startswith(("margin", "edge")))]
POSTERIOR = [name for name in SURROUNDINGS if name.startswith("posterior")]
SIDES = [name for name in POSTERIOR if "difference" in name]

# A lesion of 10 rows and 20 columns; below it 40-50, beside that 0-20 and 40-60.
BOX = (slice(30, 40), slice(20, 40))
BEHIND = (slice(40, 50), slice(20, 40))


def box_mask(shape: tuple[int, int] = (80, 80), box: tuple[slice, slice] = BOX) -> np.ndarray:
    mask = np.zeros(shape, dtype=bool)
    mask[box] = True
    return mask


def outline_by_hand(image: np.ndarray, mask: np.ndarray, scanned: np.ndarray) -> dict[str, float]:
    """Ring, margin and edge on the whole image, step by step, by SciPy."""
    outside, depth = distance_transform_edt(~mask), distance_transform_edt(mask)
    width = max(0.15 * math.sqrt(4 * mask.sum() / math.pi), 2)
    ring, whole = image[(outside > 0) & (outside <= width) & scanned], image[mask]
    outer = image[(outside > 0) & (outside <= 3) & scanned]
    inner = image[(depth > 0) & (depth <= 3) & scanned]
    across, length = [], []
    signed = outside - depth
    gradients = [sobel(values, axis) / 8 for values in (image, signed) for axis in (0, 1)]
    surrounded = binary_erosion(scanned, np.ones((3, 3)), border_value=1)
    for y, x in np.argwhere((np.abs(signed) <= 1.5) & surrounded):
        down, right, normal_down, normal_right = (one[y, x] for one in gradients)
        slope = math.hypot(normal_down, normal_right)
        if slope > 0:
            across.append((down * normal_down + right * normal_right) / slope)
            length.append(math.hypot(down, right))
    contrast = ring.mean() - whole.mean()
    return {
        "ring_mean": ring.mean(),
        "ring_sd": ring.std(),
        "ring_entropy": histogram_entropy(ring),
        "ring_contrast": contrast,
        "ring_normalised_difference": contrast / (ring.mean() + whole.mean()),
        "ring_contrast_to_noise": contrast / math.sqrt(ring.var() + whole.var()),
        "margin_contrast": outer.mean() - inner.mean(),
        "edge_sharpness": np.mean(across),
        "edge_sharpness_sd": np.std(across),
        "edge_normalised_gradient": sum(across) / sum(length),
    }


@pytest.mark.parametrize("name", [name for name in REGIONS if name != "whole"])
@pytest.mark.parametrize("all_scanned", [True, False])
def test_the_outline_equals_a_plain_implementation(name, all_scanned):
    """Ring, margin and edge of the cropped image equal those of the whole, borders included."""
    image, mask = speckle(), REGIONS[name]
    scanned = np.ones(SHAPE, dtype=bool)
    if not all_scanned:
        scanned[:, 42:55] = scanned[:7, 6:] = False
    expected = outline_by_hand(image, mask, scanned)
    values = surroundings_features(image, mask, scanned=scanned)
    assert list(values) == list(SURROUNDINGS)
    assert {feature: values[feature] for feature in expected} == pytest.approx(expected)


def test_flat_tissues_have_their_contrast():
    """Of a lesion of 40 in tissue of 100, contrast is 60 and the ring has no spread."""
    image = np.full((80, 80), 100.0)
    image[BOX] = 40
    values = surroundings_features(image, box_mask())
    assert values["ring_mean"] == 100
    assert values["ring_contrast"] == values["margin_contrast"] == 60
    assert values["ring_normalised_difference"] == pytest.approx(60 / 140)
    assert values["ring_sd"] == values["ring_entropy"] == 0
    # No spread on either side: nothing to compare the contrast with.
    assert math.isnan(values["ring_contrast_to_noise"])


@pytest.mark.parametrize("slope", [3.0, -1.5])
def test_the_edge_has_the_slope_of_a_ramp(slope):
    """Of a round ramp, sharpness is the slope, even all around, and all gradient is across."""
    y, x = np.mgrid[:101, :101] - 50
    radius = np.hypot(y, x)
    values = surroundings_features(100 + slope * (radius - 20), radius <= 20)
    assert values["edge_sharpness"] == pytest.approx(slope, rel=0.03)
    assert values["edge_sharpness_sd"] < 0.1 * abs(slope)
    assert values["edge_normalised_gradient"] == pytest.approx(math.copysign(1, slope), rel=0.03)


def test_the_boxes_lie_below_and_beside():
    """The box below is as large as the lesion's and touches it; so are the two beside that."""
    image = np.full((80, 80), 255.0)
    image[BOX], image[BEHIND] = 50, 70
    image[40:50, 0:20], image[40:50, 40:60] = 100, 90
    values = surroundings_features(image, box_mask())
    assert values["posterior_mean"] == 70
    assert values["posterior_sd"] == 0
    assert values["posterior_to_lesion"] == 20
    assert values["posterior_difference"] == -25
    assert values["posterior_normalised_difference"] == pytest.approx(-25 / 165)
    assert values["posterior_minimum_side_difference"] == -30


def test_brightness_behind_is_enhancement():
    """Behind a cyst, where it is brighter than beside, the difference is positive."""
    image = np.full((80, 80), 100)
    image[BEHIND] = 150
    values = surroundings_features(image, box_mask())
    assert values["posterior_difference"] == values["posterior_minimum_side_difference"] == 50


def test_boxes_end_with_the_image():
    """What the image cuts off a box is left out; one side is enough to compare with."""
    image = np.full((43, 40), 255.0)
    image[40:, 20:40], image[40:, 0:20] = 60, 90
    values = surroundings_features(image, box_mask((43, 40)))
    assert values["posterior_mean"] == 60
    assert values["posterior_difference"] == values["posterior_minimum_side_difference"] == -30


def test_a_cut_box_beside_still_counts():
    """Where the left border cuts the box beside, what remains of it is compared with."""
    image, mask = np.full((80, 40), 80.0), box_mask((80, 40), (BOX[0], slice(5, 25)))
    image[40:50, 0:5] = 20
    values = surroundings_features(image, mask)
    # 60 brighter than on the left, as bright as on the right.
    assert values["posterior_difference"] == 30
    assert values["posterior_minimum_side_difference"] == 0


def test_nothing_below_is_missing():
    """A lesion at the lower border has a ring and an edge, and nothing behind it."""
    values = surroundings_features(speckle((40, 80)), box_mask((40, 80)))
    assert all(math.isnan(values[name]) for name in POSTERIOR)
    assert all(math.isfinite(values[name]) for name in OUTLINE)


def test_nothing_beside_is_missing():
    """A lesion as wide as the image has something behind it, but nothing to compare it with."""
    values = surroundings_features(speckle((80, 20)), box_mask((80, 20), (BOX[0], slice(0, 20))))
    assert {name for name, value in values.items() if math.isnan(value)} == set(SIDES)


def test_a_lesion_that_fills_the_image_has_no_surroundings():
    """Everything is missing where there is nothing around, and nothing warns."""
    values = surroundings_features(speckle(), REGIONS["whole"])
    assert all(math.isnan(value) for value in values.values())


@pytest.mark.parametrize("name", ["inside", "two parts", "one pixel", "line", "top left"])
def test_odd_regions_are_finite(name):
    """With tissue below and beside, parts, a line and a pixel have all features."""
    values = surroundings_features(speckle(), REGIONS[name])
    assert all(math.isfinite(value) for value in values.values())


@pytest.mark.parametrize("grey", [0, 7, 255])
def test_one_grey_level_has_no_contrast(grey):
    """In a constant image differences are 0 and comparisons with spread or gradient missing."""
    values = surroundings_features(np.full(SHAPE, grey, dtype=np.uint8), REGIONS["inside"])
    missing = {name for name, value in values.items() if math.isnan(value)}
    black = {"ring_normalised_difference", "posterior_normalised_difference"} if grey == 0 else {}
    assert missing == {"ring_contrast_to_noise", "edge_normalised_gradient", *black}
    means = {"ring_mean", "posterior_mean"}
    assert all(value == 0 for name, value in values.items() if name not in missing | means)
    assert values["ring_mean"] == values["posterior_mean"] == grey


@given(SEEDS)
def test_machine_background_plays_no_part(seed):
    """Whatever stands outside the scanned area, above, below or beside, changes nothing."""
    rng = np.random.default_rng(seed)
    image, mask = speckle(seed=seed), lesion(rng.integers(61), rng.integers(78))
    scanned = np.ones(SHAPE, dtype=bool)
    scanned[:, : rng.integers(40)] = scanned[rng.integers(30, 61) :] = False
    painted = np.where(scanned | mask, image, rng.uniform(0, 255, size=SHAPE))
    first = surroundings_features(image, mask, scanned=scanned)
    second = surroundings_features(painted, mask, scanned=scanned)
    assert second == pytest.approx(first, nan_ok=True)


def test_without_scanned_surroundings_everything_is_missing():
    """A lesion with nothing but machine background around it has no surroundings."""
    mask = REGIONS["inside"]
    values = surroundings_features(speckle(), mask, scanned=mask)
    assert all(math.isnan(value) for value in values.values())


def test_a_scanned_area_of_another_size_is_refused():
    """The message gives both shapes."""
    mask = np.ones((5, 5), dtype=bool)
    with pytest.raises(BenchmarkError, match=r"\(5, 5\) and the scanned area \(4, 5\)"):
        surroundings_features(np.ones((5, 5)), mask, scanned=mask[:4])


@given(SEEDS)
def test_turning_and_mirroring(seed):
    """A mirror image has the same surroundings; a quarter-turn keeps ring, margin and edge."""
    image, mask = speckle(seed=seed), REGIONS["inside"]
    first = surroundings_features(image, mask)
    mirrored = surroundings_features(image[:, ::-1], mask[:, ::-1])
    assert mirrored == pytest.approx(first)
    turned = surroundings_features(np.rot90(image), np.rot90(mask))
    assert [turned[name] for name in OUTLINE] == pytest.approx([first[name] for name in OUTLINE])


@given(SEEDS, st.integers(0, 25), st.integers(0, 20))
def test_position_changes_nothing(seed, down, right):
    """Away from the border, moving a lesion and what is around it changes nothing."""
    patch = np.random.default_rng(seed).integers(0, 256, size=(45, 75))
    image, moved = np.zeros((80, 100)), np.full((80, 100), 9.0)
    image[3:48, 3:78] = patch
    moved[down : down + 45, right : right + 75] = patch
    first = surroundings_features(image, lesion(15, 40, image.shape))
    second = surroundings_features(moved, lesion(12 + down, 37 + right, image.shape))
    assert second == pytest.approx(first)


@given(SEEDS, st.floats(-50, 500))
def test_brightness_moves_means_alone(seed, offset):
    """A constant is added to means; differences, deviations and gradients ignore it."""
    image, mask = speckle(seed=seed), REGIONS["inside"]
    first, second = (surroundings_features(one, mask) for one in (image, image + offset))
    for name, value in first.items():
        if name.endswith("normalised_difference"):
            continue
        moved = offset if name in {"ring_mean", "posterior_mean"} else 0
        assert second[name] == pytest.approx(value + moved, abs=1e-6)


def test_integers_and_floats_agree():
    """An 8-bit image and the same image in floating point have the same features."""
    image = speckle().astype(np.uint8)
    first = surroundings_features(image, REGIONS["inside"])
    assert surroundings_features(image.astype(np.float32), REGIONS["inside"]) == first


def test_threads_change_nothing():
    """Values are the same to the last bit with one OpenCV thread and with several."""
    image, mask = speckle((300, 310)), lesion(100, 100, (300, 310))
    mask |= box_mask(mask.shape, (slice(110, 200), slice(90, 250)))
    one, four = (with_threads(surroundings_features, image, mask, n) for n in (1, 4))
    assert one == four


@pytest.mark.skipif("SONOBENCH_DATA" not in os.environ, reason="SONOBENCH_DATA is not set")
def test_readers_see_the_same_shadows():
    """In BrEaST, lesions read as shadowing have darker boxes behind them than as enhancement."""
    cohort = load_cohort("breast", Path(os.environ["SONOBENCH_DATA"]) / "breast")
    read = next(table.table for table in cohort.tables if table.name == "reader")
    behind = read["Posterior_features"].to_numpy()
    records = [images[0] for images in cohort.images[0].records]
    chosen = [i for i in range(len(records)) if behind[i] in {"shadowing", "enhancement"}]
    differences = []
    for i in chosen:
        values = surroundings_features(decode_image(records[i].path), decode_mask(records[i]))
        differences.append(values["posterior_difference"])
    enhanced = behind[chosen] == "enhancement"
    assert (
        np.median(np.array(differences)[~enhanced]) < 0 < np.median(np.array(differences)[enhanced])
    )
    assert roc_auc_score(enhanced, differences) > 0.85
