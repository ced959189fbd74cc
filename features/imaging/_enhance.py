"""Enhancement: contrast."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["equalise_contrast"]

# Tiles along each axis, as in Zuiderveld (1994), Graphics Gems IV.
N_TILES = 8


def equalise_contrast(image: NDArray[np.uint8], *, clip_limit: float = 2.0) -> NDArray[np.uint8]:
    """Equalise the histogram tile by tile, with limited contrast (CLAHE)."""
    clahe = cv2.createCLAHE(clipLimit=clip_limit, tileGridSize=(N_TILES, N_TILES))
    return np.asarray(clahe.apply(image), dtype=np.uint8)
