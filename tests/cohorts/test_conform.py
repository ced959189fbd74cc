"""A second cohort is put in the terms of the first, or it is said why it cannot be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cohorts import (
    BenchmarkError,
    Cohort,
    CohortInfo,
    Column,
    ColumnKind,
    ImageModality,
    ImageRecord,
    TabularModality,
    conform_modalities,
    map_classes,
)

AGE = Column("age", ColumnKind.NUMERIC, "years")
GRADE = Column("grade", ColumnKind.ORDINAL, order=("low", "high"))
SIGNS = Column("signs", ColumnKind.MULTI_LABEL)


def make(
    classes: tuple[str, ...],
    labels: list[int],
    columns: tuple[Column, ...] = (AGE, GRADE, SIGNS),
    cells: dict | None = None,
    **changes,
) -> Cohort:
    cases = tuple(f"c{i}" for i in range(len(labels)))
    every = {
        "age": [40.0 + i for i in range(len(labels))],
        "grade": ["low"] * len(labels),
        "signs": ["lump&pain"] * len(labels),
    } | (cells or {})
    table = pd.DataFrame(
        {one.name: every[one.name] for one in columns}, index=pd.Index(cases, name="case")
    )
    return Cohort(
        info=CohortInfo("made", "Made up"),
        cases=cases,
        patients=cases,
        classes=classes,
        labels=np.asarray(labels, dtype=np.intp),
        positive_class=classes[-1],
        tables=(TabularModality("clinical", columns, table),),
        **changes,
    )


@pytest.fixture
def development() -> Cohort:
    return make(("benign", "malignant"), [0, 1, 0, 1])


def test_classes_are_those_of_development(development):
    """Mapped by declaration or by name, in the order of development; null leaves cases out."""
    there = make(("cancer", "benign", "normal"), [0, 1, 2, 0])
    mapped = map_classes(there, {"cancer": "malignant", "normal": None}, development, where="here")
    assert mapped.classes == development.classes
    assert mapped.positive_class == "malignant"
    assert mapped.cases == ("c0", "c1", "c3")
    assert mapped.labels.tolist() == [1, 0, 1]
    assert list(mapped.tables[0].table.index) == ["c0", "c1", "c3"]


def test_a_class_may_be_absent():
    """A cohort that is only predicted need not hold every class."""
    development = make(("normal", "benign", "malignant"), [0, 1, 2])
    mapped = map_classes(make(("benign", "malignant"), [0, 1]), {}, development, where="here")
    assert mapped.class_counts() == {"normal": 0, "benign": 1, "malignant": 1}


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({}, r"'normal' \(1 cases\), which .* \(classes benign, malignant\).*\{normal: null\}"),
        ({"norml": None}, r"Unknown class 'norml' in here\. Did you mean 'normal'"),
        ({"normal": "benin"}, r"class of the development cohort 'benin'.*mean 'benign'"),
        (dict.fromkeys(("benign", "malignant", "normal")), r"here leaves out every class"),
    ],
)
def test_what_is_not_mapped_is_refused(development, mapping, message):
    """One sentence names the class and shows the mapping to write."""
    there = make(("benign", "malignant", "normal"), [0, 1, 2])
    with pytest.raises(BenchmarkError, match=message):
        map_classes(there, mapping, development, where="here")


def test_leaving_out_a_class_that_is_not_there_is_harmless(development):
    """A loader may have left its cases out already."""
    there = make(("benign", "malignant"), [0, 1, 1])
    mapped = map_classes(there, {"normal": None}, development, where="here")
    assert mapped.n_cases == 3


def test_a_mapping_without_positive_cases_is_refused(development):
    """Nothing could be scored, and the message comes before any long work."""
    there = make(("benign", "malignant"), [0, 1, 1])
    with pytest.raises(BenchmarkError, match="leaves no case of 'malignant', the positive class"):
        map_classes(there, {"malignant": None}, development, where="here")


def test_the_columns_are_those_of_development(development):
    """In their order and with their separator; what development lacks is left out."""
    signs = replace(SIGNS, separator=";")
    extra = Column("extra", ColumnKind.NUMERIC)
    there = make(
        ("benign", "malignant"),
        [0, 1],
        (extra, signs, GRADE, AGE),
        {"extra": [1.0, 2.0], "signs": ["lump;pain", np.nan]},
    )
    conformed, gaps = conform_modalities(there, development)
    (table,) = conformed.tables
    assert gaps == {}
    assert table.columns == development.tables[0].columns
    assert list(table.table.columns) == ["age", "grade", "signs"]
    assert table.table["signs"].tolist()[0] == "lump&pain"
    assert pd.isna(table.table["signs"].tolist()[1])


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ((AGE, GRADE), r"its table 'clinical' has no column 'signs'"),
        ((AGE,), r"has no column 'grade' and 1 more"),
        ((replace(AGE, unit="months"), GRADE, SIGNS), r"'age' .* is in months, in devel.* years"),
        (
            (AGE, Column("grade", ColumnKind.CATEGORICAL), SIGNS),
            r"'grade' .* is categorical, in development ordinal; declare its kind",
        ),
        (
            (AGE, replace(GRADE, order=("low", "middle", "high")), SIGNS),
            r"has the level 'middle', which its order in development lacks",
        ),
    ],
)
def test_a_table_that_reads_otherwise_is_a_gap(development, columns, reason):
    """The whole table is missing then, with the reason, and none of its values is kept."""
    import re

    there = make(("benign", "malignant"), [0, 1], columns)
    conformed, gaps = conform_modalities(there, development)
    assert re.search(reason, gaps["clinical"])
    assert conformed.tables[0].table.isna().all(axis=None)
    assert list(conformed.tables[0].table.columns) == ["age", "grade", "signs"]


def test_modalities_that_are_not_there_are_gaps(development, tmp_path):
    """A table or images of another name, or images that no case has, are named."""
    images = (ImageModality("ultrasound", ((ImageRecord(tmp_path / "a.png"),),) * 4),)
    development = replace(development, images=images)
    renamed = replace(
        make(("benign", "malignant"), [0, 1]),
        images=(ImageModality("photo", ((), ())),),
        tables=(),
    )
    conformed, gaps = conform_modalities(renamed, development)
    assert gaps == {
        "ultrasound": "the cohort has no images 'ultrasound' (it has photo)",
        "clinical": "the cohort has no table 'clinical'",
    }
    assert conformed.modalities == development.modalities
    assert conformed.images[0].n_missing == 2
    empty = replace(renamed, images=(ImageModality("ultrasound", ((), ())),))
    assert "ultrasound" in conform_modalities(empty, development)[1]
