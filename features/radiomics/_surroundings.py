"""The surroundings of a lesion: the ring around it, its edge, and what lies behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cohorts import BenchmarkError
from features.radiomics._histogram import histogram_entropy
from features.radiomics._window import BORDER, region_window

__all__ = ["SURROUNDINGS", "surroundings_features"]

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]

# Width of the ring over the diameter of the circle that is as large as the lesion, and the
# least width in pixels.
RING_SHARE = 0.15
RING_LEAST = 2.0

# Widths of the bands on both sides of the outline, in pixels: for the contrast, as in Shen et
# al. (2007), and for the gradient, where 1.5 takes the two sides of the outline itself.
MARGIN_BAND = 3.0
EDGE_BAND = 1.5

# Feature -> unit, and what it is. "Lesion" is the region.
SURROUNDINGS: Mapping[str, tuple[str, str]] = {
    "ring_mean": ("grey levels", "mean R of the ring around the lesion"),
    "ring_sd": ("grey levels", "standard deviation of the ring"),
    "ring_entropy": ("bits", "entropy of the ring (histogram of 32 bins, IBSI TLU2)"),
    "ring_contrast": ("grey levels", "R - L, L the mean of the lesion"),
    "ring_normalised_difference": ("", "(R - L) / (R + L) (Michelson's contrast)"),
    "ring_contrast_to_noise": ("", "(R - L) / sqrt(variance of ring + variance of lesion)"),
    "margin_contrast": (
        "grey levels",
        "mean of the 3 px outside the outline - mean of the 3 px inside (after Shen 2007)",
    ),
    "edge_sharpness": (
        "grey levels per px",
        "mean gradient across the outline, positive where it is brighter outside",
    ),
    "edge_sharpness_sd": ("grey levels per px", "standard deviation of it along the outline"),
    "edge_normalised_gradient": (
        "",
        "sum of the gradients across the outline / sum of the gradients' lengths, -1 to 1 "
        "(after the normalised radial gradient of Horsch 2002)",
    ),
    "posterior_mean": ("grey levels", "mean P of the box below the lesion"),
    "posterior_sd": ("grey levels", "standard deviation of that box"),
    "posterior_to_lesion": ("grey levels", "P - L"),
    "posterior_difference": (
        "grey levels",
        "P - S, S the mean of the boxes beside it; < 0 shadow, > 0 enhancement",
    ),
    "posterior_normalised_difference": ("", "(P - S) / (P + S)"),
    "posterior_minimum_side_difference": (
        "grey levels",
        "smaller of P - left box and P - right box (after Horsch 2002)",
    ),
}


def surroundings_features(
    image: NDArray[np.generic], mask: Bools, *, scanned: Bools | None = None
) -> dict[str, float]:
    """Describe what surrounds a lesion in an ultrasound image.

    Depth runs down the rows. The ring is all within 15 % of the lesion's equivalent diameter
    (at least 2 px) of it. Behind the lesion lies a box of the width and height of its bounding
    box, directly below; beside that box, left and right, lie two of the same size.

    Parameters
    ----------
    image : ndarray of shape (height, width)
        Grey values, integer or floating.
    mask : ndarray of shape (height, width), bool
        The lesion; at least one pixel. Parts are taken together: one ring around all, one
        bounding box.
    scanned : ndarray of shape (height, width), bool, optional
        Pixels that show tissue. Ring, bands and boxes leave out all others, and the edge all
        pixels next to one. Default: the whole image.

    Returns
    -------
    dict of str to float
        Keys of `SURROUNDINGS`. What the image cuts off is left out; what is not in it at all
        is NaN: everything where the lesion fills the image, ``posterior_*`` where nothing
        is below, comparisons with the sides where nothing is beside (one side is enough).
        Ratios with a zero denominator are NaN.

    Raises
    ------
    BenchmarkError
        If the arrays differ in shape, or the region is empty.

    Notes
    -----
    The gradient is Sobel's. It is taken across the outline: along the gradient of the signed
    distance to the outline, at the pixels next to it.

    References
    ----------
    .. [1] Horsch, Giger, Venta & Vyborny (2002), Computerized diagnosis of breast lesions on
       ultrasound, Med Phys 29(2): posterior acoustic behaviour and margin sharpness.
    .. [2] Shen, Chang, Moon, Chou & Huang (2007), Breast ultrasound computer-aided diagnosis
       using BI-RADS features, Acad Radiol 14(8): lesion boundary and posterior features.

    Examples
    --------
    >>> image, mask = np.full((60, 60), 100), np.zeros((60, 60), dtype=bool)
    >>> mask[20:30, 25:35] = True
    >>> image[mask], image[30:40, 25:35] = 40, 70
    >>> values = surroundings_features(image, mask)
    >>> values["posterior_mean"], values["posterior_difference"]
    (70.0, -30.0)
    """
    tissue = np.ones(mask.shape, dtype=bool) if scanned is None else scanned
    if tissue.shape != mask.shape:
        raise BenchmarkError(
            f"The mask has shape {mask.shape} and the scanned area {tissue.shape}. "
            "Both must be equal: find the scanned area in the image that the mask belongs to."
        )
    near = _neighbourhood(image, mask, tissue)
    lesion = near.grey[near.inside]
    values = [
        *_ring(near.grey[near.tissue & near.around(_ring_width(mask))], lesion),
        _mean(near.grey[near.tissue & near.around(MARGIN_BAND)])
        - _mean(near.grey[near.tissue & near.below_surface(MARGIN_BAND)]),
        *_edge(near),
        *_posterior(image, mask, tissue, lesion.mean()),
    ]
    return dict(zip(SURROUNDINGS, map(float, values), strict=True))


class _Neighbourhood(NamedTuple):
    """The part of the image around a lesion, and how far its pixels are from the outline."""

    grey: Array
    inside: Bools
    tissue: Bools
    to_lesion: NDArray[np.float32]
    to_outside: NDArray[np.float32]

    def around(self, width: float) -> Bools:
        """Return the pixels outside the lesion within `width` of it."""
        return ~self.inside & (self.to_lesion <= width)

    def below_surface(self, width: float) -> Bools:
        """Return the pixels of the lesion within `width` of a pixel outside."""
        return self.inside & (self.to_outside <= width)


def _neighbourhood(image: NDArray[np.generic], mask: Bools, tissue: Bools) -> _Neighbourhood:
    margin = int(np.ceil(max(_ring_width(mask), MARGIN_BAND))) + 1
    window = region_window(image, mask, margin=margin)
    inside = np.ascontiguousarray(mask[window])
    return _Neighbourhood(
        image[window].astype(np.float64),
        inside,
        tissue[window],
        _distance_to(inside),
        _distance_to(~inside),
    )


def _ring_width(mask: Bools) -> float:
    diameter = np.sqrt(4 * np.count_nonzero(mask) / np.pi)
    return float(max(RING_SHARE * diameter, RING_LEAST))


def _distance_to(pixels: Bools) -> NDArray[np.float32]:
    """Euclidean distance to the nearest of `pixels`; infinite where there is none."""
    if not pixels.any():
        return np.full(pixels.shape, np.inf, dtype=np.float32)
    elsewhere = (~pixels).view(np.uint8)
    return np.asarray(cv2.distanceTransform(elsewhere, cv2.DIST_L2, cv2.DIST_MASK_PRECISE))


def _ring(ring: Array, lesion: Array) -> list[float]:
    if not ring.size:
        return [np.nan] * 6
    contrast = ring.mean() - lesion.mean()
    return [
        ring.mean(),
        ring.std(),
        histogram_entropy(ring),
        contrast,
        _ratio(contrast, ring.mean() + lesion.mean()),
        _ratio(contrast, np.sqrt(ring.var() + lesion.var())),
    ]


def _edge(near: _Neighbourhood) -> list[float]:
    """Gradients across the outline: mean, deviation, and their part of all gradients."""
    band = near.around(EDGE_BAND) | near.below_surface(EDGE_BAND)
    # Sobel's filter looks at the pixels next to it, which must be tissue as well.
    kernel = np.ones((3, 3), dtype=np.uint8)
    band &= cv2.erode(near.tissue.astype(np.uint8), kernel).astype(bool)
    outwards = np.where(near.inside, -near.to_outside, near.to_lesion).astype(np.float64)
    if not band.any() or not np.isfinite(outwards).all():
        return [np.nan] * 3
    down, right = _gradient(near.grey, band)
    normal_down, normal_right = _gradient(outwards, band)
    length = np.hypot(normal_down, normal_right)
    # In a line of one pixel the distance has no slope, and there is no "across".
    sloped = length > 0
    if not sloped.any():
        return [np.nan] * 3
    across = (down * normal_down + right * normal_right)[sloped] / length[sloped]
    total = np.hypot(down, right)[sloped].sum()
    return [across.mean(), across.std(), _ratio(across.sum(), total)]


def _gradient(values: Array, at: Bools) -> tuple[Array, Array]:
    """Sobel's gradient, per pixel, into depth and to the right."""
    # The weights of Sobel's filter add up to 8 times the change per pixel.
    down = cv2.Sobel(values, cv2.CV_64F, 0, 1, scale=1 / 8, borderType=BORDER)
    right = cv2.Sobel(values, cv2.CV_64F, 1, 0, scale=1 / 8, borderType=BORDER)
    return np.asarray(down, np.float64)[at], np.asarray(right, np.float64)[at]


def _posterior(
    image: NDArray[np.generic], mask: Bools, tissue: Bools, lesion_mean: float
) -> list[float]:
    rows, columns = region_window(image, mask, margin=0)
    left, right = columns.start, columns.stop
    width, below = right - left, slice(rows.stop, 2 * rows.stop - rows.start)

    def box(start: int) -> Array:
        window = below, slice(max(start, 0), start + width)
        return image[window][tissue[window]].astype(np.float64)

    behind = box(left)
    if not behind.size:
        return [np.nan] * 6
    mean = behind.mean()
    sides = [side.mean() for side in (box(left - width), box(right)) if side.size]
    beside = _mean(np.array(sides))
    return [
        mean,
        behind.std(),
        mean - lesion_mean,
        mean - beside,
        _ratio(mean - beside, mean + beside),
        mean - max(sides, default=np.nan),
    ]


def _mean(values: Array) -> float:
    return float(values.mean()) if values.size else float("nan")


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator != 0 else float("nan")
