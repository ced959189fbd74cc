"""New cases are read as the cohort was, whatever the new table looks like."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cohorts import (
    COHORTS,
    UNLABELLED,
    BenchmarkError,
    CaseFormat,
    Cohort,
    Column,
    ColumnKind,
    NewCases,
    TabularModality,
    case_format,
    read_new_cases,
)
from cohorts._manifest import ManifestLoader

from manifests import OPTIONS, PATIENTS, draw, load, write


def format_of(path: Path, **changes: Any) -> CaseFormat:
    """The format after a manifest, through JSON as a run stores it."""
    options = {key: value for key, value in (OPTIONS | changes).items() if value is not None}
    form = case_format(load(path, **changes), loader="manifest", data=path, options=options)
    return CaseFormat.from_dict(json.loads(json.dumps(form.to_dict())))


def read(given: Any, form: CaseFormat) -> NewCases:
    return read_new_cases(
        given, form, classes=("normal", "benign", "malignant"), positive_class="malignant"
    )


def test_a_loader_says_itself_how_its_new_cases_are_read(tmp_path, monkeypatch):
    """A loader of another package that reads tables like a manifest's is asked, not its name."""
    monkeypatch.setitem(COHORTS._items, "hospital", ManifestLoader())
    path = write(tmp_path, PATIENTS)
    own = case_format(load(path), loader="hospital", data=path, options=OPTIONS)
    assert own.options.case == "exam"
    assert case_format(load(path), loader="demo").options.case == "case"


def table(new: NewCases, name: str) -> pd.DataFrame:
    (modality,) = (one for one in new.cohort.tables if one.name == name)
    return modality.table


def codes(new: NewCases) -> list[str]:
    return [note.code for note in new.notes]


@pytest.fixture
def form(tmp_path: Path) -> CaseFormat:
    return format_of(write(tmp_path, PATIENTS))


def test_the_development_table_gives_the_development_cells(tmp_path, form):
    """Without its labels, the table a cohort was read from is read to the same values."""
    path = write(tmp_path, PATIENTS)
    developed, new = load(path), read(path, form)
    assert new.cohort.cases == developed.cases
    assert set(new.cohort.labels) == {UNLABELLED}
    assert new.cohort.class_counts() == {"normal": 0, "benign": 0, "malignant": 0}
    for modality in developed.tables:
        pd.testing.assert_frame_equal(table(new, modality.name), modality.table)
    assert codes(new) == ["label-ignored"]
    assert not new.problems
    assert not new.absent


def test_one_row_is_read_by_stored_kinds(tmp_path, form):
    """A lone 1 stays a number in a numeric column, and a lone 0 a truth value in a boolean one."""
    path = write(tmp_path, "exam,age,palpable,signs,ca_15_3\nx,1,0,7,1\n", "new.csv")
    row = table(read(path, form), "clinical").loc["x"]
    assert (row["age"], row["palpable"], row["signs"]) == (1.0, 0.0, "7")


def test_what_is_missing_is_missing(tmp_path, form):
    """An empty column, a token and a column that is not there are NaN; the latter is said."""
    path = write(tmp_path, "exam,age,signs,palpable\nx,,?,\ny,,lump,\n", "new.csv")
    new = read(path, form)
    assert table(new, "clinical")["age"].isna().all()
    assert table(new, "clinical")["signs"].isna().tolist() == [True, False]
    assert table(new, "molecular")["ca_15_3"].isna().all()
    assert new.absent == {("molecular", "ca_15_3")}
    (note,) = new.notes
    assert note.text == "Not in new.csv, and missing for every case: molecular.ca_15_3."


def test_one_unreadable_cell_spares_the_other_cases(tmp_path, form):
    """The case is named with column, value and what is needed; the others keep their values."""
    path = write(
        tmp_path, "exam,age,palpable,signs,ca_15_3\nx,57 y,maybe,,1\ny,61,no,,2\n", "new.csv"
    )
    new = read(path, form)
    assert set(new.problems) == {("x", "clinical")}
    (problem,) = new.problems.values()
    assert "age '57 y' cannot be read (a number in years is needed)" in problem
    assert "palpable 'maybe' cannot be read (one of yes, no" in problem
    assert table(new, "clinical").loc["y", "age"] == 61


