"""Zones: connected pixels of one grey level, by their size and by their depth in the region."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.measure import label

from features.radiomics._discretise import Levels
from features.radiomics._emphasis import averaged, emphasis_features

__all__ = ["GLDZM", "GLSZM", "Zones", "find_zones", "gldzm_features", "glszm_features"]

# Feature -> code of its definition in the IBSI reference manual, family "grey level size
# zone based features" (9SAK), in the order of `emphasis_features`.
GLSZM: Mapping[str, str] = {
    "small_zone_emphasis": "5QRC",
    "large_zone_emphasis": "48P8",
    "low_grey_level_zone_emphasis": "XMSY",
    "high_grey_level_zone_emphasis": "5GN9",
    "small_zone_low_grey_level_emphasis": "5RAI",
    "small_zone_high_grey_level_emphasis": "HW1V",
    "large_zone_low_grey_level_emphasis": "YH51",
    "large_zone_high_grey_level_emphasis": "J17V",
    "grey_level_non_uniformity": "JNSA",
    "normalised_grey_level_non_uniformity": "Y1RO",
    "zone_size_non_uniformity": "4JP3",
    "normalised_zone_size_non_uniformity": "VB3A",
    "zone_percentage": "P30P",
    "grey_level_variance": "BYLV",
    "zone_size_variance": "3NSA",
    "zone_size_entropy": "GU8N",
}

# The same, family "grey level distance zone based features" (VMDZ).
GLDZM: Mapping[str, str] = {
    "small_distance_emphasis": "0GBI",
    "large_distance_emphasis": "MB4I",
    "low_grey_level_zone_emphasis": "S1RA",
    "high_grey_level_zone_emphasis": "K26C",
    "small_distance_low_grey_level_emphasis": "RUVG",
    "small_distance_high_grey_level_emphasis": "DKNJ",
    "large_distance_low_grey_level_emphasis": "A7WM",
    "large_distance_high_grey_level_emphasis": "KLTH",
    "grey_level_non_uniformity": "VFT7",
    "normalised_grey_level_non_uniformity": "7HP3",
    "zone_distance_non_uniformity": "V294",
    "normalised_zone_distance_non_uniformity": "IATH",
    "zone_percentage": "VIWW",
    "grey_level_variance": "QK93",
    "zone_distance_variance": "7WT1",
    "zone_distance_entropy": "GBDU",
}


class Zones(NamedTuple):
    """The zones of a region, one entry each.

    Attributes
    ----------
    level : ndarray of shape (n_zones,), int
        Grey level, from 1.
    size : ndarray of shape (n_zones,), int
        Number of pixels.
    distance : ndarray of shape (n_zones,), int
        Steps along rows and columns from the zone's outermost pixel to the nearest pixel
        outside the region; 1 for a zone that touches the border.
    """

    level: NDArray[np.intp]
    size: NDArray[np.intp]
    distance: NDArray[np.intp]

    @classmethod
    def merged(cls, parts: Iterable[Zones]) -> Zones:
        """Join the zones of several slices."""
        return cls(*(np.concatenate(one) for one in zip(*parts, strict=True)))


def find_zones(levels: Levels) -> Zones:
    """Find the connected parts of each grey level; pixels that touch at a corner connect.

    Parameters
    ----------
    levels : ndarray of shape (height, width), unsigned int
        As from `discretise`; at least one pixel above 0. The image's frame counts as outside.

    Returns
    -------
    Zones
        In the order of their first pixels.
    """
    labels, n_zones = label(levels, background=0, connectivity=2, return_num=True)
    labels = labels.ravel()
    level = np.zeros(n_zones + 1, dtype=np.intp)
    level[labels] = levels.ravel()
    padded = np.pad((levels > 0).astype(np.uint8), 1)
    depth = cv2.distanceTransform(padded, cv2.DIST_L1, 3)[1:-1, 1:-1].astype(np.intp)
    distance = np.full(n_zones + 1, np.iinfo(np.intp).max)
    np.minimum.at(distance, labels, depth.ravel())
    size = np.bincount(labels, minlength=n_zones + 1)
    return Zones(level[1:], size[1:], distance[1:])


def glszm_features(zones: Zones, *, n_levels: int) -> dict[str, float]:
    """Compute the 16 size-zone features of IBSI.

    Parameters
    ----------
    zones : Zones
        At least one.
    n_levels : int
        Largest level.

    Returns
    -------
    dict of str to float
        Keys of `GLSZM`, without unit, entropy in bits; finite for every region.

    References
    ----------
    .. [1] IBSI reference manual, section 3.8.
    .. [2] Thibault et al. (2014), IEEE Trans Biomed Eng 61(3).
    """
    return _zone_features(GLSZM, zones, zones.size, n_levels)


def gldzm_features(zones: Zones, *, n_levels: int) -> dict[str, float]:
    """Compute the 16 distance-zone features of IBSI.

    Parameters
    ----------
    zones : Zones
        At least one.
    n_levels : int
        Largest level.

    Returns
    -------
    dict of str to float
        Keys of `GLDZM`, without unit, entropy in bits; finite for every region.

    References
    ----------
    .. [1] IBSI reference manual, section 3.9.
    """
    return _zone_features(GLDZM, zones, zones.distance, n_levels)


def _zone_features(
    codes: Mapping[str, str], zones: Zones, values: NDArray[np.intp], n_levels: int
) -> dict[str, float]:
    # Most sizes do not occur, so that only those that do have a column.
    occurring = np.bincount(values) > 0
    column = np.cumsum(occurring) - 1
    sizes = np.flatnonzero(occurring)
    cells = (zones.level - 1) * len(sizes) + column[values]
    counts = np.bincount(cells, minlength=n_levels * len(sizes)).astype(np.float64)
    matrix = counts.reshape(1, n_levels, len(sizes))
    n_pixels = np.array([zones.size.sum()], dtype=np.float64)
    return averaged(codes, emphasis_features(matrix, sizes, n_pixels=n_pixels))
