"""What a column's cells are: missing, numbers, yes or no, categories, sets of labels."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterable
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from cohorts._cohort import Column, ColumnKind
from cohorts._errors import BenchmarkError

__all__ = [
    "DEFAULT_MISSING",
    "TRUTH_NEEDED",
    "as_text",
    "clean_labels",
    "convert_cells",
    "count_numbers",
    "infer_kind",
    "is_temporal",
    "mark_missing",
    "parse_number",
]

# Compared after stripping and whatever the case. An empty cell is missing in any case.
DEFAULT_MISSING = ("", "NA", "N/A", "NaN", "nan", "?", "not available")

# What a spreadsheet leaves where a formula failed.
SPREADSHEET_ERRORS = ("#N/A", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#NULL!")

TRUE_WORDS = frozenset({"yes", "true", "1"})
FALSE_WORDS = frozenset({"no", "false", "0"})

# The same words, in messages about a cell that is none of them.
TRUTH_NEEDED = "one of yes, no, true, false, 0, 1"

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)

# Meant as a number, whether or not it can be read as one: "<0.5", "1.234,5", "12 %".
NEARLY_NUMBER = re.compile(r"[<>≤≥~]?\s*[+-]?\d+([.,]\d+)*\s*%?", re.ASCII)

DATE = re.compile(r"(\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[./]\d{1,2}[./]\d{4})([T ]\d{1,2}:\d{2}.*)?")


def as_text(cell: Any) -> str:
    """Write a cell as a person would: whole numbers without decimals.

    Examples
    --------
    >>> as_text(7.0), as_text("007"), as_text(True), as_text(0.5)
    ('7', '007', 'true', '0.5')
    """
    if isinstance(cell, bool | np.bool_):
        return "true" if cell else "false"
    if isinstance(cell, float | np.floating | Decimal) and math.isfinite(cell):
        return str(int(cell)) if cell == int(cell) else str(cell)
    return str(cell).strip()


def clean_labels(
    cell: str, separator: str, *, also: Iterable[str] = (), nothing: Iterable[str] = ()
) -> str:
    """Write a multi-label cell with one separator and without words that are no labels.

    Parameters
    ----------
    cell : str
        As recorded.
    separator : str
        Between labels.
    also : iterable of str
        What else stands between them.
    nothing : iterable of str
        Words that say that no label holds, compared whatever the case.

    Returns
    -------
    str
        Labels in their order; empty where none holds.

    Examples
    --------
    >>> clean_labels("no - angular&indistinct", "&", also=[" - "], nothing=["no"])
    'angular&indistinct'
    """
    for other in also:
        cell = cell.replace(other, separator)
    words = {word.casefold() for word in nothing}
    labels = (label.strip() for label in cell.split(separator))
    return separator.join(label for label in labels if label and label.casefold() not in words)


def mark_missing(cells: pd.Series[Any], tokens: Iterable[str] = DEFAULT_MISSING) -> pd.Series[Any]:
    """Return the cells with NaN where one is empty, a missing token or a failed formula.

    Parameters
    ----------
    cells : Series of object
        As recorded.
    tokens : iterable of str
        Texts that mean missing, compared stripped and whatever the case. A number may be
        given as its text, such as ``"-999"``.

    Returns
    -------
    Series of object
        With the same index.
    """
    folded = {token.strip().casefold() for token in (*tokens, *SPREADSHEET_ERRORS)}
    missing = [
        bool(pd.isna(cell)) or not (text := as_text(cell)) or text.casefold() in folded
        for cell in cells
    ]
    return cells.astype(object).mask(np.asarray(missing, dtype=bool), np.nan)


def parse_number(cell: Any, *, decimal_comma: bool = False) -> float | None:
    """Return the finite number in a cell, or None if there is none.

    Parameters
    ----------
    cell : object
        A number, or text such as ``"-1.5e3"``. Thousands separators are not understood,
        because ``1,234`` may be either.
    decimal_comma : bool, default=False
        Whether text is written like ``1,5``.

    Examples
    --------
    >>> parse_number("1,5", decimal_comma=True), parse_number("1,5"), parse_number("<3")
    (1.5, None, None)
    """
    if not isinstance(cell, Real | Decimal):
        cell = str(cell).strip().replace("\N{MINUS SIGN}", "-")
        cell = cell.replace(",", ".") if decimal_comma else cell
        if not NUMBER.fullmatch(cell):
            return None
    number = float(cell)
    # Adding zero drops the sign of −0.0, which some formats keep and others do not.
    return number + 0.0 if math.isfinite(number) else None


def is_temporal(cells: pd.Series[Any]) -> bool:
    """Tell whether every recorded cell is a date or a time; neither is a kind of feature."""
    present = cells.dropna()
    return len(present) > 0 and all(
        isinstance(cell, dt.date | dt.time | dt.timedelta)
        or (isinstance(cell, str) and DATE.fullmatch(cell) is not None)
        for cell in present
    )


def count_numbers(cells: pd.Series[Any], *, decimal_comma: bool = False) -> tuple[int, int]:
    """Count the recorded cells that are numbers, and those that look meant as numbers.

    A column of ages with one ``"57 y"`` in it is a column of categories to inference; the
    counts let a loader say so.

    Returns
    -------
    tuple of (int, int)
        Cells that can be read as a number; cells that can, or look like one
        (``"<0.5"``, ``"1.234,5"``).
    """
    present = cells.dropna()
    read = [parse_number(cell, decimal_comma=decimal_comma) is not None for cell in present]
    near = [
        parsed or NEARLY_NUMBER.fullmatch(as_text(cell)) is not None
        for cell, parsed in zip(present, read, strict=True)
    ]
    return sum(read), sum(near)


def infer_kind(cells: pd.Series[Any], *, decimal_comma: bool = False) -> ColumnKind:
    """Tell the kind of a column from its recorded cells.

    Boolean where every value is yes, no, true, false, 0 or 1 (whatever the case); numeric
    where every value can be read as a number; else categorical. Multi-label is never
    inferred, because any sign may stand inside a category, nor is ordinal, because an
    order cannot be seen in its levels.

    Parameters
    ----------
    cells : Series of object
        With NaN where missing.
    decimal_comma : bool, default=False
        Whether text is written like ``1,5``.

    Examples
    --------
    >>> infer_kind(pd.Series(["yes", "No", float("nan")], dtype=object)).value
    'boolean'
    """
    present = cells.dropna()
    words = {as_text(cell).casefold() for cell in present}
    if words and words <= TRUE_WORDS | FALSE_WORDS:
        return ColumnKind.BOOLEAN
    if words and count_numbers(present, decimal_comma=decimal_comma)[0] == len(present):
        return ColumnKind.NUMERIC
    return ColumnKind.CATEGORICAL


def convert_cells(
    cells: pd.Series[Any],
    column: Column,
    *,
    decimal_comma: bool = False,
    where: str = "",
    keep_unknown: bool = False,
) -> pd.Series[Any]:
    """Encode a column as `ColumnKind` says.

    Parameters
    ----------
    cells : Series of object
        With NaN where missing; the index is the row number, for the message.
    column : Column
        Name, kind, separator and order.
    decimal_comma : bool, default=False
        Whether numbers in text are written like ``1,5``.
    where : str, default=""
        The table, for the message.
    keep_unknown : bool, default=False
        Leave a level that is not in the order of an ordinal column as it is.

    Returns
    -------
    Series
        Of float for numeric and boolean columns, of str for the others; NaN is missing.

    Raises
    ------
    BenchmarkError
        If a cell does not fit the kind; the message has column, value and row.
    """
    _refuse_nested(cells, column, where)
    if column.kind in (ColumnKind.NUMERIC, ColumnKind.BOOLEAN):
        return _as_numbers(cells, column, decimal_comma, where)
    if column.kind is ColumnKind.ORDINAL:
        return _as_levels(cells, column, where, keep_unknown=keep_unknown)
    texts = [cell if pd.isna(cell) else _written(cell, column) for cell in cells]
    return pd.Series(texts, index=cells.index, dtype=object)


def _as_numbers(
    cells: pd.Series[Any], column: Column, decimal_comma: bool, where: str
) -> pd.Series[Any]:
    def read(cell: Any) -> float | None:
        if column.kind is ColumnKind.BOOLEAN:
            return _truth(cell)
        return parse_number(cell, decimal_comma=decimal_comma)

    values = {row: read(cell) for row, cell in cells.dropna().items()}
    unread = [row for row, value in values.items() if value is None]
    if unread:
        raise _unreadable(cells, column, unread, where)
    return cells.index.to_series().map(values).astype(np.float64)


def _as_levels(
    cells: pd.Series[Any], column: Column, where: str, *, keep_unknown: bool
) -> pd.Series[Any]:
    texts = cells.map(as_text, na_action="ignore").astype(object)
    if all(level.isdigit() for level in column.order):
        # A column of whole numbers with an empty cell is often written as 1.0, 2.0 and so on.
        numbers = texts.map(parse_number, na_action="ignore")
        texts = numbers.map(as_text, na_action="ignore").where(numbers.notna(), texts)
    outside = texts[texts.notna() & ~texts.isin(column.order)]
    if len(outside) and not keep_unknown:
        more = f", and {len(outside) - 1} other row(s) likewise" if len(outside) > 1 else ""
        raise BenchmarkError(
            f"{_place(column, where)} is declared ordinal, but row {outside.index[0]} holds "
            f"{outside.iloc[0]!r}{more}, which is not in its order {' < '.join(column.order)}. "
            "Correct the cells, add the level to order, or list the value under missing."
        )
    return texts


def _truth(cell: Any) -> float | None:
    word = as_text(cell).casefold()
    # A column of 0 and 1 with an empty cell is often written as 0.0 and 1.0.
    word = {"1.0": "1", "0.0": "0"}.get(word, word)
    return 1.0 if word in TRUE_WORDS else 0.0 if word in FALSE_WORDS else None


def _written(cell: Any, column: Column) -> str:
    text = as_text(cell)
    if column.kind is ColumnKind.CATEGORICAL:
        return text
    labels = (label.strip() for label in text.split(column.separator))
    return column.separator.join(label for label in labels if label)


def _unreadable(
    cells: pd.Series[Any], column: Column, rows: list[Any], where: str
) -> BenchmarkError:
    numeric = column.kind is ColumnKind.NUMERIC
    needed = "a number" if numeric else TRUTH_NEEDED
    more = f", and {len(rows) - 1} other row(s) likewise" if len(rows) > 1 else ""
    return BenchmarkError(
        f"{_place(column, where)} is declared {column.kind.value}, but row {rows[0]} holds "
        f"{as_text(cells.loc[rows[0]])!r}{more}; {needed} is needed. Correct the cells, list the "
        "value under missing, or declare another kind."
    )


def _refuse_nested(cells: pd.Series[Any], column: Column, where: str) -> None:
    nested = [cell for cell in cells.dropna() if isinstance(cell, list | dict | bytes)]
    if nested:
        raise BenchmarkError(
            f"{_place(column, where)} holds {type(nested[0]).__name__} cells; one value per cell "
            f"is needed. Join several labels with {column.separator!r} and declare the column "
            "multi_label, or exclude it."
        )


def _place(column: Column, where: str) -> str:
    return f"Column {column.name!r}" + (f" of {where}" if where else "")