def test_columns_that_nobody_knows(tmp_path, form):
    """An extra column is ignored, a misspelt one is asked about, a barred one is let pass."""
    text = "exam,Agee,palpable,signs,ca_15_3,shoe,birads,hospital\nx,57,no,,1,39,4,north\n"
    new = read(write(tmp_path, text, "new.csv"), form)
    texts = {note.code: note.text for note in new.notes}
    assert texts["misspelt-columns"] == (
        "The column 'Agee' of new.csv is ignored. Did you mean 'age'?"
    )
    assert texts["extra-columns"] == "Ignored in new.csv, being unknown to the models: shoe."
    assert ("clinical", "age") in new.absent


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,age\nx,1\n", r"new\.csv has no column 'exam'; every row needs"),
        ("exam,age\nx,1\nx,2\n", r"case id 'x' stands in rows 2 and 3 of new\.csv"),
        ("exam,age\n,1\n", r"case column 'exam' of new\.csv is empty in 1 row"),
        ("exam,age\n", r"new\.csv has a header but no rows"),
        ("", r"is empty \(0 bytes\)"),
    ],
)
def test_tables_that_will_not_do(tmp_path, form, text, message):
    """No case column, a case twice or without id, no row: one sentence each."""
    with pytest.raises(BenchmarkError, match=message):
        read(write(tmp_path, text, "new.csv"), form)
    with pytest.raises(BenchmarkError, match="does not exist"):
        read(tmp_path / "nowhere.csv", form)


def test_cases_in_memory(form):
    """One case as a mapping, several, or a frame: the same cells."""
    one = {"exam": "x", "age": 61, "palpable": True, "signs": None, "ca_15_3": 8.25}
    for given in (one, [one], pd.DataFrame([one]), pd.DataFrame([one]).set_index("exam")):
        new = read(given, form)
        assert new.cohort.cases == ("x",)
        row = table(new, "clinical").loc["x"]
        assert (row["age"], row["palpable"]) == (61.0, 1.0)
        assert np.isnan(row["signs"])
    with pytest.raises(BenchmarkError, match="No case is given"):
        read([], form)


DATED = {
    "modalities": {"clinical": ["born", "age"]},
    "post_diagnosis": None,
    "columns": {"born": {"kind": "date", "since": "seen"}},
}


def test_dates_are_read_as_the_development_rows_showed(tmp_path):
    """A lone ambiguous date keeps the order of day and month, and the direction of time."""
    rows = "exam,patient,hospital,age,born,seen,diagnosis\n"
    rows += "e1,p1,n,40,31/12/1980,2020-12-31,benign\ne2,p2,n,50,03/04/1970,2020-04-03,malignant\n"
    form = format_of(write(tmp_path, rows), **DATED)
    head = "exam,age,born,seen\n"
    new = read(write(tmp_path, f"{head}x,50,03/04/1970,2020-04-03\n", "new.csv"), form)
    assert table(new, "clinical").loc["x", "born"] == pytest.approx(50, abs=0.01)
    swapped = read(write(tmp_path, f"{head}x,50,2020-04-03,1970-04-03\n", "new.csv"), form)
    assert "'born' of new.csv runs against the other rows" in swapped.problems["x", "clinical"]
    alone = read(write(tmp_path, "exam,age,born\nx,50,03/04/1970\n", "new.csv"), form)
    assert alone.absent == {("clinical", "born")}
    assert form.header() == ["exam", "born", "seen", "age"]


