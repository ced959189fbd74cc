"""A table of one row per case becomes a cohort, or one sentence says why not."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohorts import BenchmarkError, ColumnKind

from manifests import PATIENTS, codes, load, load_plain, table_of, text_of, write


class TestRoles:
    def test_columns_become_what_the_options_say(self, tmp_path):
        """Cases, patients, sites, labels and modalities come from their columns."""
        cohort = load(write(tmp_path, PATIENTS), title="Our patients", licence="none")
        assert cohort.cases == ("e1", "e2", "e3", "e4")
        assert cohort.patients == ("p1", "p1", "p2", "p3")
        assert cohort.sites == ("north", "north", "south", "south")
        assert cohort.classes == ("normal", "benign", "malignant")
        assert cohort.labels.tolist() == [1, 2, 0, 2]
        assert cohort.positive_class == "malignant"
        assert cohort.modalities == ("clinical", "molecular")
        assert cohort.info.patients_known
        assert (cohort.info.title, cohort.info.licence) == ("Our patients", "none")

    def test_cells_are_encoded_and_columns_described(self, tmp_path):
        """Kinds are inferred or declared, units kept, tokens missing, rows indexed by case."""
        cohort = load(write(tmp_path, PATIENTS))
        clinical = table_of(cohort, "clinical")
        assert clinical.index.tolist() == list(cohort.cases)
        np.testing.assert_array_equal(clinical["age"], [45.0, 46.0, np.nan, 61.0])
        assert clinical["palpable"].tolist() == [1.0, 0.0, 0.0, 1.0]
        assert clinical["signs"].fillna("-").tolist() == ["lump&pain", "-", "pain", "lump&skin"]
        age, palpable, signs = cohort.tables[0].columns
        assert (age.kind, age.unit) == (ColumnKind.NUMERIC, "years")
        assert palpable.kind is ColumnKind.BOOLEAN
        assert signs.kind is ColumnKind.MULTI_LABEL

    def test_post_diagnosis_columns_are_no_features_and_named(self, tmp_path):
        """What is known too late is kept out even where a modality asks for it."""
        cohort = load(write(tmp_path, PATIENTS), modalities={"clinical": ["age", "birads"]})
        assert list(table_of(cohort, "clinical")) == ["age"]
        assert text_of(cohort, "post-diagnosis-columns").endswith("features: birads.")

    def test_remaining_columns_form_one_modality(self, tmp_path):
        """Without declared modalities the columns without a role are taken, and named."""
        cohort = load(write(tmp_path, PATIENTS), modalities=None, exclude=["signs"])
        assert cohort.modalities == ("clinical",)
        assert list(table_of(cohort, "clinical")) == ["age", "palpable", "ca_15_3"]
        assert text_of(cohort, "columns-taken").endswith(": age, palpable, ca_15_3.")

    def test_without_patients_every_case_is_one(self, tmp_path):
        """The page must say that folds may split a patient."""
        cohort = load_plain(write(tmp_path, "id,x,y\n1,2,a\n2,3,b\n3,3,b\n"))
        assert cohort.patients == cohort.cases
        assert not cohort.info.patients_known
        assert "patients-unknown" in codes(cohort)

    def test_a_missing_site_is_counted(self, tmp_path):
        """Cases without a site stay, under a name of their own."""
        cohort = load_plain(write(tmp_path, "id,s,x,y\n1,,2,a\n2,n,3,b\n"), site="s")
        assert cohort.sites == ("not recorded", "n")
        assert text_of(cohort, "missing-sites").startswith("1 of 2 cases")

    def test_identifiers_and_dates_are_not_taken_by_default(self, tmp_path):
        """Names, running numbers and dates would let a model recognise the case."""
        rows = "".join(
            f"{i},name{i},{i + 40},2024-01-{i % 28 + 1:02},{i * 7 % 5}.5,{'ab'[i % 2]}\n"
            for i in range(20)
        )
        path = write(tmp_path, f"id,name,number,day,x,y\n{rows}")
        cohort = load_plain(path)
        assert list(table_of(cohort, "clinical")) == ["x"]
        assert text_of(cohort, "identifier-columns").endswith(": name, number.")
        assert text_of(cohort, "date-columns").endswith(": day.")
        declared = load_plain(path, columns={"number": {"kind": "numeric"}})
        assert list(table_of(declared, "clinical")) == ["number", "x"]

    def test_an_empty_column_is_left_out_with_a_warning(self, tmp_path):
        """A column without any value is no feature, and the page says so."""
        path = write(tmp_path, "id,x,z,y\n1,2,NA,a\n2,3,?,b\n")
        cohort = load_plain(path, modalities={"clinical": ["x", "z"]})
        assert list(table_of(cohort, "clinical")) == ["x"]
        (note,) = (note for note in cohort.notes if note.code == "empty-columns")
        assert (note.severity, note.text[-3:]) == ("warning", " z.")

    def test_numbers_with_slips_are_pointed_out(self, tmp_path):
        """One unreadable number turns a column into categories; nobody would notice."""
        rows = "".join(f"{i},{i * 3 % 7}.5,{'ab'[i % 2]}\n" for i in range(9))
        cohort = load_plain(write(tmp_path, f"id,x,y\n{rows}9,<1,b\n"))
        assert cohort.tables[0].columns[0].kind is ColumnKind.CATEGORICAL
        assert "1 of its 10 values are no plain number" in text_of(cohort, "mostly-numeric-columns")

    def test_declared_tokens_replace_the_default_ones(self, tmp_path):
        """A number may mean missing, and NA may be a category."""
        path = write(tmp_path, "id,x,z,y\n1,-999,NA,a\n2,3,q,b\n")
        clinical = table_of(load_plain(path, missing=[-999]), "clinical")
        np.testing.assert_array_equal(clinical["x"], [np.nan, 3.0])
        assert clinical["z"].tolist() == ["NA", "q"]


class TestLabels:
    path_text = "id,x,y\n1,2,0\n2,3,1\n3,3,2\n4,5,1\n"

    def test_declared_order_is_kept(self, tmp_path):
        """The order of probability columns is the user's; numbers in YAML mean their text."""
        cohort = load_plain(write(tmp_path, self.path_text), classes=[2, 0, 1])
        assert cohort.classes == ("2", "0", "1")
        assert cohort.labels.tolist() == [1, 2, 0, 2]

    def test_labels_are_renamed_and_merged(self, tmp_path):
        """Two recorded values may be one class."""
        classes = {0: "benign", 1: "malignant", 2: "malignant"}
        cohort = load_plain(write(tmp_path, self.path_text), classes=classes)
        assert cohort.classes == ("benign", "malignant")
        assert cohort.labels.tolist() == [0, 1, 1, 1]

    def test_yes_and_no_in_yaml_find_their_values(self, tmp_path):
        """YAML reads an unquoted yes as a truth value."""
        path = write(tmp_path, "id,x,y\n1,2,yes\n2,3,no\n")
        assert load_plain(path, classes=[False, True]).classes == ("no", "yes")
        assert load_plain(path, classes={True: "ill", False: "well"}).classes == ("ill", "well")

    @pytest.mark.parametrize(
        ("labels", "classes", "positive"),
        [
            ("malignant benign normal", ("normal", "benign", "malignant"), "malignant"),
            ("Malignant Benign Benign", ("Benign", "Malignant"), "Malignant"),
            ("yes no yes yes", ("no", "yes"), "yes"),
            ("10 9 9 10 10", ("9", "10"), "9"),
            ("healthy cancer cancer", ("cancer", "healthy"), "cancer"),
            ("b a a c c", ("a", "b", "c"), "b"),
        ],
    )
    def test_default_order_and_positive_class(self, tmp_path, labels, classes, positive):
        """Clinical or sorted order; the positive class by name, else the rarest, and said."""
        rows = "".join(f"{i},{i % 3},{label}\n" for i, label in enumerate(labels.split()))
        cohort = load_plain(write(tmp_path, f"id,x,y\n{rows}"))
        assert cohort.classes == classes
        assert cohort.positive_class == positive
        assert ("positive-class" in codes(cohort)) is (positive.lower() != "malignant")

    @pytest.mark.parametrize(
        ("rows", "classes", "message"),
        [
            ("1,2,a\n2,3,a\n", None, r"label column 'y' of patients\.csv has one class, 'a'"),
            ("1,2,a\n2,3,b\n", {"a": "c", "b": "c"}, "has one class, 'c'"),
            ("1,2,a\n2,3,NA\n3,1,\n", None, r"no label in 2 row\(s\): row 3, 4"),
            ("1,2,a\n2,3,bb\n", ["a", "b"], r"Unknown label 'bb' in row 3 .* mean 'b'\?"),
            ("1,2,a\n2,3,b\n", ["a", "b", "c"], "declared class 'c'; the column 'y' holds a, b"),
        ],
    )
    def test_labels_that_will_not_do(self, tmp_path, rows, classes, message):
        """One class, missing labels and undeclared labels each have their sentence."""
        with pytest.raises(BenchmarkError, match=message):
            load_plain(write(tmp_path, f"id,x,y\n{rows}"), classes=classes)

    def test_a_measurement_is_no_label(self, tmp_path):
        """Naming the wrong column shows before a night of work."""
        rows = "".join(f"{i},2,{i / 7:.3f}\n" for i in range(30))
        with pytest.raises(BenchmarkError, match="30 different values in 30 rows"):
            load_plain(write(tmp_path, f"id,x,y\n{rows}"))


