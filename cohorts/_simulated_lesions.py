"""Simulated breast lesions: what they look like by class, and how they mark the image.

The properties follow the descriptors of the ultrasound lexicon: shape, orientation, margin,
echo pattern, posterior features and calcifications. Benign and malignant overlap in every
one of them.

References
----------
.. [1] Mendelson et al. (2013), ACR BI-RADS Ultrasound, in: ACR BI-RADS Atlas, 5th edition.
.. [2] Stavros et al. (1995), Solid breast nodules: use of sonography to distinguish between
   benign and malignant lesions, Radiology 196(1).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cohorts._simulated_features import Feature, Gaussian, LogGaussian

__all__ = ["LESION", "add_lesion", "look_alike"]

_MIN_SKIN_DISTANCE_MM = 2.5
_N_WAVES = 4


def _sign(
    name: str, unit: str, description: str, scale: Gaussian | LogGaussian, effect: float
) -> Feature:
    # Normal cases have no lesion: they share the benign mean so that the effect is the
    # difference between malignant and benign lesions.
    return Feature(name, unit, description, scale, (0.0, 0.0, effect), 0.0, {})


# fmt: off
LESION: tuple[Feature, ...] = (
    _sign("size", "mm", "Mean radius", LogGaussian(5.2, 1.35, 2.5, 10, 2), 0.4),
    _sign("aspect_ratio", "", "Depth over width", LogGaussian(0.66, 1.25, 0.35, 1.5, 2), 0.8),
    _sign("irregularity", "", "Lobes of the outline, share of the radius",
          LogGaussian(0.06, 1.7, 0.01, 0.22, 3), 0.8),
    _sign("spiculation", "", "Length of spicules, share of the radius",
          LogGaussian(0.09, 2.2, 0.005, 0.9, 3), 0.7),
    _sign("margin_blur", "mm", "Width of the transition to the tissue around",
          LogGaussian(0.3, 1.7, 0.08, 1.6, 2), 0.6),
    _sign("echogenicity", "dB", "Level against fibroglandular tissue",
          Gaussian(-16, 3.5, -30, -5, 1), -0.4),
    _sign("heterogeneity", "dB", "Variation of the level inside",
          LogGaussian(1.6, 1.6, 0.3, 6, 2), 0.3),
    _sign("posterior_shadowing", "dB/mm", "Attenuation in excess of the tissue around",
          Gaussian(-0.35, 0.65, -1.5, 2.2, 2), 0.8),
    _sign("halo", "dB", "Brightness of the rim", LogGaussian(1.5, 1.9, 0.1, 8, 2), 0.4),
    _sign("calcifications", "", "Number of bright foci",
          LogGaussian(0.7, 2.4, 0, 12, 0), 0.4),
)
# fmt: on


def add_lesion(
    level_db: NDArray[np.float64],
    lesion: Mapping[str, float],
    gland_mm: tuple[float, float],
    spacing_mm: float,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Put one lesion into a map of backscatter.

    Parameters
    ----------
    level_db : ndarray of shape (n_rows, n_columns)
        Backscatter of the tissue in decibels.
    lesion : mapping of str to float
        A value for each of `LESION`.
    gland_mm : tuple of (float, float)
        Depths between which the lesion may lie.
    spacing_mm : float
        Edge of a pixel.
    rng : numpy.random.Generator
        Draws position, tilt, lobes, spicules and foci.

    Returns
    -------
    level_db : ndarray of shape (n_rows, n_columns)
        With the lesion and what it does to the echoes behind it.
    inside : ndarray of shape (n_rows, n_columns), bool
        The lesion without its spicules, as a reader would outline it.
    """
    outside_mm, angle, radius = _outline(level_db.shape, lesion, gland_mm, spacing_mm, rng)
    reach = lesion["size"] * _spicules(angle, lesion["spiculation"], rng)
    body = 0.5 - 0.5 * np.tanh((outside_mm - reach) / (2 * lesion["margin_blur"]))
    filling = lesion["echogenicity"] + lesion["heterogeneity"] * _grain(radius, angle, rng)
    rim = np.exp(-(((outside_mm - 0.7) / 0.6) ** 2))
    level = level_db + body * (filling - level_db) + lesion["halo"] * rim
    inside = outside_mm < 0
    level = level + _calcifications(inside, int(lesion["calcifications"]), rng)
    # Attenuation adds up along the beam, so a thick lesion throws the deeper shadow.
    crossed_mm = np.cumsum(inside, axis=0, dtype=np.float64) * spacing_mm
    shadow_db = lesion["posterior_shadowing"] * _blur_across(crossed_mm)
    behind = np.clip(shadow_db, -7, 16)
    return np.asarray(level - behind * (1 - 0.7 * body), dtype=np.float64), inside


