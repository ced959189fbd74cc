"""Simulated B-mode images: speckle over layered breast tissue, seen by a linear array.

The radio-frequency line of a scanner is the scatterers convolved with a pulse, a cosine
under a Gaussian envelope; its analytic signal is the same sum with a complex carrier. The
positions of scatterers are random on the scale of a wavelength, so each arrives with a
uniform phase, and the sum over a resolution cell is circular complex Gaussian: fully
developed speckle. Here that sum is drawn directly, at the pixels and without the carrier,
which the envelope does not see.

References
----------
.. [1] Wagner, Smith, Sandrik & Lopez (1983), Statistics of speckle in ultrasound B-scans,
   IEEE Trans Sonics Ultrason 30(3).
.. [2] Burckhardt (1978), Speckle in ultrasound B-mode scans, IEEE Trans Sonics Ultrason
   25(1).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from cohorts._simulated_features import Feature, Gaussian, LogGaussian
from cohorts._simulated_lesions import add_lesion, look_alike

__all__ = ["SCENE", "SIZE_PX", "simulate_image", "speckle_envelope"]

SIZE_PX = 224

# Grey levels: decibels above the floor, the average fibroglandular tissue being 0 dB.
_FLOOR_DB = -36.0

# Smoothing of the detected lines by the video filter, in pixels.
_VIDEO_PX = 0.55

# Point-spread function, in pixels: a short pulse, and a beam that widens off its focus.
_AXIAL_PX = 0.9
_FOCUS_PX = 1.3
_DEFOCUSED_PX = 2.6

# Skin, fascia and pleura reflect like mirrors: gain in dB and width in mm of the bright
# line at the lower edge of each layer.
_REFLECTIONS = ((7.0, 0.2), (3.0, 0.2), (4.0, 0.2), (9.0, 0.3), (14.0, 0.5))

_LOOK_ALIKE_RATE = 0.6
_CONTACT_LOSS_RATE = 0.3

_SAME = (0.0, 0.0, 0.0)


def _property(name: str, unit: str, description: str, scale: Gaussian | LogGaussian) -> Feature:
    return Feature(name, unit, description, scale, _SAME, 0.0, {})


# Patient, probe and settings: the same in every class, so none of it tells the class.
SCENE: tuple[Feature, ...] = (
    _property("spacing", "mm", "Edge of a pixel", LogGaussian(0.175, 1.07, 0.15, 0.205, 3)),
    _property("gain", "dB", "Overall gain", Gaussian(0, 3.5, -9, 9, 2)),
    _property("dynamic_range", "dB", "Displayed range", Gaussian(60, 4, 50, 70, 1)),
    _property("depth_gain", "dB/cm", "Uncorrected depth gain", Gaussian(-1.5, 1.2, -5, 2, 2)),
    _property("skin", "mm", "Thickness of the skin", LogGaussian(1.7, 1.15, 1.1, 2.8, 2)),
    _property("fat", "mm", "Thickness of subcutaneous fat", LogGaussian(5.5, 1.45, 2, 13, 2)),
    _property("gland", "mm", "Thickness of the gland", LogGaussian(14, 1.25, 8, 24, 2)),
    _property("gland_fat", "dB", "Contrast of fat within the gland", Gaussian(4.5, 1.6, 1, 9, 2)),
)


def simulate_image(
    scene: Mapping[str, float],
    lesion: Mapping[str, float] | None,
    rng: np.random.Generator,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw one image and the mask of the spot that a reader would look at.

    Parameters
    ----------
    scene : mapping of str to float
        A value for each of `SCENE`.
    lesion : mapping of str to float or None
        A value for each of `LESION`; None for a breast without lesion, which may show a fat
        lobule that resembles one.
    rng : numpy.random.Generator
        Draws what no property fixes: speckle, texture, course of the layers, position.

    Returns
    -------
    image : ndarray of shape (224, 224), uint8
        Log-compressed envelope; depth runs down.
    mask : ndarray of shape (224, 224), uint8
        255 inside the lesion, or inside the spot of a breast without lesion that a reader
        would check, 0 outside. Every image has one, so that having a mask tells nothing.
    """
    level_db, gland = _tissue(scene, rng)
    spot = look_alike(rng) if lesion is None else lesion
    with_spot, inside = add_lesion(level_db, spot, gland, scene["spacing"], rng)
    if lesion is not None or rng.random() < _LOOK_ALIKE_RATE:
        level_db = with_spot
    level_db = level_db + _beam_losses(scene, rng)
    mask = np.where(inside, 255, 0).astype(np.uint8)
    return _display(speckle_envelope(level_db, rng), scene), mask


