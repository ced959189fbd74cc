"""Enhancement: less speckle, more contrast. Both are off unless asked for."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.restoration import denoise_tv_chambolle

__all__ = ["SpeckleFilter", "equalise_contrast", "reduce_speckle"]

SpeckleFilter = Literal["none", "bilateral", "nl_means", "tv"]

# What a strength of 1 means: grey values that the bilateral filter takes for alike, the decay
# of non-local means in grey values, and the weight of total variation on values in [0, 1].
BILATERAL_RANGE, NL_MEANS_DECAY, TV_WEIGHT = 120.0, 40.0, 0.3

# Reach of the bilateral filter, and patch and search window of non-local means, in pixels.
BILATERAL_DIAMETER, PATCH, SEARCH = 7, 5, 15


def reduce_speckle(
    image: NDArray[np.uint8], *, kind: SpeckleFilter, strength: float = 0.3
) -> NDArray[np.uint8]:
    """Smooth speckle and keep edges.

    Parameters
    ----------
    image : ndarray of shape (height, width), uint8
    kind : {"none", "bilateral", "nl_means", "tv"}
        Bilateral filter [1]_, non-local means [2]_ or total variation [3]_; ``none`` returns
        the image as it is.
    strength : float
        In (0, 1].

    Returns
    -------
    ndarray of shape (height, width), uint8

    References
    ----------
    .. [1] Tomasi & Manduchi (1998), ICCV.
    .. [2] Buades, Coll & Morel (2005), CVPR.
    .. [3] Chambolle (2004), J Math Imaging Vis 20.
    """
    if kind == "bilateral":
        reach = BILATERAL_DIAMETER
        smooth = cv2.bilateralFilter(image, reach, BILATERAL_RANGE * strength, reach / 2)
        return np.asarray(smooth, dtype=np.uint8)
    if kind == "nl_means":
        smooth = cv2.fastNlMeansDenoising(
            image, h=NL_MEANS_DECAY * strength, templateWindowSize=PATCH, searchWindowSize=SEARCH
        )
        return np.asarray(smooth, dtype=np.uint8)
    if kind == "tv":
        smooth = denoise_tv_chambolle(image / 255.0, weight=TV_WEIGHT * strength)
        return np.asarray(np.clip(np.round(255.0 * smooth), 0, 255), dtype=np.uint8)
    return image


def equalise_contrast(
    image: NDArray[np.uint8], *, clip_limit: float = 2.0, n_tiles: int = 8
) -> NDArray[np.uint8]:
    """Equalise the histogram tile by tile, with limited contrast (CLAHE).

    Parameters
    ----------
    image : ndarray of shape (height, width), uint8
    clip_limit : float
        At least 1; how far contrast may rise.
    n_tiles : int
        Tiles along each axis; 8 in Zuiderveld (1994), Graphics Gems IV. No more than pixels
        are used.

    Returns
    -------
    ndarray of shape (height, width), uint8
    """
    tiles = (min(n_tiles, image.shape[1]), min(n_tiles, image.shape[0]))
    clahe = cv2.createCLAHE(clipLimit=clip_limit, tileGridSize=tiles)
    return np.asarray(clahe.apply(image), dtype=np.uint8)