def test_unknown_levels_stay_as_they_are(tmp_path):
    """A level outside of the declared order is neither an error nor lost."""
    columns = {"birads": {"kind": "ordinal", "order": [1, 2, 4, 5]}}
    kept = {"modalities": {"clinical": ["birads"]}, "post_diagnosis": None, "columns": columns}
    form = format_of(write(tmp_path, PATIENTS), **kept)
    new = read(write(tmp_path, "exam,birads\nx,3.0\ny,4\n", "new.csv"), form)
    assert table(new, "clinical")["birads"].tolist() == ["3", "4"]


def joined_format(folder: Path) -> CaseFormat:
    write(folder, "exam,ki67\ne1,5\ne2,10\ne3,2\ne4,30\n", "lab.csv")
    options = {
        "tables": {"lab": {"path": "lab.csv"}},
        "modalities": {"clinical": ["age"]},
        "columns": {"age": {"kind": "numeric"}},
    }
    return format_of(write(folder, PATIENTS), **options)


def test_joined_tables_lie_beside_the_new_table(tmp_path):
    """Its rows are found by case id; a case without one is missing there."""
    form = joined_format(tmp_path)
    folder = tmp_path / "new"
    write(folder, "exam,ki67\ny,7\nelsewhere,1\n", "lab.csv")
    new = read(write(folder, "exam,age\nx,50\ny,60\n", "new.csv"), form)
    assert table(new, "lab")["ki67"].isna().tolist() == [True, False]
    assert table(new, "lab").loc["y", "ki67"] == 7
    (note,) = (note for note in new.notes if note.code == "unmatched-cases")
    assert note.text.endswith("whose values are missing: 1.")


def test_columns_of_a_joined_table_may_stand_in_the_table_itself(tmp_path):
    """One flat table will do, be it beside the development tables."""
    form = joined_format(tmp_path)
    for folder in (tmp_path, tmp_path / "other"):
        new = read(write(folder, "exam,age,ki67\nx,50,7\n", "new.csv"), form)
        assert table(new, "lab").loc["x", "ki67"] == 7


def test_recorded_values_are_never_replaced_by_a_joined_table(tmp_path):
    """What the table records stands; what it leaves open the joined table gives, and says so."""
    form = joined_format(tmp_path)
    rows = "exam,age,ki67\ne3,50,2\ne4,51,\nnew1,52,77\n"
    new = read(write(tmp_path, rows, "new.csv"), form)
    assert table(new, "lab")["ki67"].tolist() == [2, 30, 77]
    assert not new.problems
    (note,) = (note for note in new.notes if note.code == "unmatched-cases")
    assert "lab.csv (lab) was joined on the case id. Matched: 2" in note.text
    assert note.text.endswith("without a row there, whose values are those of new.csv: 1.")


def test_two_tables_that_disagree_are_a_problem_of_the_case(tmp_path):
    """Nobody knows which value is right: that case has no prediction, the others have."""
    form = joined_format(tmp_path)
    new = read(write(tmp_path, "exam,age,ki67\ne3,50,99\ne4,51,30.0\n", "new.csv"), form)
    assert new.problems == {("e3", "lab"): "ki67 is '99' in new.csv but '2' in lab.csv"}


def images_format(folder: Path) -> CaseFormat:
    rows = ["exam,file,mask,diagnosis"]
    for number in range(4):
        draw(folder / "dev" / f"{number}.png")
        draw(folder / "dev" / f"{number}_mask.png")
        label = ["benign", "malignant"][number % 2]
        rows.append(f"e{number},dev/{number}.png,dev/{number}_mask.png,{label}")
    images = {"ultrasound": {"image": "file", "mask": "mask", "spacing_mm": 0.1}}
    path = write(folder, "\n".join(rows) + "\n")
    return format_of(
        path, images=images, modalities={}, columns={}, patient=None, site=None, post_diagnosis=None
    )