def speckle_envelope(
    level_db: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Envelope of the echo from random scatterers of a given strength.

    Parameters
    ----------
    level_db : ndarray of shape (n_rows, n_columns)
        Backscattered power in decibels, any reference.
    rng : numpy.random.Generator
        Draws the scatterers.

    Returns
    -------
    ndarray of shape (n_rows, n_columns)
        Amplitude, linear. Where `level_db` is constant it follows a Rayleigh law, whose mean
        is 1.91 of its standard deviations.
    """
    strength = 10 ** (level_db / 20)
    parts = rng.standard_normal((2, *level_db.shape)) * strength
    pulse = _smooth(parts, _AXIAL_PX, axis=1)
    depth = np.linspace(0, 1, level_db.shape[0])[:, None]
    # The focus lies in the upper half, where breast lesions are looked for.
    focused = np.exp(-(((depth - 0.4) / 0.35) ** 2))
    beam = focused * _smooth(pulse, _FOCUS_PX, axis=2)
    beam += (1 - focused) * _smooth(pulse, _DEFOCUSED_PX, axis=2)
    envelope: NDArray[np.float64] = np.hypot(beam[0], beam[1])
    return envelope


def _smooth(parts: NDArray[np.float64], sigma: float, *, axis: int) -> NDArray[np.float64]:
    """Convolve with a Gaussian of unit energy, so that the mean power stays."""
    smoothed = gaussian_filter1d(parts, sigma, axis=axis, mode="reflect", truncate=3.0)
    return np.asarray(smoothed * np.sqrt(2 * sigma * np.sqrt(np.pi)), dtype=np.float64)


def _tissue(
    scene: Mapping[str, float], rng: np.random.Generator
) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """Backscatter of the layers in dB, and the upper and lower depth of the gland in mm."""
    depth = (np.arange(SIZE_PX)[:, None] + 0.5) * scene["spacing"]
    top = scene["skin"] + scene["fat"]
    bottom = top + scene["gland"]
    edges = _edges(scene["skin"], top, bottom, rng)
    level, *deeper = _layers(scene["gland_fat"], rng)
    for edge, below in zip(edges, deeper, strict=True):
        level = level + _step((depth - edge) / 0.15) * (below - level)
    for edge, (gain_db, width) in zip(edges, _REFLECTIONS, strict=True):
        level = level + gain_db * np.exp(-(((depth - edge) / width) ** 2))
    return level, (top, bottom)


def _edges(
    skin: float, top: float, bottom: float, rng: np.random.Generator
) -> list[NDArray[np.float64]]:
    """Depth in mm, over the columns, where skin, fat, gland, fat and muscle end."""
    return [
        skin + 0.15 * _course(5, rng),
        top + 1.1 * _course(5, rng),
        bottom + 1.2 * _course(4, rng),
        bottom + 3.0 + 0.7 * _course(4, rng),
        bottom + 11.0 + 0.8 * _course(3, rng),
    ]


def _layers(gland_fat: float, rng: np.random.Generator) -> list[NDArray[np.float64]]:
    """Backscatter in dB of skin, fat, gland, fat, muscle and the air behind the pleura."""
    fibres = 3.5 * _texture((70, 5), rng) + 1.5 * _texture((24, 6), rng)
    shape = (SIZE_PX, SIZE_PX)
    skin, air = np.full(shape, 5.0), np.full(shape, -22.0)
    return [skin, _fat(rng), _gland(gland_fat, rng), _fat(rng), fibres - 6.0, air]


def _fat(rng: np.random.Generator) -> NDArray[np.float64]:
    """Dark lobules between bright septa, which are where a smooth field crosses zero."""
    septa = np.exp(-((_texture((15, 6), rng) / 0.16) ** 2))
    return -12.0 + 1.5 * _texture((12, 8), rng) + 11.0 * septa


def _gland(contrast_db: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Bright stroma with streaks of ducts and islands of fat."""
    streaks, islands = _texture((48, 12), rng), _texture((17, 8), rng)
    return 2.0 * streaks + contrast_db * np.minimum(islands + 0.3, 0.6)


def _beam_losses(scene: Mapping[str, float], rng: np.random.Generator) -> NDArray[np.float64]:
    """Depth gain left uncorrected, and now and then a shadow from poor contact."""
    depth_cm = (np.arange(SIZE_PX)[:, None] + 0.5) * scene["spacing"] / 10
    loss = scene["depth_gain"] * depth_cm + 0.8 * _course(6, rng)
    if rng.random() < _CONTACT_LOSS_RATE:
        across = np.arange(SIZE_PX) - rng.uniform(0, SIZE_PX)
        profile = np.exp(-((across / rng.uniform(8, 22)) ** 2))
        loss = loss - rng.uniform(3, 9) * profile * np.minimum(depth_cm / 1.5, 1)
    return np.asarray(loss, dtype=np.float64)


def _display(envelope: NDArray[np.float64], scene: Mapping[str, float]) -> NDArray[np.uint8]:
    filtered = gaussian_filter(envelope, _VIDEO_PX, truncate=3.0)
    decibels = 20 * np.log10(filtered + 1e-6) + scene["gain"]
    grey = 255 * (decibels - _FLOOR_DB) / scene["dynamic_range"]
    return np.asarray(np.clip(grey, 0, 255).round(), dtype=np.uint8)


def _step(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """From 0 to 1 around zero."""
    return np.asarray(0.5 + 0.5 * np.tanh(values), dtype=np.float64)


def _course(n_bumps: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw a smooth curve over the columns, of unit variance."""
    curve: NDArray[np.float64] = _bumps(n_bumps) @ rng.standard_normal(n_bumps)
    return curve


def _texture(n_bumps: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw a smooth field of unit variance with about `n_bumps` bumps down and across."""
    down, across = n_bumps
    field: NDArray[np.float64] = _bumps(down) @ rng.standard_normal(n_bumps) @ _bumps(across).T
    return field


@lru_cache(maxsize=32)
def _bumps(n_bumps: int) -> NDArray[np.float64]:
    """Gaussian bumps side by side over the pixels: shape (224, n_bumps), rows of unit norm."""
    pixels = np.linspace(-0.5, n_bumps - 0.5, SIZE_PX)[:, None]
    bumps = np.exp(-0.5 * ((pixels - np.arange(n_bumps)) / 0.6) ** 2)
    return np.asarray(bumps / np.linalg.norm(bumps, axis=1, keepdims=True), dtype=np.float64)
