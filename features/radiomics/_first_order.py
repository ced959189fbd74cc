"""Statistics of the grey values of a region, wherever they lie in it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FIRST_ORDER", "first_order_features"]

Array = NDArray[np.float64]

# Feature -> code of its definition in the IBSI reference manual (Zwanenburg et al. 2020,
# Radiology 295(2), and ibsi.readthedocs.io), family "intensity-based statistics".
FIRST_ORDER: Mapping[str, str] = {
    "mean": "Q4LE",
    "variance": "ECT3",
    "skewness": "KE2A",
    "kurtosis": "IPH6",
    "median": "Y12H",
    "minimum": "1GSF",
    "percentile_10": "QG58",
    "percentile_90": "8DWT",
    "maximum": "84IY",
    "interquartile_range": "SALO",
    "range": "2OJQ",
    "mean_absolute_deviation": "4FUA",
    "robust_mean_absolute_deviation": "1128",
    "median_absolute_deviation": "N72L",
    "coefficient_of_variation": "7TET",
    "quartile_coefficient_of_dispersion": "9S40",
    "energy": "N8CA",
    "root_mean_square": "5ZWQ",
}


def first_order_features(values: NDArray[Any]) -> dict[str, float]:
    """Compute the 18 intensity-based statistics of IBSI.

    Parameters
    ----------
    values : ndarray of shape (n_pixels,)
        Grey values of the region, at least one.

    Returns
    -------
    dict of str to float
        Keys of `FIRST_ORDER`. In grey levels (mean and its like), their squares (variance,
        energy), or without unit. Of a region with a single grey level, skewness and kurtosis
        are 0, as the manual asks; ratios with a zero denominator are NaN.

    References
    ----------
    .. [1] Zwanenburg et al. (2020), The Image Biomarker Standardization Initiative,
       Radiology 295(2), reference manual section 3.3.
    """
    # Eight bits have at most 256 different values: what follows costs the same for any region.
    x, counts = _distinct(values)
    p = counts / counts.sum()
    mean = float(p @ x)
    centred = x - mean
    variance, third, fourth = (float(p @ centred**order) for order in (2, 3, 4))
    p10, p25, median, p75, p90 = _percentiles(x, counts, (0.1, 0.25, 0.5, 0.75, 0.9))
    square = float(p @ x**2)
    return {
        "mean": mean,
        "variance": variance,
        "skewness": third / variance**1.5 if variance > 0 else 0.0,
        # Of a normal distribution 0: IBSI corrects the kurtosis by 3.
        "kurtosis": fourth / variance**2 - 3.0 if variance > 0 else 0.0,
        "median": median,
        "minimum": float(x[0]),
        "percentile_10": p10,
        "percentile_90": p90,
        "maximum": float(x[-1]),
        "interquartile_range": p75 - p25,
        "range": float(x[-1] - x[0]),
        "mean_absolute_deviation": float(p @ np.abs(centred)),
        "robust_mean_absolute_deviation": _deviation_within(x, counts, p10, p90),
        "median_absolute_deviation": float(p @ np.abs(x - median)),
        "coefficient_of_variation": _ratio(math.sqrt(variance), mean),
        "quartile_coefficient_of_dispersion": _ratio(p75 - p25, p75 + p25),
        "energy": square * float(counts.sum()),
        "root_mean_square": math.sqrt(square),
    }


def _distinct(values: NDArray[Any]) -> tuple[Array, NDArray[np.intp]]:
    """Return the different values in ascending order, and how often each occurs."""
    if values.dtype == np.uint8:
        counts = np.bincount(values, minlength=256)
        present = np.flatnonzero(counts)
        return present.astype(np.float64), counts[present]
    distinct, counts = np.unique(values.astype(np.float64), return_counts=True)
    return distinct, counts


def _percentiles(x: Array, counts: NDArray[np.intp], shares: Sequence[float]) -> list[float]:
    """Interpolate linearly between the two values around each share of the sorted pixels."""
    last = np.cumsum(counts) - 1
    position = np.asarray(shares) * last[-1]
    below = np.floor(position)
    # The value at a rank is the first one whose last pixel stands at that rank or after it.
    lower = x[np.searchsorted(last, below)]
    upper = x[np.searchsorted(last, np.ceil(position))]
    between: list[float] = (lower + (position - below) * (upper - lower)).tolist()
    return between


def _deviation_within(x: Array, counts: NDArray[np.intp], low: float, high: float) -> float:
    """Mean absolute deviation of the values from `low` to `high`."""
    kept = (x >= low) & (x <= high)
    x, weights = x[kept], counts[kept] / counts[kept].sum()
    return float(weights @ np.abs(x - weights @ x))


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator != 0 else float("nan")
