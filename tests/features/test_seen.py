"""What lies outside of what a model saw is said, with the value and the range."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cohorts import (
    Cohort,
    CohortInfo,
    Column,
    ColumnKind,
    ImageModality,
    ImageRecord,
    TabularModality,
)
from features import describe_seen, outside_seen

COLUMNS = (
    Column("age", ColumnKind.NUMERIC, "years"),
    Column("grade", ColumnKind.ORDINAL, order=("low", "mid", "high")),
    Column("palpable", ColumnKind.BOOLEAN),
    Column("side", ColumnKind.CATEGORICAL),
    Column("signs", ColumnKind.MULTI_LABEL, separator="/"),
)
USUAL = {"age": 60.0, "grade": "low", "palpable": 1.0, "side": "left", "signs": "pain"}
IMAGE = ImageRecord(Path("a.png"), spacing_mm=0.1)


def cohort(rows: list[dict[str, Any]], images: list[tuple[ImageRecord, ...]]) -> Cohort:
    cases = tuple(f"c{number}" for number in range(len(rows)))
    table = pd.DataFrame(rows, index=pd.Index(cases, name="case"))
    return Cohort(
        CohortInfo("small", "small"),
        cases=cases,
        patients=cases,
        classes=("benign", "malignant"),
        labels=np.arange(len(rows)) % 2,
        images=(ImageModality("ultrasound", tuple(images)),),
        tables=(TabularModality("clinical", COLUMNS, table),),
    )


@pytest.fixture
def developed() -> Cohort:
    rows = [
        USUAL | {"age": 31.0, "signs": np.nan},
        USUAL | {"age": 84.0, "grade": "mid", "side": "right", "signs": "lump/pain"},
        USUAL | {"palpable": 1.0},
    ]
    return cohort(rows, [(IMAGE,), (replace(IMAGE, spacing_mm=0.05),), (IMAGE,)])


def flags(
    developed: Cohort,
    row: dict[str, Any],
    images: tuple[ImageRecord, ...] = (IMAGE,),
    **options: Any,
) -> list[str]:
    seen = json.loads(json.dumps(describe_seen(developed)))
    given = {"modalities": ("ultrasound", "clinical"), **options}
    return outside_seen(cohort([USUAL | row], [images]), seen, **given)[0]


def test_a_usual_case_has_no_flag(developed):
    """The ends of a range and every level that was seen are inside; so are the cases themselves."""
    assert flags(developed, {}) == []
    assert flags(developed, {"age": 84.0, "signs": "lump"}) == []
    seen = describe_seen(developed)
    everything = ("ultrasound", "clinical")
    assert outside_seen(developed, seen, modalities=everything) == [[], [], []]


@pytest.mark.parametrize(
    ("row", "flag"),
    [
        ({"age": 140.0}, "clinical.age 140 above 84"),
        ({"age": 30.5}, "clinical.age 30.5 below 31"),
        ({"age": np.nan}, "clinical.age missing, never seen so"),
        ({"grade": "high"}, "clinical.grade 'high' never seen"),
        ({"grade": "Lo  W"}, "clinical.grade 'Lo  W' never seen (did you mean 'low'?)"),
        ({"palpable": 0.0}, "clinical.palpable 'no' never seen"),
        ({"side": "both"}, "clinical.side 'both' never seen"),
        ({"signs": "pain/rash"}, "clinical.signs 'rash' never seen"),
        (dict.fromkeys(USUAL, np.nan), "clinical missing, never seen so"),
    ],
)
def test_each_kind_of_column(developed, row, flag):
    """Numbers by their range, all others by their levels, and missing where none was."""
    assert flags(developed, row) == [flag]


def test_missing_as_it_was_seen_is_no_flag_unless_the_column_is_not_there(developed):
    """One of three had no signs; a table without that column is another matter."""
    assert flags(developed, {"signs": np.nan}) == []
    absent = {("clinical", "signs")}
    expected = ["clinical.signs missing, seen so in 1 of 3 cases"]
    assert flags(developed, {"signs": np.nan}, absent=absent) == expected


def test_images_by_presence_and_pixel_size(developed):
    """No image, no pixel size, and a size beyond the others."""
    assert flags(developed, {}, ()) == ["ultrasound missing, never seen so"]
    unknown = (replace(IMAGE, spacing_mm=None),)
    assert flags(developed, {}, unknown) == ["ultrasound pixel size missing, never seen so"]
    coarse = (replace(IMAGE, spacing_mm=0.5),)
    assert flags(developed, {}, coarse) == ["ultrasound pixel size 0.5 above 0.1 mm"]


def test_what_a_model_does_not_read_is_not_flagged(developed):
    """A model on tables alone has nothing to say of an image."""
    assert flags(developed, {}, (), modalities=("clinical",)) == []
    assert flags(developed, {"age": 140.0}, modalities=("ultrasound",)) == []
