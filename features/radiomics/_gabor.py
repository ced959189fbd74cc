"""Gabor filters: how strong waves of a length and direction are in a region."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from features.radiomics._window import BORDER, grey_window

__all__ = ["GABOR", "gabor_features", "gabor_magnitudes"]

Grey = NDArray[np.float32]
Kernel = NDArray[np.float64]

# From speckle to the inner structure of a lesion, in pixels.
WAVELENGTHS = (4, 8, 16)

# Degrees in which the wave runs: 0 across the image (stripes stand upright), 90 into depth
# (stripes lie, as layers of tissue do), 45 to the right and down, 135 to the left and down.
ORIENTATIONS = (0, 45, 90, 135)

# Standard deviation of the envelope over the wavelength for a bandwidth of one octave.
SIGMA = np.sqrt(np.log(2) / 2) / np.pi * (2 + 1) / (2 - 1)

# Standard deviations after which the envelope is cut.
REACH = 3.0


def _descriptions() -> dict[str, tuple[str, str]]:
    named: dict[str, tuple[str, str]] = {}
    source = "(Gabor filter, Jain & Farrokhnia 1991)"
    for wavelength in WAVELENGTHS:
        for orientation in ORIENTATIONS:
            wave = f"of waves of {wavelength} px running at {orientation}° {source}"
            name = f"w{wavelength}_{orientation}deg"
            named[f"{name}_mean"] = ("grey levels", f"mean amplitude {wave}")
            named[f"{name}_sd"] = ("grey levels", f"standard deviation of the amplitude {wave}")
        over = f"waves of {wavelength} px over the four directions {source}"
        name = f"w{wavelength}_all"
        named[f"{name}_mean"] = ("grey levels", f"average mean amplitude of {over}")
        named[f"{name}_sd"] = ("grey levels", f"average standard deviation of {over}")
        text = f"coefficient of variation of the mean amplitudes of {over}"
        named[f"w{wavelength}_anisotropy"] = ("", text)
    return named


# Feature -> unit, and what it is.
GABOR: Mapping[str, tuple[str, str]] = _descriptions()


def gabor_features(image: NDArray[np.generic], mask: NDArray[np.bool_]) -> dict[str, float]:
    """Describe a region by the amplitudes of waves in it.

    Parameters
    ----------
    image : ndarray of shape (height, width)
        Grey values, integer or floating.
    mask : ndarray of shape (height, width), bool
        The region; at least one pixel. Only amplitudes at its pixels count; the filters
        look at pixels up to 27 px around them.

    Returns
    -------
    dict of str to float
        Keys of `GABOR`. In an image of one grey level amplitudes are 0 and anisotropies,
        ratios of them, are NaN. Deviations of a single pixel are 0.

    Raises
    ------
    BenchmarkError
        If image and mask differ in shape, or the region is empty.

    Notes
    -----
    Directions are kept apart because in ultrasound they differ: the resolution along the beam
    is not that across it. Averages over directions (``all``) and the anisotropy do not change
    when the image is turned by 90 degrees; the other features then exchange directions.
    A constant added to the image changes nothing.

    References
    ----------
    .. [1] Jain & Farrokhnia (1991), Unsupervised texture segmentation using Gabor filters,
       Pattern Recognition 24(12).
    .. [2] Daugman (1985), J Opt Soc Am A 2(7): filters in two dimensions.

    Examples
    --------
    >>> stripes = 100 + 20 * np.cos(2 * np.pi * np.arange(64) / 8) * np.ones((64, 1))
    >>> middle = np.zeros((64, 64), dtype=bool)
    >>> middle[20:40, 20:40] = True
    >>> values = gabor_features(stripes, middle)
    >>> round(values["w8_0deg_mean"], 1)
    20.0
    """
    grey, inside = grey_window(image, mask, margin=_reach(WAVELENGTHS[-1]))
    counted = inside.view(np.uint8)
    values: list[float] = []
    for wavelength in WAVELENGTHS:
        moments = np.array(
            [_mean_and_sd(one, counted) for one in gabor_magnitudes(grey, wavelength=wavelength)]
        )
        mean, sd = moments.mean(axis=0)
        anisotropy = moments[:, 0].std() / mean if mean > 0 else np.nan
        values += [*moments.ravel(), mean, sd, anisotropy]
    return dict(zip(GABOR, map(float, values), strict=True))


def gabor_magnitudes(grey: Grey, *, wavelength: float) -> Iterator[Grey]:
    """Return the amplitude of a wave around each pixel, direction by direction.

    The filter at (x, y) from its centre is ``2 g(x) g(y) (exp(2 pi i t / wavelength) - k)``:
    g is a Gaussian that sums to 1, t the way along the direction of the wave, and k makes the
    filter sum to 0, so that brightness is no wave. The magnitude of its response to a wave is
    that wave's amplitude.

    Parameters
    ----------
    grey : ndarray of shape (height, width), float32
        Grey values. Beyond its edge the image is mirrored, the edge pixel repeated.
    wavelength : float
        In pixels.

    Yields
    ------
    ndarray of shape (height, width), float32
        Amplitudes in grey levels, in the order of `ORIENTATIONS`.
    """
    bank = _bank(wavelength)
    # The filters are sums of products of one factor along the rows and one along the columns.
    smooth, cosine, sine, slow_cosine, slow_sine = (_along_rows(grey, one) for one in bank.factors)
    # A wave along an axis is constant across it.
    yield _magnitude(_into_depth(cosine, bank.envelope), _into_depth(sine, bank.envelope))
    # Along a diagonal, the exponential of a sum is a product of exponentials; both diagonals
    # are made of the same four products.
    cosines = _into_depth(slow_cosine, bank.slow_cosine)
    cosines -= bank.slow_constant * _into_depth(smooth, bank.envelope)
    sines = _into_depth(slow_sine, bank.slow_sine)
    across = _into_depth(slow_sine, bank.slow_cosine)
    into_depth = _into_depth(slow_cosine, bank.slow_sine)
    yield _magnitude(cosines - sines, across + into_depth)
    yield _magnitude(_into_depth(smooth, bank.cosine), _into_depth(smooth, bank.sine))
    yield _magnitude(cosines + sines, across - into_depth)


class _Bank(NamedTuple):
    """One-dimensional factors of the filters; "slow" waves are a diagonal one along an axis."""

    envelope: Kernel
    cosine: Kernel
    sine: Kernel
    slow_cosine: Kernel
    slow_sine: Kernel
    slow_constant: np.float32

    @property
    def factors(self) -> tuple[Kernel, ...]:
        return self[:5]


@lru_cache(maxsize=16)
def _bank(wavelength: float) -> _Bank:
    reach = _reach(wavelength)
    x = np.arange(-reach, reach + 1)
    envelope = np.exp(-((x / (SIGMA * wavelength)) ** 2) / 2)
    # Each filter is a product of two factors: with sqrt(2) in each, of a wave of amplitude 1,
    # half of which is in the exponential, remains 1.
    envelope *= np.sqrt(2) / envelope.sum()
    phase = 2 * np.pi * x / wavelength
    cosine = envelope * np.cos(phase)
    cosine -= envelope * (cosine.sum() / envelope.sum())
    slow = envelope * np.cos(phase / np.sqrt(2))
    constant = np.float32((slow.sum() / envelope.sum()) ** 2)
    slow_sine = envelope * np.sin(phase / np.sqrt(2))
    return _Bank(envelope, cosine, envelope * np.sin(phase), slow, slow_sine, constant)


def _reach(wavelength: float) -> int:
    return int(np.ceil(REACH * SIGMA * wavelength))


def _along_rows(grey: Grey, kernel: Kernel) -> Grey:
    return np.asarray(cv2.filter2D(grey, cv2.CV_32F, kernel[None], borderType=BORDER))


def _into_depth(grey: Grey, kernel: Kernel) -> Grey:
    return np.asarray(cv2.filter2D(grey, cv2.CV_32F, kernel[:, None], borderType=BORDER))


def _magnitude(real: Grey, imaginary: Grey) -> Grey:
    # Not OpenCV's magnitude, whose last bits depend on where in memory the arrays lie.
    squared = real * real
    squared += imaginary * imaginary
    return np.asarray(np.sqrt(squared, out=squared))


def _mean_and_sd(values: Grey, counted: NDArray[np.uint8]) -> tuple[float, float]:
    mean, sd = cv2.meanStdDev(values, mask=counted)
    return mean.item(), sd.item()
