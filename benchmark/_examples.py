"""What the page shows of the images: one of each class, before and after the pipeline."""

from __future__ import annotations

import base64
import io
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cohorts import Cohort, ImageModality, ImageRecord
from features import ImagingOptions, Region, decode_image, find_region, prepare_image

__all__ = ["example_images"]

# Longest side on the page, in pixels; nothing is enlarged.
LONGEST = 280

# Of an automatic outline: seen on black and on white.
OUTLINE_RGB = (255, 176, 0)

# Widths of the outline and of the dark line under it, in pixels of the page.
OUTLINE_WIDTHS = (1, 3)

Rgb = NDArray[np.uint8]


def example_images(
    cohort: Cohort, imaging: ImagingOptions, *, outlined: bool = True
) -> dict[str, Any]:
    """Return the first case of each class, as it came and as the extractors see it.

    Parameters
    ----------
    cohort : Cohort
        With images.
    imaging : ImagingOptions
        The steps that are shown.
    outlined : bool
        Whether the automatic region is drawn; only where a block was measured in it.

    Returns
    -------
    dict
        Plain values: ``steps``, in words, ``outlined``, and ``images``, an entry for each image
        modality and class: ``modality``, ``class``, ``before`` and ``after`` (PNG as base64), their
        ``size_before`` and ``size_after`` on the page, ``origin`` and ``confidence`` of the
        region that is outlined, and ``share`` of it. A class without an image has no entry.
        No identifier is in it.
    """
    examples = [
        {"modality": images.name, "class": name, **_example(record, imaging, outlined=outlined)}
        for images in cohort.images
        for k, name in enumerate(cohort.classes)
        if (record := _first_of_class(cohort, images, k)) is not None
    ]
    return {"steps": imaging.steps(), "outlined": outlined, "images": examples}


def _first_of_class(cohort: Cohort, images: ImageModality, k: int) -> ImageRecord | None:
    of_class = (
        records[0]
        for records, label in zip(images.records, cohort.labels, strict=True)
        if label == k and records
    )
    return next(of_class, None)


def _example(record: ImageRecord, imaging: ImagingOptions, *, outlined: bool) -> dict[str, Any]:
    prepared = prepare_image(record, imaging)
    region = find_region(prepared, "automatic" if outlined else "whole", imaging)
    if region is None:
        raise AssertionError("An automatic region always exists.")
    before, after = _on_page(_as_rgb(decode_image(record.path))), _outlined(prepared.grey, region)
    return {
        "before": _as_png(before),
        "after": _as_png(after),
        "size_before": [before.shape[1], before.shape[0]],
        "size_after": [after.shape[1], after.shape[0]],
        "origin": region.origin,
        "confidence": region.confidence,
        "share": float(region.mask.sum() / prepared.scanned.sum()),
    }


def _outlined(grey: NDArray[np.uint8], region: Region) -> Rgb:
    shown = _on_page(_as_rgb(grey))
    if region.origin == "whole":
        return shown
    size = (shown.shape[1], shown.shape[0])
    mask = cv2.resize(region.mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    drawn = shown.copy()
    thin, wide = OUTLINE_WIDTHS
    for colour, width in (((0, 0, 0), wide), (OUTLINE_RGB, thin)):
        cv2.drawContours(drawn, contours, -1, colour, width)
    return drawn


def _as_rgb(grey: NDArray[np.uint8]) -> Rgb:
    return np.repeat(grey[:, :, None], 3, axis=2)


def _on_page(image: Rgb) -> Rgb:
    shrunk = Image.fromarray(image)
    shrunk.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    return np.asarray(shrunk)


def _as_png(image: Rgb) -> str:
    content = io.BytesIO()
    # Drawn anew from pixels: nothing that the file said about a patient comes along.
    Image.fromarray(image).save(content, format="PNG", optimize=True)
    return base64.b64encode(content.getvalue()).decode("ascii")