class TestJoins:
    def sources(self, folder: Path) -> Path:
        """Write a manifest and two tables that match it in part."""
        write(folder, "exam;alter;befund\n1;45,5;a\n3;51,0;b\n9;33,0;b\n", "tables/clinical.csv")
        frame = pd.DataFrame({"id": [3, 2, 1], "ki67": [5, None, 20], "y": ["b", "a", "a"]})
        frame.to_parquet(folder / "molecular.parquet")
        return write(folder, "id,y\n1,a\n2,a\n3,b\n")

    tables: ClassVar[dict[str, Any]] = {
        "clinical": {"path": "tables/clinical.csv", "case": "exam"},
        "molecular": {"path": "molecular.parquet"},
    }

    def test_tables_are_joined_on_the_case_id(self, tmp_path):
        """Rows find their case whatever their order; absent ones are missing."""
        cohort = load_plain(self.sources(tmp_path), tables=self.tables)
        assert cohort.modalities == ("clinical", "molecular")
        clinical, molecular = table_of(cohort, "clinical"), table_of(cohort, "molecular")
        np.testing.assert_array_equal(clinical["alter"], [45.5, np.nan, 51.0])
        assert clinical["befund"].fillna("-").tolist() == ["a", "-", "b"]
        np.testing.assert_array_equal(molecular["ki67"], [20.0, np.nan, 5.0])

    def test_a_joined_table_brings_no_label(self, tmp_path):
        """A column that is the manifest's label is none of the features of another table."""
        cohort = load_plain(self.sources(tmp_path), tables=self.tables)
        assert list(table_of(cohort, "molecular")) == ["ki67"]

    def test_what_did_not_match_is_reported_on_either_side(self, tmp_path):
        """Counts on both sides, a warning only where something did not match."""
        cohort = load_plain(self.sources(tmp_path), tables=self.tables)
        clinical, molecular = (note for note in cohort.notes if note.code == "unmatched-cases")
        assert clinical.severity == "warning"
        assert "Matched: 2. Rows that belong to no case, dropped: 1." in clinical.text
        assert clinical.text.endswith("whose values are missing: 1.")
        assert molecular.severity == "info"
        assert "Matched: 3. Rows that belong to no case, dropped: 0." in molecular.text

    def test_columns_of_a_joined_table_can_be_chosen(self, tmp_path):
        """The list of columns is kept to, and declarations reach them."""
        tables = {"clinical": self.tables["clinical"] | {"columns": ["alter"]}}
        columns = {"alter": {"unit": "years"}}
        cohort = load_plain(self.sources(tmp_path), tables=tables, columns=columns)
        assert [(one.name, one.unit) for one in cohort.tables[0].columns] == [("alter", "years")]

    @pytest.mark.parametrize(
        ("text", "options", "message"),
        [
            ("id,z\n01,5\n02,6\n", {}, r"No case id of other\.csv .*'01'\) is among .*'1'\)"),
            ("id,z\n1,5\n1,6\n", {}, r"case id '1' stands in rows 2 and 3 of other\.csv"),
            ("id,z\n1,5\n,6\n", {}, r"case column 'id' of other\.csv is empty in 1 row"),
            ("nr,z\n1,5\n", {}, r"Unknown column 'id' in other\.csv \(case, of tables\.extra\)"),
            ("id,z\n1,5\n", {"columns": ["w"]}, r"Unknown column 'w' in other\.csv"),
            ("id,z,y\n1,5,a\n", {"columns": ["y"]}, r"'y' is the manifest's label"),
            ("id,x\n1,5\n", {}, "Column 'x' would be in clinical and again in extra"),
            ("id,z\n1,5\n", {"path": "none.csv"}, r"none\.csv' does not exist"),
        ],
    )
    def test_joins_that_will_not_do(self, tmp_path, text, options, message):
        """Every way to miss is one sentence that names the table."""
        write(tmp_path, text, "other.csv")
        path = write(tmp_path, "id,x,y\n1,3,a\n2,4,b\n")
        with pytest.raises(BenchmarkError, match=message):
            load_plain(path, tables={"extra": {"path": "other.csv"} | options})


