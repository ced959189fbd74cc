"""What a user can say about a table of cases: the options of the `manifest` loader."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from cohorts._column_kinds import DEFAULT_MISSING, as_text
from cohorts._dates import UNITS, is_date_format

__all__ = ["ColumnOptions", "ImageOptions", "JoinedTable", "ManifestOptions"]

# Images are a modality of their own, never a column of a table.
DeclaredKind = Literal["numeric", "ordinal", "categorical", "boolean", "multi_label", "date"]

# Keys of a column that mean something for one kind only.
KIND_OF_KEY = {"order": "ordinal", "since": "date", "format": "date"}

# YAML reads an unquoted 7 as a number; as a column name or a class it is meant as text.
STRICT = ConfigDict(extra="forbid", coerce_numbers_to_str=True)


def _one_or_many(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _written(value: Any) -> Any:
    """Write what YAML turned into None, a number or a bool as text again."""
    return "" if value is None else as_text(value)


def _dated(value: Any) -> Any:
    """Write a date that YAML has read as one in ISO form."""
    return value.isoformat() if isinstance(value, dt.date) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_one_or_many)]
Recorded = Annotated[str, BeforeValidator(_written)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ImageOptions:
    """Where the images of one kind are.

    Attributes
    ----------
    image : str or tuple of str
        Column(s) with paths; a cell may hold several, joined by ``;``. An empty cell is a
        case without an image.
    mask : str, tuple of str or None
        Column(s) with the paths of masks. With one image per case all are its masks; with
        several columns or several paths per cell, masks and images are paired in order.
    spacing_mm : str, float or None
        Edge length of a pixel in millimetres: a column, or one number for all images.
    root : str
        Folder that the paths are relative to; itself relative to the table's folder.
    """

    image: Names
    mask: Names | None = None
    spacing_mm: Annotated[float, Field(gt=0)] | Annotated[str, Field(strict=True)] | None = None
    root: str = "."


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ColumnOptions:
    """What a column is, where inference will not do.

    Attributes
    ----------
    kind : str or None
        A `ColumnKind`, or ``date``: the time between the date and another one becomes a
        numeric column. By default inferred.
    unit : str
        Of numbers, for the pages. Of a date, ``years`` (the default) or ``days``.
    description : str
        One line for the reader.
    separator : str
        Between the labels of a multi-label cell.
    order : tuple of str
        The levels of an ordinal column, lowest first; it must be given.
    since : str or None
        The other end of a date's interval: a column with dates, or a date such as
        ``2024-01-31``. It must be given.
    format : str or None
        How dates in text are written, such as ``%d/%m/%Y``. By default ISO (year-month-day)
        or day.month.year; day and month between slashes must be declared unless the column
        shows which is which. May also be given for the column that `since` names.
    """

    kind: DeclaredKind | None = None
    unit: str = ""
    description: str = ""
    separator: Annotated[str, Field(min_length=1)] = "&"
    order: tuple[Recorded, ...] = ()
    since: Annotated[str | None, BeforeValidator(_dated)] = None
    format: str | None = None

    def __post_init__(self) -> None:
        for key, kind in KIND_OF_KEY.items():
            unread = key == "format" and self.kind is None
            if getattr(self, key) and self.kind != kind and not unread:
                raise ValueError(f"{key} is for columns of kind {kind}; declare that, or remove it")
        if self.kind == "ordinal":
            self._check_order()
        if self.kind == "date":
            self._check_interval()
        if self.format is not None and not is_date_format(self.format):
            raise ValueError(
                f"the format {self.format!r} does not hold day, month and year; write it like "
                "%d/%m/%Y"
            )

    def _check_order(self) -> None:
        if len(self.order) < 2:
            raise ValueError(
                "an ordinal column needs order, its levels from the lowest to the highest, as in "
                "order: [A, B, C, D]"
            )
        if len(set(self.order)) < len(self.order):
            raise ValueError("order has a level more than once; list each of them once")

    def _check_interval(self) -> None:
        if self.since is None:
            raise ValueError(
                "a date is no feature, but the time between two dates is; give the other one as "
                "since: COLUMN or since: YYYY-MM-DD"
            )
        if self.unit not in ("", *UNITS):
            raise ValueError(f"unit is {self.unit!r}; that of a date is one of {', '.join(UNITS)}")


@dataclass(frozen=True, kw_only=True, config=STRICT)
class JoinedTable:
    """A further table, joined on the case id; it becomes one modality.

    Attributes
    ----------
    path : str
        Relative to the folder of the manifest.
    case : str or None
        Its case column; the manifest's name for it by default.
    columns : tuple of str or None
        Columns to take; by default all that have no role and are not excluded.
    sheet : str or None
        Worksheet of an XLSX file.
    """

    path: str
    case: str | None = None
    columns: Names | None = None
    sheet: str | None = None


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ManifestOptions:
    """What the columns of a table of cases mean.

    Attributes
    ----------
    case : str
        Column with the case id: one row per case.
    label : str
        Column with the label.
    patient : str or None
        Column with the patient id; without it every case counts as a patient.
    site : str or None
        Column with the hospital or scanner.
    classes : sequence or mapping of str, optional
        Class names in order; or recorded value -> class name, to rename and merge. By
        default the recorded values, sorted (normal, benign, malignant in this order).
    title, source, licence : str
        What the page says about the data.
    images : mapping of str to ImageOptions
        Image modality -> where its files are.
    modalities : mapping of str to sequence of str, optional
        Tabular modality -> columns. By default the columns without another role form one.
    columns : mapping of str to ColumnOptions
        Column -> its kind, and what else is known of it.
    missing : tuple of str
        Texts that mean missing, whatever the case. An empty cell always does.
    exclude : tuple of str
        Columns to leave out.
    post_diagnosis : tuple of str
        Columns known only after the diagnosis; they are no features.
    tables : mapping of str to JoinedTable
        Tabular modality -> further table, joined on the case id.
    sheet : str or None
        Worksheet of an XLSX file.
    """

    case: str
    label: str
    patient: str | None = None
    site: str | None = None
    classes: dict[Recorded, str] | tuple[Recorded, ...] | None = None
    title: str = ""
    source: str = ""
    licence: str = ""
    images: dict[str, ImageOptions] = Field(default_factory=dict)
    modalities: dict[str, Names] | None = None
    columns: dict[str, ColumnOptions] = Field(default_factory=dict)
    missing: tuple[Recorded, ...] = DEFAULT_MISSING
    exclude: Names = ()
    post_diagnosis: Names = ()
    tables: dict[str, JoinedTable] = Field(default_factory=dict)
    sheet: str | None = None
