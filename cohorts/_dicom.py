"""DICOM files: pixels as a viewer would show them, and the size of a pixel.

Needs pydicom, which the optional extra ``dicom`` installs. Nothing but pixels and their
spacing is read: no name, no date, no identifier of a patient leaves the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cohorts._errors import BenchmarkError

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["DICOM_SUFFIXES", "DicomImage", "is_dicom", "read_dicom"]

DICOM_SUFFIXES = (".dcm", ".dicom")

# The letters DICM stand behind a preamble of 128 bytes (PS3.10, 7.1).
PREAMBLE, MAGIC = 128, b"DICM"

# Codes of an ultrasound region: two-dimensional image, centimetres (PS3.3, C.8.5.5.1).
TISSUE_IMAGE, CENTIMETRES = 1, 3
MM_PER_CM = 10.0

# A pixel counts as square if its sides differ by less than this share.
SQUARE = 0.02


class DicomImage(NamedTuple):
    """The first frame of a file.

    Attributes
    ----------
    image : Image
        Grey or RGB, 8 bit.
    spacing_mm : float or None
        Edge length of a pixel in millimetres; None if the file gives none or pixels are not
        square.
    """

    image: Image.Image
    spacing_mm: float | None


def is_dicom(path: Path) -> bool:
    """Tell a DICOM file by its suffix, or by its first bytes where it has another or none."""
    if path.suffix.lower() in DICOM_SUFFIXES:
        return True
    with path.open("rb") as file:
        return file.read(PREAMBLE + len(MAGIC))[PREAMBLE:] == MAGIC


def read_dicom(path: Path) -> DicomImage:
    """Read the first frame of a DICOM file.

    Grey values pass the modality transform (rescale slope and intercept), then the first
    window or lookup table of the file, and are inverted where the photometric interpretation
    is MONOCHROME1. Without a window the stored range is scaled to 8 bit, so that images of one
    device keep their relation. Of a multi-frame file, such as a cine loop, only the first
    frame is used.

    Parameters
    ----------
    path : Path

    Returns
    -------
    DicomImage

    Raises
    ------
    BenchmarkError
        If pydicom is not installed.
    ValueError
        If the file is no DICOM image that can be decoded.
    """
    pixels = _pydicom(path)
    from pydicom import dcmread

    try:
        dataset = dcmread(path, force=path.suffix.lower() in DICOM_SUFFIXES)
        frame = pixels.pixel_array(dataset, index=0)
        return DicomImage(Image.fromarray(_shown(dataset, frame)), _spacing_mm(dataset))
    except Exception as error:  # damaged headers fail in as many ways as there are readers
        raise ValueError(" ".join(str(error).split()) or type(error).__name__) from None


def _pydicom(path: Path) -> Any:
    try:
        from pydicom import pixels
    except ImportError:
        raise BenchmarkError(
            f"{str(path)!r} is a DICOM file, and reading it needs pydicom, which is not "
            "installed: run pip install -c constraints.txt '.[dicom]' in the source folder of "
            "sonobench, or export the image as PNG."
        ) from None
    return pixels


def _shown(dataset: Dataset, frame: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the frame as 8-bit grey or RGB."""
    from pydicom.pixels import processing

    interpretation = str(dataset.PhotometricInterpretation)
    if interpretation == "PALETTE COLOR":
        frame = processing.apply_color_lut(frame, dataset)
    if frame.ndim == 3:
        return np.asarray(frame >> 8 if frame.dtype.itemsize > 1 else frame, dtype=np.uint8)
    shares = _windowed(dataset, frame)
    shares = 1.0 - shares if interpretation == "MONOCHROME1" else shares
    return np.clip(np.round(255.0 * shares), 0, 255).astype(np.uint8)


def _windowed(dataset: Dataset, frame: NDArray[Any]) -> NDArray[np.float64]:
    """Return grey values as shares of the range that is shown."""
    from pydicom.pixels import processing

    values = processing.apply_modality_lut(frame, dataset)
    if dataset.get("VOILUTSequence"):
        bits = dataset.VOILUTSequence[0].LUTDescriptor[2]
        shown = processing.apply_voi(values, dataset).astype(np.float64)
        return np.asarray(shown / (2**bits - 1), dtype=np.float64)
    low, high = _stored_range(dataset)
    if "WindowCenter" in dataset and "WindowWidth" in dataset:
        values = processing.apply_windowing(values, dataset)
    else:
        low, high = min(low, high), max(low, high)
    return (np.asarray(values, dtype=np.float64) - low) / (high - low)


def _stored_range(dataset: Dataset) -> tuple[float, float]:
    """Return what the smallest and the largest value that can be stored stand for."""
    if dataset.get("ModalityLUTSequence"):
        return 0.0, float(2 ** dataset.ModalityLUTSequence[0].LUTDescriptor[2] - 1)
    n_values = 2 ** int(dataset.BitsStored)
    lowest = -n_values // 2 if dataset.PixelRepresentation else 0
    slope = float(dataset.get("RescaleSlope", 1) or 1)
    intercept = float(dataset.get("RescaleIntercept", 0) or 0)
    return lowest * slope + intercept, (lowest + n_values - 1) * slope + intercept


def _spacing_mm(dataset: Dataset) -> float | None:
    """Return the edge of a pixel: of the ultrasound region, else of the image."""
    for sides in (_region_sides(dataset), *_image_sides(dataset)):
        if sides and min(sides) > 0 and max(sides) <= (1 + SQUARE) * min(sides):
            return float(np.mean(sides))
    return None


def _region_sides(dataset: Dataset) -> tuple[float, float] | None:
    """Sides in mm of the largest region that shows tissue in centimetres."""
    regions = [
        region
        for region in dataset.get("SequenceOfUltrasoundRegions") or ()
        if region.get("RegionSpatialFormat") == TISSUE_IMAGE
        and region.get("PhysicalUnitsXDirection") == CENTIMETRES
        and region.get("PhysicalUnitsYDirection") == CENTIMETRES
    ]
    if not regions:
        return None
    largest = max(regions, key=_region_area)
    deltas = (largest.get("PhysicalDeltaX", 0), largest.get("PhysicalDeltaY", 0))
    return abs(float(deltas[0])) * MM_PER_CM, abs(float(deltas[1])) * MM_PER_CM


def _region_area(region: Dataset) -> int:
    width = region.get("RegionLocationMaxX1", 0) - region.get("RegionLocationMinX0", 0)
    height = region.get("RegionLocationMaxY1", 0) - region.get("RegionLocationMinY0", 0)
    return int(width) * int(height)


def _image_sides(dataset: Dataset) -> list[tuple[float, float]]:
    """Sides in mm by the attributes for the patient's and for the detector's plane."""
    stated = (dataset.get(name) for name in ("PixelSpacing", "ImagerPixelSpacing"))
    return [(float(sides[0]), float(sides[1])) for sides in stated if sides]
