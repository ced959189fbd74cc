"""Tables as they come in: CSV, Parquet and XLSX to cells, before anything is read into them."""

from __future__ import annotations

import math
import warnings
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from openpyxl.utils.exceptions import (
    InvalidFileException,
)

from cohorts._cohort import Note
from cohorts._errors import BenchmarkError, unknown_name
from cohorts._read_csv import parse_csv

__all__ = ["TABLE_SUFFIXES", "RecordedTable", "name_some", "read_table", "unknown_column"]

TABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".parquet", ".xlsx")

# A message names this many examples or known columns; the rest are counted.
MAX_NAMED = 5
MAX_KNOWN = 12

# What pandas calls a row index that has no name, when it writes Parquet.
UNNAMED_INDEX = "__index_level_0__"


@dataclass(frozen=True)
class RecordedTable:
    """The cells of one table, as recorded.

    Attributes
    ----------
    path : Path
        The file.
    frame : DataFrame of object
        One row per record; the index is the row number a spreadsheet shows (the header is
        row 1). A cell is a stripped str, a number, a bool, a date, or None where it is empty.
    decimal_comma : bool
        Whether numbers in text cells are written like ``1,5``.
    notes : tuple of Note
        What had to be guessed.
    """

    path: Path
    frame: pd.DataFrame
    decimal_comma: bool = False
    notes: tuple[Note, ...] = ()

    @property
    def columns(self) -> list[str]:
        """Column names in recorded order."""
        return [str(name) for name in self.frame.columns]

    def check_columns(self, names: Iterable[str], *, role: str) -> None:
        """Raise `BenchmarkError` for the first of `names` that is no column.

        Parameters
        ----------
        names : iterable of str
            Columns that were asked for.
        role : str
            Where they were asked for, such as ``"label"``, for the message.
        """
        for name in names:
            if name not in self.frame.columns:
                raise unknown_column(name, self.columns, where=f"{self.path.name} ({role})")


def read_table(path: Path, *, sheet: str | None = None) -> RecordedTable:
    r"""Read a table without interpreting its cells.

    Parameters
    ----------
    path : Path
        A CSV (delimiter, encoding and byte-order mark are detected), Parquet or XLSX file.
    sheet : str, optional
        Worksheet of an XLSX file; the first one by default.

    Returns
    -------
    RecordedTable
        With unique, stripped column names; rows without any value are left out.

    Raises
    ------
    BenchmarkError
        If the file is missing, empty, of another kind or broken, has no rows, or has a header
        with duplicate or missing names.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "patients.csv"
    >>> _ = path.write_text("exam;ca_15_3\n007;1,5\n", encoding="utf-8")
    >>> table = read_table(path)
    >>> table.frame.loc[2].tolist(), table.decimal_comma
    (['007', '1,5'], True)
    """
    _check_file(path)
    suffix = path.suffix.lower()
    if sheet is not None and suffix != ".xlsx":
        raise BenchmarkError(
            f"{path.name} has no sheets, but sheet is {sheet!r}; remove it, or give an XLSX."
        )
    if suffix == ".parquet":
        return RecordedTable(path, _read_parquet(path))
    if suffix == ".xlsx":
        rows, notes = _read_sheet(path, sheet)
        return RecordedTable(path, frame_of(rows, path.name), notes=notes)
    parsed = parse_csv(_read_bytes(path), name=path.name)
    frame = frame_of(parsed.rows, path.name)
    return RecordedTable(path, frame, decimal_comma=parsed.decimal_comma, notes=parsed.notes)


def unknown_column(name: str, known: Sequence[str], *, where: str) -> BenchmarkError:
    """Build the error for a column that is not there, with the nearest and a few known ones.

    Parameters
    ----------
    name : str
        What was asked for.
    known : sequence of str
        All columns; a long list is cut.
    where : str
        The table, and what the column was to be.
    """
    error = unknown_name("column", name, known, where=where)
    if len(known) <= MAX_KNOWN:
        return error
    whole = f"Known: {', '.join(known)}."
    shown = f"Known: {', '.join(known[:MAX_KNOWN])} and {len(known) - MAX_KNOWN} more."
    return BenchmarkError(str(error).replace(whole, shown))


def name_some(names: Iterable[object], *, most: int = MAX_NAMED) -> str:
    """Join names for a sentence, counting those beyond `most`.

    Examples
    --------
    >>> name_some(["age", "sex", "site"], most=2)
    'age, sex and 1 more'
    """
    listed = [str(name) for name in names]
    rest = len(listed) - most
    return ", ".join(listed[:most]) + (f" and {rest} more" if rest > 0 else "")


