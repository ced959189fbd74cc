"""Statistics of the grey values of a region, wherever they lie in it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

__all__ = ["FIRST_ORDER", "first_order_features"]

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


def first_order_features(values: NDArray[np.floating]) -> dict[str, float]:
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
    x = np.asarray(values, dtype=np.float64)
    mean, median = x.mean(), np.median(x)
    centred = x - mean
    variance = np.mean(centred**2)
    p10, p25, p75, p90 = np.percentile(x, [10, 25, 75, 90])
    within = x[(x >= p10) & (x <= p90)]
    return {
        "mean": float(mean),
        "variance": float(variance),
        "skewness": _standardised_moment(centred, variance, 3),
        # Of a normal distribution 0: IBSI corrects the kurtosis by 3.
        "kurtosis": _standardised_moment(centred, variance, 4) - 3.0 if variance > 0 else 0.0,
        "median": float(median),
        "minimum": float(x.min()),
        "percentile_10": float(p10),
        "percentile_90": float(p90),
        "maximum": float(x.max()),
        "interquartile_range": float(p75 - p25),
        "range": float(x.max() - x.min()),
        "mean_absolute_deviation": float(np.abs(centred).mean()),
        "robust_mean_absolute_deviation": float(np.abs(within - within.mean()).mean()),
        "median_absolute_deviation": float(np.abs(x - median).mean()),
        "coefficient_of_variation": _ratio(np.sqrt(variance), mean),
        "quartile_coefficient_of_dispersion": _ratio(p75 - p25, p75 + p25),
        "energy": float(np.sum(x**2)),
        "root_mean_square": float(np.sqrt(np.mean(x**2))),
    }


def _standardised_moment(centred: NDArray[np.float64], variance: np.floating, order: int) -> float:
    return float(np.mean(centred**order) / variance ** (order / 2)) if variance > 0 else 0.0


def _ratio(numerator: np.floating, denominator: np.floating) -> float:
    return float(numerator / denominator) if denominator != 0 else float("nan")
