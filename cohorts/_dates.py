"""Dates as people write them, and the time between two of them."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from cohorts._errors import BenchmarkError

__all__ = ["UNITS", "intervals", "is_date_format", "parse_iso", "read_dates", "slash_order"]

# Days in one unit; a year is the mean one of the Julian calendar.
UNITS = {"years": 365.25, "days": 1.0}

# No two dates in the life of a patient are further apart.
MOST_YEARS = 130

# A time of day may follow and is dropped: what counts is the day.
TIME = r"(?:[T ]\d{1,2}:\d{2}.*)?"
ISO = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})" + TIME, re.ASCII)
DOTTED = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})" + TIME, re.ASCII)
SLASHED = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})" + TIME, re.ASCII)

# What a format must hold, one of each.
DIRECTIVES = (("%d",), ("%m", "%b", "%B"), ("%Y", "%y"))

Reader = Callable[[str], dt.date | None]


def is_date_format(text: str) -> bool:
    """Tell whether a `strptime` format holds a day, a month and a year.

    Examples
    --------
    >>> is_date_format("%d/%m/%Y"), is_date_format("%m/%Y"), is_date_format("dd.mm.yyyy")
    (True, False, False)
    """
    return all(any(one in text for one in group) for group in DIRECTIVES) and _accepts(text)


def parse_iso(text: str) -> dt.date | None:
    """Return the date in ``2024-01-31``, or None if it is none."""
    return _matched(ISO, text, "ymd")


def read_dates(
    cells: pd.Series[Any],
    *,
    name: str,
    form: str | None = None,
    slashed: str | None = None,
    where: str = "",
) -> pd.Series[Any]:
    """Return the day in each cell.

    Parameters
    ----------
    cells : Series of object
        Dates, or text: ISO, day.month.year, or as `form` says; NaN is missing. The index
        is the row number, for the message.
    name : str
        Of the column, for the message.
    form : str, optional
        A `strptime` format. Without it, text such as ``03/04/2024`` is read only where
        another row of the column shows which number is the day.
    slashed : {"dmy", "mdy"}, optional
        What other rows of the column have shown, where these are not all.
    where : str, default=""
        The table, for the message.

    Returns
    -------
    Series of datetime.date
        NaN where missing.

    Raises
    ------
    BenchmarkError
        If a cell is no date, or could be two.

    Examples
    --------
    >>> cells = pd.Series(["2024-02-01", "1.3.2024"], dtype=object)
    >>> [day.isoformat() for day in read_dates(cells, name="exam")]
    ['2024-02-01', '2024-03-01']
    """
    reader = _reader(cells, name, form, slashed, where)
    days = {row: _day(cell, reader) for row, cell in cells.dropna().items()}
    unread: list[Any] = [row for row, day in days.items() if day is None]
    if unread:
        more = f", and {len(unread) - 1} other row(s) likewise" if len(unread) > 1 else ""
        needed = f"written like {form}" if form else "such as 2024-01-31 or 31.1.2024"
        raise BenchmarkError(
            f"{_place(name, where)} is to hold dates, but row {unread[0]} holds "
            f"{str(cells.loc[unread[0]])!r}{more}; a date {needed} is needed. Correct the cells, "
            f"list the value under missing, or declare format under columns.{name}."
        )
    return pd.Series([days.get(row, np.nan) for row in cells.index], cells.index, dtype=object)


def intervals(
    dates: pd.Series[Any],
    since: pd.Series[Any],
    *,
    name: str,
    unit: str,
    backwards: bool | None = None,
    where: str = "",
) -> tuple[pd.Series[float], bool]:
    """Return the time between two columns of days.

    Parameters
    ----------
    dates, since : Series of datetime.date
        Of the same rows; NaN is missing.
    name : str
        Of the column with `dates`, for the message.
    unit : {"years", "days"}
        Of the result.
    backwards : bool, optional
        Whether `dates` are the earlier end; by default what most rows say.
    where : str, default=""
        The table, for the message.

    Returns
    -------
    length : Series of float
        Not negative; NaN where either end is missing.
    backwards : bool
        Whether `dates` are the earlier end, as those of a birth are before an examination.

    Raises
    ------
    BenchmarkError
        If a few rows run against the direction of the others, or lie more than 130 years
        apart: dates were mistyped or swapped. The message has the row.
    """
    pairs = zip(dates, since, strict=True)
    days = pd.Series(
        [np.nan if pd.isna(a) or pd.isna(b) else float((a - b).days) for a, b in pairs],
        index=dates.index,
        dtype=np.float64,
    )
    if backwards is None:
        backwards = bool((days < 0).sum() > (days > 0).sum())
    days = -days + 0.0 if backwards else days
    _refuse(days, days < 0, dates, since, f"{_place(name, where)} runs against the other rows")
    absurd = days.abs() > MOST_YEARS * UNITS["years"]
    _refuse(
        days, absurd, dates, since, f"{_place(name, where)} is more than {MOST_YEARS} years away"
    )
    return days / UNITS[unit], backwards


def _refuse(
    days: pd.Series[float],
    wrong: pd.Series[bool],
    dates: pd.Series[Any],
    since: pd.Series[Any],
    problem: str,
) -> None:
    rows = days.index[wrong].tolist()
    if rows:
        more = f", and {len(rows) - 1} other row(s) likewise" if len(rows) > 1 else ""
        raise BenchmarkError(
            f"{problem} in row {rows[0]}: {dates.loc[rows[0]]} against {since.loc[rows[0]]}"
            f"{more}. Correct the dates, or empty the cells."
        )


def _day(cell: Any, reader: Reader) -> dt.date | None:
    if isinstance(cell, dt.datetime):
        return cell.date()
    if isinstance(cell, dt.date):
        return cell
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return reader(str(cell).strip())


def _reader(
    cells: pd.Series[Any], name: str, form: str | None, slashed: str | None, where: str
) -> Reader:
    if form is not None:
        return lambda text: _strptime(text, form)
    slashed = slashed or slash_order(cells, name=name, where=where)

    def read(text: str) -> dt.date | None:
        found = parse_iso(text) or _matched(DOTTED, text, "dmy")
        return found or (_matched(SLASHED, text, slashed) if slashed else None)

    return read


def slash_order(cells: pd.Series[Any], *, name: str, where: str = "") -> str | None:
    """Return ``dmy`` or ``mdy`` where the column shows it; None if it has no such dates.

    Parameters
    ----------
    cells : Series of object
        As for `read_dates`.
    name : str
        Of the column, for the message.
    where : str, default=""
        The table, for the message.

    Raises
    ------
    BenchmarkError
        If there are dates between slashes that could be read either way.
    """
    texts = {row: cell.strip() for row, cell in cells.items() if isinstance(cell, str)}
    found = {row: match for row, text in texts.items() if (match := SLASHED.fullmatch(text))}
    if not found:
        return None
    orders = [
        order
        for order in ("dmy", "mdy")
        if all(_matched(SLASHED, match[0], order) for match in found.values())
    ]
    if len(orders) == 1:
        return orders[0]
    row = next(iter(found))
    raise BenchmarkError(
        f"{_place(name, where)} writes dates between slashes, such as {found[row][0]!r} in row "
        f"{row}, and does not show whether day or month comes first. Declare format: "
        f"'%d/%m/%Y' or '%m/%d/%Y' under columns.{name}."
    )


def _matched(pattern: re.Pattern[str], text: str, order: str) -> dt.date | None:
    match = pattern.fullmatch(text)
    if match is None:
        return None
    parts = dict(zip(order, map(int, match.groups()), strict=True))
    try:
        return dt.date(parts["y"], parts["m"], parts["d"])
    except ValueError:
        return None


def _strptime(text: str, form: str) -> dt.date | None:
    try:
        return dt.datetime.strptime(text, form).date()
    except ValueError:
        return None


def _accepts(form: str) -> bool:
    """Tell whether `strptime` reads what `strftime` writes in this format."""
    try:
        text = dt.date(2003, 2, 1).strftime(form)
    except ValueError:
        return False
    return _strptime(text, form) == dt.date(2003, 2, 1)


def _place(name: str, where: str) -> str:
    return f"Column {name!r}" + (f" of {where}" if where else "")