def frame_of(rows: Iterable[Sequence[Any]], name: str) -> pd.DataFrame:
    """Turn rows of cells, the header first, into a frame indexed by row number.

    Parameters
    ----------
    rows : iterable of sequence
        An empty row counts, so that numbers agree with what a spreadsheet shows.
    name : str
        Of the file, for messages.

    Raises
    ------
    BenchmarkError
        If there is no header or no row, a name is missing or repeated, or a row is longer or
        (unless its tail is empty) shorter than the header.
    """
    numbered = [(number, _clean(row)) for number, row in enumerate(rows, start=1)]
    filled = [(number, cells) for number, cells in numbered if any(c is not None for c in cells)]
    if not filled:
        raise BenchmarkError(f"{name} holds no cells; it needs a header and one row per case.")
    header, body = _without_trailing_empty(filled[0][1]), filled[1:]
    for number, cells in body:
        extra = _without_trailing_empty(cells)[len(header) :]
        if extra:
            raise BenchmarkError(
                f"{name}: row {number} has {len(header) + len(extra)} cells, but the header has "
                f"{len(header)}. Quote cells that contain the delimiter, or name every column."
            )
    padded = [[*cells[: len(header)], *[None] * (len(header) - len(cells))] for _, cells in body]
    columns = {
        position: [row[position] for row in padded]
        for position, title in enumerate(header)
        if title is not None or any(row[position] is not None for row in padded)
    }
    names = _check_header([header[position] for position in columns], len(body), name)
    index = pd.Index([number for number, _ in body])
    return _object_frame(names, columns.values(), index)


def _object_frame(
    names: Sequence[str], columns: Iterable[Sequence[Any]], index: pd.Index[Any]
) -> pd.DataFrame:
    """Build a frame that leaves every cell as it came."""
    series = [pd.Series(list(cells), index=index, dtype=object) for cells in columns]
    return pd.DataFrame(dict(zip(names, series, strict=True)), index=index)


def _check_header(header: Sequence[Any], n_rows: int, name: str) -> list[str]:
    nameless = [position for position, title in enumerate(header, start=1) if title is None]
    if nameless:
        raise BenchmarkError(
            f"{name}: column {nameless[0]} has values but no name in the header. "
            "Name it or delete it."
        )
    titles = [str(title) for title in header]
    repeated = [title for title in dict.fromkeys(titles) if titles.count(title) > 1]
    if repeated:
        raise BenchmarkError(
            f"{name}: the header has {name_some(map(repr, repeated))} more than once. "
            "Give every column its own name."
        )
    if n_rows == 0:
        raise BenchmarkError(f"{name} has a header but no rows; it needs one row per case.")
    return titles


def _clean(row: Iterable[Any]) -> list[Any]:
    """Strip text; what holds nothing becomes None."""
    stripped = [cell.strip() if isinstance(cell, str) else cell for cell in row]
    return [None if _is_empty(cell) else cell for cell in stripped]


def _is_empty(cell: Any) -> bool:
    return cell is None or cell == "" or (isinstance(cell, float) and math.isnan(cell))


def _without_trailing_empty(cells: Sequence[Any]) -> Sequence[Any]:
    filled = [position for position, cell in enumerate(cells, start=1) if cell is not None]
    return cells[: filled[-1]] if filled else []


def _check_file(path: Path) -> None:
    if not path.exists():
        raise BenchmarkError(f"The table {str(path)!r} does not exist. Correct its path.")
    if path.is_dir():
        raise BenchmarkError(f"{str(path)!r} is a folder; give the table inside it.")
    if path.suffix.lower() not in TABLE_SUFFIXES:
        raise BenchmarkError(
            f"The table {path.name!r} is of an unknown kind {path.suffix!r}. "
            f"Readable are {', '.join(TABLE_SUFFIXES)}; save it as one of these."
        )
    if path.stat().st_size == 0:
        raise BenchmarkError(f"The table {str(path)!r} is empty (0 bytes). Copy it again.")


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _broken(path, error) from None


def _broken(path: Path, error: Exception) -> BenchmarkError:
    summary = " ".join(str(error).split()).rstrip(".")
    return BenchmarkError(
        f"The table {str(path)!r} cannot be read as {path.suffix[1:].upper()} ({summary}). "
        "Save it again, without a password, or export it as CSV."
    )


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise _broken(path, error) from None
    kept = [i for i, name in enumerate(table.column_names) if name != UNNAMED_INDEX]
    header = [table.column_names[i] for i in kept]
    columns = [table.column(i).to_pylist() for i in kept]
    return frame_of([header, *zip(*columns, strict=True)], path.name)


def _read_sheet(path: Path, sheet: str | None) -> tuple[list[Sequence[Any]], tuple[Note, ...]]:
    try:
        with warnings.catch_warnings():
            # openpyxl warns of decorations that it drops; they carry no cells.
            warnings.simplefilter("ignore", UserWarning)
            book = openpyxl.load_workbook(path, data_only=True)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile, InvalidFileException) as error:
        raise _broken(path, error) from None
    names = [one.title for one in book.worksheets]
    if sheet is not None and sheet not in names:
        raise unknown_name("sheet", sheet, names, where=path.name)
    rows: list[Sequence[Any]] = [
        list(row) for row in book[sheet or names[0]].iter_rows(values_only=True)
    ]
    if sheet is not None or len(names) == 1:
        return rows, ()
    text = (
        f"{path.name} has {len(names)} sheets; the first, {names[0]!r}, was read. "
        "Set sheet to read another."
    )
    return rows, (Note("first-sheet", "info", text),)
