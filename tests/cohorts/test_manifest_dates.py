"""Ordered levels and dates of a manifest: declared, or refused in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import cohorts._manifest  # noqa: F401  # registers the loader
from cohorts import BenchmarkError, Cohort, ColumnKind, load_cohort

TABLE = """id,exam_date,last_birth,density,age,y
e1,2024-01-01,2004-01-01,B,45,benign
e2,2024-01-11,2023-12-12,D,46,malignant
e3,2024-03-01,,A,60,benign
e4,2024-03-01,2014-03-01,,61,malignant
"""
BIRTH = {"kind": "date", "since": "exam_date"}
DENSITY = {"kind": "ordinal", "order": ["A", "B", "C", "D"]}


def load(folder: Path, columns: dict[str, Any], *, text: str = TABLE, **options: Any) -> Cohort:
    """Load the table with these declared columns."""
    path = folder / "patients.csv"
    path.write_text(text, encoding="utf-8")
    return load_cohort(
        "manifest", path, {"case": "id", "label": "y", "columns": columns, **options}
    )


def clinical(cohort: Cohort) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the first table and its columns by name."""
    return cohort.tables[0].table, {column.name: column for column in cohort.tables[0].columns}


def test_a_missing_reference_is_said(tmp_path):
    """Where the other date is missing the interval is too, and that may state the class."""
    text = TABLE.replace("e2,2024-01-11", "e2,").replace("e4,2024-03-01", "e4,")
    cohort = load(tmp_path, {"last_birth": BIRTH}, text=text, exclude=["exam_date"])
    (note,) = (note for note in cohort.notes if note.code == "missing-references")
    assert note.severity == "warning"
    assert "missing in 2 row(s) that have a date in last_birth" in note.text
    whole = load(tmp_path, {"last_birth": BIRTH})
    assert "missing-references" not in {note.code for note in whole.notes}


def test_a_date_becomes_the_time_to_its_reference(tmp_path):
    """Days or years from one to the other, a number with its unit; the reference is no feature."""
    table, columns = clinical(load(tmp_path, {"last_birth": BIRTH | {"unit": "days"}}))
    assert table["last_birth"].fillna(-1).tolist() == [7305, 30, -1, 3653]
    assert columns["last_birth"].kind is ColumnKind.NUMERIC
    assert columns["last_birth"].unit == "days"
    assert columns["last_birth"].description == "days from last_birth to exam_date"
    assert list(columns) == ["last_birth", "density", "age"]
    years, described = clinical(load(tmp_path, {"last_birth": BIRTH}))
    assert years["last_birth"].iloc[0] == 20.0
    assert described["last_birth"].unit == "years"


@pytest.mark.parametrize("since", ["2024-01-01", pd.Timestamp("2024-01-01").date()])
def test_a_date_may_count_from_a_fixed_one(tmp_path, since):
    """Quoted in the config or not, which YAML reads as a date."""
    wanted = {"kind": "date", "since": since, "unit": "days"}
    cohort = load(tmp_path, {"exam_date": wanted}, exclude=["last_birth"])
    table, columns = clinical(cohort)
    assert table["exam_date"].tolist() == [0, 10, 60, 60]
    assert columns["exam_date"].description == "days from 2024-01-01 to exam_date"


def test_dates_of_a_spreadsheet(tmp_path):
    """Cells that a spreadsheet types as dates need no format."""
    frame = pd.DataFrame(
        {
            "id": ["a", "b"],
            "exam_date": pd.to_datetime(["2024-01-31", "2024-02-29"]),
            "last_birth": pd.to_datetime(["2024-01-01", "2024-02-01"]),
            "y": ["benign", "malignant"],
        }
    )
    frame.to_excel(tmp_path / "patients.xlsx", index=False)
    options = {"case": "id", "label": "y", "columns": {"last_birth": BIRTH | {"unit": "days"}}}
    table, _ = clinical(load_cohort("manifest", tmp_path / "patients.xlsx", options))
    assert table["last_birth"].tolist() == [30, 28]


def test_a_joined_table_may_count_from_a_date_of_the_manifest(tmp_path):
    """Rows are matched by case, in whatever order the joined table has them."""
    (tmp_path / "blood.csv").write_text(
        "id,drawn\ne4,2024-02-28\ne1,2023-12-31\ne2,2024-01-10\ne3,2024-02-29\n", encoding="utf-8"
    )
    cohort = load(
        tmp_path,
        {"drawn": {"kind": "date", "since": "exam_date", "unit": "days"}},
        tables={"molecular": {"path": "blood.csv"}},
        exclude=["last_birth"],
    )
    (molecular,) = (one for one in cohort.tables if one.name == "molecular")
    assert molecular.table["drawn"].tolist() == [1, 1, 1, 2]
    assert list(molecular.table.columns) == ["drawn"]


