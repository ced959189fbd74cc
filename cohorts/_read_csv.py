"""Text tables as they come in: encoding, byte-order mark, delimiter and decimal comma."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from charset_normalizer import from_bytes

from cohorts._cohort import Note
from cohorts._errors import BenchmarkError

__all__ = ["ParsedCsv", "parse_csv"]

DELIMITERS = (",", ";", "\t", "|")

# The delimiter is judged on this many records.
N_PROBED = 200

# Longest first: the mark of UTF-16 opens the mark of UTF-32.
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

# The code pages that spreadsheets write. Where bytes beyond ASCII stand alone or in pairs the
# text is European, a few letters with accents or a µ; detection would else read such pairs,
# in a text as short as a table, as East Asian characters.
EUROPEAN = ["cp1252", "cp1250", "cp1254", "cp1257"]
OTHERS = ["cp1251", "koi8_r", "cp1253", "cp1255", "cp1256", "cp874"]
EAST_ASIAN = ["cp932", "euc_jp", "gb18030", "big5", "cp949"]
FOREIGN_RUN = re.compile(rb"[\x80-\xff]+")
LONG_RUN = 3

COMMA_NUMBER = re.compile(r"[+-]?\d+,\d+([eE][+-]?\d+)?")
POINT_NUMBER = re.compile(r"[+-]?\d+\.\d+([eE][+-]?\d+)?")


@dataclass(frozen=True)
class ParsedCsv:
    """Rows of a text table, the header first, with what was found out about it."""

    rows: list[list[str]]
    decimal_comma: bool
    notes: tuple[Note, ...]


def parse_csv(data: bytes, *, name: str) -> ParsedCsv:
    r"""Read the bytes of a delimited text file.

    Parameters
    ----------
    data : bytes
        The whole file.
    name : str
        Of the file, for messages and notes.

    Returns
    -------
    ParsedCsv
        Every record, blank ones as an empty list.

    Raises
    ------
    BenchmarkError
        If the bytes are no text, quotes are not closed, or a row has too few cells.

    Examples
    --------
    >>> parse_csv("\ufeffa;b\n1,5;x\n".encode("utf-16"), name="t.csv").rows
    [['a', 'b'], ['1,5', 'x']]
    """
    text, notes = _decode(data, name)
    delimiter = _detect_delimiter(text)
    rows = _records(text, delimiter, name)
    _check_widths(rows, name)
    decimal_comma = delimiter != "," and _has_decimal_commas(rows)
    if decimal_comma:
        sentence = f"Numbers in {name} are written with a decimal comma and were read so."
        notes = (*notes, Note("decimal-comma", "info", sentence))
    return ParsedCsv(rows, decimal_comma, notes)


def _decode(data: bytes, name: str) -> tuple[str, tuple[Note, ...]]:
    """Decode by byte-order mark, else as UTF-8, else as what the bytes look like."""
    for mark, marked in MARKS:
        if data.startswith(mark):
            return _decode_as(data, marked, name), ()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text, encoding = _guess(data, name)
        sentence = (
            f"{name} is not UTF-8 and was read as {encoding}. If letters with accents look "
            "wrong, save it as UTF-8."
        )
        notes: tuple[Note, ...] = (Note("guessed-encoding", "info", sentence),)
    else:
        notes = ()
    if "\0" in text:
        raise _no_text(name)
    return text, notes


def _decode_as(data: bytes, encoding: str, name: str) -> str:
    try:
        # A second mark, left by a program that added one to a marked file, is no letter.
        return data.decode(encoding).lstrip("\ufeff")
    except UnicodeDecodeError:
        raise _no_text(name) from None


def _guess(data: bytes, name: str) -> tuple[str, str]:
    pages = EUROPEAN if _stand_alone(data) else [*EUROPEAN, *OTHERS, *EAST_ASIAN]
    best = from_bytes(data, cp_isolation=pages).best() or from_bytes(data).best()
    if best is None:
        raise _no_text(name)
    # Several code pages may give the same text; the most common name helps most.
    encoding = "cp1252" if "cp1252" in best.could_be_from_charset else best.encoding
    return str(best).removeprefix("\ufeff"), encoding


def _stand_alone(data: bytes) -> bool:
    """Tell whether most bytes beyond ASCII are in no long run."""
    lengths = [len(run) for run in FOREIGN_RUN.findall(data)]
    return 2 * sum(length for length in lengths if length >= LONG_RUN) < sum(lengths)


def _no_text(name: str) -> BenchmarkError:
    return BenchmarkError(
        f"{name} does not hold readable text: its encoding could not be told. "
        "Save it as CSV in UTF-8, or give the XLSX or Parquet file."
    )


def _detect_delimiter(text: str) -> str:
    """Return the delimiter that splits most rows into as many cells as the header.

    A file of one column is read with a comma, which then stands nowhere.
    """
    scores = {delimiter: _consistency(text, delimiter) for delimiter in DELIMITERS}
    return max(scores, key=lambda delimiter: scores[delimiter])


def _consistency(text: str, delimiter: str) -> tuple[float, int]:
    """Share of the first rows that agree with the header, then the header's width."""
    widths: list[int] = []
    try:
        for row in _reader(text, delimiter):
            if row:
                widths.append(len(row))
            if len(widths) == N_PROBED:
                break
    except csv.Error:
        return 0.0, 0
    if not widths or widths[0] < 2:
        return 0.0, 0
    return sum(width == widths[0] for width in widths) / len(widths), widths[0]


def _reader(text: str, delimiter: str) -> Iterator[list[str]]:
    # Strict, because a quote that is never closed would swallow the rows after it.
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)


def _records(text: str, delimiter: str, name: str) -> list[list[str]]:
    rows: list[list[str]] = []
    try:
        rows.extend(_reader(text, delimiter))
    except csv.Error as error:
        raise BenchmarkError(
            f"{name}: row {len(rows) + 1} cannot be read ({error}). Check its quotation marks: "
            "a cell that opens with one must close with one, and double those inside."
        ) from None
    return rows


def _check_widths(rows: Sequence[Sequence[str]], name: str) -> None:
    """Refuse rows with fewer cells than the header: their values may stand in wrong columns."""
    header: Sequence[str] = next((row for row in rows if any(map(str.strip, row))), [])
    needed = len(header)
    while needed and not header[needed - 1].strip():
        needed -= 1
    for number, row in enumerate(rows, start=1):
        if any(map(str.strip, row)) and len(row) < needed:
            raise BenchmarkError(
                f"{name}: row {number} has {len(row)} cell(s), but the header has {needed}. "
                "Complete the row, or quote cells that contain line breaks."
            )


def _has_decimal_commas(rows: Sequence[Sequence[str]]) -> bool:
    """Tell whether numbers have commas and none has a point."""
    cells = {cell.strip() for row in rows[1:] for cell in row}
    return any(map(COMMA_NUMBER.fullmatch, cells)) and not any(map(POINT_NUMBER.fullmatch, cells))
