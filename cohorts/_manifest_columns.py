"""Which columns become features, what kind each is, and what must be said about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from cohorts._cohort import Column, ColumnKind, Note, TabularModality
from cohorts._column_kinds import (
    convert_cells,
    count_numbers,
    infer_kind,
    is_temporal,
    parse_number,
)
from cohorts._errors import BenchmarkError
from cohorts._manifest_dates import interval_column, lost_intervals
from cohorts._manifest_options import ColumnOptions
from cohorts._read_tables import RecordedTable, name_some

__all__ = ["build_modality", "check_disjoint", "choose_columns"]

# Names in a note; a page has more room than an error.
MAX_LISTED = 12

# Fewer texts may all differ by chance; so may fewer whole numbers be consecutive.
FEWEST_IDS = 5
FEWEST_COUNTED = 10

# Where this share of the cells is, or looks like, a number, the rest are probably slips.
MOSTLY = 0.8


def choose_columns(
    name: str,
    table: RecordedTable,
    *,
    taken: Iterable[str],
    declared: Mapping[str, ColumnOptions],
) -> tuple[list[str], tuple[Note, ...]]:
    """Choose the feature columns of a table for which none are named.

    Parameters
    ----------
    name : str
        The modality.
    table : RecordedTable
        With NaN where a cell is missing.
    taken : iterable of str
        Columns with a role, excluded, or known only after the diagnosis.
    declared : mapping of str to ColumnOptions
        Columns whose kind is declared are never mistaken for identifiers.

    Returns
    -------
    columns : list of str
        All others, but for identifiers and dates.
    notes : tuple of Note
        What was taken, and what was left out and why.
    """
    occupied = set(taken)
    free = [column for column in table.columns if column not in occupied]
    judged = [column for column in free if column not in declared or not declared[column].kind]
    dates = [column for column in judged if _holds_dates(column, table, declared)]
    ids = [one for one in judged if one not in dates and _looks_like_ids(table, one)]
    kept = [column for column in free if column not in {*ids, *dates}]
    notes = [
        _listing("columns-taken", f"Taken as {name}, being without another role:", kept),
        _listing("identifier-columns", f"Left out of {name}, looking like identifiers:", ids),
        _listing("date-columns", f"Left out of {name}, holding dates:", dates),
    ]
    return kept, tuple(note for note in notes if note is not None)


def build_modality(
    name: str,
    table: RecordedTable,
    columns: Sequence[str],
    *,
    declared: Mapping[str, ColumnOptions],
    references: pd.DataFrame | None = None,
) -> tuple[TabularModality | None, tuple[Note, ...]]:
    """Convert columns to the cells that `ColumnKind` describes.

    Parameters
    ----------
    name : str
        The modality.
    table : RecordedTable
        With NaN where a cell is missing.
    columns : sequence of str
        Those to convert, in order; empty ones are left out.
    declared : mapping of str to ColumnOptions
        What inference need not find out.
    references : DataFrame of object, optional
        Columns that dates may count from, with the index of `table`; by default its own.

    Returns
    -------
    modality : TabularModality or None
        Indexed by row number; None if no column has a value.
    notes : tuple of Note
        Columns that are empty, columns that are numbers but for a few cells, and dates whose
        reference is missing.

    Raises
    ------
    BenchmarkError
        If a cell does not fit its declared kind, or a column holds dates and is not declared
        as one.
    """
    references = table.frame if references is None else references
    filled = [column for column in columns if table.frame[column].notna().any()]
    empty = [column for column in columns if column not in filled]
    notes = [_listing("empty-columns", f"Left out of {name}, without any value:", empty, "warning")]
    built = {column: _build(column, table, declared, references) for column in filled}
    described = tuple(column for column, _ in built.values())
    notes += [_slips(column, table) for column in described if _was_inferred(column, declared)]
    notes += [
        lost_intervals(table.frame[column], cells, declared[column])
        for column, (_, cells) in built.items()
        if column in declared and declared[column].kind == "date"
    ]
    said = tuple(note for note in notes if note is not None)
    if not filled:
        return None, said
    converted = {name: cells for name, (_, cells) in built.items()}
    frame = pd.DataFrame(converted, index=table.frame.index)
    return TabularModality(name, described, frame), said


def check_disjoint(modalities: Mapping[str, Sequence[str]]) -> None:
    """Raise `BenchmarkError` if a column is in more than one modality.

    Parameters
    ----------
    modalities : mapping of str to sequence of str
        Modality -> its columns.
    """
    owner: dict[str, str] = {}
    for name, columns in modalities.items():
        for column in columns:
            if column in owner:
                raise BenchmarkError(
                    f"Column {column!r} would be in {owner[column]} and again in {name}. A column "
                    "belongs to one modality: list the columns of each under modalities and tables."
                )
            owner[column] = name


def _build(
    name: str,
    table: RecordedTable,
    declared: Mapping[str, ColumnOptions],
    references: pd.DataFrame,
) -> tuple[Column, pd.Series[Any]]:
    """Describe one column and convert its cells."""
    wanted = declared.get(name, ColumnOptions())
    if wanted.kind == "date":
        return interval_column(name, table, references, declared)
    column = _describe(name, table, wanted)
    cells = convert_cells(
        table.frame[name], column, decimal_comma=table.decimal_comma, where=table.path.name
    )
    return column, cells


def _describe(name: str, table: RecordedTable, declared: ColumnOptions) -> Column:
    cells = table.frame[name]
    if declared.kind is None and (declared.format or is_temporal(cells)):
        raise BenchmarkError(
            f"Column {name!r} of {table.path.name} holds dates or times, which are no features. "
            "List it under exclude, record a length of time (such as an age) as a number, or "
            f"count from another date: columns: {{{name}: {{kind: date, since: COLUMN}}}}."
        )
    if declared.kind is None:
        kind = infer_kind(cells, decimal_comma=table.decimal_comma)
    else:
        kind = ColumnKind(declared.kind)
    return Column(
        name, kind, declared.unit, declared.description, declared.separator, declared.order
    )


def _holds_dates(column: str, table: RecordedTable, declared: Mapping[str, ColumnOptions]) -> bool:
    # A format may be declared for numbers that mean dates, such as 20240131.
    return bool(declared.get(column, ColumnOptions()).format) or is_temporal(table.frame[column])


def _was_inferred(column: Column, declared: Mapping[str, ColumnOptions]) -> bool:
    return column.name not in declared or declared[column.name].kind is None


def _slips(column: Column, table: RecordedTable) -> Note | None:
    """Warn of a column of numbers that a few cells have turned into categories."""
    if column.kind is not ColumnKind.CATEGORICAL:
        return None
    cells = table.frame[column.name].dropna()
    n_read, n_near = count_numbers(cells, decimal_comma=table.decimal_comma)
    if n_near < MOSTLY * len(cells):
        return None
    text = (
        f"Column {column.name!r} of {table.path.name} is read as categories, because "
        f"{len(cells) - n_read} of its {len(cells)} values are no plain number. Declare it numeric "
        "to see which, or categorical if that is meant."
    )
    return Note("mostly-numeric-columns", "warning", text)


def _looks_like_ids(table: RecordedTable, column: str) -> bool:
    """Tell whether cells name the case: texts that all differ, or a running number."""
    cells = table.frame[column].dropna()
    if cells.map(str).nunique() < len(cells):
        return False
    kind = infer_kind(cells, decimal_comma=table.decimal_comma)
    if kind is ColumnKind.NUMERIC:
        return len(cells) >= FEWEST_COUNTED and _is_running_number(cells)
    return len(cells) >= FEWEST_IDS and kind is ColumnKind.CATEGORICAL


def _is_running_number(cells: pd.Series[Any]) -> bool:
    numbers = [parse_number(cell) for cell in cells]
    whole = sorted(int(number) for number in numbers if number is not None and number % 1 == 0)
    return len(whole) == len(cells) and whole[-1] - whole[0] == len(whole) - 1


def _listing(code: str, what: str, names: Sequence[str], severity: Any = "info") -> Note | None:
    if not names:
        return None
    return Note(code, severity, f"{what} {name_some(names, most=MAX_LISTED)}.")
