"""Texture: how often grey levels stand beside each other."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["GLCM", "cooccurrence_matrices", "discretise", "glcm_features"]

Array = NDArray[np.float64]
Levels = NDArray[np.intp]

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

# Right, down, and the two diagonals; the opposite four come with the matrices' symmetry.
DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))


def discretise(image: NDArray[np.generic], mask: NDArray[np.bool_], *, n_levels: int) -> Levels:
    """Assign grey values to a fixed number of bins between the region's extremes.

    Parameters
    ----------
    image : ndarray of shape (height, width)
        Grey values.
    mask : ndarray of shape (height, width), bool
        The region; at least one pixel.
    n_levels : int
        Number of bins.

    Returns
    -------
    ndarray of shape (height, width), int
        1 to `n_levels` inside the region, 0 outside. A region with a single grey value has
        level 1 throughout.

    References
    ----------
    .. [1] IBSI reference manual, section 2.7, fixed bin number (K15C).
    """
    inside = image[mask].astype(np.float64)
    low, high = inside.min(), inside.max()
    levels = np.zeros(image.shape, dtype=np.intp)
    span = high - low
    share = (inside - low) / span if span > 0 else np.zeros_like(inside)
    levels[mask] = np.minimum(np.floor(n_levels * share).astype(np.intp) + 1, n_levels)
    return levels


def cooccurrence_matrices(levels: Levels, *, n_levels: int) -> Array:
    """Count neighbouring pairs of levels, symmetrically, at distance 1.

    Parameters
    ----------
    levels : ndarray of shape (height, width), int
        As from `discretise`; pairs with a pixel outside (level 0) do not count.
    n_levels : int
        Largest level.

    Returns
    -------
    ndarray of shape (4, n_levels, n_levels)
        Counts for each direction.
    """
    height, width = levels.shape
    matrices = np.zeros((len(DIRECTIONS), n_levels, n_levels))
    for number, (down, right) in enumerate(DIRECTIONS):
        first = levels[: height - down, max(0, -right) : width - max(0, right)]
        second = levels[down:, max(0, right) : width + min(0, right)]
        both = (first > 0) & (second > 0)
        pairs = (first[both] - 1) * n_levels + second[both] - 1
        counts = np.bincount(pairs, minlength=n_levels**2).reshape(n_levels, n_levels)
        matrices[number] = counts + counts.T
    return matrices


def glcm_features(matrices: Array) -> dict[str, float]:
    """Compute the 25 co-occurrence features of IBSI, averaged over the given matrices.

    Parameters
    ----------
    matrices : ndarray of shape (n_matrices, n_levels, n_levels)
        Symmetric counts: the four of `cooccurrence_matrices` for the average over
        directions (IBSI BTW3), or their sum, as one matrix, for merged directions (SUJT).

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
    return {name: float(values[name].mean()) for name in GLCM}


class _Grid(NamedTuple):
    """What depends on the number of levels alone; flattened over the pairs (i, j)."""

    i: Array
    j: Array
    gap: Array
    by_gap: Array
    by_sum: Array


@lru_cache(maxsize=8)
def _grid(n_levels: int) -> _Grid:
    i, j = (axis.ravel() for axis in np.mgrid[1 : n_levels + 1, 1 : n_levels + 1])
    by_gap = np.eye(n_levels)[np.abs(i - j)]
    by_sum = np.eye(2 * n_levels - 1)[i + j - 2]
    as_float = np.float64
    return _Grid(
        i.astype(as_float), j.astype(as_float), np.abs(i - j).astype(as_float), by_gap, by_sum
    )


def _features(p: Array) -> dict[str, Array]:
    """Features of normalised matrices of shape (n, n_levels, n_levels): arrays of shape (n,)."""
    n_levels = p.shape[1]
    grid = _grid(n_levels)
    flat = p.reshape(len(p), -1)
    gaps, gap = flat @ grid.by_gap, np.arange(n_levels, dtype=np.float64)
    sums, total = flat @ grid.by_sum, np.arange(2, 2 * n_levels + 1, dtype=np.float64)
    mean = flat @ grid.i
    off_diagonal = grid.gap > 0
    around = grid.i + grid.j - 2 * mean[:, None]
    variance = _spread(flat, grid.i, mean)
    return {
        "joint_maximum": flat.max(axis=1),
        "joint_average": mean,
        "joint_variance": variance,
        "joint_entropy": _entropy(flat),
        "difference_average": gaps @ gap,
        "difference_variance": _spread(gaps, gap, gaps @ gap),
        "difference_entropy": _entropy(gaps),
        "sum_average": sums @ total,
        "sum_variance": _spread(sums, total, sums @ total),
        "sum_entropy": _entropy(sums),
        "angular_second_moment": (flat**2).sum(axis=1),
        "contrast": flat @ grid.gap**2,
        "dissimilarity": flat @ grid.gap,
        "inverse_difference": flat @ (1 / (1 + grid.gap)),
        "normalised_inverse_difference": flat @ (1 / (1 + grid.gap / n_levels)),
        "inverse_difference_moment": flat @ (1 / (1 + grid.gap**2)),
        "normalised_inverse_difference_moment": flat @ (1 / (1 + (grid.gap / n_levels) ** 2)),
        "inverse_variance": flat[:, off_diagonal] @ (1 / grid.gap[off_diagonal] ** 2),
        "correlation": _correlation(flat @ (grid.i * grid.j), mean, variance),
        "autocorrelation": flat @ (grid.i * grid.j),
        "cluster_tendency": (flat * around**2).sum(axis=1),
        "cluster_shade": (flat * around**3).sum(axis=1),
        "cluster_prominence": (flat * around**4).sum(axis=1),
        **_information_correlations(p),
    }


def _spread(p: Array, values: Array, mean: Array) -> Array:
    return np.asarray((p * (values - mean[:, None]) ** 2).sum(axis=1))


def _entropy(p: Array) -> Array:
    """In bits, with 0 log 0 = 0."""
    return np.asarray(-(p * np.log2(p, where=p > 0, out=np.zeros_like(p))).sum(axis=1))


def _correlation(product: Array, mean: Array, variance: Array) -> Array:
    varied = variance > 0
    return np.where(varied, (product - mean**2) / np.where(varied, variance, 1.0), 1.0)


def _information_correlations(p: Array) -> dict[str, Array]:
    marginal = p.sum(axis=2)
    independent = marginal[:, :, None] * marginal[:, None, :]
    logs = np.log2(independent, where=independent > 0, out=np.zeros_like(independent))
    joint = _entropy(p.reshape(len(p), -1))
    crossed = -(p * logs).sum(axis=(1, 2))
    apart = -(independent * logs).sum(axis=(1, 2))
    single = _entropy(marginal)
    varied = single > 0
    first = np.where(varied, (joint - crossed) / np.where(varied, single, 1.0), 0.0)
    # Rounding can leave the exponent a hair above zero.
    second = np.sqrt(1 - np.exp(np.minimum(-2 * (apart - joint), 0.0)))
    return {"information_correlation_1": first, "information_correlation_2": second}
