"""The imaging pipeline: from a file to the picture that every extractor and network sees.

The steps, in order, each switched by `ImagingOptions`: decode, find the scanned area and cut
the image to it, paint over what is burned in, resample, reduce speckle, equalise contrast. None
of them looks at a mask or a label; an expert's mask is brought to the same frame afterwards.
"""

from __future__ import annotations

from dataclasses import asdict
from dataclasses import dataclass as plain_dataclass
from typing import Annotated, Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from cohorts import ImageRecord
from features.imaging._clean import find_overlays, find_scanned, remove_overlays
from features.imaging._decode import decode_image, decode_mask, decode_with_colour
from features.imaging._enhance import SpeckleFilter, equalise_contrast, reduce_speckle
from features.imaging._segment import CONFIDENCE, WEIGHTS, segment_lesion

__all__ = [
    "ImagingOptions",
    "PreparedImage",
    "Region",
    "RegionOrigin",
    "find_region",
    "prepare_image",
]

RegionOrigin = Literal["expert", "automatic", "whole"]
Frame = tuple[slice, slice]

WHOLE: Frame = (slice(None), slice(None))

# Part of every cache key; a change of a step that alters pixels or regions raises it.
PIPELINE_VERSION = 1


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ImagingOptions:
    """What is done to every image before anything is computed from it.

    Attributes
    ----------
    crop : bool
        Cut the image to the scanned area and blank what lies outside it, such as panel text.
    remove_overlays : bool
        Paint over burned-in text, calipers and icons.
    pixel_mm : float or None
        In [0.02, 1]; pixel size in millimetres to which every image is resampled, so that
        texture is counted at one scale; None leaves images as they are. Every image must
        have a known pixel size.
    speckle : {"none", "bilateral", "nl_means", "tv"}
        How speckle is reduced; see `reduce_speckle`.
    speckle_strength : float
        In (0, 1]; how strongly.
    clahe : bool
        Contrast-limited adaptive histogram equalisation.
    clahe_clip : float
        In [1, 40]; how far contrast may rise; 1 hardly changes the image.
    clahe_tiles : int
        In [1, 32]; tiles along each axis.
    min_confidence : float
        In [0, 1]; an automatic mask of less confidence is replaced by the whole scanned area.
        Below the default, automatic masks have a median Dice of 0.14 on BrEaST (where the
        whole area has 0.04) and of 0.10 on BUSI (where it has 0.15): too little to be called
        a region of a lesion. 5 % and 13 % of the lesions fall below it, and 37 % of BUSI's
        normal images. It was chosen with both data sets in view.
    """

    crop: bool = True
    remove_overlays: bool = True
    pixel_mm: Annotated[float, Field(ge=0.02, le=1)] | None = None
    speckle: SpeckleFilter = "none"
    speckle_strength: Annotated[float, Field(gt=0, le=1)] = 0.3
    clahe: bool = False
    clahe_clip: Annotated[float, Field(ge=1, le=40)] = 2.0
    clahe_tiles: Annotated[int, Field(ge=1, le=32)] = 8
    min_confidence: Annotated[float, Field(ge=0, le=1)] = 0.4

    def settings(self) -> dict[str, Any]:
        """Return all that shapes a prepared image and its region, the steps' version included."""
        constants = {"weights": dict(WEIGHTS), "confidence": list(CONFIDENCE)}
        return {"version": PIPELINE_VERSION, "segmentation": constants, **asdict(self)}

    def steps(self) -> list[str]:
        """Say in words which steps are switched on, in their order.

        Examples
        --------
        >>> ImagingOptions(remove_overlays=False, clahe=True).steps()
        ['cut to the scanned area', 'contrast equalised (CLAHE)']
        """
        steps = {
            "cut to the scanned area": self.crop,
            "burned-in text and markers painted over": self.remove_overlays,
            f"resampled to {self.pixel_mm} mm a pixel": self.pixel_mm is not None,
            f"speckle reduced ({self.speckle.replace('_', ' ')})": self.speckle != "none",
            "contrast equalised (CLAHE)": self.clahe,
        }
        return [words for words, is_on in steps.items() if is_on]


