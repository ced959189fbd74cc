"""The part of an image that a filter needs to see to describe a region."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cohorts import BenchmarkError
from features.radiomics._discretise import crop_to_region

__all__ = ["BORDER", "Window", "grey_window", "region_window"]

Window = tuple[slice, slice]

# Beyond the image's edge a filter sees the mirrored image, the edge pixel itself repeated:
# "symmetric" in NumPy and PyWavelets, "reflect" in SciPy.
BORDER = cv2.BORDER_REFLECT


def region_window(image: NDArray[np.generic], mask: NDArray[np.bool_], *, margin: int) -> Window:
    """Return the bounding box of a region, extended on all sides.

    Parameters
    ----------
    image : ndarray of shape (height, width)
        Grey values.
    mask : ndarray of shape (height, width), bool
        The region; at least one pixel.
    margin : int
        Pixels to add on each side, as far as the image reaches. With the reach of a filter
        as margin, what the filter returns at the region's pixels is what it would return on
        the whole image, mirrored edges included.

    Returns
    -------
    tuple of two slices
        Rows and columns.

    Raises
    ------
    BenchmarkError
        If image and mask differ in shape, or the region is empty.
    """
    if image.shape != mask.shape:
        raise BenchmarkError(
            f"The image has shape {image.shape} and its mask {mask.shape}. "
            "Both must be equal: draw or resize the mask on the grid of the image."
        )
    if not mask.any():
        raise BenchmarkError(
            "The mask is empty, and features describe at least one pixel. "
            "Use the whole image as region or leave the image out."
        )
    rows, columns = crop_to_region(mask)
    return _extended(rows, margin), _extended(columns, margin)


def grey_window(
    image: NDArray[np.generic], mask: NDArray[np.bool_], *, margin: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return a region's surroundings for filters that ignore a constant.

    Parameters
    ----------
    image, mask, margin
        As for `region_window`.

    Returns
    -------
    grey : ndarray of shape (window_height, window_width), float32
        Grey values above the lowest in the window, so that a constant image is exactly
        zero and large offsets cost no digits.
    inside : ndarray of shape (window_height, window_width), bool
        The region.
    """
    window = region_window(image, mask, margin=margin)
    grey = image[window].astype(np.float64)
    return (grey - grey.min()).astype(np.float32), np.ascontiguousarray(mask[window])


def _extended(side: slice, margin: int) -> slice:
    # A slice that ends beyond the image ends with it; one that starts before it would not.
    return slice(max(int(side.start) - margin, 0), int(side.stop) + margin)
