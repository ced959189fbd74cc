"""Image files as they come in: found, opened and measured, their pixels left for later."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageOps

from cohorts._cohort import ImageRecord
from cohorts._errors import BenchmarkError

__all__ = ["IMAGE_SUFFIXES", "read_image_record"]

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
        Edge length of a pixel in millimetres.

    Returns
    -------
    ImageRecord
        With the size in pixels, upright by EXIF orientation.

    Raises
    ------
    BenchmarkError
        If a file is missing, empty or unreadable, or a mask has another size.
    """
    size = _open(path, "image").size
    return ImageRecord(
        path,
        masks=tuple(mask for mask in masks if _outlines_something(mask, path, size)),
        spacing_mm=spacing_mm,
        size_px=size,
        other_masks=tuple(mask for mask in other_masks if _outlines_something(mask, path, size)),
    )


def _outlines_something(mask: Path, image: Path, size: tuple[int, int]) -> bool:
    opened = _open(mask, "mask")
    if opened.size != size:
        raise BenchmarkError(
            f"The mask {str(mask)!r} has {opened.width} × {opened.height} pixels, but its image "
            f"{image.name!r} has {size[0]} × {size[1]}. Export the mask at the size of the image, "
            "or leave it out."
        )
    return opened.convert("RGB").convert("L").getbbox() is not None


def _open(path: Path, kind: str) -> Image.Image:
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
        with Image.open(path) as stored:
            return ImageOps.exif_transpose(stored)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise BenchmarkError(
            f"The {kind} {str(path)!r} cannot be read as an image ({error}). "
            f"Readable are {', '.join(IMAGE_SUFFIXES)}; replace the file or leave the case out."
        ) from None
