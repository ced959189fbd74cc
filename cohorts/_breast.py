"""BrEaST-Lesions-USG as published: a spreadsheet, images and masks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from cohorts._case_format import CaseFormat, plain_format
from cohorts._cohort import (
    Cohort,
    CohortInfo,
    Column,
    ColumnKind,
    ImageModality,
    ImageRecord,
    Note,
    TabularModality,
)
from cohorts._column_kinds import clean_labels
from cohorts._errors import BenchmarkError
from cohorts._image_files import read_image_record
from cohorts._loading import CohortLoader, register_cohort

__all__: list[str] = []

CLASSES = ("normal", "benign", "malignant")

# Pixel sizes are published in centimetres.
MM_PER_CM = 10.0

# "not applicable" stands where a normal case has no lesion to describe.
MISSING = frozenset({"", "not available", "not applicable"})

# A recorded "no" in a multi-label cell: none of the labels holds.
NONE_OF_THEM = "no"

# Within the main label of a multi-label cell, before what it is said to be in detail:
# ``not circumscribed - angular&indistinct`` holds three labels.
BETWEEN_LABELS = (" - ",)
SEPARATOR = "&"

# Categories of final assessment by rising suspicion; 0 and 6 are no part of that scale.
BIRADS = ("1", "2", "3", "4a", "4b", "4c", "5")

KINDS = ColumnKind
COLUMNS: Mapping[str, tuple[Column, ...]] = {
    # What the patient tells, or is known before anybody looks at the image.
    "clinical": (
        Column("Age", KINDS.NUMERIC, "years", "age at the examination"),
        Column("Tissue_composition", KINDS.MULTI_LABEL, "", "composition of the breast tissue"),
        Column("Signs", KINDS.MULTI_LABEL, "", "findings of the physical examination"),
        Column("Symptoms", KINDS.MULTI_LABEL, "", "complaints and history"),
    ),
    # What a radiologist reads off the image, in BI-RADS words.
    "reader": (
        Column("Shape", KINDS.CATEGORICAL, "", "shape of the lesion"),
        Column("Margin", KINDS.MULTI_LABEL, "", "margin of the lesion"),
        Column("Echogenicity", KINDS.CATEGORICAL, "", "echogenicity of the lesion"),
        Column("Posterior_features", KINDS.CATEGORICAL, "", "what is seen behind the lesion"),
        Column("Halo", KINDS.BOOLEAN, "", "echogenic rim around the lesion"),
        Column("Calcifications", KINDS.CATEGORICAL, "", "calcifications and where they lie"),
        Column("Skin_thickening", KINDS.BOOLEAN, "", "thickened skin above the lesion"),
    ),
    # What is known, or concluded, only after the examination.
    "post_diagnosis": (
        Column("Interpretation", KINDS.MULTI_LABEL, "", "the reader's suspected diagnoses"),
        Column("BIRADS", KINDS.ORDINAL, "", "the reader's BI-RADS category", order=BIRADS),
        Column("Verification", KINDS.CATEGORICAL, "", "how the diagnosis was confirmed"),
        Column("Diagnosis", KINDS.MULTI_LABEL, "", "the verified diagnosis: it states the class"),
    ),
}

TABLE_NOTES: Mapping[str, tuple[Note, ...]] = {
    "reader": (
        Note(
            "reader-descriptors",
            "warning",
            "Rows that use the modality 'reader' (alone, or as part of tabular and all) measure a "
            "radiologist together with a model: shape, margin and so on were read off the image by "
            "an expert.",
        ),
    ),
    "post_diagnosis": (
        Note(
            "post-diagnosis-columns",
            "warning",
            "Rows that use the modality 'post_diagnosis' know what was concluded after the "
            "examination: they show how well the answer predicts the answer.",
        ),
    ),
}

SEGMENTATION = (
    "The constants by which regions are found automatically were chosen on the masks (not the "
    "labels) of this very data set, so that they fit better here than on patients of your own. "
    "Chosen anew without the masks of the fold, they gave radiomics an AUC that was lower by 0.01 "
    "(95% interval 0.00 to 0.03)."
)

ROLES = ("CaseID", "Image_filename", "Mask_tumor_filename", "Mask_other_filename", "Pixel_size")
LABEL = "Classification"

INFO = CohortInfo(
    name="breast",
    title="BrEaST-Lesions-USG, breast ultrasound lesions",
    source="Pawłowska et al. 2024, Scientific Data 11, doi 10.7937/9WKK-Q141",
    licence="CC BY 4.0",
    images_public=True,
)


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class BreastOptions:
    """What can be set for BrEaST-Lesions-USG.

    Attributes
    ----------
    lesions_only : bool
        Leave out the four normal cases, which are too few for folds.
    include_post_diagnosis : bool
        Offer the columns that speak after the fact as a modality of their own. Rows that use
        it show how well the answer predicts the answer.
    """

    lesions_only: bool = True
    include_post_diagnosis: bool = False


@register_cohort("breast")
class Breast(CohortLoader[BreastOptions]):
    """The unpacked download: one XLSX, and PNG images and masks below the same folder."""

    title = "BrEaST-Lesions-USG: 256 examinations with masks and history (folder)"
    options_type = BreastOptions

    def load(self, data: Path | None, options: BreastOptions) -> Cohort:
        """Read the spreadsheet, and the images and masks that it names."""
        root = Path(data or ".")
        sheet, recorded = _read_sheet(root)
        labels = _labels(recorded, sheet)
        keep = labels != "normal" if options.lesions_only else labels != ""
        recorded, labels = recorded[keep], labels[keep]
        classes = tuple(name for name in CLASSES if name in set(labels))
        files = {path.name: path for path in sorted(root.rglob("*.png"))}
        records = tuple((_image(row, files, sheet),) for _, row in recorded.iterrows())
        names = [name for name in COLUMNS if name != "post_diagnosis"]
        names += ["post_diagnosis"] if options.include_post_diagnosis else []
        return Cohort(
            info=INFO,
            cases=tuple(recorded["CaseID"]),
            # The publication counts as many patients as examinations.
            patients=tuple(recorded["CaseID"]),
            classes=classes,
            labels=np.asarray([classes.index(name) for name in labels], dtype=np.intp),
            images=(ImageModality("ultrasound", records),),
            tables=tuple(_table(recorded, name, sheet) for name in names),
            notes=_notes(recorded, n_left_out=int((~keep).sum()), options=options),
        )

    def case_format(
        self,
        cohort: Cohort,
        data: Path | None,  # noqa: ARG002  # the layout is published
        options: BreastOptions,  # noqa: ARG002  # the layout is published
    ) -> CaseFormat:
        """Return a plain table whose cells are cleaned as those of the spreadsheet are."""
        plain = plain_format(cohort)
        missing = tuple(dict.fromkeys((*plain.options.missing, *sorted(MISSING))))
        return replace(
            plain,
            options=replace(plain.options, missing=missing),
            no_labels=tuple(dict.fromkeys((*plain.no_labels, NONE_OF_THEM))),
            between_labels=BETWEEN_LABELS,
        )


def _read_sheet(root: Path) -> tuple[Path, pd.DataFrame]:
    if not root.is_dir():
        raise BenchmarkError(
            f"{str(root)!r} is a file. BrEaST is read from the folder that holds its XLSX and "
            "its images."
        )
    sheets = [path for path in sorted(root.rglob("*.xlsx")) if not path.name.startswith("~$")]
    if len(sheets) != 1:
        raise BenchmarkError(
            f"{str(root)!r} holds {len(sheets)} XLSX files below it, but BrEaST has one, "
            "BrEaST-Lesions-USG-clinical-data-Dec-15-2023.xlsx. Give the folder of the download."
        )
    try:
        recorded = pd.read_excel(sheets[0], dtype=str, keep_default_na=False)
    except Exception as error:  # whatever a damaged archive provokes in its reader
        summary = " ".join(str(error).split())
        raise BenchmarkError(
            f"{str(sheets[0])!r} cannot be read as XLSX ({summary}). Download it again."
        ) from None
    recorded = recorded.apply(lambda column: column.str.strip())
    wanted = [*ROLES, LABEL, *(one.name for columns in COLUMNS.values() for one in columns)]
    absent = [name for name in wanted if name not in recorded.columns]
    if absent:
        raise BenchmarkError(
            f"{str(sheets[0])!r} has no column {absent[0]!r} ({len(absent)} missing in all); its "
            f"columns are {', '.join(recorded.columns[:8])} and so on. Use the file as published."
        )
    return sheets[0], recorded


def _labels(recorded: pd.DataFrame, sheet: Path) -> pd.Series:
    labels = recorded[LABEL].str.lower()
    unknown = recorded[~labels.isin(CLASSES)]
    if len(unknown):
        row = unknown.iloc[0]
        raise BenchmarkError(
            f"{str(sheet)!r}: case {row['CaseID']!r} has the {LABEL} {row[LABEL]!r}, which is none "
            f"of {', '.join(CLASSES)} ({len(unknown)} such case(s)). Correct the cell."
        )
    return labels


def _image(row: pd.Series, files: Mapping[str, Path], sheet: Path) -> ImageRecord:
    def found(column: str) -> list[Path]:
        names = [name.strip() for name in row[column].split("&") if name.strip()]
        absent = [name for name in names if name not in files]
        if absent:
            raise BenchmarkError(
                f"{str(sheet)!r} names {absent[0]!r} for case {row['CaseID']!r} ({column}), but "
                "there is no such file below the folder. Unpack the images beside the XLSX."
            )
        return [files[name] for name in names]

    images = found("Image_filename")
    if len(images) != 1:
        raise BenchmarkError(
            f"{str(sheet)!r}: case {row['CaseID']!r} names {len(images)} images, one is expected "
            "in Image_filename."
        )
    return read_image_record(
        images[0],
        found("Mask_tumor_filename"),
        other_masks=found("Mask_other_filename"),
        spacing_mm=_number(row, "Pixel_size", sheet) * MM_PER_CM,
    )


def _table(recorded: pd.DataFrame, name: str, sheet: Path) -> TabularModality:
    columns = COLUMNS[name]
    cells = {column.name: _cells(recorded, column, sheet) for column in columns}
    table = pd.DataFrame(cells).set_axis(pd.Index(recorded["CaseID"], name="case"))
    return TabularModality(name, columns, table, TABLE_NOTES.get(name, ()))


def _cells(recorded: pd.DataFrame, column: Column, sheet: Path) -> list[object]:
    """Encode one column as `ColumnKind` says."""
    texts = recorded[column.name]
    missing = texts.isin(MISSING)
    if column.kind is KINDS.NUMERIC:
        return [
            np.nan if gone else _number(row, column.name, sheet)
            for gone, (_, row) in zip(missing, recorded.iterrows(), strict=True)
        ]
    if column.kind is KINDS.BOOLEAN:
        return list(texts.map({"yes": 1.0, "no": 0.0}))
    values = texts.astype(object).where(~missing, np.nan)
    if column.kind is KINDS.MULTI_LABEL:
        return list(values.map(_labels_of_cell, na_action="ignore"))
    if column.kind is KINDS.ORDINAL:
        _check_levels(recorded[~missing], column, sheet)
    return list(values)


def _check_levels(recorded: pd.DataFrame, column: Column, sheet: Path) -> None:
    outside = recorded[~recorded[column.name].isin(column.order)]
    if len(outside):
        row = outside.iloc[0]
        raise BenchmarkError(
            f"{str(sheet)!r}: case {row['CaseID']!r} has {row[column.name]!r} in {column.name}, "
            f"which is none of {', '.join(column.order)}. Correct the cell."
        )


def _labels_of_cell(cell: str) -> str:
    return clean_labels(cell, SEPARATOR, also=BETWEEN_LABELS, nothing=(NONE_OF_THEM,))


def _number(row: pd.Series, column: str, sheet: Path) -> float:
    try:
        return float(row[column])
    except ValueError:
        raise BenchmarkError(
            f"{str(sheet)!r}: case {row['CaseID']!r} has {row[column]!r} in {column}, where a "
            "number is expected. Correct the cell."
        ) from None


def _notes(recorded: pd.DataFrame, *, n_left_out: int, options: BreastOptions) -> tuple[Note, ...]:
    late = ", ".join(column.name for column in COLUMNS["post_diagnosis"])
    notes = []
    if not options.include_post_diagnosis:
        text = (
            f"The columns {late} speak after the fact (the reader's conclusion, the verification "
            "and the diagnosis itself) and were kept out of the features."
        )
        notes.append(Note("post-diagnosis-columns", "info", text))
    if n_left_out:
        text = (
            f"Lesions only: the {n_left_out} normal cases were left out, because a class of that "
            "size cannot be split into folds. What stands here is benign against malignant."
        )
        notes.append(Note("lesions-only", "info", text))
    n_missing = int(recorded["Age"].isin(MISSING).sum())
    missing = (
        f"History is missing for some patients (age for {n_missing} of {len(recorded)}), and not "
        "at random: in the published data being missing predicts the class (AUC 0.63 from the "
        "missing cells alone), and models can use it."
    )
    notes.append(Note("informative-missingness", "warning", missing))
    notes.append(Note("segmentation-chosen-here", "warning", SEGMENTATION))
    return tuple(notes)