@plain_dataclass(frozen=True)
class PreparedImage:
    """An image after the pipeline.

    Attributes
    ----------
    grey : ndarray of shape (height, width), uint8
        Grey values.
    scanned : ndarray of shape (height, width), bool
        Pixels that show tissue; at least one.
    record : ImageRecord
        Where it came from.
    frame : tuple of (slice, slice)
        Rows and columns of the file that `grey` shows.
    spacing_mm : float or None
        Edge length of a pixel of `grey` in millimetres, where it is known.
    """

    grey: NDArray[np.uint8]
    scanned: NDArray[np.bool_]
    record: ImageRecord
    frame: Frame = WHOLE
    spacing_mm: float | None = None

    @property
    def outlined(self) -> NDArray[np.bool_] | None:
        """The expert's region in the frame of `grey`; None where nothing is outlined in it."""
        mask = decode_mask(self.record)
        if mask is None:
            return None
        shown = _resized(mask[self.frame].astype(np.uint8), self.grey.shape, cv2.INTER_NEAREST) > 0
        return shown if shown.any() else None


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
        sure the segmentation was; 1 for an expert's; 0 for a whole image that was asked for.
    """

    mask: NDArray[np.bool_]
    origin: RegionOrigin
    confidence: float


def prepare_image(record: ImageRecord, options: ImagingOptions) -> PreparedImage:
    """Decode an image and pass it through every step that is switched on.

    Parameters
    ----------
    record : ImageRecord
    options : ImagingOptions

    Returns
    -------
    PreparedImage

    Raises
    ------
    BenchmarkError
        If the file cannot be read.
    """
    grey, colour = _decode(record, options)
    scanned, frame = _cut(grey, options)
    grey = grey[frame]
    if options.crop:
        grey = np.where(scanned, grey, np.uint8(0))
    if options.remove_overlays:
        colour = None if colour is None else colour[frame]
        grey = remove_overlays(grey, find_overlays(grey, scanned, colour))
    spacing_mm = record.spacing_mm
    if options.pixel_mm is not None and spacing_mm is not None:
        grey, scanned = _resampled(grey, scanned, spacing_mm / options.pixel_mm)
        spacing_mm = options.pixel_mm
    grey = reduce_speckle(grey, kind=options.speckle, strength=options.speckle_strength)
    if options.clahe:
        grey = equalise_contrast(grey, clip_limit=options.clahe_clip, n_tiles=options.clahe_tiles)
    return PreparedImage(grey, scanned, record, frame, spacing_mm)


def find_region(
    prepared: PreparedImage, source: RegionOrigin, options: ImagingOptions
) -> Region | None:
    """Return the region of a prepared image.

    Parameters
    ----------
    prepared : PreparedImage
    source : {"expert", "automatic", "whole"}
        An expert's outline, the automatic mask of the lesion, or all that was scanned.
    options : ImagingOptions
        Its `min_confidence` decides when the whole area stands in for an automatic mask.

    Returns
    -------
    Region or None
        None where an expert's is asked for and absent.
    """
    if source == "expert":
        outlined = prepared.outlined
        return None if outlined is None else Region(outlined, "expert", 1.0)
    if source == "whole":
        return Region(prepared.scanned, "whole", 0.0)
    found = segment_lesion(prepared.grey, prepared.scanned)
    if found is None or found[1] < options.min_confidence:
        return Region(prepared.scanned, "whole", 0.0 if found is None else found[1])
    return Region(found[0], "automatic", found[1])


def _resampled(
    grey: NDArray[np.uint8], scanned: NDArray[np.bool_], factor: float
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Scale an image by a factor; areas are averaged where it shrinks."""
    height, width = (max(1, round(side * factor)) for side in grey.shape)
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    inside = _resized(scanned.astype(np.uint8), (height, width), cv2.INTER_NEAREST) > 0
    # Nearest neighbours can miss a scanned area of a pixel or two.
    inside = inside if inside.any() else np.ones((height, width), dtype=bool)
    return _resized(grey, (height, width), how), inside


def _resized(image: NDArray[np.uint8], shape: tuple[int, ...], how: int) -> NDArray[np.uint8]:
    if image.shape == shape:
        return image
    return np.asarray(cv2.resize(image, (shape[1], shape[0]), interpolation=how), dtype=np.uint8)


def _decode(
    record: ImageRecord, options: ImagingOptions
) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    if options.remove_overlays:
        return decode_with_colour(record.path)
    return decode_image(record.path), None


def _cut(grey: NDArray[np.uint8], options: ImagingOptions) -> tuple[NDArray[np.bool_], Frame]:
    """Return the scanned pixels within the box around them, and that box."""
    scanned = find_scanned(grey)
    if not options.crop:
        return scanned, WHOLE
    rows, columns = (np.flatnonzero(scanned.any(axis=axis)) for axis in (1, 0))
    frame = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    return scanned[frame], frame
