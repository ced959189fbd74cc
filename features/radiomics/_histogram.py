"""How evenly values are spread between their extremes."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["N_BINS", "histogram_entropy"]

N_BINS = 32


def histogram_entropy(values: NDArray[np.float64]) -> float:
    """Return the entropy of a histogram of 32 equal bins between the extremes.

    Parameters
    ----------
    values : ndarray of shape (n_values,)
        At least one.

    Returns
    -------
    float
        In bits, 0 to 5; 0 where all values are equal.

    References
    ----------
    .. [1] IBSI reference manual, intensity histogram entropy (TLU2) with a fixed bin number
       (K15C).

    Examples
    --------
    >>> histogram_entropy(np.array([0.0, 0.0, 1.0, 1.0]))
    1.0
    """
    low, high = values.min(), values.max()
    if not high > low:
        return 0.0
    bins = ((values - low) * (N_BINS / (high - low))).astype(np.uint8)
    # One bin more for the maximum itself, which belongs to the last.
    counts = cv2.calcHist([bins], [0], None, [N_BINS + 1], [0, N_BINS + 1]).ravel()
    counts[N_BINS - 1] += counts[N_BINS]
    shares = counts[:N_BINS].astype(np.float64) / values.size
    shares = shares[shares > 0]
    return float(-np.sum(shares * np.log2(shares)))
