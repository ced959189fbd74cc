"""A second cohort in the terms of the first: its classes, its modalities, its columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from cohorts._cohort import Cohort, Column, ColumnKind, ImageModality, TabularModality
from cohorts._errors import BenchmarkError, unknown_name

__all__ = ["conform_modalities", "map_classes"]


def map_classes(
    cohort: Cohort, mapping: Mapping[str, str | None], development: Cohort, *, where: str
) -> Cohort:
    """Give every case a class of the development cohort, or leave it out.

    Parameters
    ----------
    cohort : Cohort
        With classes of its own.
    mapping : mapping of str to (str or None)
        Class of `cohort` -> class of `development`; None leaves its cases out. A class of the
        same name needs no entry.
    development : Cohort
        Whose classes, their order and positive class the result has.
    where : str
        Where the mapping stands, for messages.

    Returns
    -------
    Cohort
        The cases that were kept; some class may be without any.

    Raises
    ------
    BenchmarkError
        If the mapping names a class that is unknown on its side, says nothing about a class
        that only `cohort` has, or leaves out every case of the positive class.
    """
    known = {*mapping, *development.classes}
    for name, target in mapping.items():
        # Leaving out a class that is not there asks for nothing, unless it is a misspelling.
        harmless = target is None and known.issuperset(cohort.classes)
        if name not in cohort.classes and not harmless:
            raise unknown_name("class", name, cohort.classes, where=where)
        if target is not None and target not in development.classes:
            kind = "class of the development cohort"
            raise unknown_name(kind, target, development.classes, where=where)
    same = {name: name for name in cohort.classes if name in development.classes}
    complete: dict[str, str | None] = {**same, **mapping}
    _check_complete(cohort, complete, development, where)
    targets = [complete[name] for name in cohort.classes]
    index = [-1 if one is None else development.classes.index(one) for one in targets]
    labels = np.asarray(index, dtype=np.intp)[cohort.labels]
    kept = cohort.take(np.flatnonzero(labels >= 0))
    if not kept.n_cases:
        raise BenchmarkError(
            f"{where} leaves out every class of the cohort ({', '.join(cohort.classes)}). Map at "
            "least one to a class of the development cohort."
        )
    if not (labels == development.positive_index).any():
        raise BenchmarkError(
            f"{where} leaves no case of {development.positive_class!r}, the positive class, so "
            "that nothing could be scored. Map a class of the external cohort to it."
        )
    return replace(
        kept,
        classes=development.classes,
        labels=labels[labels >= 0],
        positive_class=development.positive_class,
    )


def _check_complete(
    cohort: Cohort, complete: Mapping[str, str | None], development: Cohort, where: str
) -> None:
    unmapped = [name for name in cohort.classes if name not in complete]
    if not unmapped:
        return
    counts = cohort.class_counts()
    listed = ", ".join(f"{name!r} ({counts[name]} cases)" for name in unmapped)
    asked = ", ".join(f"{name}: null" for name in unmapped)
    raise BenchmarkError(
        f"{where} says nothing about {listed}, which the development cohort (classes "
        f"{', '.join(development.classes)}) does not have. Write {{{asked}}} to leave these cases "
        f"out, or a class in place of null, such as {{{unmapped[0]}: {development.classes[0]}}}."
    )


def conform_modalities(cohort: Cohort, development: Cohort) -> tuple[Cohort, dict[str, str]]:
    """Return the cohort with exactly the modalities and columns of the development cohort.

    A modality that it lacks, or that has a column which is absent or does not read the same,
    is empty in the result: no image, or missing cells only. What `development` does not have
    is left out.

    Parameters
    ----------
    cohort : Cohort
        The cases to be predicted.
    development : Cohort
        Whose modalities and columns models are trained on.

    Returns
    -------
    cohort : Cohort
        With the modalities of `development`, in their order.
    gaps : dict of str to str
        Modality that is empty -> why.
    """
    gaps: dict[str, str] = {}
    images = {one.name: one for one in cohort.images}
    tables = {one.name: one for one in cohort.tables}
    for modality in development.images:
        if modality.name not in images or images[modality.name].n_missing == cohort.n_cases:
            gaps[modality.name] = _lacking("images", modality.name, list(images))
    for table in development.tables:
        gap = _table_gap(tables.get(table.name), table, list(tables))
        if gap is not None:
            gaps[table.name] = gap
    nothing: tuple[tuple[()], ...] = ((),) * cohort.n_cases
    conformed = replace(
        cohort,
        images=tuple(
            ImageModality(one.name, nothing) if one.name in gaps else images[one.name]
            for one in development.images
        ),
        tables=tuple(
            _empty_table(one, cohort) if one.name in gaps else _same_columns(tables[one.name], one)
            for one in development.tables
        ),
    )
    return conformed, gaps


def _lacking(kind: str, name: str, present: list[str]) -> str:
    has = f" (it has {', '.join(present)})" if present and name not in present else ""
    return f"the cohort has no {kind} {name!r}{has}"


def _table_gap(
    table: TabularModality | None, development: TabularModality, present: list[str]
) -> str | None:
    """Say why a table cannot be read like that of the development cohort, or None if it can."""
    if table is None:
        return _lacking("table", development.name, present)
    columns = {column.name: column for column in table.columns}
    absent = [column.name for column in development.columns if column.name not in columns]
    if absent:
        more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        return f"its table {table.name!r} has no column {absent[0]!r}{more}"
    for column in development.columns:
        difference = _reads_differently(columns[column.name], column)
        if difference is not None:
            return f"column {column.name!r} of its table {table.name!r} {difference}"
    return None


def _reads_differently(column: Column, development: Column) -> str | None:
    if column.kind is not development.kind:
        return (
            f"is {column.kind.value.replace('_', '-')}, in development "
            f"{development.kind.value.replace('_', '-')}; declare its kind in the options"
        )
    if column.unit and development.unit and column.unit != development.unit:
        return f"is in {column.unit}, in development in {development.unit}"
    foreign = [level for level in column.order if level not in development.order]
    if foreign:
        return f"has the level {foreign[0]!r}, which its order in development lacks"
    return None


def _same_columns(table: TabularModality, development: TabularModality) -> TabularModality:
    """Return the table with the columns of `development`, and their separators in its cells."""
    recorded = {column.name: column for column in table.columns}
    frame = table.table[[column.name for column in development.columns]].copy()
    for column in development.columns:
        before, after = recorded[column.name].separator, column.separator
        if column.kind is ColumnKind.MULTI_LABEL and before != after:
            frame[column.name] = [
                cell if pd.isna(cell) else str(cell).replace(before, after)
                for cell in frame[column.name]
            ]
    return TabularModality(development.name, development.columns, frame, development.notes)


def _empty_table(development: TabularModality, cohort: Cohort) -> TabularModality:
    names = [column.name for column in development.columns]
    index = pd.Index(cohort.cases, name="case")
    frame = pd.DataFrame(np.nan, index=index, columns=names)
    # Notes speak of values, and there are none.
    return TabularModality(development.name, development.columns, frame)
