"""Automatic lesion masks: the dark blob that looks most like one.

Dark blobs are taken from several smoothed views at many grey levels (`features.imaging._blobs`),
each is described by size, place, shape and edge, and a weighted sum of the descriptors is its
score. The best one is filled and grown by the pixel by which experts draw outside the dark
core. Nothing is learnt from the cohort at hand: the weights below are constants.

They were chosen on BrEaST: they maximise the mean Dice of 252 lesions with the expert's mask
when blobs are drawn by the softmax of their scores, with an L2 penalty of 0.003 on standardised
descriptors. In fivefold cross-validation the median is 0.785. No weight was fitted on BUSI,
which is the test, though its numbers were seen while methods were compared.

=============================  ========================  ========================
Dice, median (quartiles)       BrEaST, 252, chosen on    BUSI, 647, test
=============================  ========================  ========================
automatic mask                 0.79 (0.50 to 0.87)       0.745 (0.32 to 0.87)
whole scanned area             0.10 (0.05 to 0.17)       0.11 (0.04 to 0.23)
=============================  ========================  ========================

What else was tried, on every third image (there: 0.80 on BrEaST, 0.77 on BUSI). In place of the
score: the largest radial gradient index of the blobs (0.00, 0.25), the steepest edge (0.24,
0.59), the central part below Otsu's threshold (0.09, 0.09). Starting from the best blob:
GrabCut (0.81, 0.78) and watershed (0.82, 0.76), which bring nothing for their cost, Chan-Vese
(0.73, 0.58) and geodesic active contours (0.58, 0.66).

The confidence is the Dice to be expected, from the score and from how far the blobs that score
nearly as well agree with the best, by a logistic curve fitted to cross-validated masks of
BrEaST. On BUSI its rank correlation with Dice is 0.65, and it tells images with a lesion from
normal ones with an AUC of 0.77. ``benchmarks/segmentation.py`` prints these
numbers, and ``benchmarks/fit_segmentation.py`` chooses the constants anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from features.imaging._blobs import (
    DESCRIPTORS,
    Contour,
    Numbers,
    dark_blobs,
    describe_blobs,
    make_views,
)

__all__ = ["CONFIDENCE", "WEIGHTS", "segment_lesion"]

WEIGHTS: Mapping[str, float] = {
    "log_area": 0.615,
    "log_area_squared": -0.113,
    "off_centre": -12.4,
    "depth": -3.23,
    "depth_squared": -3.33,
    "log_aspect_squared": -0.816,
    "solidity": 2.85,
    "near_contrast": 13.5,
    "rising_edge": 2.07,
    "side_contrast": 9.52,
    "weaker_side": 9.19,
    "edge_slope": 15.8,
    "radial_gradient": 5.08,
}

# Log-odds of the expected Dice: a constant, per unit of score, and per unit of agreement.
CONFIDENCE = (-3.095, 0.0597, 3.326)

# Best blobs whose agreement is looked at.
N_RIVALS = 16


def segment_lesion(
    grey: NDArray[np.uint8], scanned: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], float] | None:
    """Find the blob that looks most like a lesion.

    Parameters
    ----------
    grey : ndarray of shape (height, width), uint8
        A cleaned image.
    scanned : ndarray of shape (height, width), bool
        Pixels that show tissue.

    Returns
    -------
    mask : ndarray of shape (height, width), bool
        At least one pixel, all of them scanned.
    confidence : float
        In (0, 1); the Dice to be expected with an expert's mask if there is a lesion.
    or None
        Where nothing is dark against its surroundings.
    """
    views = make_views(grey, scanned)
    blobs = dark_blobs(views)
    if not blobs:
        return None
    weights = np.asarray([WEIGHTS[name] for name in DESCRIPTORS])
    scores = describe_blobs(blobs, views) @ weights
    best = np.argsort(-scores, kind="stable")[:N_RIVALS]
    filled = _filled([blobs[i] for i in best], views.scanned.shape)
    mask = _enlarged(filled[0], grey.shape) & scanned
    return (mask, _confidence(scores[best], filled)) if mask.any() else None


def _filled(blobs: Sequence[Contour], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return blobs without their holes, a pixel wider: shape (n_blobs, height, width)."""
    filled = np.zeros((len(blobs), *shape), np.uint8)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    for plane, blob in zip(filled, blobs, strict=True):
        cv2.drawContours(plane, [blob[:, None]], -1, 1, cv2.FILLED)
        plane[:] = cv2.dilate(plane, disc)
    return filled


def _enlarged(mask: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    size = (shape[1], shape[0])
    smooth = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(smooth >= 0.5)


def _confidence(scores: Numbers, filled: NDArray[np.uint8]) -> float:
    """Return the Dice to be expected from the score and from the agreement with rivals."""
    # Every other pixel is enough to compare masks by.
    pixels = filled[:, ::2, ::2].reshape(len(filled), -1).astype(np.float64)
    sizes = pixels.sum(axis=1)
    dice = 2 * (pixels @ pixels[0]) / np.maximum(sizes + sizes[0], 1)
    odds = np.exp(scores - scores[0])
    constant, per_score, per_agreement = CONFIDENCE
    agreement = float(dice @ odds / odds.sum())
    log_odds = constant + per_score * float(scores[0]) + per_agreement * agreement
    return float(1 / (1 + np.exp(-log_odds)))
