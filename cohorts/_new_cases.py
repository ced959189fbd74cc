"""New cases as they come in: a table without labels, read as the cohort was read."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cohorts._case_format import CaseFormat
from cohorts._cohort import (
    UNLABELLED,
    Cohort,
    CohortInfo,
    ImageModality,
    ImageRecord,
    Note,
)
from cohorts._column_kinds import mark_missing
from cohorts._errors import BenchmarkError
from cohorts._manifest_images import image_root, read_row
from cohorts._manifest_joins import case_ids, read_recorded
from cohorts._manifest_options import ImageOptions
from cohorts._new_tables import NewTable, read_new_table
from cohorts._read_tables import RecordedTable, name_some

__all__ = ["GivenCases", "NewCases", "read_new_cases"]

GivenCases = str | Path | pd.DataFrame | Mapping[str, Any] | Sequence[Mapping[str, Any]]

# Stands for the file in messages about cases that are given in memory; paths in them are
# relative to the working folder.
IN_MEMORY = Path("the given cases")

# How alike two column names must be for one to be taken for a slip of the other.
ALIKE = 0.7


@dataclass(frozen=True)
class NewCases:
    """Cases to be predicted.

    Attributes
    ----------
    cohort : Cohort
        All of them, unlabelled, with every modality and column that models know; what did
        not come is missing.
    problems : mapping of (str, str) to str
        Case and modality -> why a model that reads the modality must not predict the case: an
        image or a cell that cannot be read.
    absent : frozenset of (str, str)
        Modality and column of what the table does not have at all; the column is "" for
        images.
    notes : tuple of Note
        What was ignored or guessed while reading.
    """

    cohort: Cohort
    problems: Mapping[tuple[str, str], str]
    absent: frozenset[tuple[str, str]]
    notes: tuple[Note, ...]


def read_new_cases(
    given: GivenCases, form: CaseFormat, *, classes: Sequence[str], positive_class: str
) -> NewCases:
    """Read cases that nobody has labelled.

    Cells are read by the stored kinds, orders, separators and dates, never by what the new
    table looks like: one row is enough, a column may be empty, and an unknown category stays
    as it is. A case whose image or cell cannot be read is no reason to refuse the others.

    Parameters
    ----------
    given : path, DataFrame, mapping or sequence of mapping
        A table in a file or in memory, one case, or several.
    form : CaseFormat
        What the columns mean.
    classes : sequence of str
        Of the models.
    positive_class : str
        Of the models.

    Raises
    ------
    BenchmarkError
        If the table cannot be read, holds no case, has no case column, or a case twice.
    """
    main = _recorded(given, form)
    _check_ids(main, form.options.case)
    cases = case_ids(main, form.options.case)
    tables = [read_new_table(one, main, cases, form) for one in form.tables]
    images = [_read_images(name, main, cases, form) for name in form.images]
    parts: list[NewTable | _ReadImages] = [*tables, *images]
    absent = frozenset(one for part in parts for one in part.absent)
    cohort = Cohort(
        info=CohortInfo("new", f"new cases of {main.path.name}"),
        cases=cases,
        patients=cases,
        classes=tuple(classes),
        labels=np.full(len(cases), UNLABELLED, dtype=np.intp),
        positive_class=positive_class,
        images=tuple(part.modality for part in images),
        tables=tuple(part.modality for part in tables),
    )
    problems = {
        (case, part.modality.name): problem
        for part in parts
        for case, problem in part.problems.items()
    }
    joined = [note for part in tables for note in part.notes]
    notes = (*main.notes, *joined, *_column_notes(main, form, absent))
    return NewCases(cohort, problems, absent, notes)


@dataclass(frozen=True)
class _ReadImages:
    modality: ImageModality
    absent: tuple[tuple[str, str], ...]
    problems: Mapping[str, str]


def _recorded(given: GivenCases, form: CaseFormat) -> RecordedTable:
    """Read the table, or wrap what is in memory, and put NaN where a cell is missing."""
    if isinstance(given, str | Path):
        path = Path(given)
        # The development table may have been another kind of file.
        sheet = form.options.sheet if path.suffix.lower() == ".xlsx" else None
        return read_recorded(path, sheet, form.options.missing)
    frame = _frame(given, form.options.case)
    if frame.empty:
        raise BenchmarkError("No case is given. Give one mapping of column to value for each case.")
    marked = {
        str(name): mark_missing(cells, form.options.missing)
        for name, cells in frame.astype(object).items()
    }
    index = pd.Index(range(1, len(frame) + 1))
    return RecordedTable(
        IN_MEMORY, pd.DataFrame({name: cells.set_axis(index) for name, cells in marked.items()})
    )


def _frame(given: pd.DataFrame | Mapping[str, Any] | Sequence[Any], case: str) -> pd.DataFrame:
    if isinstance(given, pd.DataFrame):
        return given.reset_index() if given.index.name == case else given
    return pd.DataFrame([given] if isinstance(given, Mapping) else list(given))


def _check_ids(main: RecordedTable, case: str) -> None:
    if case in main.columns:
        return
    place = "The table of the given cases" if main.path == IN_MEMORY else main.path.name
    near = _nearest(case, main.columns)
    remedy = f"Is it {near[0]!r}? Rename that" if near else "Add the column"
    raise BenchmarkError(
        f"{place} has no column {case!r}; every row needs an id of its own. {remedy} "
        f"(its columns are {name_some(main.columns)})."
    )


def _read_images(
    name: str, main: RecordedTable, cases: Sequence[str], form: CaseFormat
) -> _ReadImages:
    """Open the images of one modality; masks are not read, as new patients have none."""
    options = form.options.images[name]
    columns = tuple(column for column in options.image if column in main.columns)
    if not columns:
        return _ReadImages(ImageModality(name, ((),) * len(cases)), ((name, ""),), {})
    spacing = options.spacing_mm
    if isinstance(spacing, str) and spacing not in main.columns:
        spacing = None
    readable = ImageOptions(image=columns, spacing_mm=spacing, root=options.root)
    image_root(name, readable, main)
    records: list[tuple[ImageRecord, ...]] = []
    problems: dict[str, str] = {}
    for row, case in zip(main.frame.index, cases, strict=True):
        try:
            records.append(read_row(name, readable, main, row))
        except BenchmarkError as error:
            records.append(())
            problems[case] = str(error)
    return _ReadImages(ImageModality(name, tuple(records)), (), problems)


def _column_notes(
    main: RecordedTable, form: CaseFormat, absent: Iterable[tuple[str, str]]
) -> list[Note]:
    """Say what is ignored, what is not there, and what may be a slip of the pen."""
    where, known = main.path.name, form.known()
    lacking = {recorded for recorded in form.header() if recorded not in main.columns}
    extra = [name for name in main.columns if name not in known]
    # Too like the name of the images, and too often left out, to be what was meant.
    spacing = {images.spacing_mm for images in form.options.images.values()}
    slips = {
        name: near[0]
        for name in extra
        if (near := _nearest(name, lacking)) and near[0] not in spacing
    }
    notes = [
        Note(
            "misspelt-columns",
            "warning",
            f"The column {name!r} of {where} is ignored. Did you mean {meant!r}?",
        )
        for name, meant in slips.items()
    ]
    ignored = [name for name in extra if name not in slips]
    if ignored:
        text = f"Ignored in {where}, being unknown to the models: {name_some(ignored)}."
        notes.append(Note("extra-columns", "info", text))
    if form.options.label in main.columns:
        text = (
            f"The label column {form.options.label!r} of {where} is ignored: cases are predicted."
        )
        notes.append(Note("label-ignored", "info", text))
    gone = sorted(".".join(filter(None, one)) for one in absent)
    if gone:
        text = f"Not in {where}, and missing for every case: {name_some(gone, most=12)}."
        notes.append(Note("absent-columns", "warning", text))
    return notes


def _nearest(name: str, known: Iterable[str]) -> list[str]:
    folded = {one.casefold(): one for one in known}
    near = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=ALIKE)
    return [folded[one] for one in near]