class TestMistakes:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            (
                {"label": "diagnosys"},
                r"Unknown column 'diagnosys' in patients\.csv \(label\).*'diag",
            ),
            ({"case": "Exam"}, r"Unknown column 'Exam' .* Did you mean 'exam'\?"),
            ({"exclude": ["agee"]}, r"'agee' in patients\.csv \(exclude\).*'age'"),
            ({"post_diagnosis": "bi"}, r"'bi' in patients\.csv \(post_diagnosis\).*'birads'"),
            ({"columns": {"agge": {}}}, r"'agge' in patients\.csv \(columns\)"),
            ({"modalities": {"c": ["hb"]}}, r"'hb' in patients\.csv \(modalities\.c\)"),
            ({"modalities": {"c": ["diagnosis"]}}, "'diagnosis' is the manifest's label"),
            ({"modalities": {"c": ["age"], "d": ["age"]}}, "'age' would be in c and again in d"),
            ({"images": {"clinical": {"image": "age"}}}, "'clinical' is declared more than once"),
            ({"columns": {"signs": {"kind": "numeric"}}}, r"'signs' .* row 2 holds 'lump&pain'"),
            ({"sheet": "one"}, "has no sheets"),
            ({"labels": "x"}, r"Unknown key 'labels' .* Did you mean 'label'\?"),
            ({"modalities": {}}, "neither images nor tabular columns"),
        ],
    )
    def test_options_that_do_not_fit_the_table(self, tmp_path, changes, message):
        """A wrong name or a double role is one sentence with the nearest name."""
        with pytest.raises(BenchmarkError, match=message):
            load(write(tmp_path, PATIENTS), **changes)

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("e1,p9,north,1,no,,1,1,benign", "case id 'e1' stands in rows 2 and 6 of patients"),
            (",p9,north,1,no,,1,1,benign", r"case column 'exam' .* is empty in 1 row\(s\): row 6"),
            ("e5,?,north,1,no,,1,1,benign", r"patient column 'patient' .* 1 row\(s\): row 6"),
            ("e5,p9,north,1,no,,1,1,", r"no label in 1 row\(s\): row 6"),
            ("e5,p9,north,old,no,,1,1,benign", r"'age' .* row 6 holds 'old'"),
        ],
    )
    def test_rows_that_will_not_do(self, tmp_path, line, message):
        """The message has the row that a spreadsheet shows."""
        with pytest.raises(BenchmarkError, match=message):
            load(write(tmp_path, PATIENTS + line + "\n"))

    def test_dates_asked_for_by_name_are_refused(self, tmp_path):
        """A date among declared columns is a mistake to be told, not to be passed over."""
        path = write(tmp_path, "id,day,y\n1,2024-01-01,a\n2,2024-02-01,b\n")
        with pytest.raises(BenchmarkError, match=r"'day' of patients\.csv holds dates"):
            load_plain(path, modalities={"clinical": ["day"]})

    def test_a_path_that_does_not_exist(self, tmp_path):
        """The path is named."""
        with pytest.raises(BenchmarkError, match=r"none\.csv' does not exist"):
            load_plain(tmp_path / "none.csv")


