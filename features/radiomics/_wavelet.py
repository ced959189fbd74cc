"""Wavelets: a region's grey values split by fineness and direction."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from features.radiomics._histogram import N_BINS, histogram_entropy
from features.radiomics._window import BORDER, region_window

__all__ = ["WAVELET", "wavelet_bands", "wavelet_features"]

Array = NDArray[np.float64]

# The 5/3 filters of Le Gall & Tabatabai ("bior2.2"), low pass with sum 1. They are the
# shortest pair without a phase: symmetric about a pixel, so that a coefficient belongs to the
# pixel it is written at, and mirroring or a quarter-turn of the image moves it alike.
LOW_PASS = np.array([-1, 2, 6, 2, -1]) / 8
HIGH_PASS = np.array([1, -2, 1]) / 4

N_LEVELS = 2

# Reach of the low pass at levels 1 and 2, where it is two and four pixels to each side.
MARGIN = 6

DETAILS = ("lateral", "depth", "diagonal")

_CHANGE = {
    "lateral": "changes across the image",
    "depth": "changes into depth",
    "diagonal": "changes in both directions",
    "edges": "changes across or into depth",
}


def _descriptions() -> dict[str, tuple[str, str]]:
    named: dict[str, tuple[str, str]] = {}
    source = "undecimated 5/3 wavelet, Le Gall & Tabatabai 1988"
    histogram = f"histogram of {N_BINS} bins, IBSI TLU2"
    for level in range(1, N_LEVELS + 1):
        for band in (*DETAILS, "edges"):
            name, what = f"level{level}_{band}", f"{_CHANGE[band]}, level {level} ({source})"
            averaged = "average " if band == "edges" else ""
            text = f"share of the energy of all details in {what}"
            named[f"{name}_energy_share"] = ("", text)
            named[f"{name}_sd"] = ("grey levels", f"{averaged}standard deviation of {what}")
            named[f"{name}_entropy"] = ("bits", f"{averaged}entropy ({histogram}) of {what}")
    what = f"what remains after {N_LEVELS} levels ({source})"
    named["approximation_sd"] = ("grey levels", f"standard deviation of {what}")
    named["approximation_entropy"] = ("bits", f"entropy ({histogram}) of {what}")
    return named


# Feature -> unit, and what it is.
WAVELET: Mapping[str, tuple[str, str]] = _descriptions()


def wavelet_features(image: NDArray[np.generic], mask: NDArray[np.bool_]) -> dict[str, float]:
    """Describe a region by energy, spread and entropy of its wavelet bands.

    Parameters
    ----------
    image : ndarray of shape (height, width)
        Grey values, integer or floating.
    mask : ndarray of shape (height, width), bool
        The region; at least one pixel. The transform is undecimated: every pixel has a
        coefficient in every band, and those of the region's pixels count. The filters look
        at pixels up to 6 px around them.

    Returns
    -------
    dict of str to float
        Keys of `WAVELET`. Energy shares (sums of squared coefficients over their total in all
        details) are NaN where there is no detail, as in an image of one grey level; deviations
        and entropies are 0 there and in a single pixel.

    Raises
    ------
    BenchmarkError
        If image and mask differ in shape, or the region is empty.

    Notes
    -----
    ``edges`` puts the lateral and the depth band together: its energy is their sum, its
    deviation and entropy are their averages. ``edges``, ``diagonal`` and ``approximation``
    do not change when the image is turned by 90 degrees. A constant added to the image changes
    nothing; a factor changes the deviations alone.

    References
    ----------
    .. [1] Le Gall & Tabatabai (1988), Sub-band coding of digital images using symmetric short
       kernel filters and arithmetic coding techniques, ICASSP: the filters.
    .. [2] Holschneider et al. (1989), A real-time algorithm for signal analysis with the help
       of the wavelet transform: the undecimated transform.
    .. [3] IBSI reference manual, section 3.4.18 (TLU2): the entropy, with the fixed bin number
       of section 2.7 (K15C).

    Examples
    --------
    >>> layers = np.arange(32)[:, None] % 2 * np.full((1, 32), 10)
    >>> middle = np.zeros((32, 32), dtype=bool)
    >>> middle[8:24, 8:24] = True
    >>> values = wavelet_features(layers, middle)
    >>> values["level1_depth_energy_share"], values["level1_lateral_sd"]
    (1.0, 0.0)
    """
    window = region_window(image, mask, margin=MARGIN)
    grey, inside = image[window].astype(np.float64), mask[window]
    # Brightness plays no part, and a constant image becomes exactly zero.
    *details, rest = (band[inside] for band in wavelet_bands(grey - grey.min()))
    energy = _by_level([float(band @ band) for band in details])
    total = energy.sum()
    share = energy / total if total > 0 else np.full_like(energy, np.nan)
    sd = _by_level([float(band.std()) for band in details])
    entropy = _by_level([histogram_entropy(band) for band in details])
    columns = [
        np.column_stack([share, share[:, :2].sum(axis=1)]),
        np.column_stack([sd, sd[:, :2].mean(axis=1)]),
        np.column_stack([entropy, entropy[:, :2].mean(axis=1)]),
    ]
    values = [*np.stack(columns, axis=-1).ravel(), rest.std(), histogram_entropy(rest)]
    return dict(zip(WAVELET, map(float, values), strict=True))


def wavelet_bands(grey: Array) -> list[Array]:
    """Split an image into the bands of an undecimated wavelet transform of two levels.

    Parameters
    ----------
    grey : ndarray of shape (height, width), float64
        Grey values. Beyond its edge the image is mirrored, the edge pixel repeated.

    Returns
    -------
    list of ndarray of shape (height, width), float64
        Lateral, depth and diagonal details of level 1, those of level 2, and the
        approximation that remains; in grey levels, as the low pass keeps a constant.
    """
    bands: list[Array] = []
    for level in range(N_LEVELS):
        low, high = _dilated(LOW_PASS, 2**level), _dilated(HIGH_PASS, 2**level)
        bands += [_filter(grey, high, low), _filter(grey, low, high), _filter(grey, high, high)]
        grey = _filter(grey, low, low)
    return [*bands, grey]


def _filter(grey: Array, along_rows: Array, along_columns: Array) -> Array:
    filtered = cv2.sepFilter2D(grey, cv2.CV_64F, along_rows, along_columns, borderType=BORDER)
    return np.asarray(filtered, dtype=np.float64)


def _dilated(kernel: Array, step: int) -> Array:
    """Put holes between the taps: what decimating the image would do, without losing pixels."""
    spread = np.zeros((kernel.size - 1) * step + 1)
    spread[::step] = kernel
    return spread


def _by_level(values: list[float]) -> Array:
    return np.array(values, dtype=np.float64).reshape(N_LEVELS, len(DETAILS))
