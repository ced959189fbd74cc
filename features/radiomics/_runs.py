"""Run lengths: how far one goes in a direction without the grey level changing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from features.radiomics._discretise import Levels
from features.radiomics._emphasis import averaged, emphasis_features

__all__ = ["GLRLM", "glrlm_features", "run_length_matrices"]

# Feature -> code of its definition in the IBSI reference manual, family "grey level run
# length based features" (TP0I), in the order of `emphasis_features`.
GLRLM: Mapping[str, str] = {
    "short_runs_emphasis": "22OV",
    "long_runs_emphasis": "W4KF",
    "low_grey_level_run_emphasis": "V3SW",
    "high_grey_level_run_emphasis": "G3QZ",
    "short_run_low_grey_level_emphasis": "HTZT",
    "short_run_high_grey_level_emphasis": "GD3A",
    "long_run_low_grey_level_emphasis": "IVPO",
    "long_run_high_grey_level_emphasis": "3KUM",
    "grey_level_non_uniformity": "R5YN",
    "normalised_grey_level_non_uniformity": "OVBL",
    "run_length_non_uniformity": "W92Y",
    "normalised_run_length_non_uniformity": "IC23",
    "run_percentage": "9ZK5",
    "grey_level_variance": "8CE5",
    "run_length_variance": "SXLW",
    "run_entropy": "HJ9O",
}

ANGLES = (0, 90, 45, 135)


def run_length_matrices(
    levels: Levels, *, n_levels: int, angles: Sequence[int] = ANGLES
) -> NDArray[np.float64]:
    """Count runs of equal level by level and length, for each direction.

    Parameters
    ----------
    levels : ndarray of shape (height, width), unsigned int
        As from `discretise`; 0 is outside and ends every run.
    n_levels : int
        Largest level.
    angles : sequence of int
        Directions in degrees out of 0 (along a row), 45, 90 (along a column) and 135.

    Returns
    -------
    ndarray of shape (n_angles, n_levels, longest)
        Counts; the first column is of length 1, and `longest` is the longer side.
    """
    longest = max(levels.shape)
    counts = [_count_runs(_LINES[angle](levels), n_levels, longest) for angle in angles]
    return np.stack(counts).astype(np.float64)


def _count_runs(walk: Levels, n_levels: int, longest: int) -> NDArray[np.intp]:
    """Count the runs of a line that ends with 0, which also separates its parts."""
    # A run ends where the next pixel is another; it began where the one before it ended.
    ends = np.flatnonzero(walk[1:] != walk[:-1])
    codes = np.diff(ends, prepend=-1)
    level = walk[ends].astype(np.intp)
    # Stretches outside the region can be longer than any run: all of them go to one cell.
    codes[level == 0] = 0
    codes += level * (longest + 1)
    counts = np.bincount(codes, minlength=(n_levels + 1) * (longest + 1))
    return counts.reshape(n_levels + 1, longest + 1)[1:, 1:]


def glrlm_features(matrices: NDArray[np.float64], *, n_pixels: int) -> dict[str, float]:
    """Compute the 16 run-length features of IBSI, averaged over the given matrices.

    Parameters
    ----------
    matrices : ndarray of shape (n_matrices, n_levels, longest)
        Those of `run_length_matrices` for the average over directions (IBSI BTW3), or their
        sum, as one matrix, for merged directions (SUJT).
    n_pixels : int
        Pixels behind each matrix: those of the region, times the directions that were merged.

    Returns
    -------
    dict of str to float
        Keys of `GLRLM`, without unit, entropy in bits. Finite for every region: a single
        pixel is a run of length 1 in each direction.

    References
    ----------
    .. [1] IBSI reference manual, section 3.7.
    .. [2] Galloway (1975), Computer Graphics and Image Processing 4(2).
    """
    sizes = np.arange(1, matrices.shape[2] + 1)
    pixels = np.full(len(matrices), n_pixels, dtype=np.float64)
    return averaged(GLRLM, emphasis_features(matrices, sizes, n_pixels=pixels))


def _along_rows(levels: Levels) -> Levels:
    """Row after row as one line, with a 0 after each."""
    height, width = levels.shape
    padded = np.zeros((height, width + 1), dtype=levels.dtype)
    padded[:, :width] = levels
    return padded.ravel()


def _along_columns(levels: Levels) -> Levels:
    return _along_rows(levels.T)


def _along_diagonals(levels: Levels) -> Levels:
    """Diagonal after diagonal as one line, with a 0 after each.

    Rows are laid one after the other `stride` apart and read again in rows of one more: what
    stood diagonally then stands in a column.
    """
    if levels.shape[0] > levels.shape[1]:
        levels = levels.T  # the same diagonals, read in less space
    height, width = levels.shape
    stride = height + width
    flat = np.zeros((height + 1) * (stride + 1), dtype=levels.dtype)
    flat[: height * stride].reshape(height, stride)[:, :width] = levels
    return np.ascontiguousarray(flat.reshape(height + 1, stride + 1).T).ravel()


def _along_antidiagonals(levels: Levels) -> Levels:
    return _along_diagonals(levels[:, ::-1])


_LINES = {
    0: _along_rows,
    90: _along_columns,
    # Rows count downwards, so 45 degrees climbs towards the right.
    45: _along_antidiagonals,
    135: _along_diagonals,
}
