"""Date columns of a manifest: the time to another date becomes a number."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from cohorts._cohort import Column, ColumnKind, Note
from cohorts._dates import intervals, parse_iso, read_dates, slash_order
from cohorts._errors import BenchmarkError
from cohorts._manifest_options import ColumnOptions, ManifestOptions
from cohorts._read_tables import RecordedTable, unknown_column

__all__ = [
    "DateReading",
    "check_references",
    "decide_reading",
    "interval_column",
    "lost_intervals",
    "with_references",
]


@dataclass(frozen=True)
class DateReading:
    """What the rows of a column of dates have shown, so that a single row is read as they were.

    Attributes
    ----------
    backwards : bool
        Whether the dates are the earlier end of the interval.
    slashed, since_slashed : {"dmy", "mdy"} or None
        How dates between slashes are written, here and in the reference.
    since_is_column : bool
        Whether the other end is a column, and not one date for all rows.
    """

    backwards: bool | None = None
    slashed: str | None = None
    since_slashed: str | None = None
    since_is_column: bool = False


def check_references(options: ManifestOptions, known: Sequence[str], *, where: str) -> None:
    """Check that every `since` is a column or a date, and known before the diagnosis.

    Parameters
    ----------
    options : ManifestOptions
        With the declared date columns.
    known : sequence of str
        All columns of all tables.
    where : str
        The manifest, for the message.

    Raises
    ------
    BenchmarkError
        Naming the column and what `since` may be.
    """
    for name, since in _references(options.columns).items():
        if since in options.post_diagnosis:
            raise BenchmarkError(
                f"Column {name!r} counts from {since!r}, which is listed under post_diagnosis: "
                f"the time to it is known only after the diagnosis. Exclude {name!r}, or give "
                "another date as since."
            )
        if since not in known and parse_iso(since) is None:
            place = f"{where} (columns.{name}.since, which may also be a date like 2024-01-31)"
            raise unknown_column(since, known, where=place)


def with_references(
    table: RecordedTable,
    ids: Sequence[str],
    main: RecordedTable,
    cases: Sequence[str],
    declared: Mapping[str, ColumnOptions],
) -> pd.DataFrame:
    """Return the columns that intervals of a table may count from.

    Parameters
    ----------
    table : RecordedTable
        A joined table, or the manifest itself.
    ids : sequence of str
        Case id of each of its rows.
    main : RecordedTable
        The manifest, whose dates a joined table may refer to.
    cases : sequence of str
        Case id of each row of the manifest.
    declared : mapping of str to ColumnOptions
        Column -> what is declared of it.

    Returns
    -------
    DataFrame of object
        Indexed as `table`.
    """
    lent = [
        since
        for since in dict.fromkeys(_references(declared).values())
        if since in main.columns and since not in table.columns
    ]
    rows = {case: row for row, case in zip(main.frame.index, cases, strict=True)}
    borrowed = main.frame.loc[[rows[case] for case in ids], lent].set_axis(table.frame.index)
    return pd.concat([table.frame, borrowed], axis=1)


def decide_reading(
    name: str,
    table: RecordedTable,
    references: pd.DataFrame,
    declared: Mapping[str, ColumnOptions],
) -> DateReading:
    """Return how the rows of a column of dates are read; parameters as of `interval_column`."""
    wanted, where = declared[name], table.path.name
    since = str(wanted.since)
    slashed = None if wanted.format else slash_order(table.frame[name], name=name, where=where)
    form = declared.get(since, ColumnOptions()).format
    of_since = None
    if since in references.columns and form is None:
        of_since = slash_order(references[since], name=since, where=where)
    dates, others = _ends(name, table, references, declared, DateReading())
    unit = wanted.unit or "years"
    _, backwards = intervals(dates, others, name=name, unit=unit, where=where)
    return DateReading(backwards, slashed, of_since, since in references.columns)


def interval_column(
    name: str,
    table: RecordedTable,
    references: pd.DataFrame,
    declared: Mapping[str, ColumnOptions],
    *,
    reading: DateReading | None = None,
) -> tuple[Column, pd.Series[float]]:
    """Turn a column of dates into the time between each and its reference.

    Parameters
    ----------
    name : str
        The column, declared as a date.
    table : RecordedTable
        Its table.
    references : DataFrame of object
        As `with_references` returns it.
    declared : mapping of str to ColumnOptions
        Column -> what is declared of it; of the reference, its format.
    reading : DateReading, optional
        What other rows have shown; by default these rows decide.

    Returns
    -------
    column : Column
        Numeric, in the declared unit; its description says what is counted.
    length : Series of float
        Indexed as `table`, not negative.

    Raises
    ------
    BenchmarkError
        If a cell is no date, or an interval is negative or absurd.
    """
    wanted, reading = declared[name], reading or DateReading()
    where, since, unit = table.path.name, str(wanted.since), wanted.unit or "years"
    dates, others = _ends(name, table, references, declared, reading)
    length, backwards = intervals(
        dates, others, name=name, unit=unit, backwards=reading.backwards, where=where
    )
    ends = (name, since) if backwards else (since, name)
    counted = f"{unit} from {ends[0]} to {ends[1]}"
    said = f"{wanted.description} ({counted})" if wanted.description else counted
    return Column(name, ColumnKind.NUMERIC, unit, said), length


def lost_intervals(
    dates: pd.Series[Any], length: pd.Series[Any], wanted: ColumnOptions
) -> Note | None:
    """Say where an interval is missing only because its reference is.

    Parameters
    ----------
    dates : Series of object
        As recorded; NaN is missing.
    length : Series of float
        The intervals of the same rows.
    wanted : ColumnOptions
        Of the column of dates.

    Returns
    -------
    Note or None
        A warning with the number of rows; None where no row lost its interval so.
    """
    n_lost = int((dates.notna() & length.isna()).sum())
    if not n_lost:
        return None
    text = (
        f"{dates.name} counts from {wanted.since}, which is missing in {n_lost} row(s) that have a "
        f"date in {dates.name}. Models see that the time is missing: where a missing "
        f"{wanted.since} goes with the class, as the date of a biopsy does, rows that use it are "
        "too good."
    )
    return Note("missing-references", "warning", text)


def _ends(
    name: str,
    table: RecordedTable,
    references: pd.DataFrame,
    declared: Mapping[str, ColumnOptions],
    reading: DateReading,
) -> tuple[pd.Series[Any], pd.Series[Any]]:
    """Read both ends of the interval."""
    wanted, where = declared[name], table.path.name
    since = str(wanted.since)
    dates = read_dates(
        table.frame[name], name=name, form=wanted.format, slashed=reading.slashed, where=where
    )
    if since not in references.columns:
        return dates, _fixed(since, name, dates, where)
    others = read_dates(
        references[since],
        name=since,
        form=declared.get(since, ColumnOptions()).format,
        slashed=reading.since_slashed,
        where=where,
    )
    return dates, others


def _fixed(since: str, name: str, dates: pd.Series[Any], where: str) -> pd.Series[Any]:
    day: dt.date | None = parse_iso(since)
    if day is None:
        raise BenchmarkError(
            f"Column {name!r} of {where} counts from {since!r}, which is in neither this table nor "
            "the manifest. Add the column there, or give a date like 2024-01-31."
        )
    return pd.Series([day] * len(dates), index=dates.index, dtype=object)


def _references(declared: Mapping[str, ColumnOptions]) -> dict[str, str]:
    return {name: one.since for name, one in declared.items() if one.since is not None}
