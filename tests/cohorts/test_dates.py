"""Dates are read as written or not at all, and intervals run one way."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cohorts import BenchmarkError
from cohorts._dates import intervals, is_date_format, parse_iso, read_dates

NAN = float("nan")
DAYS = st.dates(min_value=dt.date(1900, 1, 1), max_value=dt.date(2029, 12, 31))


def cells(*values: object) -> pd.Series:
    """Make recorded cells, numbered as the rows of a spreadsheet."""
    return pd.Series(list(values), index=range(2, len(values) + 2), dtype=object)


@given(DAYS)
def test_a_day_reads_the_same_in_every_spelling(day):
    """ISO with or without a time, with dots, typed, or in a declared format: one day."""
    spellings = (
        day,
        dt.datetime(day.year, day.month, day.day, 23, 59),
        pd.Timestamp(day),
        day.isoformat(),
        f"{day.isoformat()} 08:15:00",
        f"{day.isoformat()}T08:15",
        f"{day.day}.{day.month}.{day.year}",
    )
    assert read_dates(cells(*spellings), name="x").tolist() == [day] * len(spellings)
    for form in ("%d/%m/%Y", "%m/%d/%Y", "%Y%m%d"):
        assert read_dates(cells(day.strftime(form)), name="x", form=form).tolist() == [day]


def test_a_number_is_read_in_a_declared_format():
    """Spreadsheets turn 20240131 into a number; the format says that it is a day."""
    read = read_dates(cells(20240131, 20240131.0, NAN), name="x", form="%Y%m%d")
    assert read.tolist()[:2] == [dt.date(2024, 1, 31)] * 2
    assert read.isna().tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("texts", "day"),
    [(("13/02/2020", "03/04/2020"), 3), (("02/13/2020", "03/04/2020"), 4)],
)
def test_slashes_are_read_where_the_column_shows_the_order(texts, day):
    """One cell with a number beyond twelve settles which number is the day."""
    assert read_dates(cells(*texts), name="x").tolist()[1].day == day


@pytest.mark.parametrize(
    "texts", [("03/04/2020", "05/06/2021"), ("13/02/2020", "02/13/2020"), ("03/04/2020", "x")]
)
def test_ambiguous_slashes_are_refused(texts):
    """Where nothing, or a contradiction, shows the order, the user must say it."""
    message = r"'x' of t\.csv writes dates between slashes, such as .* Declare format: '%d/%m/%Y'"
    with pytest.raises(BenchmarkError, match=message):
        read_dates(cells(*texts), name="x", where="t.csv")


@pytest.mark.parametrize("value", ["yesterday", "2024-02-30", "31.2.2024", 45321, "01.02.24", True])
def test_a_cell_that_is_no_date_is_named(value):
    """Impossible days, serial numbers and short years are not guessed at."""
    with pytest.raises(BenchmarkError, match=r"row 3 holds '.*'; a date such as 2024-01-31"):
        read_dates(cells("2024-01-01", value), name="x")


def test_a_cell_against_the_declared_format_is_named():
    """The message shows the format that was declared."""
    with pytest.raises(BenchmarkError, match=r"row 2 holds '2024-01-31'; .* written like %d/%m/%Y"):
        read_dates(cells("2024-01-31"), name="x", form="%d/%m/%Y")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%d/%m/%Y", True),
        ("%d %B %y", True),
        ("%m/%Y", False),
        ("d.m.Y", False),
        ("%d%m%Y%q", False),
    ],
)
def test_formats_hold_day_month_and_year(text, expected):
    """A format without one of the three gives no day."""
    assert is_date_format(text) is expected


def test_iso_alone_is_read_as_a_fixed_date():
    """What `since` holds is a date only in the one spelling that cannot be misread."""
    assert parse_iso("2024-01-31") == dt.date(2024, 1, 31)
    assert parse_iso("31.1.2024") is None
    assert parse_iso("2024-13-01") is None


@given(st.lists(st.tuples(DAYS, st.integers(0, 20000)), min_size=1), st.booleans())
def test_intervals_are_lengths_whichever_end_is_named(pairs, swapped):
    """Days are counted exactly, and naming the ends the other way round changes no length."""
    first = cells(*(day for day, _ in pairs))
    last = cells(*(day + dt.timedelta(days=n) for day, n in pairs))
    ends = (first, last) if swapped else (last, first)
    length, backwards = intervals(*ends, name="x", unit="days")
    assert length.tolist() == [n for _, n in pairs]
    assert backwards is (swapped and any(n for _, n in pairs))


def test_a_year_has_its_mean_length():
    """Four calendar years are four years; a missing end leaves the interval missing."""
    dates, since = cells(dt.date(2020, 3, 1), NAN), cells(dt.date(2024, 3, 1), dt.date(2024, 1, 1))
    length, backwards = intervals(dates, since, name="x", unit="years")
    assert length.iloc[0] == 4.0
    assert length.isna().tolist() == [False, True]
    assert backwards


def test_a_row_against_the_others_is_named():
    """A last birth after the examination is a slip, and no negative time."""
    births = cells(dt.date(2001, 1, 1), dt.date(2002, 1, 1), dt.date(2031, 1, 1))
    exams = cells(*[dt.date(2024, 1, 1)] * 3)
    message = (
        r"'birth' of t\.csv runs against the other rows in row 4: 2031-01-01 against 2024-01-01\."
    )
    with pytest.raises(BenchmarkError, match=message):
        intervals(births, exams, name="birth", unit="years", where="t.csv")


def test_an_absurd_interval_is_named():
    """More than 130 years is a typing error, such as 1064 for 1964."""
    births = cells(dt.date(1964, 1, 1), dt.date(1064, 1, 1))
    exams = cells(*[dt.date(2024, 1, 1)] * 2)
    with pytest.raises(BenchmarkError, match="more than 130 years away in row 3: 1064-01-01"):
        intervals(births, exams, name="birth", unit="years")
