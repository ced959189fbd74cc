"""Cells become what their column says, and one that does not fit is named."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cohorts import BenchmarkError, Column, ColumnKind
from cohorts._column_kinds import (
    as_text,
    convert_cells,
    count_numbers,
    infer_kind,
    is_temporal,
    mark_missing,
    parse_number,
)

NAN = float("nan")


def cells(*values: object) -> pd.Series:
    """Make recorded cells, numbered as the rows of a spreadsheet."""
    return pd.Series(list(values), index=range(2, len(values) + 2), dtype=object)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["yes", "No", NAN], ColumnKind.BOOLEAN),
        (["TRUE", "false"], ColumnKind.BOOLEAN),
        ([0.0, 1, "1"], ColumnKind.BOOLEAN),
        ([True, False], ColumnKind.BOOLEAN),
        (["0", "1", "2"], ColumnKind.NUMERIC),
        (["1.5", "-2e3", ".5", "3."], ColumnKind.NUMERIC),
        (["1", "yes", "2"], ColumnKind.CATEGORICAL),
        (["4a", 3, 5], ColumnKind.CATEGORICAL),
        (["a&b", "b"], ColumnKind.CATEGORICAL),
        (["1,5", "2,5"], ColumnKind.CATEGORICAL),
        ([NAN, NAN], ColumnKind.CATEGORICAL),
    ],
)
def test_kind_is_inferred_from_all_values(values, kind):
    """Two truth values make a boolean, numbers alone a numeric column, the rest categories."""
    assert infer_kind(cells(*values)) is kind


@given(st.floats(allow_nan=False, allow_infinity=False), st.booleans())
def test_a_number_written_as_text_is_read_back(number, decimal_comma):
    """Neither sign nor exponent nor decimal sign changes a number."""
    text = repr(number).replace(".", ",") if decimal_comma else repr(number)
    assert parse_number(text, decimal_comma=decimal_comma) == number


@pytest.mark.parametrize(
    "text", ["<3", "1_000", "inf", "nan", "1e400", "1,5", "1.234,5", "", "e5", "12 mm"]
)
def test_what_is_no_plain_number_is_none(text):
    """Nothing is guessed: not a bound, a thousands separator, or a unit."""
    assert parse_number(text) is None


def test_tokens_are_compared_stripped_and_whatever_the_case():
    """Declared tokens, empty cells and failed formulas are missing; all else stays."""
    recorded = cells(" n/a ", "NOT Available", "", None, "#DIV/0!", -999, -999.0, "Nation", 0)
    marked = mark_missing(recorded, ["N/A", "not available", "-999"])
    assert marked.isna().tolist() == [True] * 7 + [False, False]
    assert marked.tolist()[7:] == ["Nation", 0]


def test_default_tokens_are_the_usual_ones():
    """NA, NaN and a question mark need no declaration."""
    assert mark_missing(cells("NA", "n/a", "NaN", "?", "not available")).isna().all()
    assert not mark_missing(cells("no", "none", "unknown", "-")).isna().any()


def test_an_empty_cell_is_missing_whatever_is_declared():
    """Forgetting "" among the tokens does not make empty cells a category."""
    assert mark_missing(cells("", None, "x"), ["?"]).isna().tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        (ColumnKind.NUMERIC, ["1", 2, NAN, "\N{MINUS SIGN}3"], [1.0, 2.0, NAN, -3.0]),
        (ColumnKind.BOOLEAN, ["Yes", 0, NAN, True], [1.0, 0.0, NAN, 1.0]),
        (ColumnKind.CATEGORICAL, ["4a", 3.0, NAN, True], ["4a", "3", NAN, "true"]),
        (ColumnKind.MULTI_LABEL, ["a & b", "a", NAN, "&"], ["a&b", "a", NAN, ""]),
    ],
)
def test_cells_are_encoded_as_their_kind_says(kind, values, expected):
    """Floats for numbers and truth, text for the rest, NaN where missing, index kept."""
    converted = convert_cells(cells(*values), Column("x", kind))
    pd.testing.assert_series_equal(
        converted, cells(*expected).astype(converted.dtype), check_names=False
    )
    numbers = kind in (ColumnKind.NUMERIC, ColumnKind.BOOLEAN)
    assert converted.dtype == (np.float64 if numbers else object)


def test_another_separator():
    """The separator is the column's own."""
    column = Column("signs", ColumnKind.MULTI_LABEL, separator="/")
    assert convert_cells(cells("a / b&c"), column).tolist() == ["a/b&c"]


