"""What a backbone is shown of an image: whole or cropped, with its mirror or without."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cohorts import ImageRecord
from features.embedding._options import EmbeddingOptions
from features.imaging import ImagingOptions, find_region, prepare_image, resize_image

__all__ = ["Views", "crop_square", "make_views"]


class Views(NamedTuple):
    """The pictures of one image whose features are averaged.

    Attributes
    ----------
    pixels : ndarray of shape (n_views, image_size, image_size), uint8
        The image, and its mirror if that is averaged over.
    is_cropped : bool
        Whether they show the surroundings of the automatic region only.
    """

    pixels: NDArray[np.uint8]
    is_cropped: bool


def make_views(record: ImageRecord, options: EmbeddingOptions, imaging: ImagingOptions) -> Views:
    """Prepare an image, crop it if that is asked for, resize it, and mirror it.

    Parameters
    ----------
    record : ImageRecord
        Where the image is.
    options : EmbeddingOptions
        Size, cropping and mirroring.
    imaging : ImagingOptions
        What is done to the image first, and how its region is found.

    Returns
    -------
    Views
        Resized to a square without keeping the aspect ratio, unless cropped: a crop is square.
    """
    prepared = prepare_image(record, imaging)
    grey, is_cropped = prepared.grey, False
    if options.region_crop:
        region = find_region(prepared, "automatic", imaging)
        # The whole image stands in for a region that could not be found with confidence.
        if region is not None and region.origin == "automatic":
            grey = crop_square(grey, region.mask, margin=options.crop_margin)
            is_cropped = True
    resized = resize_image(grey, image_size=options.image_size)
    pixels = [resized, resized[:, ::-1]] if options.flip_average else [resized]
    return Views(np.stack(pixels), is_cropped)


def crop_square(
    image: NDArray[np.uint8], mask: NDArray[np.bool_], *, margin: float
) -> NDArray[np.uint8]:
    """Cut out the square around a region.

    Parameters
    ----------
    image : ndarray of shape (height, width), uint8
        Grey values.
    mask : ndarray of shape (height, width), bool
        At least one pixel.
    margin : float
        Added on every side, as a share of the longer edge of the bounding box.

    Returns
    -------
    ndarray of shape (edge, edge), uint8
        Centred on the box; moved inwards at the border of the image. An edge longer than
        the image is filled up with black on both sides, which is what scanners show outside
        of the scan.
    """
    spans = [np.flatnonzero(mask.any(axis=1 - axis)) for axis in (0, 1)]
    longest = max(int(span[-1] - span[0]) + 1 for span in spans)
    edge = math.ceil(longest * (1 + 2 * margin))
    missing = [max(0, edge - length) for length in image.shape]
    padded = np.pad(image, [(gap // 2, gap - gap // 2) for gap in missing])
    starts = [
        min(max(0, (int(span[0] + span[-1]) + 1 - edge) // 2 + gap // 2), length - edge)
        for span, gap, length in zip(spans, missing, padded.shape, strict=True)
    ]
    return padded[starts[0] : starts[0] + edge, starts[1] : starts[1] + edge]
