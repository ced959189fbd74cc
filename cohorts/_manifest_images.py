"""Paths in cells to image records: pairing masks, checking files before any is decoded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from cohorts._cohort import ImageModality, ImageRecord, Note
from cohorts._column_kinds import as_text, parse_number
from cohorts._errors import BenchmarkError
from cohorts._image_files import read_image_record
from cohorts._manifest_options import ImageOptions
from cohorts._read_tables import RecordedTable

__all__ = ["image_columns", "image_root", "list_images", "read_images", "read_row"]

PATH_SEPARATOR = ";"


@dataclass(frozen=True, slots=True)
class ListedImage:
    """One image that a row names, not opened yet."""

    row: int
    path: Path
    masks: tuple[Path, ...]
    spacing_mm: float | None


def image_columns(options: ImageOptions) -> tuple[str, ...]:
    """Return the columns that say where images and masks are, and the column of spacing."""
    spacing = (options.spacing_mm,) if isinstance(options.spacing_mm, str) else ()
    return (*options.image, *(options.mask or ()), *spacing)


def list_images(
    name: str, options: ImageOptions, table: RecordedTable
) -> tuple[tuple[ListedImage, ...], ...]:
    """Find the images and masks that each row names, and check that the files exist.

    Parameters
    ----------
    name : str
        The modality, for messages.
    options : ImageOptions
        Columns, spacing and root.
    table : RecordedTable
        With NaN where a cell is missing.

    Returns
    -------
    tuple of tuple of ListedImage
        One entry per row, possibly empty.

    Raises
    ------
    BenchmarkError
        If the root or a file does not exist, a mask has no image, masks and images cannot be
        paired, or a spacing is no positive number.
    """
    _check_pairs(name, options)
    root = image_root(name, options, table)
    listed = tuple(_row_images(row, options, table, root) for row in table.frame.index)
    _check_files(name, listed, root)
    return listed


def image_root(name: str, options: ImageOptions, table: RecordedTable) -> Path:
    """Return the folder that the paths of a modality are relative to.

    Raises
    ------
    BenchmarkError
        If there is no such folder.
    """
    root = table.path.parent / Path(options.root).expanduser()
    if not root.is_dir():
        raise BenchmarkError(
            f"The folder {str(root)!r} of the {name} images does not exist. Set root under "
            f"images.{name} relative to the folder of {table.path.name}."
        )
    return root


def read_row(
    name: str, options: ImageOptions, table: RecordedTable, row: int
) -> tuple[ImageRecord, ...]:
    """Find and open the images of one row alone; as `list_images` and `read_images` do for all."""
    alone = replace(table, frame=table.frame.loc[[row]])
    return tuple(_record(image) for image in list_images(name, options, alone)[0])


def read_images(
    name: str, listed: Iterable[Sequence[ListedImage]]
) -> tuple[tuple[ImageModality, ...], tuple[Note, ...]]:
    """Open every listed file once.

    Returns
    -------
    modality : tuple of ImageModality
        Empty if no case has an image.
    notes : tuple of Note
        A warning if no case has an image, an item of information if some have none.

    Raises
    ------
    BenchmarkError
        If a file is unreadable or a mask has another size than its image.
    """
    records = tuple(tuple(_record(image) for image in images) for images in listed)
    n_without = sum(not one for one in records)
    if n_without == len(records):
        text = f"No case has an image of {name}; it was left out."
        return (), (Note("empty-columns", "warning", text),)
    notes: tuple[Note, ...] = ()
    if n_without:
        text = f"{n_without} of {len(records)} cases have no image of {name}."
        notes = (Note("missing-images", "info", text),)
    return (ImageModality(name, records),), notes


def _record(image: ListedImage) -> ImageRecord:
    return read_image_record(image.path, image.masks, spacing_mm=image.spacing_mm)


def _check_pairs(name: str, options: ImageOptions) -> None:
    n_images, n_masks = len(options.image), len(options.mask or ())
    if n_images == 0:
        raise BenchmarkError(f"images.{name}.image names no column; name one or remove {name}.")
    if n_images > 1 and n_masks not in {0, n_images}:
        raise BenchmarkError(
            f"images.{name} has {n_images} image columns and {n_masks} mask columns. Give one "
            "mask column for each image column, in the same order, or none."
        )


def _row_images(
    row: int, options: ImageOptions, table: RecordedTable, root: Path
) -> tuple[ListedImage, ...]:
    spacing_mm = _spacing(row, options.spacing_mm, table)
    cells = table.frame.loc[row]
    masks = [_paths(cells[column], root) for column in options.mask or ()]
    found: list[ListedImage] = []
    for position, column in enumerate(options.image):
        images = _paths(cells[column], root)
        # One image column has all masks; of several, each has the mask column beside it.
        own = masks if len(options.image) == 1 else masks[position : position + 1]
        paired = _pair(images, own, f"{table.path.name}, row {row}, column {column!r}")
        found += [ListedImage(row, path, of_it, spacing_mm) for path, of_it in paired]
    return tuple(found)


def _pair(
    images: Sequence[Path], masks: Sequence[Sequence[Path]], place: str
) -> list[tuple[Path, tuple[Path, ...]]]:
    """Give one image all masks, and each of several images the mask at its place."""
    present = [column for column in masks if column]
    if present and not images:
        raise BenchmarkError(f"{place}: there is a mask but no image. Add the image's path.")
    if len(images) == 1:
        return [(images[0], tuple(path for column in present for path in column))]
    for column in present:
        if len(column) != len(images):
            raise BenchmarkError(
                f"{place}: {len(images)} images have {len(column)} mask(s). Give one mask for "
                f"each image, in the same order and joined by {PATH_SEPARATOR!r}, or none."
            )
    return [
        (image, tuple(column[position] for column in present))
        for position, image in enumerate(images)
    ]


def _paths(cell: Any, root: Path) -> list[Path]:
    if pd.isna(cell):
        return []
    parts = (part.strip() for part in as_text(cell).split(PATH_SEPARATOR))
    return [_resolved(root, part) for part in parts if part]


def _resolved(root: Path, text: str) -> Path:
    path = root / text
    # A table written on Windows has backslashes, which elsewhere are part of a file's name.
    return root / text.replace("\\", "/") if "\\" in text and not path.exists() else path


def _spacing(row: int, spacing_mm: float | str | None, table: RecordedTable) -> float | None:
    if not isinstance(spacing_mm, str):
        return spacing_mm
    cell: Any = table.frame.loc[row, spacing_mm]
    if pd.isna(cell):
        return None
    number = parse_number(cell, decimal_comma=table.decimal_comma)
    if number is None or number <= 0:
        raise BenchmarkError(
            f"Column {spacing_mm!r} of {table.path.name}, row {row}: {as_text(cell)!r} is no pixel "
            "spacing. Give millimetres as a positive number, or leave the cell empty."
        )
    return number


def _check_files(name: str, listed: Iterable[Sequence[ListedImage]], root: Path) -> None:
    """Report all missing files at once: a wrong root is then plain to see."""
    files = [
        (image.row, path)
        for images in listed
        for image in images
        for path in (image.path, *image.masks)
    ]
    missing = [(row, path) for row, path in files if not path.is_file()]
    if len(missing) == len(files) == 1:
        row, path = missing[0]
        raise BenchmarkError(
            f"The {name} image {str(path)!r} of row {row} does not exist. Correct its path, which "
            f"is relative to {str(root)!r}."
        )
    if missing:
        row, path = missing[0]
        raise BenchmarkError(
            f"{len(missing)} of {len(files)} {name} image and mask files do not exist; the first, "
            f"of row {row}, is {str(path)!r}. Correct the paths, which are relative to "
            f"{str(root)!r}, or set root under images.{name}."
        )