def test_a_declared_format_is_used_for_its_column_alone(tmp_path):
    """Each end of the interval is read in its own format."""
    text = TABLE.replace("2024-01-01", "01/02/2024").replace("2024-01-11", "01/03/2024")
    text = text.replace("2024-03-01", "01/04/2024")
    with pytest.raises(BenchmarkError, match=r"'exam_date' .*Declare format: .*columns\.exam_date"):
        load(tmp_path, {"last_birth": BIRTH}, text=text)
    declared = {"last_birth": BIRTH | {"unit": "days"}, "exam_date": {"format": "%m/%d/%Y"}}
    table, _ = clinical(load(tmp_path, declared, text=text))
    assert table["last_birth"].iloc[0] == 7306
    assert "exam_date" not in table


def test_numbers_declared_as_dates_are_no_feature(tmp_path):
    """A column with a date format is left out as one, though its cells look like numbers."""
    text = TABLE.replace(",45,", ",20240131,").replace(",46,", ",20240201,")
    text = text.replace(",60,", ",20240228,").replace(",61,", ",20240301,")
    cohort = load(tmp_path, {"age": {"format": "%Y%m%d"}}, text=text)
    assert "age" not in clinical(cohort)[0]
    (note,) = (note for note in cohort.notes if note.code == "date-columns")
    assert "age" in note.text


def test_levels_keep_their_declared_order(tmp_path):
    """An ordinal column carries its order; missing stays missing."""
    table, columns = clinical(load(tmp_path, {"density": DENSITY}))
    assert table["density"].fillna("?").tolist() == ["B", "D", "A", "?"]
    assert columns["density"].order == ("A", "B", "C", "D")


def test_levels_that_yaml_reads_as_numbers_are_text(tmp_path):
    """``order: [1, 2]`` means the levels "1" and "2"."""
    text = TABLE.replace(",B,", ",1,").replace(",D,", ",2,").replace(",A,", ",1,")
    table, columns = clinical(
        load(tmp_path, {"density": {"kind": "ordinal", "order": [1, 2]}}, text=text)
    )
    assert table["density"].fillna("?").tolist() == ["1", "2", "1", "?"]
    assert columns["density"].order == ("1", "2")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"density": {"kind": "ordinal", "order": ["A", "B", "C"]}}, "row 3 holds 'D'.*A < B < C"),
        ({"density": {"kind": "ordinal"}}, r"columns\.density .* an ordinal column needs order"),
        ({"density": {"kind": "ordinal", "order": ["A"]}}, "needs order, its levels from"),
        ({"density": {"kind": "ordinal", "order": ["A", "A"]}}, "a level more than once"),
        ({"density": {"order": ["A", "B"]}}, "order is for columns of kind ordinal"),
        ({"last_birth": {"kind": "date"}}, r"columns\.last_birth .* since: COLUMN or since: YYYY"),
        ({"age": {"since": "exam_date"}}, "since is for columns of kind date"),
        ({"last_birth": BIRTH | {"unit": "months"}}, "unit is 'months'; .* one of years, days"),
        ({"last_birth": BIRTH | {"format": "dd/mm"}}, "'dd/mm' does not hold day, month and year"),
        ({"last_birth": BIRTH | {"since": "exam_dat"}}, "Unknown column 'exam_dat'.*'exam_date'"),
        (
            {"age": {"kind": "date", "since": "exam_date"}},
            "'age' .*row 2 holds '45', and .*; a date such",
        ),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(tmp_path, columns, message):
    """The column, what came, and what works."""
    with pytest.raises(BenchmarkError, match=message):
        load(tmp_path, columns)


def test_an_interval_to_a_late_date_is_refused(tmp_path):
    """The time to a date that is known only after the diagnosis would leak it."""
    with pytest.raises(
        BenchmarkError, match=r"'last_birth' counts from 'exam_date'.*post_diagnosis"
    ):
        load(tmp_path, {"last_birth": BIRTH}, post_diagnosis=["exam_date"])


def test_a_date_without_reference_is_refused_where_it_is_asked_for(tmp_path):
    """The message says how to exclude it and how to count from another date."""
    message = r"'exam_date' .* holds dates or times.*exclude.*kind: date, since: COLUMN"
    with pytest.raises(BenchmarkError, match=message):
        load(tmp_path, {}, modalities={"clinical": ["age", "exam_date"]})
    assert "exam_date" not in clinical(load(tmp_path, {}, exclude=["exam_date"]))[0]


def test_a_birth_after_the_examination_is_refused(tmp_path):
    """A negative interval names its row and both dates."""
    text = TABLE.replace("2014-03-01", "2041-03-01")
    with pytest.raises(BenchmarkError, match="in row 5: 2041-03-01 against 2024-03-01"):
        load(tmp_path, {"last_birth": BIRTH}, text=text)


def test_whole_numbers_are_levels_however_they_are_written(tmp_path):
    """A column with an empty cell comes out of pandas as 1.0, 2.0: still the levels 1 and 2."""
    text = (
        "id,grade,age,y\ne1,1.0,45,benign\ne2,3.0,46,malignant\ne3,,60,benign\ne4,2,61,malignant\n"
    )
    declared = {"grade": {"kind": "ordinal", "order": ["1", "2", "3"]}}
    table, _ = clinical(load(tmp_path, declared, text=text))
    assert table["grade"].tolist()[:2] == ["1", "3"]
    assert table["grade"].tolist()[3] == "2"
