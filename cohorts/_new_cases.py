"""New cases as they come in: a table without labels, read as the cohort was read."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cohorts._case_format import CaseFormat, TableFormat
from cohorts._cohort import (
    UNLABELLED,
    Cohort,
    CohortInfo,
    Column,
    ColumnKind,
    ImageModality,
    ImageRecord,
    Note,
    TabularModality,
)
from cohorts._column_kinds import as_text, convert_cells, mark_missing
from cohorts._errors import BenchmarkError
from cohorts._manifest_dates import interval_column, with_references
from cohorts._manifest_images import image_root, read_row
from cohorts._manifest_joins import case_ids, match_cases, read_recorded
from cohorts._manifest_options import ImageOptions
from cohorts._read_tables import RecordedTable, name_some

__all__ = ["GivenCases", "NewCases", "read_new_cases"]

GivenCases = str | Path | pd.DataFrame | Mapping[str, Any] | Sequence[Mapping[str, Any]]

# Stands for the file in messages about cases that are given in memory; paths in them are
# relative to the working folder.
IN_MEMORY = Path("the given cases")

# How alike two column names must be for one to be taken for a slip of the other.
ALIKE = 0.7

Problems = dict[str, str]
Convert = Callable[[RecordedTable, pd.DataFrame], "pd.Series[Any]"]


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
    main.check_columns([form.options.case], role="case")
    cases = case_ids(main, form.options.case)
    tables = [_read_table(one, main, cases, form) for one in form.tables]
    images = [_read_images(name, main, cases, form) for name in form.images]
    parts: list[_ReadTable | _ReadImages] = [*tables, *images]
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
    problems: Problems


@dataclass(frozen=True)
class _ReadTable:
    modality: TabularModality
    absent: tuple[tuple[str, str], ...]
    problems: Problems
    notes: tuple[Note, ...]


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


def _read_table(
    wanted: TableFormat, main: RecordedTable, cases: Sequence[str], form: CaseFormat
) -> _ReadTable:
    """Convert the columns of one modality, each by what is stored of it."""
    table, ids, notes = _source(wanted, main, cases, form)
    references = with_references(table, ids, main, cases, form.options.columns)
    converted: dict[str, pd.Series[Any]] = {}
    absent: list[tuple[str, str]] = []
    problems: Problems = {}
    owners = dict(zip(table.frame.index, ids, strict=True))
    for column, recorded in zip(wanted.columns, wanted.recorded, strict=True):
        if not {recorded, *form.ends_of(recorded)} <= {*table.columns, *references.columns}:
            absent.append((wanted.name, column.name))
            converted[column.name] = _nothing(column, table.frame.index)
            continue
        convert = _converter(column, recorded, form)
        cells, unread = _row_by_row(convert, column, recorded, table, references, dates=form.dates)
        converted[column.name] = cells
        for row, problem in unread.items():
            owner = owners[row]
            problems[owner] = f"{problems[owner]}; {problem}" if owner in problems else problem
    frame = pd.DataFrame(converted, index=table.frame.index)
    by_case = frame.set_axis(pd.Index(list(ids), dtype=object), axis=0)
    ordered = by_case.reindex(pd.Index(list(cases), dtype=object, name="case"))
    modality = TabularModality(wanted.name, wanted.columns, ordered)
    return _ReadTable(modality, tuple(absent), problems, notes)


def _source(
    wanted: TableFormat, main: RecordedTable, cases: Sequence[str], form: CaseFormat
) -> tuple[RecordedTable, tuple[str, ...], tuple[Note, ...]]:
    """Return the table that holds a modality, with the case of each row.

    A joined table is looked for where it lay beside the development table; where there is
    none, or none of the cases is in it, its columns may stand in the table itself.
    """
    joined = form.options.tables.get(wanted.name)
    path = None if joined is None else main.path.parent / Path(joined.path).expanduser()
    if joined is None or path is None or not path.is_file():
        return main, tuple(cases), ()
    table = read_recorded(path, joined.sheet, form.options.missing)
    case = joined.case or form.options.case
    table.check_columns([case], role=f"case, of tables.{wanted.name}")
    if not set(case_ids(table, case)) & set(cases):
        return main, tuple(cases), ()
    matched, _ = match_cases(wanted.name, table, case, cases)
    return matched, case_ids(matched, case), matched.notes


def _converter(column: Column, recorded: str, form: CaseFormat) -> Convert:
    def convert(table: RecordedTable, references: pd.DataFrame) -> pd.Series[Any]:
        if recorded in form.dates:
            return interval_column(
                recorded, table, references, form.options.columns, reading=form.dates[recorded]
            )[1]
        cells = table.frame[recorded]
        if column.kind is ColumnKind.MULTI_LABEL:
            nothing = [as_text(cell).casefold() in form.no_labels for cell in cells]
            cells = cells.mask(np.asarray(nothing, dtype=bool), "")
        return convert_cells(
            cells,
            replace(column, name=recorded),
            decimal_comma=table.decimal_comma,
            where=table.path.name,
            keep_unknown=True,
        )

    return convert


def _row_by_row(
    convert: Convert,
    column: Column,
    recorded: str,
    table: RecordedTable,
    references: pd.DataFrame,
    *,
    dates: Collection[str],
) -> tuple[pd.Series[Any], dict[Any, str]]:
    """Convert all rows at once; where one cannot be read, each alone, to spare the others."""
    try:
        return convert(table, references), {}
    except BenchmarkError:
        pass
    cells, unread = _nothing(column, table.frame.index), {}
    for row in table.frame.index:
        alone = replace(table, frame=table.frame.loc[[row]])
        try:
            cells.loc[row] = convert(alone, references.loc[[row]]).loc[row]
        except BenchmarkError as error:
            shown = as_text(table.frame.loc[row, recorded])
            unread[row] = (
                # What is wrong with a date takes both ends of the interval to tell.
                str(error)
                if recorded in dates
                else f"{recorded} {shown!r} cannot be read ({_needed(column)} is needed)"
            )
    return cells, unread


def _needed(column: Column) -> str:
    if column.kind is ColumnKind.BOOLEAN:
        return "one of yes, no, true, false, 0, 1"
    if column.kind is ColumnKind.NUMERIC:
        return f"a number in {column.unit}" if column.unit else "a number"
    return "one value"


def _nothing(column: Column, index: pd.Index[Any]) -> pd.Series[Any]:
    numeric = column.kind in (ColumnKind.NUMERIC, ColumnKind.BOOLEAN)
    return pd.Series(np.nan, index=index, dtype=np.float64 if numeric else object)


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
    problems: Problems = {}
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
    slips = {
        name: near[0]
        for name in extra
        if (near := _nearest(name, lacking)) and not near[0].endswith("_spacing_mm")
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
