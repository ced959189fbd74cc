"""BrEaST is read as published, and what speaks after the fact stays out."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cohorts import (
    BenchmarkError,
    CaseFormat,
    Cohort,
    case_format,
    load_cohort,
    read_new_cases,
)

SHEET = "BrEaST-Lesions-USG-clinical-data-Dec-15-2023.xlsx"
LATE = {"Interpretation", "BIRADS", "Verification", "Diagnosis"}


def row(case: int, **changes: object) -> dict[str, object]:
    base: dict[str, object] = {
        "CaseID": case,
        "Image_filename": f"case{case:03}.png",
        "Mask_tumor_filename": f"case{case:03}_tumor.png",
        "Mask_other_filename": "",
        "Pixel_size": 0.0078125,
        "Age": 57,
        "Tissue_composition": "heterogeneous: predominantly fat",
        "Signs": "no",
        "Symptoms": "not available",
        "Shape": "irregular",
        "Margin": "not circumscribed - angular&indistinct",
        "Echogenicity": "hypoechoic",
        "Posterior_features": "shadowing",
        "Halo": "no",
        "Calcifications": "in a mass",
        "Skin_thickening": "yes",
        "Interpretation": "Suspicion of malignancy&Fibroadenoma",
        "BIRADS": "4b",
        "Verification": "confirmed by biopsy",
        "Diagnosis": "Fibroadenoma",
        "Classification": "benign",
    }
    return base | changes


ROWS = [
    row(1),
    row(2, Classification="malignant", Age="not available", Signs="palpable&breast scar"),
    row(3, Mask_other_filename="case003_other1.png&case003_other2.png"),
    row(4, Classification="malignant"),
    row(5, Classification="normal", Shape="not applicable", Margin="not applicable",
        Halo="not applicable", Mask_tumor_filename=""),
]  # fmt: skip


def write(folder: Path, rows: list[dict[str, object]]) -> Path:
    images = folder / "images_and_masks"
    images.mkdir()
    for one in rows:
        case = f"case{one['CaseID']:03}"
        Image.new("RGBA", (20, 16), (90, 90, 90, 255)).save(images / f"{case}.png")
        for suffix in ("tumor", "other1", "other2"):
            mask = Image.new("L", (20, 16))
            mask.paste(255, (3, 3, 9, 9))
            mask.save(images / f"{case}_{suffix}.png")
    pd.DataFrame(rows).to_excel(folder / SHEET, index=False)
    return folder


def load(folder: Path, **options: object) -> Cohort:
    return load_cohort("breast", folder, options)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return write(tmp_path, ROWS)


def test_lesions_only_by_default_and_said_so(tree):
    """The normal cases are left out, with a sentence; on demand they are a class."""
    cohort = load(tree)
    assert cohort.classes == ("benign", "malignant")
    assert cohort.cases == cohort.patients == ("1", "2", "3", "4")
    texts = {note.code: note.text for note in cohort.notes}
    assert "the 1 normal cases were left out" in texts["lesions-only"]
    everyone = load(tree, lesions_only=False)
    assert everyone.classes == ("normal", "benign", "malignant")
    assert "lesions-only" not in {note.code for note in everyone.notes}


def test_published_cells_mean_the_same_of_new_cases(tree):
    """Copied into a table of new cases: " - ", no and what is missing are read as by the loader."""
    cohort = load(tree, lesions_only=False)
    options = {"lesions_only": False}
    form = case_format(cohort, loader="breast", data=tree, options=options)
    stored = CaseFormat.from_dict(json.loads(json.dumps(form.to_dict())))
    given = [{"case": one["CaseID"], **one} for one in ROWS]
    new = read_new_cases(given, stored, classes=cohort.classes, positive_class="malignant")
    assert not new.problems
    for wanted, found in zip(cohort.tables, new.cohort.tables, strict=True):
        cells = [
            one.table.astype(object).fillna("?").to_numpy().tolist() for one in (wanted, found)
        ]
        assert cells[0] == cells[1]
    margins = new.cohort.tables[1].table["Margin"]
    assert margins["1"] == "not circumscribed&angular&indistinct"


def test_what_speaks_after_the_fact_is_no_feature(tree):
    """Conclusions and outcomes are kept out of every modality, and the page says which."""
    cohort = load(tree)
    assert [one.name for one in cohort.tables] == ["clinical", "reader"]
    offered = {column.name for one in cohort.tables for column in one.columns}
    assert not offered & (LATE | {"Classification"})
    (note,) = [one for one in cohort.notes if one.code == "post-diagnosis-columns"]
    assert all(name in note.text for name in LATE)


def test_late_columns_on_demand_come_with_a_warning(tree):
    """They form a modality of their own, never part of the others, and mark every row on it."""
    cohort = load(tree, include_post_diagnosis=True)
    assert [one.name for one in cohort.tables] == ["clinical", "reader", "post_diagnosis"]
    assert set(cohort.tables[2].table.columns) == LATE
    assert [note.code for note in cohort.tables[2].notes] == ["post-diagnosis-columns"]
    assert "post-diagnosis-columns" not in {note.code for note in cohort.notes}


def test_rows_that_use_a_radiologist_are_marked(tree):
    """The reader's descriptors carry a warning with every row that uses them; history does not."""
    clinical, reader = load(tree).tables
    assert [(note.code, note.severity) for note in reader.notes] == [
        ("reader-descriptors", "warning")
    ]
    assert clinical.notes == ()


