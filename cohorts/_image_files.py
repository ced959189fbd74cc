"""Image files as they come in: found, opened and measured, their pixels left for later."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageOps

from cohorts._cohort import ImageRecord
from cohorts._dicom import DICOM_SUFFIXES, is_dicom, read_dicom
from cohorts._errors import BenchmarkError

__all__ = ["IMAGE_SUFFIXES", "open_image", "read_image_record"]

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


def read_image_record(
    path: Path,
    masks: Sequence[Path] = (),
    *,
    other_masks: Sequence[Path] = (),
    spacing_mm: float | None = None,
) -> ImageRecord:
    """Check an image and its masks and return their record.

    Every file is opened and decoded once, so that a truncated file is found before a night's
    work and not in the middle of it. A mask with nothing inside outlines nothing and is left
    out of the record.

    Parameters
    ----------
    path : Path
        The image file.
    masks : sequence of Path
        Outlines of the lesion; each must have the size of the image.
    other_masks : sequence of Path
        Outlines of anything else; the same holds for them.
    spacing_mm : float, optional
        Edge length of a pixel in millimetres; by default what a DICOM file states.

    Returns
    -------
    ImageRecord
        With the size in pixels, upright by EXIF orientation.

    Raises
    ------
    BenchmarkError
        If a file is missing, empty or unreadable, or a mask has another size.
    """
    image, stated_mm = _open(path, "image")
    size = image.size
    return ImageRecord(
        path,
        masks=tuple(mask for mask in masks if _outlines_something(mask, path, size)),
        spacing_mm=stated_mm if spacing_mm is None else spacing_mm,
        size_px=size,
        other_masks=tuple(mask for mask in other_masks if _outlines_something(mask, path, size)),
    )


def _outlines_something(mask: Path, image: Path, size: tuple[int, int]) -> bool:
    opened, _ = _open(mask, "mask")
    if opened.size != size:
        raise BenchmarkError(
            f"The mask {str(mask)!r} has {opened.width} × {opened.height} pixels, but its image "
            f"{image.name!r} has {size[0]} × {size[1]}. Export the mask at the size of the image, "
            "or leave it out."
        )
    return opened.convert("RGB").convert("L").getbbox() is not None


def open_image(path: Path) -> tuple[Image.Image, float | None]:
    """Decode an image file.

    Parameters
    ----------
    path : Path
        DICOM, or any format of `IMAGE_SUFFIXES`; the content counts, not the name.

    Returns
    -------
    image : Image
        Upright by its EXIF orientation; the first frame of a DICOM file, as a viewer shows it.
    spacing_mm : float or None
        Edge length of a pixel in millimetres where a DICOM file states it.

    Raises
    ------
    BenchmarkError
        If the file is DICOM and pydicom is not installed.
    OSError, SyntaxError, ValueError, DecompressionBombError
        If the file cannot be decoded.
    """
    if is_dicom(path):
        return read_dicom(path)
    with Image.open(path) as stored:
        return ImageOps.exif_transpose(stored), None


def _open(path: Path, kind: str) -> tuple[Image.Image, float | None]:
    """Decode a file, upright."""
    if not path.is_file():
        raise BenchmarkError(
            f"The {kind} {str(path)!r} does not exist. Correct its path, or leave the case out."
        )
    if path.stat().st_size == 0:
        raise BenchmarkError(
            f"The {kind} {str(path)!r} is empty (0 bytes). Copy it again, or leave the case out."
        )
    try:
        return open_image(path)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        readable = ", ".join((*IMAGE_SUFFIXES, *DICOM_SUFFIXES))
        raise BenchmarkError(
            f"The {kind} {str(path)!r} cannot be read as an image ({error}). "
            f"Readable are {readable}; replace the file or leave the case out."
        ) from None