class TestFormats:
    def test_all_formats_give_the_same_cohort(self, tmp_path):
        """CSV, Parquet and XLSX differ in types, the cohort does not."""
        csv = load(write(tmp_path, PATIENTS))
        frame = pd.read_csv(tmp_path / "patients.csv")
        frame.to_parquet(tmp_path / "patients.parquet", index=False)
        frame.to_excel(tmp_path / "patients.xlsx", index=False)
        for suffix in (".parquet", ".xlsx"):
            other = load(tmp_path / f"patients{suffix}")
            assert other.fingerprint() == csv.fingerprint()
            assert other.info == csv.info

    def test_leading_zeros_of_ids_stay(self, tmp_path):
        """A case id is text in CSV, and a whole number of a spreadsheet has no decimals."""
        assert load_plain(write(tmp_path, "id,x,y\n007,1,a\n8,2,b\n")).cases == ("007", "8")
        frame = pd.DataFrame({"id": [7.0, 8.0], "x": [1, 2], "y": ["a", "b"]})
        frame.to_excel(tmp_path / "t.xlsx", index=False)
        assert load_plain(tmp_path / "t.xlsx").cases == ("7", "8")

    @settings(max_examples=25, deadline=None)
    @given(
        rows=st.lists(
            st.tuples(
                st.floats(-1e6, 1e6),
                st.sampled_from(["öde", "groß", 'a "b"', "c; d", "e, f", "g|h", ""]),
                st.sampled_from(["yes", "no", "NA"]),
            ),
            min_size=2,
            max_size=8,
        ),
        delimiter=st.sampled_from([",", ";", "\t", "|"]),
        encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
        mark=st.sampled_from([".", ","]),
    )
    def test_delimiter_encoding_and_decimal_mark_change_nothing(
        self, rows, delimiter, encoding, mark
    ):
        """The same patients, however a program exports them, are the same cohort."""
        frame = pd.DataFrame(rows, columns=["x", "sign", "told"])
        frame.insert(0, "id", [f"{i:03}" for i in range(len(frame))])
        frame["y"] = ["a", "b", *"ab" * 3][: len(frame)]
        options = {
            "modalities": {"m": ["x", "sign", "told"]},
            "columns": {"x": {"kind": "numeric"}},
        }
        with tempfile.TemporaryDirectory() as folder:
            plain, other = Path(folder) / "a.csv", Path(folder) / "b.csv"
            frame.to_csv(plain, index=False)
            decimal = "." if delimiter == "," else mark
            frame.to_csv(other, index=False, sep=delimiter, decimal=decimal, encoding=encoding)
            first, second = load_plain(plain, **options), load_plain(other, **options)
            assert first.fingerprint() == second.fingerprint()
        np.testing.assert_array_equal(table_of(first, "m")["x"], frame["x"])
