"""The sixteen formulas that run, zone, distance and dependence matrices share.

Each family counts things (runs, zones, neighbourhoods) by grey level and by a size (length,
area, distance to the border, number of alike neighbours). IBSI gives the same formulas for
all of them under different codes; here they stand once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

__all__ = ["N_FORMULAS", "averaged", "emphasis_features"]

Array = NDArray[np.float64]

N_FORMULAS = 16


def emphasis_features(counts: Array, sizes: NDArray[np.integer], *, n_pixels: Array) -> Array:
    """Compute the shared features of each of a stack of matrices.

    With p the counts over their sum N, i the grey level and j the size, the columns are, in
    order: small, large, low and high emphasis (the mean of 1/j², j², 1/i², i²), the four
    joint emphases (small low 1/(i²j²), small high i²/j², large low j²/i², large high i²j²),
    grey-level non-uniformity (the sum over i of squared row sums, over N) and normalised
    (over N²), size non-uniformity and normalised (the same over j), percentage (N over the
    number of pixels), grey-level variance, size variance, and entropy in bits.

    Parameters
    ----------
    counts : ndarray of shape (n_matrices, n_levels, n_sizes)
        Level 1 comes first.
    sizes : ndarray of shape (n_sizes,)
        Size of each column, from 1; in any order.
    n_pixels : ndarray of shape (n_matrices,)
        Pixels behind each matrix.

    Returns
    -------
    ndarray of shape (n_matrices, 16)
        Without unit. NaN where a matrix is empty.

    References
    ----------
    .. [1] IBSI reference manual, sections 3.7 (TP0I), 3.8 (9SAK), 3.9 (VMDZ), 3.11 (REK0).
    """
    totals = counts.sum(axis=(1, 2))
    totals = np.where(totals > 0, totals, np.nan)
    p = counts / totals[:, None, None]
    level = np.arange(1, counts.shape[1] + 1, dtype=np.float64)
    size = sizes.astype(np.float64)
    # One product gives the expectation of every pair of powers: rows are powers of the
    # level (0, 1, 2, -2), columns those of the size.
    moments = _powers(level) @ p @ _powers(size).T
    rows, columns = p.sum(axis=2), p.sum(axis=1)
    level_uniformity, size_uniformity = (rows**2).sum(axis=1), (columns**2).sum(axis=1)
    return np.stack(
        [
            moments[:, 0, 3],
            moments[:, 0, 2],
            moments[:, 3, 0],
            moments[:, 2, 0],
            moments[:, 3, 3],
            moments[:, 2, 3],
            moments[:, 3, 2],
            moments[:, 2, 2],
            level_uniformity * totals,
            level_uniformity,
            size_uniformity * totals,
            size_uniformity,
            totals / n_pixels,
            _variance(rows, level),
            _variance(columns, size),
            _entropy(p),
        ],
        axis=1,
    )


def averaged(codes: Mapping[str, str], columns: Array) -> dict[str, float]:
    """Name the features and average each over the matrices that are not empty.

    Parameters
    ----------
    codes : mapping of str to str
        Feature -> IBSI code, in the order of the columns.
    columns : ndarray of shape (n_matrices, n_features)
        A row of NaN for an empty matrix.

    Returns
    -------
    dict of str to float
        NaN throughout if every matrix is empty.
    """
    kept = columns[~np.isnan(columns[:, 0])]
    means: Iterable[float] = kept.mean(axis=0).tolist() if len(kept) else [np.nan] * len(codes)
    return dict(zip(codes, means, strict=True))


def _powers(values: Array) -> Array:
    squared = values * values
    return np.stack([np.ones_like(values), values, squared, 1 / squared])


def _variance(p: Array, values: Array) -> Array:
    mean = p @ values
    return np.asarray((p * (values - mean[:, None]) ** 2).sum(axis=1))


def _entropy(p: Array) -> Array:
    """In bits, with 0 log 0 = 0."""
    logs = np.log2(p, where=p > 0, out=np.zeros_like(p))
    return np.asarray(-(p * logs).sum(axis=(1, 2)))
