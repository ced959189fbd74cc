"""Manifests for tests: a table of four exams, its options, and what to ask of a cohort."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

import cohorts._manifest  # noqa: F401  # registers the loader
from cohorts import Cohort, load_cohort

PATIENTS = """exam,patient,hospital,age,palpable,signs,ca_15_3,birads,diagnosis
e1,p1,north,45,yes,lump&pain,12.5,2,benign
e2,p1,north,46,no,,NA,4,malignant
e3,p2,south,not available,no,pain,30,1,normal
e4,p3,south,61,yes,lump & skin,8.25,5,malignant
"""
OPTIONS: dict[str, Any] = {
    "case": "exam",
    "patient": "patient",
    "site": "hospital",
    "label": "diagnosis",
    "modalities": {"clinical": ["age", "palpable", "signs"], "molecular": ["ca_15_3"]},
    "columns": {
        "age": {"kind": "numeric", "unit": "years"},
        "signs": {"kind": "multi_label", "separator": "&"},
    },
    "post_diagnosis": ["birads"],
}


def write(folder: Path, text: str, name: str = "patients.csv") -> Path:
    """Write a text file."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def draw(path: Path, *, size: tuple[int, int] = (16, 16), mode: str = "L", box: int = 8) -> Path:
    """Write an image with a bright square."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new(mode, size)
    image.paste((255,) * len(image.getbands()), (0, 0, box, box))
    image.save(path)
    return path


def load(path: Path, **changes: Any) -> Cohort:
    """Load with the options above and these changes; a change to None removes one."""
    options = {key: value for key, value in (OPTIONS | changes).items() if value is not None}
    return load_cohort("manifest", path, options)


def load_plain(path: Path, **options: Any) -> Cohort:
    """Load with a case and a label column and these options."""
    return load_cohort("manifest", path, {"case": "id", "label": "y", **options})


def codes(cohort: Cohort) -> list[str]:
    """Return the codes of all notes."""
    return [note.code for note in cohort.notes]


def text_of(cohort: Cohort, code: str) -> str:
    """Return the text of the one note of this code."""
    (note,) = (note for note in cohort.notes if note.code == code)
    return note.text


def table_of(cohort: Cohort, name: str) -> pd.DataFrame:
    """Return the table of one modality."""
    (modality,) = (one for one in cohort.tables if one.name == name)
    return modality.table