def look_alike(rng: np.random.Generator) -> dict[str, float]:
    """Draw a fat lobule that resembles a lesion: shaped like a benign one, no darker than fat."""
    return {
        "size": float(np.clip(rng.lognormal(np.log(5.0), 0.3), 2.5, 10.0)),
        "aspect_ratio": float(np.clip(rng.lognormal(np.log(0.64), 0.22), 0.35, 1.5)),
        "irregularity": float(np.clip(rng.lognormal(np.log(0.06), 0.5), 0.01, 0.22)),
        "spiculation": 0.005,
        "margin_blur": rng.uniform(0.2, 0.9),
        "echogenicity": rng.uniform(-15, -7),
        "heterogeneity": rng.uniform(0.8, 2.0),
        "posterior_shadowing": rng.normal(0.0, 0.35),
        "halo": rng.uniform(0.5, 4.0),
        "calcifications": 0.0,
    }


def _outline(
    shape: tuple[int, ...],
    lesion: Mapping[str, float],
    gland_mm: tuple[float, float],
    spacing_mm: float,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Distance outside the outline in mm, and polar coordinates in which it is a circle."""
    half_depth = lesion["size"] * np.sqrt(lesion["aspect_ratio"])
    half_width = lesion["size"] / np.sqrt(lesion["aspect_ratio"])
    height, width = (n * spacing_mm for n in shape)
    centre = _centre_depth(half_depth, gland_mm, height, rng)
    y, x = (np.indices(shape) + 0.5) * spacing_mm
    y, x = y - centre, x - width * rng.uniform(0.33, 0.67)
    tilt = rng.normal(0, 0.18)
    across = (x * np.cos(tilt) + y * np.sin(tilt)) / half_width
    along = (y * np.cos(tilt) - x * np.sin(tilt)) / half_depth
    angle, radius = np.arctan2(along, across), np.hypot(across, along)
    wavy = np.interp(angle, *_lobes(lesion["irregularity"], rng))
    return (radius / wavy - 1) * lesion["size"], angle, radius


def _centre_depth(
    half_depth: float, gland_mm: tuple[float, float], height: float, rng: np.random.Generator
) -> float:
    """Draw a depth in the gland that keeps the lesion off the skin and in the image."""
    top = max(gland_mm[0] + 0.6 * half_depth, half_depth + _MIN_SKIN_DISTANCE_MM)
    bottom = min(gland_mm[1] - 0.6 * half_depth, height - 1.2 * half_depth)
    return float(rng.uniform(top, max(top, bottom)))


def _lobes(
    amplitude: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Relative radius over the angle: harmonics 2 to 7, the higher the weaker."""
    angle = np.linspace(-np.pi, np.pi, 361)
    orders = np.arange(2, 8)
    phases = rng.uniform(0, 2 * np.pi, len(orders))
    waves = np.cos(orders * angle[:, None] + phases) * orders**-0.7
    ripple = waves.sum(axis=1) / waves.sum(axis=1).std()
    return angle, np.maximum(1 + amplitude * ripple, 0.35)


def _spicules(
    angle: NDArray[np.float64], length: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """How far spicules reach in each direction, as a share of the radius."""
    grid = np.linspace(-np.pi, np.pi, 721)
    n_spicules = int(rng.integers(9, 16))
    roots = rng.uniform(-np.pi, np.pi, n_spicules)
    lengths = length * rng.uniform(0.4, 1.6, n_spicules)
    apart = (grid[:, None] - roots + np.pi) % (2 * np.pi) - np.pi
    reach = (lengths * np.exp(-np.abs(apart) / rng.uniform(0.05, 0.1, n_spicules))).max(axis=1)
    return np.asarray(np.interp(angle, grid, reach), dtype=np.float64)


def _grain(
    radius: NDArray[np.float64], angle: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Slow variation inside the lesion, of about unit variance."""
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    grain = np.zeros_like(radius)
    for _ in range(_N_WAVES):
        direction, phase = rng.uniform(0, 2 * np.pi, 2)
        step = x * np.cos(direction) + y * np.sin(direction)
        grain += np.cos(rng.uniform(2, 7) * step + phase)
    return np.asarray(grain * np.sqrt(2 / _N_WAVES), dtype=np.float64)


def _calcifications(
    inside: NDArray[np.bool_], n_foci: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Bright foci of about a pixel, in decibels."""
    foci = np.zeros(inside.shape)
    rows, columns = np.nonzero(inside)
    chosen = rng.integers(0, len(rows), n_foci) if len(rows) else np.array([], dtype=np.intp)
    foci[rows[chosen], columns[chosen]] = rng.uniform(12, 22, len(chosen))
    return foci


def _blur_across(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average over nine columns: a beam has a width, so shadows have soft edges."""
    padded = np.pad(np.cumsum(values, axis=1), ((0, 0), (5, 4)), mode="edge")
    padded[:, :5] = 0
    return (padded[:, 9:] - padded[:, :-9]) / 9
