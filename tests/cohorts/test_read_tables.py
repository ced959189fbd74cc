"""Tables are read as recorded, whatever program wrote them; broken ones are named."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cohorts import BenchmarkError
from cohorts._read_csv import parse_csv
from cohorts._read_tables import name_some, read_table, unknown_column

TEXT = "exam;größe;diagnosis\n007;1,5;gutartig\n008;2,25;bösartig\n"


def write(folder: Path, content: str | bytes, name: str = "table.csv") -> Path:
    """Write a file of text or bytes."""
    path = folder / name
    path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    return path


def write_sheets(folder: Path, **sheets: list[list[object]]) -> Path:
    """Write an XLSX with one worksheet for each keyword."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(folder / "table.xlsx")
    return folder / "table.xlsx"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_encoding_and_mark_are_detected(tmp_path, encoding):
    """The same text in any encoding gives the same cells; a mark is no part of a name."""
    table = read_table(write(tmp_path, TEXT.encode(encoding)))
    assert table.columns == ["exam", "größe", "diagnosis"]
    assert table.frame["diagnosis"].tolist() == ["gutartig", "bösartig"]
    assert table.frame["exam"].tolist() == ["007", "008"]


def test_a_guessed_encoding_is_said(tmp_path):
    """Where the bytes are not UTF-8 the page says what they were read as."""
    (guess, _) = read_table(write(tmp_path, TEXT.encode("cp1252"))).notes
    assert guess.code == "guessed-encoding"
    assert "read as cp1252" in guess.text


def test_a_lone_micro_sign_is_not_taken_for_an_east_asian_letter(tmp_path):
    """A few single bytes beyond ASCII are European letters."""
    rows = "".join(f"{i},{i}µm\n" for i in range(40))
    table = read_table(write(tmp_path, f"id,size\n{rows}".encode("cp1252")))
    assert table.frame["size"].tolist()[:2] == ["0µm", "1µm"]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("id,opis\n1,guz złośliwy\n2,zmiana łagodna\n3,zażółć\n", "cp1250"),
        ("ид,диагноз\n1,злокачественный\n2,доброкачественный\n", "cp1251"),
    ],
)
def test_other_code_pages_are_told_apart(text, encoding):
    """Polish and Russian tables of an office program are read as they were written."""
    rows = parse_csv(text.encode(encoding), name="t.csv").rows
    assert rows == [line.split(",") for line in text.splitlines()]


def test_east_asian_text_is_read(tmp_path):
    """Runs of bytes beyond ASCII are left to detection."""
    rows = "".join(f"{i},悪性腫瘍\n{i + 50},良性の病変\n" for i in range(20))
    table = read_table(write(tmp_path, f"番号,診断\n{rows}".encode("shift_jis")))
    assert table.columns == ["番号", "診断"]


cells = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Z"], exclude_characters="\ufeff"), max_size=6
)


@given(
    rows=st.lists(st.tuples(cells, cells), min_size=1, max_size=8),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
)
def test_any_cells_survive_any_delimiter_and_encoding(rows, delimiter, encoding):
    """Detection never changes a cell: delimiters and quotes inside cells stay where they are."""
    frame = pd.DataFrame([("id", *row) for row in rows], columns=["case", "one", "two"])
    text = frame.to_csv(sep=delimiter, index=False, lineterminator="\r\n")
    parsed = parse_csv(text.encode(encoding), name="t.csv")
    assert parsed.rows == [["case", "one", "two"], *[["id", *row] for row in rows]]


def test_row_numbers_are_those_of_a_spreadsheet(tmp_path):
    """Blank rows are left out and still counted, so that a message leads to the row."""
    table = read_table(write(tmp_path, "a,b\n1,2\n\n,\n3,4\n"))
    assert table.frame.index.tolist() == [2, 5]


def test_the_header_delimits_even_where_cells_hold_other_signs(tmp_path):
    """Semicolons inside cells of a comma file do not split it."""
    table = read_table(write(tmp_path, "id,files\n1,a;b;c\n2,d;e\n"))
    assert table.frame["files"].tolist() == ["a;b;c", "d;e"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a;b\n1,5;x\n", True),
        ("a;b\n-1,5e-05;x\n", True),
        ("a;b\n1.5;x\n", False),
        ("a;b\n1.5;2,5\n", False),
        ('a,b\n"1,5",x\n', False),
    ],
)
def test_decimal_comma_needs_another_delimiter_and_no_points(tmp_path, text, expected):
    """A comma is a decimal sign only where nothing speaks against it."""
    assert read_table(write(tmp_path, text)).decimal_comma is expected


