"""Local binary patterns: how each pixel compares with a circle of neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from features.radiomics._window import BORDER, region_window

__all__ = ["LBP", "lbp_codes", "lbp_features"]

N_POINTS = 8
RADII = (1, 3)

# One code for each number of brighter neighbours, 0 to 8, in patterns with at most two changes
# around the circle; one more for all patterns with more changes.
NOT_UNIFORM = N_POINTS + 1
N_CODES = N_POINTS + 2

# A neighbour that is equal to the centre is no darker. Interpolation rounds, so "equal" allows
# for this share of the range of grey values: far above the rounding of double precision, and
# far below a grey level.
TIE_TOLERANCE = 1e-9


def _descriptions() -> dict[str, tuple[str, str]]:
    named: dict[str, tuple[str, str]] = {}
    for radius in RADII:
        circle = f"of {N_POINTS} neighbours at {radius} px"
        for brighter in range(N_POINTS + 1):
            text = f"share of pixels where a single arc of {brighter} {circle} is no darker"
            named[f"r{radius}_uniform_{brighter}"] = ("", f"{text} (LBP riu2, Ojala 2002)")
        text = f"share of pixels with more than two changes around the circle {circle}"
        named[f"r{radius}_not_uniform"] = ("", f"{text} (LBP riu2, Ojala 2002)")
        named[f"r{radius}_entropy"] = ("bits", f"-sum p log2 p over the patterns {circle}")
        named[f"r{radius}_uniformity"] = ("", f"sum p² over the patterns {circle}")
    return named


# Feature -> unit, and what it is.
LBP: Mapping[str, tuple[str, str]] = _descriptions()


def lbp_features(image: NDArray[np.generic], mask: NDArray[np.bool_]) -> dict[str, float]:
    """Describe a region by its rotation-invariant uniform local binary patterns.

    Parameters
    ----------
    image : ndarray of shape (height, width)
        Grey values, integer or floating.
    mask : ndarray of shape (height, width), bool
        The region; at least one pixel. Only its pixels are counted; the neighbours they are
        compared with may lie outside of it.

    Returns
    -------
    dict of str to float
        Keys of `LBP`; always finite. The shares of a radius sum to 1. Where all is one grey
        level, every neighbour is "no darker": the share of ``uniform_8`` is 1.

    Raises
    ------
    BenchmarkError
        If image and mask differ in shape, or the region is empty.

    Notes
    -----
    The patterns see only the order of grey values: an increasing linear change of the image
    changes nothing, nor does a quarter-turn.

    References
    ----------
    .. [1] Ojala, Pietikäinen & Mäenpää (2002), Multiresolution gray-scale and rotation
       invariant texture classification with local binary patterns, IEEE Trans Pattern Anal
       Mach Intell 24(7).

    Examples
    --------
    >>> flat = lbp_features(np.full((9, 9), 7), np.ones((9, 9), dtype=bool))
    >>> flat["r1_uniform_8"], flat["r1_uniformity"]
    (1.0, 1.0)
    """
    window = region_window(image, mask, margin=max(RADII))
    grey, inside = image[window].astype(np.float64), mask[window]
    shares = [_shares(lbp_codes(grey, radius=radius)[inside]) for radius in RADII]
    values = [value for one in shares for value in (*one, _entropy(one), np.sum(one**2))]
    return dict(zip(LBP, map(float, values), strict=True))


def lbp_codes(image: NDArray[np.generic], *, radius: int) -> NDArray[np.uint8]:
    """Give each pixel the code of its rotation-invariant uniform pattern.

    Parameters
    ----------
    image : ndarray of shape (height, width)
        Grey values. Beyond its edge the image is mirrored, the edge pixel repeated.
    radius : int
        Radius of the circle of eight neighbours, in pixels. Those between the pixels are
        interpolated bilinearly.

    Returns
    -------
    ndarray of shape (height, width), uint8
        The number of neighbours that are no darker than the pixel, 0 to 8, where they form
        at most one arc; 9 elsewhere.
    """
    grey = image.astype(np.float64)
    threshold = -TIE_TOLERANCE * (grey.max() - grey.min())
    # Below the lowest value nothing is left that large offsets could round.
    grey -= grey.min()
    bits = [
        np.asarray(cv2.filter2D(grey, cv2.CV_64F, kernel, borderType=BORDER)) >= threshold
        for kernel in _difference_kernels(radius)
    ]
    brighter, changes = np.zeros(grey.shape, np.uint8), np.zeros(grey.shape, np.uint8)
    for number, bit in enumerate(bits):
        brighter += bit
        changes += bit ^ bits[number - 1]
    brighter[changes > 2] = NOT_UNIFORM
    return brighter


@lru_cache(maxsize=8)
def _difference_kernels(radius: int) -> tuple[NDArray[np.float64], ...]:
    """Kernels of "neighbour minus centre", counter-clockwise from the right."""
    kernels = []
    for number in range(N_POINTS):
        angle = 2 * np.pi * number / N_POINTS
        # Rounded, so that points on the axes fall on pixels.
        down = round(-radius * np.sin(angle), 5)
        right = round(radius * np.cos(angle), 5)
        kernel = _interpolation_kernel(down, right, radius)
        kernel[radius, radius] -= 1.0
        kernels.append(kernel)
    return tuple(kernels)


def _interpolation_kernel(down: float, right: float, radius: int) -> NDArray[np.float64]:
    """Weights of the pixels around the point (`down`, `right`) of the centre."""
    offsets = np.arange(-radius, radius + 1)
    rows = np.maximum(1 - np.abs(offsets - down), 0.0)
    columns = np.maximum(1 - np.abs(offsets - right), 0.0)
    return np.outer(rows, columns)


def _shares(codes: NDArray[np.uint8]) -> NDArray[np.float64]:
    return np.bincount(codes, minlength=N_CODES) / codes.size


def _entropy(shares: NDArray[np.float64]) -> float:
    present = shares[shares > 0]
    # Adding zero turns the -0 of a single pattern into 0.
    return float(-np.sum(present * np.log2(present))) + 0.0
