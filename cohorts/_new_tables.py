"""The recorded columns of new cases: from their table, and from tables that lie beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cohorts._case_format import CaseFormat, TableFormat
from cohorts._cohort import Column, ColumnKind, Note, TabularModality
from cohorts._column_kinds import TRUTH_NEEDED, as_text, clean_labels, convert_cells
from cohorts._errors import BenchmarkError
from cohorts._manifest_dates import interval_column, with_references
from cohorts._manifest_joins import case_ids, match_cases, read_recorded
from cohorts._read_tables import RecordedTable

__all__ = ["NewTable", "read_new_table"]

Convert = Callable[[RecordedTable, pd.DataFrame], "pd.Series[Any]"]
Problems = dict[str, str]


@dataclass(frozen=True)
class NewTable:
    """One tabular modality of new cases.

    Attributes
    ----------
    modality : TabularModality
        With every column that models know.
    absent : tuple of (str, str)
        Modality and column of what no table has.
    problems : mapping of str to str
        Case -> what of its cells cannot be read.
    notes : tuple of Note
        What was joined.
    """

    modality: TabularModality
    absent: tuple[tuple[str, str], ...]
    problems: Mapping[str, str]
    notes: tuple[Note, ...]


def read_new_table(
    wanted: TableFormat, main: RecordedTable, cases: Sequence[str], form: CaseFormat
) -> NewTable:
    """Convert the columns of one modality, each by what is stored of it.

    What the table of the cases records is read there. A joined table, looked for where it lay
    beside the development table, gives what is empty there; a case of which both record
    different values has a problem, as nobody knows which is right.

    Parameters
    ----------
    wanted : TableFormat
        The columns.
    main : RecordedTable
        The table of the cases.
    cases : sequence of str
        Case id of each of its rows.
    form : CaseFormat
        What the columns mean.

    Raises
    ------
    BenchmarkError
        If a joined table cannot be read.
    """
    joined, notes = _joined(wanted, main, cases, form)
    sources = [_Source(main, tuple(cases), main, tuple(cases), form), *joined]
    index = pd.Index(list(cases), dtype=object, name="case")
    converted: dict[str, pd.Series[Any]] = {}
    absent: list[tuple[str, str]] = []
    found: list[tuple[str, str]] = []
    for column, recorded in zip(wanted.columns, wanted.recorded, strict=True):
        having = [source for source in sources if source.has(recorded)]
        if not having:
            absent.append((wanted.name, column.name))
        cells = [_nothing(column, index)] if not having else []
        for source in having:
            read, problems = source.read(column, recorded)
            cells.append(read.reindex(index))
            found += problems.items()
        if len(having) > 1:
            found += _conflicts(column, recorded, cells, having).items()
        converted[column.name] = _first_of(cells)
    modality = TabularModality(wanted.name, wanted.columns, pd.DataFrame(converted, index=index))
    return NewTable(modality, tuple(absent), _by_case(found), notes)


@dataclass(frozen=True)
class _Source:
    """A table with the case of each row, and the table of the cases, whose dates it may use."""

    table: RecordedTable
    ids: tuple[str, ...]
    main: RecordedTable
    cases: tuple[str, ...]
    form: CaseFormat

    @cached_property
    def references(self) -> pd.DataFrame:
        columns = self.form.options.columns
        return with_references(self.table, self.ids, self.main, self.cases, columns)

    def has(self, recorded: str) -> bool:
        ends = set(self.form.ends_of(recorded))
        return recorded in self.table.columns and ends <= {*self.references.columns}

    def read(self, column: Column, recorded: str) -> tuple[pd.Series[Any], Problems]:
        """Return cells by case, and what is wrong with those that cannot be read."""
        convert = _converter(column, recorded, self.form)
        unread: dict[int, str] = {}
        try:
            cells = convert(self.table, self.references)
        except BenchmarkError:
            cells, unread = self._row_by_row(convert, column, recorded)
        problems = {self.ids[place]: problem for place, problem in unread.items()}
        return cells.set_axis(pd.Index(list(self.ids), dtype=object)), problems

    def shown(self, recorded: str, case: str) -> str:
        """Return a cell as it is written, with its table."""
        cell = self.table.frame[recorded].iloc[self.ids.index(case)]
        return f"{as_text(cell)!r} in {self.table.path.name}"

    def _row_by_row(
        self, convert: Convert, column: Column, recorded: str
    ) -> tuple[pd.Series[Any], dict[int, str]]:
        """Convert each row alone, so that one that cannot be read spares the others."""
        cells, unread = _nothing(column, self.table.frame.index), {}
        for place, row in enumerate(self.table.frame.index):
            alone = replace(self.table, frame=self.table.frame.loc[[row]])
            try:
                cells.loc[row] = convert(alone, self.references.loc[[row]]).loc[row]
            except BenchmarkError as error:
                shown = as_text(self.table.frame.loc[row, recorded])
                unread[place] = (
                    # What is wrong with a date takes both ends of the interval to tell.
                    str(error)
                    if recorded in self.form.dates
                    else f"{recorded} {shown!r} cannot be read ({_needed(column)} is needed)"
                )
        return cells, unread


def _joined(
    wanted: TableFormat, main: RecordedTable, cases: Sequence[str], form: CaseFormat
) -> tuple[list[_Source], tuple[Note, ...]]:
    """Return the joined table of a modality, if there is one and a case is in it."""
    joined = form.options.tables.get(wanted.name)
    path = None if joined is None else main.path.parent / Path(joined.path).expanduser()
    if joined is None or path is None or not path.is_file():
        return [], ()
    table = read_recorded(path, joined.sheet, form.options.missing)
    case = joined.case or form.options.case
    table.check_columns([case], role=f"case, of tables.{wanted.name}")
    if not set(case_ids(table, case)) & set(cases):
        return [], ()
    # A table of new cases may hold the columns itself.
    own = any(recorded in main.columns for recorded in wanted.recorded)
    lacking = f"those of {main.path.name}" if own else "missing"
    matched, note = match_cases(wanted.name, table, case, cases, lacking=lacking)
    source = _Source(matched, case_ids(matched, case), main, tuple(cases), form)
    return [source], (*matched.notes, note)


def _converter(column: Column, recorded: str, form: CaseFormat) -> Convert:
    def convert(table: RecordedTable, references: pd.DataFrame) -> pd.Series[Any]:
        if recorded in form.dates:
            return interval_column(
                recorded, table, references, form.options.columns, reading=form.dates[recorded]
            )[1]
        cells = table.frame[recorded]
        if column.kind is ColumnKind.MULTI_LABEL:
            cells = cells.map(lambda cell: _cleaned(cell, column, form)).astype(object)
        return convert_cells(
            cells,
            replace(column, name=recorded),
            decimal_comma=table.decimal_comma,
            where=table.path.name,
            keep_unknown=True,
        )

    return convert


def _cleaned(cell: Any, column: Column, form: CaseFormat) -> Any:
    if not isinstance(cell, str):
        return cell
    return clean_labels(cell, column.separator, also=form.between_labels, nothing=form.no_labels)


def _conflicts(
    column: Column, recorded: str, cells: Sequence[pd.Series[Any]], sources: Sequence[_Source]
) -> Problems:
    """Return the cases of which two tables record different values."""
    first, second = cells
    both = first.notna() & second.notna()
    return {
        case: f"{recorded} is {' but '.join(one.shown(recorded, case) for one in sources)}"
        for case in first.index[both]
        if _meant(first[case], column) != _meant(second[case], column)
    }


def _meant(cell: Any, column: Column) -> Any:
    is_set = column.kind is ColumnKind.MULTI_LABEL
    return frozenset(cell.split(column.separator)) if is_set else cell


def _first_of(cells: Sequence[pd.Series[Any]]) -> pd.Series[Any]:
    first, *others = cells
    for other in others:
        first = first.where(first.notna(), other)
    return first


def _by_case(found: Sequence[tuple[str, str]]) -> Problems:
    problems: Problems = {}
    for case, problem in found:
        problems[case] = f"{problems[case]}; {problem}" if case in problems else problem
    return problems


def _needed(column: Column) -> str:
    if column.kind is ColumnKind.BOOLEAN:
        return TRUTH_NEEDED
    if column.kind is ColumnKind.NUMERIC:
        return f"a number in {column.unit}" if column.unit else "a number"
    return "one value"


def _nothing(column: Column, index: pd.Index[Any]) -> pd.Series[Any]:
    numeric = column.kind in (ColumnKind.NUMERIC, ColumnKind.BOOLEAN)
    return pd.Series(np.nan, index=index, dtype=np.float64 if numeric else object)
