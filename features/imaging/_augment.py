"""Augmentation of training images: what may change without changing the diagnosis."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch.nn import functional

__all__ = ["AugmentOptions", "augment_images"]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class AugmentOptions:
    """How far training images are changed; every amount is the largest, 0 switches it off.

    Attributes
    ----------
    flip : bool
        Mirror left and right in half of the images. Up and down are never exchanged: depth
        runs downwards, and shadows lie below what casts them.
    shift : float
        In [0, 0.5]; share of the edge.
    zoom : float
        In [0, 0.5]; scales run from ``1 - zoom`` to ``1 + zoom``.
    rotation_deg : float
        In [0, 45]; degrees either way: the tilt of a hand-held transducer.
    brightness : float
        In [0, 1]; in standard deviations of normalised pixels.
    contrast : float
        In [0, 0.9]; distances from the image's mean are multiplied by ``1 - contrast`` to
        ``1 + contrast``.
    speckle : float
        In [0, 1]; standard deviation of noise that multiplies the distance from the darkest
        pixel, as speckle multiplies an echo.
    """

    flip: bool = True
    shift: Annotated[float, Field(ge=0, le=0.5)] = 0.08
    zoom: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    rotation_deg: Annotated[float, Field(ge=0, le=45)] = 5.0
    brightness: Annotated[float, Field(ge=0, le=1)] = 0.2
    contrast: Annotated[float, Field(ge=0, le=0.9)] = 0.1
    speckle: Annotated[float, Field(ge=0, le=1)] = 0.05


DEFAULTS = AugmentOptions()


def augment_images(images: torch.Tensor, *, options: AugmentOptions = DEFAULTS) -> torch.Tensor:
    """Move, light and roughen each image at random, from torch's generator.

    Parameters
    ----------
    images : Tensor of shape (n, channels, height, width)
        Normalised images.
    options : AugmentOptions
        Strengths.

    Returns
    -------
    Tensor of the same shape

    Examples
    --------
    >>> still = AugmentOptions(
    ...     flip=False, shift=0, zoom=0, rotation_deg=0, brightness=0, contrast=0, speckle=0
    ... )
    >>> images = torch.rand(2, 3, 8, 8)
    >>> torch.allclose(augment_images(images, options=still), images, atol=1e-5)
    True
    """
    grid = functional.affine_grid(
        _random_affine(images, options), list(images.shape), align_corners=False
    )
    moved = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    return _roughened(_lit(moved, options), options)


def _random_affine(images: torch.Tensor, options: AugmentOptions) -> torch.Tensor:
    """Return one matrix of shape (2, 3) per image, from output to input coordinates."""
    n, height, width = len(images), images.shape[-2], images.shape[-1]
    angle = math.radians(options.rotation_deg) * _uniform(n, images.device)
    scale = 1 + options.zoom * _uniform(n, images.device)
    flip = torch.ones(n, device=images.device)
    if options.flip:
        flip = torch.where(torch.rand(n, device=images.device) < 0.5, -1.0, 1.0)
    theta = torch.zeros(n, 2, 3, device=images.device)
    # Coordinates run from -1 to 1 along each edge: a rotation must allow for its length.
    theta[:, 0, 0] = flip * scale * angle.cos()
    theta[:, 0, 1] = -scale * angle.sin() * (height / width)
    theta[:, 1, 0] = flip * scale * angle.sin() * (width / height)
    theta[:, 1, 1] = scale * angle.cos()
    theta[:, 0, 2] = 2 * options.shift * _uniform(n, images.device)
    theta[:, 1, 2] = 2 * options.shift * _uniform(n, images.device)
    return theta


def _lit(images: torch.Tensor, options: AugmentOptions) -> torch.Tensor:
    contrast = 1 + options.contrast * _uniform(len(images), images.device)[:, None, None, None]
    brightness = options.brightness * _uniform(len(images), images.device)[:, None, None, None]
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return (images - mean) * contrast + mean + brightness


def _roughened(images: torch.Tensor, options: AugmentOptions) -> torch.Tensor:
    if options.speckle == 0:
        return images
    n, _, height, width = images.shape
    # The channels show the same grey image, so they share the noise.
    noise = 1 + options.speckle * torch.randn(n, 1, height, width, device=images.device)
    black = images.amin(dim=(2, 3), keepdim=True)
    return (images - black) * noise + black


def _uniform(n: int, device: torch.device) -> torch.Tensor:
    """Return n numbers in [-1, 1)."""
    return 2 * torch.rand(n, device=device) - 1
