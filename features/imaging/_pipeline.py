"""The imaging pipeline: from a file to the picture that every extractor and network sees."""

from __future__ import annotations

from dataclasses import dataclass as plain_dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from cohorts import ImageRecord
from features.imaging._decode import decode_image, decode_mask
from features.imaging._enhance import equalise_contrast

__all__ = [
    "ImagingOptions",
    "PreparedImage",
    "Region",
    "RegionOrigin",
    "find_region",
    "prepare_image",
]

RegionOrigin = Literal["expert", "automatic", "whole"]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ImagingOptions:
    """What is done to every image before anything is computed from it.

    Attributes
    ----------
    clahe : bool
        Contrast-limited adaptive histogram equalisation.
    """

    clahe: bool = False
    min_confidence: float = 0.5


@plain_dataclass(frozen=True)
class PreparedImage:
    """An image after the pipeline.

    Attributes
    ----------
    grey : ndarray of shape (height, width), uint8
        Grey values.
    scanned : ndarray of shape (height, width), bool
        Pixels that show tissue.
    record : ImageRecord
        Where it came from.
    """

    grey: NDArray[np.uint8]
    scanned: NDArray[np.bool_]
    record: ImageRecord

    @property
    def outlined(self) -> NDArray[np.bool_] | None:
        """The expert's region in the frame of `grey`; None where nothing is outlined."""
        return decode_mask(self.record)


@plain_dataclass(frozen=True)
class Region:
    """Where numbers are taken from.

    Attributes
    ----------
    mask : ndarray of shape (height, width), bool
        At least one pixel.
    origin : {"expert", "automatic", "whole"}
        Who drew it.
    confidence : float
        In [0, 1]; of an automatic region and of the whole image that stands in for one, how
        sure the segmentation was; 1 for an expert's.
    """

    mask: NDArray[np.bool_]
    origin: RegionOrigin
    confidence: float


def prepare_image(record: ImageRecord, options: ImagingOptions) -> PreparedImage:
    """Decode an image and pass it through every step that is switched on."""
    grey = decode_image(record.path)
    if options.clahe:
        grey = equalise_contrast(grey)
    return PreparedImage(grey, np.ones(grey.shape, dtype=bool), record)


def find_region(
    prepared: PreparedImage,
    source: RegionOrigin,
    options: ImagingOptions,  # noqa: ARG001
) -> Region | None:
    """Return the region of a prepared image; None where an expert's is asked for and absent."""
    if source == "expert":
        outlined = prepared.outlined
        return None if outlined is None else Region(outlined, "expert", 1.0)
    return Region(prepared.scanned, "whole", 0.0)
