"""Texture and statistics reproduce the consensus values of the IBSI digital phantom.

The phantom and its reference values are those of the Image Biomarker Standardisation
Initiative (A. Zwanenburg et al., CC BY 4.0).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.radiomics import (
    FIRST_ORDER,
    GLCM,
    cooccurrence_matrices,
    first_order_features,
    glcm_features,
)

N_LEVELS = 6

# Slices, rows, columns; 0 is outside the region.
PHANTOM = np.array(
    [
        [[1, 4, 4, 1, 1], [1, 4, 6, 1, 1], [4, 1, 6, 4, 1], [4, 4, 6, 4, 1]],
        [[1, 4, 4, 1, 1], [1, 1, 6, 1, 1], [0, 1, 3, 1, 1], [4, 4, 6, 1, 1]],
        [[1, 4, 4, 0, 0], [1, 1, 1, 1, 1], [1, 1, 0, 1, 1], [1, 1, 6, 1, 1]],
        [[1, 4, 4, 0, 0], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [1, 1, 6, 1, 1]],
    ]
)

REFERENCE = pd.read_csv(Path(__file__).with_name("ibsi_phantom_reference.csv"))


def to_three_digits(value: float) -> str:
    return f"{value:.2e}"


def computed(family: str, aggregation: str) -> dict[str, float]:
    """All values of a family by IBSI code."""
    if family == "firstorder":
        values = first_order_features(PHANTOM[PHANTOM > 0].astype(float))
        return {FIRST_ORDER[name]: value for name, value in values.items()}
    slices = [cooccurrence_matrices(one, n_levels=N_LEVELS) for one in PHANTOM]
    if aggregation == "2d_s_mrg":
        slices = [matrices.sum(axis=0, keepdims=True) for matrices in slices]
    per_slice = pd.DataFrame([glcm_features(matrices) for matrices in slices])
    return {GLCM[name]: float(value) for name, value in per_slice.mean().items()}


@pytest.mark.parametrize(
    "row", list(REFERENCE.itertuples()), ids=lambda row: f"{row[1]}-{row[2]}-{row[4]}"
)
def test_value_equals_the_consensus(row):
    """Each feature equals the published value after rounding to three significant digits."""
    value = computed(row.family, row.aggregation)[row.ibsi_id]
    assert to_three_digits(value) == to_three_digits(row.value)


def test_every_feature_has_a_published_value():
    """No intensity or texture feature is without a reference."""
    codes = set(REFERENCE["ibsi_id"])
    assert set(FIRST_ORDER.values()) | set(GLCM.values()) == codes
