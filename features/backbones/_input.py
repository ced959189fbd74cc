"""Grey images to what ImageNet backbones expect."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["normalise_grey", "normalise_pixels"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def normalise_pixels(pixels: NDArray[np.uint8]) -> torch.Tensor:
    """Turn grey images into what ImageNet backbones expect.

    Parameters
    ----------
    pixels : ndarray of shape (n, height, width), uint8
        Grey values.

    Returns
    -------
    Tensor of shape (n, 3, height, width), float32
        Grey on all three channels, minus ImageNet's mean, over its standard deviation.
    """
    # A copy, because decoded images are read-only.
    return normalise_grey(torch.from_numpy(np.array(pixels)))


def normalise_grey(grey: torch.Tensor) -> torch.Tensor:
    """Do the same to a tensor, on the device that it is on.

    Parameters
    ----------
    grey : Tensor of shape (n, height, width), uint8
        Grey values.

    Returns
    -------
    Tensor of shape (n, 3, height, width), float32
        ``channels_last``.
    """
    scaled = grey.float().div_(255.0)[:, None]
    mean = torch.tensor(IMAGENET_MEAN, device=grey.device)[None, :, None, None]
    std = torch.tensor(IMAGENET_STD, device=grey.device)[None, :, None, None]
    return ((scaled - mean) / std).contiguous(memory_format=torch.channels_last)