def test_images_are_relative_to_the_new_table_and_need_no_mask(tmp_path):
    """A mask in the table is not read; a case without an image has none."""
    form = images_format(tmp_path)
    folder = tmp_path / "new"
    draw(folder / "scans" / "a.png")
    text = "exam,file,mask\nx,scans/a.png,nowhere.png\ny,,\n"
    new = read(write(folder, text, "new.csv"), form)
    (modality,) = new.cohort.images
    (record,) = modality.records[0]
    assert record.path == folder / "scans" / "a.png"
    assert record.masks == ()
    assert record.spacing_mm == 0.1
    assert modality.records[1] == ()
    assert not new.problems


def test_a_broken_image_spares_the_other_cases(tmp_path):
    """A missing and a truncated file are named; the third case is read."""
    form = images_format(tmp_path)
    whole = draw(tmp_path / "a.png", size=(64, 64)).read_bytes()
    (tmp_path / "b.png").write_bytes(whole[: len(whole) // 2])
    path = write(tmp_path, "exam,file\nx,a.png\ny,b.png\nz,c.png\n", "new.csv")
    new = read(path, form)
    assert set(new.problems) == {("y", "ultrasound"), ("z", "ultrasound")}
    assert "b.png' cannot be read as an image" in new.problems["y", "ultrasound"]
    assert "c.png' of row 4 does not exist. Correct its path" in new.problems["z", "ultrasound"]
    assert len(new.cohort.images[0].records[0]) == 1


def test_a_table_without_the_image_column(tmp_path):
    """The modality is absent, not an error."""
    new = read({"exam": "x"}, images_format(tmp_path))
    assert new.absent == {("ultrasound", "")}


def test_cohorts_of_other_loaders_have_a_plain_table(small_cohort: Cohort, tmp_path):
    """Case, images and recorded columns by name; what they hold is read back to the bit."""
    form = case_format(small_cohort, loader="demo", data=None, options={})
    assert form.header() == [
        "case",
        "ultrasound",
        "ultrasound_spacing_mm",
        "age",
        "side",
        "marker",
        "noise",
    ]
    frame = pd.concat([one.table for one in small_cohort.tables], axis=1).reset_index()
    frame["ultrasound"] = [str(one[0].path) for one in small_cohort.images[0].records]
    frame.to_csv(tmp_path / "new.csv", index=False)
    new = read(tmp_path / "new.csv", CaseFormat.from_dict(form.to_dict()))
    for modality in small_cohort.tables:
        for name, cells in modality.table.items():
            read_cells = table(new, modality.name)[name]
            assert read_cells.isna().tolist() == cells.isna().tolist()
            assert read_cells.dropna().tolist() == cells.dropna().tolist()


def test_none_of_the_labels_is_not_missing(small_cohort: Cohort):
    """In a plain table the word none empties a multi-label cell; an empty cell is missing."""
    signs = Column("signs", ColumnKind.MULTI_LABEL)
    cells = pd.DataFrame({"signs": ["a"] * 90}, index=small_cohort.tables[0].table.index)
    cohort = replace(small_cohort, tables=(TabularModality("clinical", (signs,), cells),))
    form = case_format(cohort, loader="demo", data=None, options={})
    given = [{"case": str(i), "signs": cell} for i, cell in enumerate(["None", "", "a & b"])]
    read_cells = table(read(given, form), "clinical")["signs"]
    assert read_cells.isna().tolist() == [False, True, False]
    assert read_cells.dropna().tolist() == ["", "a&b"]


def test_a_name_in_two_modalities_is_qualified(small_cohort: Cohort):
    """``age`` of two tables is ``clinical.age`` and ``molecular.age``; so is a taken name."""
    clinical, molecular = small_cohort.tables
    renamed = replace(
        molecular,
        columns=tuple(
            replace(one, name=name)
            for one, name in zip(molecular.columns, ("age", "ultrasound"), strict=True)
        ),
        table=molecular.table.set_axis(["age", "ultrasound"], axis=1),
    )
    cohort = replace(small_cohort, tables=(clinical, renamed))
    header = case_format(cohort, loader="demo", data=None, options={}).header()
    assert header[3:] == ["clinical.age", "side", "molecular.age", "molecular.ultrasound"]
