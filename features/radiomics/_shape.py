"""Shape of a region in the plane."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from features.radiomics._discretise import crop_to_region

__all__ = ["SHAPE", "shape_features"]

# Feature -> power of a length in its unit, and what it is.
SHAPE: Mapping[str, tuple[int, str]] = {
    "area": (2, "area of the region"),
    "perimeter": (1, "length of the outline by Crofton's formula in four directions"),
    "major_axis": (1, "major axis of the ellipse with the same second moments"),
    "minor_axis": (1, "minor axis of the same ellipse"),
    "maximum_diameter": (1, "largest distance between two points of the outline"),
    "eccentricity": (0, "of the same ellipse: 0 for a circle, near 1 for a line"),
    "circularity": (0, "4 pi area / perimeter², 1 for a circle"),
    "solidity": (0, "area over the area of the convex hull"),
    "convexity": (0, "perimeter of the convex hull over the perimeter; low where spiculated"),
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
        Keys of `SHAPE`. Circularity and convexity are capped at 1: the outline of a few
        pixels is shorter than that of a circle.

    References
    ----------
    .. [1] Legland, Kiêu & Devaux (2007), Computation of Minkowski measures on 2D and 3D
       binary images, Image Analysis & Stereology 26(2): the perimeter.
    """
    region = mask[crop_to_region(mask)].astype(np.uint8)
    height, width = region.shape
    area, perimeter = float(region.sum()), _crofton_perimeter(region)
    ellipse, hull = _ellipse(region), _hull(region)
    return {
        "area": area * spacing**2,
        "perimeter": perimeter * spacing,
        "major_axis": ellipse.major * spacing,
        "minor_axis": ellipse.minor * spacing,
        "maximum_diameter": hull.diameter * spacing,
        "eccentricity": math.sqrt(max(0.0, 1 - (ellipse.minor / ellipse.major) ** 2)),
        "circularity": min(1.0, 4 * math.pi * area / perimeter**2),
        "solidity": area / hull.area,
        "convexity": min(1.0, hull.perimeter / perimeter),
        "extent": area / (height * width),
        "height_to_width": height / width,
        "orientation": ellipse.angle,
        "n_parts": float(cv2.connectedComponents(region, connectivity=8)[0] - 1),
    }


def _crofton_perimeter(region: NDArray[np.uint8]) -> float:
    """Count crossings of the outline by lines in four directions.

    The mean number of crossings, times the distance of the lines, is 2 / pi of the length.
    """
    padded = np.pad(region, 1)
    width, flat = padded.shape[1], padded.ravel()
    along, down, diagonal, antidiagonal = (
        np.count_nonzero(flat[step:] != flat[:-step]) for step in (1, width, width + 1, width - 1)
    )
    return math.pi / 8 * (along + down + (diagonal + antidiagonal) / math.sqrt(2))


class _Ellipse(NamedTuple):
    major: float
    minor: float
    angle: float


def _ellipse(region: NDArray[np.uint8]) -> _Ellipse:
    """Axes and tilt of the ellipse whose second moments are those of the region's squares."""
    m = cv2.moments(region, binaryImage=True)
    area = m["m00"]
    # A pixel is a square, not a point: it has a second moment of 1/12 by itself.
    xx, yy, xy = m["mu20"] / area + 1 / 12, m["mu02"] / area + 1 / 12, m["mu11"] / area
    middle, spread = (xx + yy) / 2, math.hypot((xx - yy) / 2, xy)
    angle = abs(math.atan2(2 * xy, xx - yy) / 2)
    return _Ellipse(4 * math.sqrt(middle + spread), 4 * math.sqrt(max(middle - spread, 0.0)), angle)


class _Hull(NamedTuple):
    area: float
    perimeter: float
    diameter: float


def _hull(region: NDArray[np.uint8]) -> _Hull:
    """Measure the convex hull of the corners of the region's pixels."""
    rows = np.flatnonzero(region.any(axis=1))
    first = region[rows].argmax(axis=1)
    last = region.shape[1] - region[rows, ::-1].argmax(axis=1)
    x = np.concatenate([first, first, last, last])
    y = np.concatenate([rows, rows + 1, rows, rows + 1])
    corners = cv2.convexHull(np.stack([x, y], axis=1).astype(np.int32))[:, 0]
    apart = np.linalg.norm(corners[:, None] - corners, axis=2)
    return _Hull(
        float(cv2.contourArea(corners)), float(cv2.arcLength(corners, True)), float(apart.max())
    )
