"""What a model saw: ranges, levels and what was ever missing, and where a new case lies outside."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from cohorts import Cohort, Column, ColumnKind, ImageModality, TabularModality
from features._per_image import modality_records
from features._tabular_cells import split_labels

__all__ = ["describe_seen", "outside_seen"]

# Levels of a boolean column, whose cells are numbers.
TRUTH = {1.0: "yes", 0.0: "no"}

Seen = Mapping[str, Any]


def describe_seen(cohort: Cohort) -> dict[str, Any]:
    """Return what a development cohort shows of each modality, as plain values.

    Parameters
    ----------
    cohort : Cohort
        On which the final models are fitted.

    Returns
    -------
    dict
        Modality -> ``n_cases``, ``n_missing`` (cases without any of it) and, of tables,
        ``columns``: name -> ``n_missing`` and ``low``, ``high`` of numbers or the ``levels``
        of the others; of images ``spacing_mm``: lowest and highest pixel size, None where
        it is not known of all.
    """
    seen: dict[str, Any] = {images.name: _seen_images(images) for images in cohort.images}
    for modality in cohort.tables:
        table = modality.table
        seen[modality.name] = {
            "n_cases": len(table),
            "n_missing": int(table.isna().all(axis=1).sum()),
            "columns": {
                column.name: _seen_column(table[column.name], column) for column in modality.columns
            },
        }
    return seen


def outside_seen(
    cohort: Cohort,
    seen: Seen,
    *,
    modalities: Collection[str],
    absent: Collection[tuple[str, str]] = (),
) -> list[list[str]]:
    """Return, for each case, where it lies outside what the model saw.

    Parameters
    ----------
    cohort : Cohort
        New cases.
    seen : mapping
        As `describe_seen` returned it.
    modalities : collection of str
        Those that the model reads; the others say nothing of it.
    absent : collection of (str, str)
        Modality and column of what the table of the cases does not have at all.

    Returns
    -------
    list of list of str
        Each names what, the value and the range, such as ``clinical.age 140 above 84``.
    """
    flags: list[list[str]] = [[] for _ in cohort.cases]
    for images in cohort.images:
        if images.name in modalities:
            _flag_images(images, seen[images.name], flags)
    for table in cohort.tables:
        if table.name in modalities:
            gone = {column for name, column in absent if name == table.name}
            _flag_table(table, seen[table.name], gone, flags)
    return flags


def _seen_images(images: ImageModality) -> dict[str, Any]:
    sizes = [record.spacing_mm for record in modality_records(images)]
    known = [size for size in sizes if size is not None]
    spacing = [min(known), max(known)] if known and len(known) == len(sizes) else None
    return {
        "n_cases": len(images.records),
        "n_missing": images.n_missing,
        "spacing_mm": spacing,
    }


def _seen_column(cells: pd.Series[Any], column: Column) -> dict[str, Any]:
    recorded = cells.dropna()
    about: dict[str, Any] = {"n_missing": len(cells) - len(recorded)}
    if column.kind is ColumnKind.NUMERIC:
        ends = (float(recorded.min()), float(recorded.max())) if len(recorded) else (None, None)
        return about | dict(zip(("low", "high"), ends, strict=True))
    return about | {"levels": sorted({one for cell in recorded for one in _levels(cell, column)})}


def _levels(cell: Any, column: Column) -> tuple[str, ...]:
    if column.kind is ColumnKind.BOOLEAN:
        return (TRUTH.get(float(cell), str(cell)),)
    if column.kind is ColumnKind.MULTI_LABEL:
        return split_labels(cell, column.separator)
    return (str(cell),)


def _flag_images(images: ImageModality, seen: Seen, flags: Sequence[list[str]]) -> None:
    for records, found in zip(images.records, flags, strict=True):
        if not records:
            found.append(f"{images.name} missing, {_how_often(seen)}")
        if records and seen["spacing_mm"] is not None:
            found += _flag_sizes(images.name, [one.spacing_mm for one in records], seen)


def _flag_sizes(name: str, sizes: Sequence[float | None], seen: Seen) -> list[str]:
    low, high = seen["spacing_mm"]
    flags = [f"{name} pixel size missing, never seen so"] if None in sizes else []
    for size in sizes:
        if size is not None and not low <= size <= high:
            flags.append(f"{name} pixel size {_compared(size, low, high)} mm")
    return flags


def _flag_table(
    modality: TabularModality, seen: Seen, gone: Collection[str], flags: Sequence[list[str]]
) -> None:
    """Flag a row without any value once, and else each cell that is strange."""
    empty = modality.table.isna().all(axis=1)
    for nothing, found in zip(empty, flags, strict=True):
        if nothing:
            found.append(f"{modality.name} missing, {_how_often(seen)}")
    for column in modality.columns:
        about, place = seen["columns"][column.name], f"{modality.name}.{column.name}"
        judge = _judge(column, about, place)
        for cell, nothing, found in zip(modality.table[column.name], empty, flags, strict=True):
            if not pd.isna(cell):
                found += judge(cell)
            elif not nothing and (column.name in gone or not about["n_missing"]):
                found.append(f"{place} missing, {_how_often(about | {'n_cases': seen['n_cases']})}")


def _judge(column: Column, about: Seen, place: str) -> Callable[[Any], list[str]]:
    """Return what flags a recorded cell of a column."""
    if column.kind is ColumnKind.NUMERIC:
        low, high = about["low"], about["high"]
        if low is None:
            return lambda cell: [f"{place} {cell:g}, which was always missing"]
        return lambda cell: (
            [] if low <= cell <= high else [f"{place} {_compared(float(cell), low, high)}"]
        )
    known = frozenset(about["levels"])
    bare = {_bare(level): level for level in about["levels"]}
    return lambda cell: [
        f"{place} {level!r} never seen{_meant(level, bare)}"
        for level in _levels(cell, column)
        if level not in known
    ]


def _bare(level: str) -> str:
    return "".join(level.split()).casefold()


def _meant(level: str, bare: Mapping[str, str]) -> str:
    """Name the level that differs by case or spaces alone, if there is one."""
    near = bare.get(_bare(level))
    return "" if near is None else f" (did you mean {near!r}?)"


def _compared(value: float, low: float, high: float) -> str:
    return f"{value:g} above {high:g}" if value > high else f"{value:g} below {low:g}"


def _how_often(seen: Seen) -> str:
    if not seen["n_missing"]:
        return "never seen so"
    return f"seen so in {seen['n_missing']} of {seen['n_cases']} cases"
