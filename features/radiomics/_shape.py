"""Shape of a region in the plane."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects
from skimage.measure import label, perimeter_crofton, regionprops

__all__ = ["SHAPE", "shape_features"]

# Feature -> power of a length in its unit, and what it is.
SHAPE: Mapping[str, tuple[int, str]] = {
    "area": (2, "area of the region"),
    "perimeter": (1, "length of the outline by Crofton's formula"),
    "major_axis": (1, "major axis of the ellipse with the same second moments"),
    "minor_axis": (1, "minor axis of the same ellipse"),
    "eccentricity": (0, "0 for a circle, near 1 for a line"),
    "circularity": (0, "4 pi area / perimeter², 1 for a circle"),
    "solidity": (0, "area over the area of the convex hull"),
    "extent": (0, "area over the area of the upright bounding box"),
    "height_to_width": (0, "height over width of the upright bounding box; taller than wide > 1"),
    "orientation": (0, "angle of the major axis to the horizontal, 0 to pi/2 radians"),
    "n_parts": (0, "number of connected parts"),
}


def shape_features(mask: NDArray[np.bool_], *, spacing: float = 1.0) -> dict[str, float]:
    """Describe a region's outline.

    IBSI standardises shape in three dimensions only; these are the usual measures of the
    plane.

    Parameters
    ----------
    mask : ndarray of shape (height, width), bool
        The region; at least one pixel. Separate parts are described together.
    spacing : float
        Edge length of a pixel; lengths and areas are in its unit and its square.

    Returns
    -------
    dict of str to float
        Keys of `SHAPE`. Circularity is capped at 1: the outline of a few pixels is
        shorter than that of a circle.

    References
    ----------
    .. [1] Legland, Kiêu & Devaux (2007), Computation of Minkowski measures on 2D and 3D
       binary images, Image Analysis & Stereology 26(2): the perimeter.
    """
    window = find_objects(mask.astype(np.intp))[0]
    region = np.pad(mask[window], 1)
    (props,) = regionprops(region.astype(np.intp))
    height, width = (int(side.stop - side.start) for side in window)
    area = float(props.area)
    perimeter = float(perimeter_crofton(region, directions=4))
    major, minor = float(props.axis_major_length), float(props.axis_minor_length)
    return {
        "area": area * spacing**2,
        "perimeter": perimeter * spacing,
        "major_axis": major * spacing,
        "minor_axis": minor * spacing,
        "eccentricity": float(props.eccentricity),
        "circularity": min(1.0, 4 * np.pi * area / perimeter**2) if perimeter > 0 else 1.0,
        "solidity": area / float(props.area_convex),
        "extent": float(props.extent),
        "height_to_width": height / width,
        # skimage measures from the vertical axis, in (-pi/2, pi/2].
        "orientation": float(np.pi / 2 - abs(props.orientation)),
        "n_parts": float(_n_parts(region)),
    }


def _n_parts(region: NDArray[np.bool_]) -> int:
    return int(label(region, connectivity=2, return_num=True)[1])
