"""Co-occurrence: how often grey levels stand beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from features.radiomics._discretise import Levels

__all__ = ["GLCM", "cooccurrence_matrices", "glcm_features"]

Array = NDArray[np.float64]

# Feature -> code of its definition in the IBSI reference manual, family "grey level
# co-occurrence based features" (LFYI).
GLCM: Mapping[str, str] = {
    "joint_maximum": "GYBY",
    "joint_average": "60VM",
    "joint_variance": "UR99",
    "joint_entropy": "TU9B",
    "difference_average": "TF7R",
    "difference_variance": "D3YU",
    "difference_entropy": "NTRS",
    "sum_average": "ZGXS",
    "sum_variance": "OEEB",
    "sum_entropy": "P6QZ",
    "angular_second_moment": "8ZQL",
    "contrast": "ACUI",
    "dissimilarity": "8S9J",
    "inverse_difference": "IB1Z",
    "normalised_inverse_difference": "NDRX",
    "inverse_difference_moment": "WF0Z",
    "normalised_inverse_difference_moment": "1QCO",
    "inverse_variance": "E8JP",
    "correlation": "NI2N",
    "autocorrelation": "QWB0",
    "cluster_tendency": "DG8W",
    "cluster_shade": "7NFM",
    "cluster_prominence": "AE86",
    "information_correlation_1": "R8DG",
    "information_correlation_2": "JN9H",
}

# Angle in degrees -> steps down and right; rows count downwards, so 45 degrees climbs.
DIRECTIONS = {0: (0, 1), 90: (1, 0), 135: (1, 1), 45: (1, -1)}


def cooccurrence_matrices(
    levels: Levels,
    *,
    n_levels: int,
    distance: int = 1,
    angles: Sequence[int] = tuple(DIRECTIONS),
) -> Array:
    """Count pairs of levels a step apart, in both orders, for each direction.

    Parameters
    ----------
    levels : ndarray of shape (height, width), unsigned int
        As from `discretise`; pairs with a pixel outside (level 0) do not count.
    n_levels : int
        Largest level.
    distance : int
        Step in pixels, along a diagonal in each of its two axes (Chebyshev distance).
    angles : sequence of int
        Directions in degrees out of 0 (along a row), 45, 90 (along a column) and 135; the
        opposite four come with the matrices' symmetry.

    Returns
    -------
    ndarray of shape (n_angles, n_levels, n_levels)
        Counts.
    """
    padded = np.pad(levels.astype(np.intp), distance)
    width, flat, side = padded.shape[1], padded.ravel(), n_levels + 1
    matrices = np.empty((len(angles), n_levels, n_levels))
    for number, angle in enumerate(angles):
        down, right = DIRECTIONS[angle]
        offset = distance * (down * width + right)
        pairs = flat[:-offset] * side
        pairs += flat[offset:]
        counts = np.bincount(pairs, minlength=side * side).reshape(side, side)[1:, 1:]
        np.add(counts, counts.T, out=matrices[number])
    return matrices


def glcm_features(matrices: Array) -> dict[str, float]:
    """Compute the 25 co-occurrence features of IBSI, averaged over the given matrices.

    Parameters
    ----------
    matrices : ndarray of shape (n_matrices, n_levels, n_levels)
        Symmetric counts: those of `cooccurrence_matrices` for the average over directions
        (IBSI BTW3), or their sum, as one matrix, for merged directions (SUJT).

    Returns
    -------
    dict of str to float
        Keys of `GLCM`, without unit, entropies in bits. A direction without pairs is left
        out; all values are NaN if no direction has any, as in a region of one pixel. Of a
        single level, correlation is 1 and both information correlations are 0.

    References
    ----------
    .. [1] IBSI reference manual, section 3.6.
    .. [2] Haralick, Shanmugam & Dinstein (1973), IEEE Trans Syst Man Cybern 3(6).
    """
    totals = matrices.sum(axis=(1, 2))
    if not totals.any():
        return dict.fromkeys(GLCM, float("nan"))
    counted = matrices[totals > 0] / totals[totals > 0, None, None]
    values = _features(counted)
    means = np.stack([values[name] for name in GLCM]).mean(axis=1)
    return dict(zip(GLCM, means.tolist(), strict=True))


@lru_cache(maxsize=16)
def _bins(n_matrices: int, n_levels: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Which difference and which sum each cell of a stack of matrices belongs to."""
    i, j = np.mgrid[:n_levels, :n_levels]
    matrix = np.arange(n_matrices)[:, None]
    gaps = matrix * n_levels + np.abs(i - j).ravel()
    sums = matrix * (2 * n_levels - 1) + (i + j).ravel()
    return gaps.ravel(), sums.ravel()


