"""Texture and statistics reproduce published values, and those of another implementation.

The phantom and its reference values are those of the Image Biomarker Standardisation
Initiative (A. Zwanenburg et al., CC BY 4.0). A phantom of twenty pixels a slice forgives
mistakes that a lesion does not (zones that bend, holes, several parts), so that every texture
feature is also pinned on lesion-shaped regions, to values that mirp 2.7.0 computed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.radiomics import (
    FIRST_ORDER,
    GLCM,
    GLDZM,
    GLRLM,
    GLSZM,
    NGLDM,
    NGTDM,
    ToneDifferences,
    Zones,
    cooccurrence_matrices,
    dependence_matrix,
    find_zones,
    first_order_features,
    glcm_features,
    gldzm_features,
    glrlm_features,
    glszm_features,
    ngldm_features,
    ngtdm_features,
    run_length_matrices,
    tone_differences,
)

HERE = Path(__file__).parent

# Slices, rows, columns; 0 is outside the region.
PHANTOM = np.array(
    [
        [[1, 4, 4, 1, 1], [1, 4, 6, 1, 1], [4, 1, 6, 4, 1], [4, 4, 6, 4, 1]],
        [[1, 4, 4, 1, 1], [1, 1, 6, 1, 1], [0, 1, 3, 1, 1], [4, 4, 6, 1, 1]],
        [[1, 4, 4, 0, 0], [1, 1, 1, 1, 1], [1, 1, 0, 1, 1], [1, 1, 6, 1, 1]],
        [[1, 4, 4, 0, 0], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [1, 1, 6, 1, 1]],
    ],
    dtype=np.uint8,
)

CODES: Mapping[str, Mapping[str, str]] = {
    "intensity-based statistics": FIRST_ORDER,
    "GLCM": GLCM,
    "GLRLM": GLRLM,
    "GLSZM": GLSZM,
    "GLDZM": GLDZM,
    "NGLDM": NGLDM,
    "NGTDM": NGTDM,
}

REFERENCE = pd.read_csv(HERE / "ibsi_phantom_reference.csv")
LESIONS = pd.read_csv(HERE / "lesion_regions_reference.csv")


def mean_over(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([part[name] for part in parts])) for name in parts[0]}


def cooccurrence(slices: np.ndarray, aggregation: str, n: int) -> dict[str, float]:
    matrices = np.stack([cooccurrence_matrices(one, n_levels=n) for one in slices])
    if aggregation == "2d_avg":
        return mean_over([glcm_features(one) for one in matrices])
    if aggregation == "2d_s_mrg":
        return mean_over([glcm_features(one.sum(axis=0, keepdims=True)) for one in matrices])
    by_direction = matrices.sum(axis=0)
    if aggregation == "2.5d_d_mrg":
        return glcm_features(by_direction)
    return glcm_features(by_direction.sum(axis=0, keepdims=True))


def runs(slices: np.ndarray, aggregation: str, n: int) -> dict[str, float]:
    matrices = np.stack([run_length_matrices(one, n_levels=n) for one in slices])
    pixels = [int((one > 0).sum()) for one in slices]
    pairs = list(zip(matrices, pixels, strict=True))
    if aggregation == "2d_avg":
        return mean_over([glrlm_features(one, n_pixels=size) for one, size in pairs])
    if aggregation == "2d_s_mrg":
        merged = [(one.sum(axis=0, keepdims=True), 4 * size) for one, size in pairs]
        return mean_over([glrlm_features(one, n_pixels=size) for one, size in merged])
    by_direction = matrices.sum(axis=0)
    if aggregation == "2.5d_d_mrg":
        return glrlm_features(by_direction, n_pixels=sum(pixels))
    return glrlm_features(by_direction.sum(axis=0, keepdims=True), n_pixels=4 * sum(pixels))


def zones(slices: np.ndarray, aggregation: str, n: int, compute) -> dict[str, float]:
    found = [find_zones(one) for one in slices]
    found = [Zones.merged(found)] if aggregation == "2.5d" else found
    return mean_over([compute(one, n_levels=n) for one in found])


def dependence(slices: np.ndarray, aggregation: str, n: int) -> dict[str, float]:
    matrices = [dependence_matrix(one, n_levels=n) for one in slices]
    matrices = [np.sum(matrices, axis=0)] if aggregation == "2.5d" else matrices
    return mean_over([ngldm_features(one) for one in matrices])


def tones(slices: np.ndarray, aggregation: str, n: int) -> dict[str, float]:
    differences = [tone_differences(one, n_levels=n) for one in slices]
    if aggregation == "2.5d":
        differences = [
            ToneDifferences(*(np.sum(one, axis=0) for one in zip(*differences, strict=True)))
        ]
    return mean_over([ngtdm_features(one) for one in differences])


@cache
def computed(region: str, family: str, aggregation: str) -> dict[str, float]:
    """All values of a family by IBSI code."""
    if region == "phantom":
        slices = PHANTOM
    else:
        with np.load(HERE / "lesion_regions.npz", allow_pickle=False) as regions:
            slices = regions[region][None]
    n = int(slices.max())
    values = {
        "intensity-based statistics": lambda: first_order_features(slices[slices > 0]),
        "GLCM": lambda: cooccurrence(slices, aggregation, n),
        "GLRLM": lambda: runs(slices, aggregation, n),
        "GLSZM": lambda: zones(slices, aggregation, n, glszm_features),
        "GLDZM": lambda: zones(slices, aggregation, n, gldzm_features),
        "NGLDM": lambda: dependence(slices, aggregation, n),
        "NGTDM": lambda: tones(slices, aggregation, n),
    }[family]()
    return {CODES[family][name]: value for name, value in values.items()}


def to_three_digits(value: float) -> float:
    return float(f"{value:.2e}")


@pytest.mark.parametrize(
    "row",
    list(REFERENCE.itertuples()),
    ids=lambda row: f"{row.family}-{row.ibsi_id}-{row.aggregation}",
)
def test_value_equals_the_consensus(row):
    """Each feature equals the published value after rounding to three significant digits."""
    value = computed("phantom", row.family, row.aggregation)[row.ibsi_id]
    assert abs(to_three_digits(value) - to_three_digits(row.value)) <= row.tolerance


@pytest.mark.parametrize(
    "row",
    list(LESIONS.itertuples()),
    ids=lambda row: f"{row.region}-{row.family}-{row.ibsi_id}-{row.aggregation}",
)
def test_lesion_shaped_region_equals_another_implementation(row):
    """Each texture feature of a bent, a holed and a divided region equals that of mirp."""
    value = computed(row.region, row.family, row.aggregation)[row.ibsi_id]
    assert value == pytest.approx(row.value, rel=1e-9, abs=1e-12)


def test_every_feature_has_a_published_value():
    """No statistic or texture feature is without a reference, and none of the manual is missing."""
    for family, codes in CODES.items():
        assert set(REFERENCE.loc[REFERENCE["family"] == family, "ibsi_id"]) == set(codes.values())


def test_lesion_shaped_regions_are_what_they_are_for():
    """The pinned regions do have a hole, several parts and a frame that they touch."""
    from skimage.measure import euler_number, label

    with np.load(HERE / "lesion_regions.npz", allow_pickle=False) as stored:
        regions = {name: stored[name] > 0 for name in stored.files}
    assert euler_number(regions["horseshoe"], connectivity=2) == 0
    assert label(regions["two_parts"], connectivity=2).max() == 2
    assert regions["two_parts"][0].any()
