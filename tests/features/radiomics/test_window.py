"""The window around a region is as large as the filter needs, and never larger than the image."""

from __future__ import annotations

import numpy as np
import pytest

from cohorts import BenchmarkError
from features.radiomics._gabor import gabor_features
from features.radiomics._histogram import histogram_entropy
from features.radiomics._lbp import lbp_features
from features.radiomics._surroundings import surroundings_features
from features.radiomics._wavelet import wavelet_features
from features.radiomics._window import grey_window, region_window

FAMILIES = [lbp_features, gabor_features, wavelet_features, surroundings_features]


def test_the_window_is_the_extended_bounding_box():
    """Margins are added on all sides as far as the image reaches."""
    mask = np.zeros((20, 30), dtype=bool)
    mask[1:4, 25:27] = True
    assert region_window(mask, mask, margin=0) == (slice(1, 4), slice(25, 27))
    rows, columns = region_window(mask, mask, margin=5)
    assert mask[rows, columns].shape == (9, 10)
    assert (rows.start, columns.start) == (0, 20)


def test_grey_values_start_at_zero():
    """Filters see grey values above the lowest: 8 bits stay exact, a large offset vanishes."""
    image = np.array([[5, 7], [200, 255]], dtype=np.uint8)
    grey, inside = grey_window(image, np.eye(2, dtype=bool), margin=3)
    assert grey.tolist() == [[0, 2], [195, 250]]
    assert inside.tolist() == [[True, False], [False, True]]
    far, _ = grey_window(image + 1e9, np.eye(2, dtype=bool), margin=3)
    assert (far == grey).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_an_empty_region_is_refused(family):
    """No family makes numbers of nothing."""
    with pytest.raises(BenchmarkError, match="The mask is empty"):
        family(np.ones((5, 5)), np.zeros((5, 5), dtype=bool))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_mask_of_another_size_is_refused(family):
    """The message gives both shapes."""
    with pytest.raises(BenchmarkError, match=r"\(5, 5\) and its mask \(5, 6\)"):
        family(np.ones((5, 5)), np.ones((5, 6), dtype=bool))


@pytest.mark.parametrize("seed", range(5))
def test_entropy_is_that_of_a_histogram(seed):
    """The entropy equals that of NumPy's histogram of 32 bins, the maximum in the last."""
    values = np.random.default_rng(seed).gamma(2.0, size=200)
    shares = np.histogram(values, bins=32)[0] / 200
    expected = -sum(share * np.log2(share) for share in shares if share)
    assert histogram_entropy(values) == pytest.approx(expected)


def test_entropy_has_its_extremes():
    """One value has no entropy; values that fill the 32 bins evenly have 5 bits."""
    assert histogram_entropy(np.full(9, 0.1)) == 0
    assert histogram_entropy(np.arange(64.0)) == pytest.approx(5)
