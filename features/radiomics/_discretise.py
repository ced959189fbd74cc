"""Grey values to grey levels, the integers that texture is counted on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Levels", "crop_to_region", "discretise", "discretise_by_width"]

# Grey levels of a region: 1 to the number of levels inside, 0 outside.
Levels = NDArray[np.unsignedinteger[Any]]


def discretise(image: NDArray[Any], mask: NDArray[np.bool_], *, n_levels: int) -> Levels:
    """Assign grey values to a fixed number of bins between the region's extremes.

    Parameters
    ----------
    image : ndarray of shape (height, width)
        Grey values.
    mask : ndarray of shape (height, width), bool
        The region; at least one pixel.
    n_levels : int
        Number of bins, 2 to 65,535.

    Returns
    -------
    ndarray of shape (height, width), unsigned int
        1 to `n_levels` inside the region, 0 outside. A region with a single grey value has
        level 1 throughout.

    References
    ----------
    .. [1] IBSI reference manual, section 2.7, fixed bin number (K15C).

    Examples
    --------
    >>> discretise(np.array([[0, 5, 10]]), np.ones((1, 3), dtype=bool), n_levels=2).tolist()
    [[1, 2, 2]]
    """
    inside = image[mask]
    low, high = float(inside.min()), float(inside.max())
    values = _table_values(image)
    share = (values - low) / (high - low) if high > low else np.zeros_like(values)
    binned = np.clip(np.floor(n_levels * share) + 1, 1, n_levels)
    return _assign(image, mask, binned, n_levels)


def discretise_by_width(
    image: NDArray[Any], mask: NDArray[np.bool_], *, bin_width: float
) -> Levels:
    """Assign grey values to bins of a fixed width that start at 0.

    Parameters
    ----------
    image : ndarray of shape (height, width)
        Grey values, none below 0.
    mask : ndarray of shape (height, width), bool
        The region; at least one pixel.
    bin_width : float
        In grey levels, above 0.

    Returns
    -------
    ndarray of shape (height, width), unsigned int
        1 and up inside the region, 0 outside: the same grey value has the same level in
        every image.

    References
    ----------
    .. [1] IBSI reference manual, section 2.7, fixed bin size (Q3RU).

    Examples
    --------
    >>> discretise_by_width(np.array([[0, 9, 10]]), np.ones((1, 3), dtype=bool), bin_width=10)
    array([[1, 1, 2]], dtype=uint8)
    """
    n_levels = int(image[mask].max() // bin_width) + 1
    binned = np.clip(np.floor(_table_values(image) / bin_width) + 1, 1, n_levels)
    return _assign(image, mask, binned, n_levels)


def crop_to_region(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Return the upright bounding box of a region that has at least one pixel."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _table_values(image: NDArray[Any]) -> NDArray[np.float64]:
    """Return the values to bin: of an 8-bit image its 256 possible ones, else every pixel's."""
    if image.dtype == np.uint8:
        return np.arange(256, dtype=np.float64)
    return image.astype(np.float64)


def _assign(
    image: NDArray[Any], mask: NDArray[np.bool_], binned: NDArray[np.float64], n_levels: int
) -> Levels:
    small = binned.astype(np.uint8 if n_levels < 256 else np.uint16)
    levels = small[image] if image.dtype == np.uint8 else small
    return np.asarray(levels * mask, dtype=small.dtype)