@pytest.mark.parametrize(
    ("kind", "needed"),
    [(ColumnKind.NUMERIC, "a number"), (ColumnKind.BOOLEAN, "one of yes, no")],
)
def test_a_cell_that_does_not_fit_is_named(kind, needed):
    """The message has column, table, value, row and how many others."""
    message = (
        rf"Column 'age' of t\.csv is declared {kind.value}, but row 3 holds '<5', and 1 other "
        rf"row\(s\) likewise; {needed}"
    )
    with pytest.raises(BenchmarkError, match=message):
        convert_cells(cells("1", "<5", "old"), Column("age", kind), where="t.csv")


def test_cells_that_hold_lists_are_refused():
    """Parquet can nest; a feature cannot."""
    with pytest.raises(BenchmarkError, match=r"'signs' holds list cells.*multi_label"):
        convert_cells(cells(["a"], NAN), Column("signs", ColumnKind.CATEGORICAL))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([dt.date(2024, 1, 2), NAN], True),
        (["2024-01-02", "2023-12-31 08:15"], True),
        (["1.2.2024", "28/02/2024"], True),
        (["1.5", "2.5"], False),
        (["2024-01-02", "unknown"], False),
        ([NAN], False),
    ],
)
def test_dates_are_recognised(values, expected):
    """Typed dates and their usual spellings are dates; decimals are not."""
    assert is_temporal(cells(*values)) is expected


def test_numbers_with_slips_are_counted():
    """A loader can tell a column of numbers with slips from a column of categories."""
    assert count_numbers(cells("1", 2, "<0.5", "1,5", "12 %", "4a", NAN)) == (2, 5)


def test_text_is_written_as_a_person_would():
    """Whole numbers have no decimals, and leading zeros stay."""
    assert [as_text(cell) for cell in (7.0, 7, "007", 0.25, " a ")] == [
        "7",
        "7",
        "007",
        "0.25",
        "a",
    ]


ORDERED = Column("density", ColumnKind.ORDINAL, order=("1", "2a", "2b"))


def test_levels_are_kept_as_text_of_the_declared_order():
    """A level stays its name, a number is written as the level it is, missing stays missing."""
    assert convert_cells(cells("2a", 1.0, NAN, 1), ORDERED).fillna("").tolist() == [
        "2a",
        "1",
        "",
        "1",
    ]


def test_a_level_outside_the_declared_order_is_named():
    """The message has column, table, row, value, how many others, and the order."""
    message = (
        r"Column 'density' of t\.csv is declared ordinal, but row 3 holds '2A', and 1 other "
        r"row\(s\) likewise, which is not in its order 1 < 2a < 2b\. Correct the cells, add"
    )
    with pytest.raises(BenchmarkError, match=message):
        convert_cells(cells("1", "2A", "2b", "3"), ORDERED, where="t.csv")


@pytest.mark.parametrize("order", [(), ("A",), ("A", "B", "A")])
def test_an_order_has_two_or_more_different_levels(order):
    """An ordinal column without an order cannot be made."""
    with pytest.raises(ValueError, match="no order of two or more levels"):
        Column("density", ColumnKind.ORDINAL, order=order)


def test_an_order_is_never_inferred():
    """Levels that look ordered to a person are categories until someone says so."""
    assert infer_kind(cells("low", "mid", "high")) is ColumnKind.CATEGORICAL