def test_trailing_empty_columns_are_dropped(tmp_path):
    """Spreadsheets leave delimiters behind; they are no columns."""
    assert read_table(write(tmp_path, "a,b,,\n1,2,,\n3,,,\n")).columns == ["a", "b"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"is empty \(0 bytes\)"),
        (" \n\n", "holds no cells; it needs a header and one row per case"),
        ("a,b\n", "has a header but no rows"),
        ("a,b,a\n1,2,3\n", "header has 'a' more than once"),
        (",b\n0,2\n", "column 1 has values but no name"),
        ("a,b\n1,2\n1,2,3\n", "row 3 has 3 cells, but the header has 2"),
        ("a,b,c\n1,2,3\n1,2\n", r"row 3 has 2 cell\(s\), but the header has 3"),
        ('a,b\n1,"2\n3,4\n', r"row 2 cannot be read .* Check its quotation marks"),
        (b"a,b\n1,\x00\x00\n", "does not hold readable text"),
        (b"\xff\xfea\xd8", "does not hold readable text"),
    ],
)
def test_a_broken_csv_is_named_in_one_sentence(tmp_path, content, message):
    """Every defect says what is wrong and where."""
    with pytest.raises(BenchmarkError, match=message):
        read_table(write(tmp_path, content))


def test_a_sheet_keeps_its_types(tmp_path):
    """Numbers, truth values and dates of a spreadsheet stay what they are; text is stripped."""
    day = dt.datetime(2024, 5, 1)
    rows = [["id", "age", "yes", "day"], [7, 1.5, True, day], [" 008 ", None, False, None]]
    frame = read_table(write_sheets(tmp_path, cases=rows)).frame
    assert frame.loc[2].tolist() == [7, 1.5, True, day]
    assert frame.loc[3].tolist() == ["008", None, False, None]


def test_the_text_na_is_left_to_the_declared_tokens(tmp_path):
    """Reading makes no value missing."""
    sheet = read_table(write_sheets(tmp_path, cases=[["id", "x"], [1, "NA"]]))
    text = read_table(write(tmp_path, "id,x\n1,NA\n"))
    assert sheet.frame["x"].tolist() == text.frame["x"].tolist() == ["NA"]


def test_a_sheet_is_chosen_by_name_and_a_silent_choice_is_said(tmp_path):
    """With several sheets the first is read and the page says so."""
    path = write_sheets(tmp_path, one=[["a"], [1]], two=[["b"], [2]])
    assert read_table(path, sheet="two").columns == ["b"]
    assert read_table(path, sheet="two").notes == ()
    assert [note.code for note in read_table(path).notes] == ["first-sheet"]
    with pytest.raises(BenchmarkError, match=r"Unknown sheet 'tow' .* Did you mean 'two'\?"):
        read_table(path, sheet="tow")


def test_parquet_keeps_types_and_a_named_index(tmp_path):
    """A pandas index with a name is a column; one without a name is none."""
    frame = pd.DataFrame({"age": [1.5, None], "label": ["NA", "b"]}, index=[3, 9])
    frame.to_parquet(tmp_path / "plain.parquet")
    frame.rename_axis("exam").to_parquet(tmp_path / "named.parquet")
    assert read_table(tmp_path / "plain.parquet").columns == ["age", "label"]
    named = read_table(tmp_path / "named.parquet").frame
    assert named["exam"].tolist() == [3, 9]
    assert named["age"].tolist() == [1.5, None]
    assert named["label"].tolist() == ["NA", "b"]


@pytest.mark.parametrize("name", ["table.parquet", "table.xlsx"])
def test_a_file_that_is_not_what_its_name_says(tmp_path, name):
    """A renamed or damaged file is named, with a way out."""
    with pytest.raises(BenchmarkError, match=r"cannot be read as \w+ .* export it as CSV"):
        read_table(write(tmp_path, "a,b\n1,2\n", name))


def test_paths_that_cannot_be_tables(tmp_path):
    """A missing file, a folder and an unknown kind each have their sentence."""
    with pytest.raises(BenchmarkError, match="does not exist"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(BenchmarkError, match="is a folder"):
        read_table(tmp_path)
    with pytest.raises(BenchmarkError, match=r"unknown kind '\.xls'.*\.csv.*\.xlsx"):
        read_table(write(tmp_path, "a", "old.xls"))
    with pytest.raises(BenchmarkError, match=r"table\.csv has no sheets"):
        read_table(write(tmp_path, "a,b\n1,2\n"), sheet="one")


def test_a_long_list_of_columns_is_cut_and_the_nearest_still_offered():
    """An unknown column among hundreds gives one readable sentence."""
    known = [f"gene_{i}" for i in range(300)] + ["diagnosis"]
    message = str(unknown_column("diagnosys", known, where="t.csv (label)"))
    assert "Did you mean 'diagnosis'?" in message
    assert "gene_11 and 289 more." in message
    assert len(message) < 300


def test_names_beyond_a_few_are_counted():
    """A sentence never lists everything."""
    assert name_some(range(7)) == "0, 1, 2, 3, 4 and 2 more"
    assert name_some(["a", "b"]) == "a, b"
