"""Tone difference: how far a pixel's grey level is from the mean of its neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.radiomics._discretise import Levels

__all__ = ["NGTDM", "ToneDifferences", "ngtdm_features", "tone_differences"]

# Feature -> code of its definition in the IBSI reference manual, family "neighbourhood grey
# tone difference based features" (IPET).
NGTDM: Mapping[str, str] = {
    "coarseness": "QCDE",
    "contrast": "65HE",
    "busyness": "NQ30",
    "complexity": "HDEZ",
    "strength": "1X9X",
}

# What the manual puts for a region without any difference, whose coarseness is unbounded.
COARSENESS_OF_FLAT = 1e6


class ToneDifferences(NamedTuple):
    """Pixels and summed differences of each grey level.

    Attributes
    ----------
    n_pixels : ndarray of shape (n_levels,)
        Pixels that have at least one neighbour in the region.
    difference : ndarray of shape (n_levels,)
        Sum over these pixels of the distance between level and mean level around.
    """

    n_pixels: NDArray[np.float64]
    difference: NDArray[np.float64]


def tone_differences(levels: Levels, *, n_levels: int, distance: int = 1) -> ToneDifferences:
    """Sum the differences between pixels and their neighbourhoods, by grey level.

    Parameters
    ----------
    levels : ndarray of shape (height, width), unsigned int
        As from `discretise`; 0 is outside and is no neighbour.
    n_levels : int
        Largest level.
    distance : int
        The neighbourhood is a square of this many pixels to each side.

    Returns
    -------
    ToneDifferences
        Those of several slices are added up.
    """
    wide = levels.astype(np.int32)
    inside = (levels > 0).astype(np.int32)
    n_around = _box_sum(inside, distance) - inside
    summed = _box_sum(wide, distance) - wide
    counted = (n_around > 0) & (levels > 0)
    level, n_around, summed = wide[counted], n_around[counted], summed[counted]
    apart = np.abs(level - summed / n_around)
    difference = np.bincount(level, weights=apart, minlength=n_levels + 1)
    return ToneDifferences(
        np.bincount(level, minlength=n_levels + 1)[1:].astype(np.float64),
        np.asarray(difference[1:], dtype=np.float64),
    )


def ngtdm_features(differences: ToneDifferences) -> dict[str, float]:
    """Compute the five tone-difference features of IBSI.

    Parameters
    ----------
    differences : ToneDifferences
        Of one region.

    Returns
    -------
    dict of str to float
        Keys of `NGTDM`, without unit. A flat region has coarseness 1,000,000 and else zeros,
        as the manual asks. NaN where no pixel has a neighbour.

    References
    ----------
    .. [1] IBSI reference manual, section 3.10.
    .. [2] Amadasun & King (1989), IEEE Trans Syst Man Cybern 19(5).
    """
    n_pixels = differences.n_pixels.sum()
    if n_pixels == 0:
        return dict.fromkeys(NGTDM, float("nan"))
    present = np.flatnonzero(differences.n_pixels)
    p = differences.n_pixels[present] / n_pixels
    s = differences.difference[present]
    i = present + 1.0
    weighted, total = float(p @ s), float(s.sum())
    gap = i[:, None] - i
    pair = p[:, None] + p
    busy = np.abs((i * p)[:, None] - i * p).sum()
    n_present = len(present)
    spread = float(p @ gap**2 @ p) / (n_present * (n_present - 1)) if n_present > 1 else 0.0
    effort = (p * s)[:, None] + p * s
    return {
        "coarseness": 1 / weighted if weighted > 0 else COARSENESS_OF_FLAT,
        "contrast": spread * total / n_pixels,
        "busyness": weighted / float(busy) if busy > 0 else 0.0,
        "complexity": float((np.abs(gap) * effort / pair).sum()) / n_pixels,
        "strength": float((pair * gap**2).sum()) / total if total > 0 else 0.0,
    }


def _box_sum(values: NDArray[np.int32], distance: int) -> NDArray[np.int32]:
    """Sum of the square neighbourhood, centre included; outside the array everything is 0."""
    padded = np.pad(values, distance)
    height, width = values.shape
    rows = padded[:height].copy()
    for down in range(1, 2 * distance + 1):
        rows += padded[down : down + height]
    total = rows[:, :width].copy()
    for right in range(1, 2 * distance + 1):
        total += rows[:, right : right + width]
    return total