def _features(p: Array) -> dict[str, Array]:
    """Features of normalised symmetric matrices of shape (n, n_levels, n_levels).

    Nearly all of them depend on the difference or on the sum of the two levels alone, so
    that they are read from these two distributions instead of from the matrix.
    """
    n, n_levels = p.shape[:2]
    flat, (gap_bins, sum_bins) = p.ravel(), _bins(n, n_levels)
    gaps = _binned(gap_bins, flat, (n, n_levels))
    sums = _binned(sum_bins, flat, (n, 2 * n_levels - 1))
    marginal = p.sum(axis=2)
    level, gap = np.arange(1.0, n_levels + 1), np.arange(float(n_levels))
    total = np.arange(2.0, 2 * n_levels + 1)
    mean, variance = _mean_and_variance(marginal, level)
    gap_mean, gap_variance = _mean_and_variance(gaps, gap)
    sum_mean, sum_variance = _mean_and_variance(sums, total)
    contrast = gaps @ gap**2
    # Of the product of both levels: a quarter of squared sum minus squared difference.
    product = (sums @ total**2 - contrast) / 4
    around = total - sum_mean[:, None]
    joint_entropy = _entropy(p.reshape(n, -1))
    # The cells of a matrix with equal marginals: both crossed entropies are twice the
    # marginal one.
    single = _entropy(marginal)
    apart = np.maximum(2 * single - joint_entropy, 0.0)
    varied = single > 0
    return {
        "joint_maximum": p.max(axis=(1, 2)),
        "joint_average": mean,
        "joint_variance": variance,
        "joint_entropy": joint_entropy,
        "difference_average": gap_mean,
        "difference_variance": gap_variance,
        "difference_entropy": _entropy(gaps),
        "sum_average": sum_mean,
        "sum_variance": sum_variance,
        "sum_entropy": _entropy(sums),
        "angular_second_moment": (p**2).sum(axis=(1, 2)),
        "contrast": contrast,
        "dissimilarity": gap_mean,
        "inverse_difference": gaps @ (1 / (1 + gap)),
        "normalised_inverse_difference": gaps @ (1 / (1 + gap / n_levels)),
        "inverse_difference_moment": gaps @ (1 / (1 + gap**2)),
        "normalised_inverse_difference_moment": gaps @ (1 / (1 + (gap / n_levels) ** 2)),
        "inverse_variance": gaps[:, 1:] @ (1 / gap[1:] ** 2),
        "correlation": _correlation(product, mean, variance),
        "autocorrelation": product,
        "cluster_tendency": sum_variance,
        "cluster_shade": (sums * around**3).sum(axis=1),
        "cluster_prominence": (sums * around**4).sum(axis=1),
        "information_correlation_1": np.where(varied, -apart / np.where(varied, single, 1.0), 0.0),
        "information_correlation_2": np.sqrt(1 - np.exp(-2 * apart)),
    }


def _binned(bins: NDArray[np.intp], weights: Array, shape: tuple[int, int]) -> Array:
    summed = np.bincount(bins, weights, minlength=shape[0] * shape[1])
    return np.asarray(summed, dtype=np.float64).reshape(shape)


def _mean_and_variance(p: Array, values: Array) -> tuple[Array, Array]:
    mean = p @ values
    return mean, (p * (values - mean[:, None]) ** 2).sum(axis=1)


def _entropy(p: Array) -> Array:
    """In bits, with 0 log 0 = 0."""
    return np.asarray(-(p * np.log2(p, where=p > 0, out=np.zeros_like(p))).sum(axis=1))


def _correlation(product: Array, mean: Array, variance: Array) -> Array:
    varied = variance > 0
    return np.where(varied, (product - mean**2) / np.where(varied, variance, 1.0), 1.0)
