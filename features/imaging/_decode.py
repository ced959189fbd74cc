"""Image files to grey arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cohorts import BenchmarkError, ImageRecord, open_image

__all__ = ["decode_image", "decode_mask", "decode_with_colour", "resize_image"]

COLOUR_MODES = frozenset({"RGB", "RGBA", "P", "PA", "CMYK", "YCbCr", "LAB", "HSV"})


def decode_image(path: Path) -> NDArray[np.uint8]:
    """Read an image file as grey.

    Parameters
    ----------
    path : Path
        PNG, JPEG, BMP or TIFF; 1, 8 or 16 bit; grey, palette, RGB or RGBA. Or DICOM, of which
        the first frame is read through its rescale and window.

    Returns
    -------
    ndarray of shape (height, width), uint8
        Upright by its EXIF orientation. Transparency is ignored, and 16-bit values are
        scaled by their full range to 0-255.

    Raises
    ------
    BenchmarkError
        If the file cannot be read as an image.
    """
    return _as_grey(_open(path))


def decode_with_colour(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """Read an image file as grey, and how colourful each pixel is.

    Parameters
    ----------
    path : Path
        As for `decode_image`.

    Returns
    -------
    grey : ndarray of shape (height, width), uint8
        As from `decode_image`.
    colour : ndarray of shape (height, width), uint8, or None
        The distance between the largest and the smallest of red, green and blue; None where
        the file is grey.

    Raises
    ------
    BenchmarkError
        If the file cannot be read as an image.
    """
    image = _open(path)
    if image.mode not in COLOUR_MODES:
        return _as_grey(image), None
    # Plane by plane: a reduction over the short last axis is many times slower.
    red, green, blue = (np.asarray(plane) for plane in image.convert("RGB").split())
    largest = np.maximum(np.maximum(red, green), blue)
    colour = largest - np.minimum(np.minimum(red, green), blue)
    return _as_grey(image), colour if colour.any() else None


def decode_mask(record: ImageRecord) -> NDArray[np.bool_] | None:
    """Return the union of a record's masks.

    Parameters
    ----------
    record : ImageRecord
        Its masks are images of the same size; any value above zero is inside.

    Returns
    -------
    ndarray of shape (height, width), bool, or None
        None where there is no mask, or where nothing is inside.
    """
    if not record.masks:
        return None
    union = np.logical_or.reduce([decode_image(path) > 0 for path in record.masks])
    return union if union.any() else None


def resize_image(image: NDArray[np.uint8], *, image_size: int) -> NDArray[np.uint8]:
    """Return the image scaled to a square of `image_size` pixels, antialiased.

    The aspect ratio is not kept, as in the published set-up of EfficientNet on 224 × 224.
    """
    resized = Image.fromarray(image).resize((image_size, image_size), Image.Resampling.BILINEAR)
    return np.asarray(resized)


def _open(path: Path) -> Image.Image:
    try:
        return open_image(path)[0]
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise BenchmarkError(
            f"The image {str(path)!r} cannot be read ({error}). Replace it or leave the case out."
        ) from None


def _as_grey(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode.startswith(("I", "F")):
        return _sixteen_bit(np.asarray(image))
    if image.mode in {"RGBA", "LA", "PA", "P"}:
        image = image.convert("RGB")
    return np.asarray(image.convert("L"))


def _sixteen_bit(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    wide = values.astype(np.float64)
    full_range = 255.0 if wide.max(initial=0.0) <= 255 else 65535.0
    return np.clip(np.round(wide * 255.0 / full_range), 0, 255).astype(np.uint8)
