"""Dependence: how many neighbours of a pixel are of its own grey level."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from features.radiomics._discretise import Levels
from features.radiomics._emphasis import averaged, emphasis_features

__all__ = ["NGLDM", "dependence_matrix", "ngldm_features"]

# Feature -> code of its definition in the IBSI reference manual, family "neighbouring grey
# level dependence based features" (REK0), in the order of `emphasis_features`, then energy.
NGLDM: Mapping[str, str] = {
    "low_dependence_emphasis": "SODN",
    "high_dependence_emphasis": "IMOQ",
    "low_grey_level_count_emphasis": "TL9H",
    "high_grey_level_count_emphasis": "OAE7",
    "low_dependence_low_grey_level_emphasis": "EQ3F",
    "low_dependence_high_grey_level_emphasis": "JA6D",
    "high_dependence_low_grey_level_emphasis": "NBZI",
    "high_dependence_high_grey_level_emphasis": "9QMG",
    "grey_level_non_uniformity": "FP8K",
    "normalised_grey_level_non_uniformity": "5SPA",
    "dependence_count_non_uniformity": "Z87G",
    "normalised_dependence_count_non_uniformity": "OKJI",
    "dependence_count_percentage": "6XV8",
    "grey_level_variance": "1PFV",
    "dependence_count_variance": "DNX2",
    "dependence_count_entropy": "FCBV",
    "dependence_count_energy": "CAS9",
}


def dependence_matrix(
    levels: Levels, *, n_levels: int, distance: int = 1, coarseness: int = 0
) -> NDArray[np.float64]:
    """Count pixels by level and by the number of dependent pixels around them.

    Parameters
    ----------
    levels : ndarray of shape (height, width), unsigned int
        As from `discretise`; 0 is outside.
    n_levels : int
        Largest level.
    distance : int
        The neighbourhood is a square of this many pixels to each side.
    coarseness : int
        Largest difference of levels that still counts as alike (alpha in the manual).

    Returns
    -------
    ndarray of shape (n_levels, (2 * distance + 1)²)
        Counts; the first column is of pixels that depend on none but themselves.
    """
    padded = np.pad(levels, distance)
    width = padded.shape[1]
    flat = padded.ravel()
    n_dependent = np.ones(flat.size, dtype=np.uint16)
    for offset in _forward_offsets(distance, width):
        first, second = flat[:-offset], flat[offset:]
        alike = (
            first == second
            if coarseness == 0
            else (np.maximum(first, second) - np.minimum(first, second) <= coarseness)
            & (first > 0)
            & (second > 0)
        )
        n_dependent[:-offset] += alike
        n_dependent[offset:] += alike
    n_columns = (2 * distance + 1) ** 2
    # Outside pixels fill the first row, which is dropped; they can be alike among themselves.
    codes = flat.astype(np.intp) * n_columns + n_dependent - 1
    counts = np.bincount(codes, minlength=(n_levels + 1) * n_columns)
    return counts.reshape(n_levels + 1, n_columns)[1:].astype(np.float64)


def ngldm_features(matrix: NDArray[np.float64]) -> dict[str, float]:
    """Compute the 17 dependence features of IBSI.

    Parameters
    ----------
    matrix : ndarray of shape (n_levels, n_counts)
        As from `dependence_matrix`; those of several slices are added up.

    Returns
    -------
    dict of str to float
        Keys of `NGLDM`, without unit, entropy in bits; finite for every region. Dependence
        count percentage is 1 by definition here, because every pixel has a count; it stands
        in the list because it stands in the manual.

    References
    ----------
    .. [1] IBSI reference manual, section 3.11.
    .. [2] Sun & Wee (1983), Computer Vision, Graphics, and Image Processing 23(3).
    """
    total = matrix.sum(keepdims=True).ravel()
    sizes = np.arange(1, matrix.shape[1] + 1)
    columns = emphasis_features(matrix[None], sizes, n_pixels=total)
    energy = ((matrix / total) ** 2).sum(keepdims=True)
    return averaged(NGLDM, np.hstack([columns, energy]))


def _forward_offsets(distance: int, width: int) -> list[int]:
    """Half of the neighbourhood as steps in the flat array; the other half mirrors it."""
    reach = range(-distance, distance + 1)
    steps = [down * width + right for down in range(distance + 1) for right in reach]
    return [step for step in steps if step > 0]
