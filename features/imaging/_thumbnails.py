"""Pixels for the networks: prepared images, resized and remembered."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cohorts import BenchmarkError, ImageRecord
from features.imaging._decode import resize_image
from features.imaging._pipeline import ImagingOptions, prepare_image

__all__ = ["load_pixels"]

# Enough for a few thousand thumbnails of 224 pixels: folds and networks share them.
N_REMEMBERED = 8192


def load_pixels(
    records: Sequence[tuple[ImageRecord, ...]],
    *,
    image_size: int,
    imaging: ImagingOptions | None = None,
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Prepare and resize the first image of every case.

    Parameters
    ----------
    records : sequence of tuple of ImageRecord
        One tuple per case; empty where the case has no image.
    image_size : int
        Edge of the square in pixels.
    imaging : ImagingOptions, optional
        The steps that every image goes through first; by default the default ones.

    Returns
    -------
    pixels : ndarray of shape (n_cases, image_size, image_size), uint8
        Zeros for a case without an image.
    present : ndarray of shape (n_cases,), bool
        Whether the case has an image.
    """
    imaging = imaging or ImagingOptions()
    pixels = np.zeros((len(records), image_size, image_size), dtype=np.uint8)
    present = np.zeros(len(records), dtype=bool)
    for row, images in enumerate(records):
        if images:
            mtime_ns = _mtime_ns(images[0])
            pixels[row] = _thumbnail(images[0], mtime_ns, image_size, imaging)
            present[row] = True
    return pixels, present


def _mtime_ns(record: ImageRecord) -> int:
    try:
        return record.path.stat().st_mtime_ns
    except OSError as error:
        raise BenchmarkError(
            f"The image {str(record.path)!r} cannot be read any more ({error.strerror}). Put it "
            "back and start again; finished cells are kept."
        ) from None


@lru_cache(maxsize=N_REMEMBERED)
def _thumbnail(
    record: ImageRecord,
    mtime_ns: int,  # noqa: ARG001  # makes the memo notice a changed file
    image_size: int,
    imaging: ImagingOptions,
) -> NDArray[np.uint8]:
    return resize_image(prepare_image(record, imaging).grey, image_size=image_size)
