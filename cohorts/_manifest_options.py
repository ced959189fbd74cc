"""What a user can say about a table of cases: the options of the `manifest` loader."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from cohorts._column_kinds import DEFAULT_MISSING, as_text

__all__ = ["ColumnOptions", "ImageOptions", "JoinedTable", "ManifestOptions"]

# Images are a modality of their own, never a column of a table.
DeclaredKind = Literal["numeric", "categorical", "boolean", "multi_label"]

# YAML reads an unquoted 7 as a number; as a column name or a class it is meant as text.
STRICT = ConfigDict(extra="forbid", coerce_numbers_to_str=True)


def _one_or_many(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _written(value: Any) -> Any:
    """Write what YAML turned into None, a number or a bool as text again."""
    return "" if value is None else as_text(value)


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
    """What a column is, where inference will not do: see `Column`."""

    kind: DeclaredKind | None = None
    unit: str = ""
    description: str = ""
    separator: Annotated[str, Field(min_length=1)] = "&"


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
        Column -> kind, unit, description, separator.
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