def test_history_and_reader_are_apart(tree):
    """What the patient tells and what a radiologist reads off the image are two modalities."""
    clinical, reader = load(tree).tables
    assert list(clinical.table.columns) == ["Age", "Tissue_composition", "Signs", "Symptoms"]
    assert {"Shape", "Margin", "Echogenicity", "Posterior_features"} <= set(reader.table.columns)


def test_cells_are_encoded_by_kind(tree):
    """Numbers, absent labels, joined labels, prefixed margins and missing tokens."""
    clinical, reader = (one.table for one in load(tree).tables)
    assert clinical["Age"].tolist()[0] == 57
    assert np.isnan(clinical["Age"].iloc[1])
    assert clinical["Signs"].tolist() == ["", "palpable&breast scar", "", ""]
    assert clinical["Symptoms"].isna().all()
    assert reader["Margin"].iloc[0] == "not circumscribed&angular&indistinct"
    assert reader["Skin_thickening"].tolist() == [1, 1, 1, 1]
    normal = load(tree, lesions_only=False).tables[1].table.iloc[4]
    assert normal[["Shape", "Margin", "Halo"]].isna().all()


def test_masks_and_pixel_size(tree):
    """Tumour masks are the region, other masks are kept apart, centimetres become millimetres."""
    records = [images[0] for images in load(tree).images[0].records]
    assert records[0].spacing_mm == pytest.approx(0.078125)
    assert [mask.name for mask in records[2].masks] == ["case003_tumor.png"]
    assert [mask.name for mask in records[2].other_masks] == [
        "case003_other1.png",
        "case003_other2.png",
    ]


def test_categories_of_suspicion_are_ordered(tree, tmp_path_factory):
    """BI-RADS rises from 1 over 4a to 5; 0 (incomplete) has no place in that order."""
    (late,) = (
        one
        for one in load(tree, include_post_diagnosis=True).tables
        if one.name == "post_diagnosis"
    )
    (birads,) = (one for one in late.columns if one.name == "BIRADS")
    assert birads.order == ("1", "2", "3", "4a", "4b", "4c", "5")
    assert set(late.table["BIRADS"]) <= set(birads.order)
    other = write(tmp_path_factory.mktemp("other"), [row(1), row(2, BIRADS="0")])
    with pytest.raises(BenchmarkError, match=r"case '2' has '0' in BIRADS, which is none of 1, 2"):
        load(other, include_post_diagnosis=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Classification": "benigm"}, r"case '6' has the Classification 'benigm', which is none"),
        ({"Age": "fifty"}, r"case '6' has 'fifty' in Age, where a number is expected"),
        ({"Pixel_size": "?"}, r"case '6' has '\?' in Pixel_size, where a number is expected"),
        ({"Image_filename": "gone.png"}, r"names 'gone.png' for case '6' \(Image_filename\), but"),
        ({"Image_filename": "case006.png&case001.png"}, r"case '6' names 2 images, one is"),
        ({"CaseID": 1}, r"1 case id\(s\) stand in more than one row, the first is '1'"),
    ],
)  # fmt: skip
def test_a_bad_cell_is_named(tmp_path, changes, message):
    """The error has the file, the case, the cell and what to do."""
    write(tmp_path, [*ROWS, row(6)])
    pd.DataFrame([*ROWS, row(6, **changes)]).to_excel(tmp_path / SHEET, index=False)
    with pytest.raises(BenchmarkError, match=message):
        load(tmp_path)


def test_a_missing_column_is_named(tree):
    """A sheet without a published column is refused."""
    pd.DataFrame(ROWS).drop(columns="Margin").to_excel(tree / SHEET, index=False)
    with pytest.raises(BenchmarkError, match=r"has no column 'Margin' \(1 missing in all\)"):
        load(tree)


def test_another_folder_is_refused(tmp_path):
    """A folder without the spreadsheet, a file, and a damaged spreadsheet."""
    with pytest.raises(BenchmarkError, match=r"holds 0 XLSX files below it"):
        load(tmp_path)
    sheet = tmp_path / SHEET
    sheet.write_bytes(b"not a spreadsheet")
    with pytest.raises(BenchmarkError, match=r"cannot be read as XLSX"):
        load(tmp_path)
    with pytest.raises(BenchmarkError, match=r"is a file\. BrEaST is read from the folder"):
        load(sheet)


@pytest.mark.skipif("SONOBENCH_DATA" not in os.environ, reason="SONOBENCH_DATA is not set")
def test_published_data():
    """252 lesions, all with a mask; three cases with other masks; every margin has its labels."""
    cohort = load(Path(os.environ["SONOBENCH_DATA"]) / "breast")
    assert cohort.class_counts() == {"benign": 154, "malignant": 98}
    records = [images[0] for images in cohort.images[0].records]
    assert all(record.masks for record in records)
    assert sum(bool(record.other_masks) for record in records) == 7
    labels = {label for cell in cohort.tables[1].table["Margin"] for label in cell.split("&")}
    assert labels == {
        "circumscribed",
        "not circumscribed",
        "angular",
        "indistinct",
        "microlobulated",
        "spiculated",
    }
