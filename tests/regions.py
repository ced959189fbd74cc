"""Images and lesion-shaped regions for tests of features that look around a region."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import cv2
import numpy as np

SHAPE = (61, 78)


def speckle(shape: tuple[int, int] = SHAPE, *, seed: int = 0) -> np.ndarray:
    """Return smooth noise from 0 to 255 without ties, darker to the left."""
    rng = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(rng.normal(size=shape), (0, 0), 1.5)
    noise += np.linspace(-0.3, 0.3, shape[1])
    return 255 * (noise - noise.min()) / np.ptp(noise)


def lesion(row: float, column: float, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    """Return a lying ellipse of 22 × 16 px with a notch; where the image ends it is cut."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    ellipse = ((y - row) / 8) ** 2 + ((x - column) / 11) ** 2 <= 1
    return ellipse & ~((np.abs(y - row) < 2) & (x > column + 5))


def _boxes(*windows: tuple[slice, slice]) -> np.ndarray:
    mask = np.zeros(SHAPE, dtype=bool)
    for window in windows:
        mask[window] = True
    return mask


REGIONS = {
    "inside": lesion(30, 40),
    "top left": lesion(3, 4),
    "bottom right": lesion(58, 75),
    "two parts": lesion(20, 20) | lesion(45, 60),
    "one pixel": _boxes((slice(30, 31), slice(40, 41))),
    "corner pixel": _boxes((slice(0, 1), slice(0, 1))),
    "line": _boxes((slice(30, 31), slice(20, 50))),
    "column": _boxes((slice(0, 61), slice(12, 13))),
    "frame": ~_boxes((slice(5, 56), slice(5, 73))),
    "whole": np.ones(SHAPE, dtype=bool),
}


@contextmanager
def opencv_threads(n_threads: int) -> Iterator[None]:
    """Let OpenCV use so many threads for a while."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(n_threads)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def with_threads(
    compute: Callable[..., dict[str, float]], image: np.ndarray, mask: np.ndarray, n_threads: int
) -> list[float]:
    """Return a family's values, computed with so many threads."""
    with opencv_threads(n_threads):
        return list(compute(image, mask).values())
