"""How a table of new cases is read: by what was decided when the cohort was read."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from cohorts._cohort import Cohort, Column
from cohorts._manifest_dates import DateReading
from cohorts._manifest_images import image_columns
from cohorts._manifest_options import ColumnOptions, ImageOptions, ManifestOptions
from cohorts._options import parse_options

__all__ = ["CaseFormat", "TableFormat", "plain_format"]

# Columns of a plain table of new cases, for cohorts that do not come from a manifest.
CASE, LABEL = "case", "label"

SPACING_SUFFIX = "_spacing_mm"

# In a plain table, a multi-label cell of these says that none of the labels holds. A manifest
# has no such words: what stood in its cells were labels.
NO_LABELS = ("none", "no")


@dataclass(frozen=True)
class TableFormat:
    """The columns of one tabular modality, and what each is called in a table of new cases.

    Attributes
    ----------
    name : str
        The modality.
    columns : tuple of Column
        As the models know them.
    recorded : tuple of str
        Of the same columns, their names in the table.
    """

    name: str
    columns: tuple[Column, ...]
    recorded: tuple[str, ...]


@dataclass(frozen=True)
class CaseFormat:
    """What the columns of a table of new cases mean; nothing is inferred from that table.

    Attributes
    ----------
    options : ManifestOptions
        Roles of columns, where images are, missing tokens, dates and joined tables.
    images : tuple of str
        Image modalities.
    tables : tuple of TableFormat
        Tabular modalities.
    dates : mapping of str to DateReading
        How columns of dates are read.
    no_labels : tuple of str
        Words of a multi-label cell that say that none of the labels holds; an empty cell says
        that nobody knows.
    between_labels : tuple of str
        What stands between the labels of such a cell, beside the separator of its column.
    """

    options: ManifestOptions
    images: tuple[str, ...]
    tables: tuple[TableFormat, ...]
    dates: Mapping[str, DateReading] = field(default_factory=dict)
    no_labels: tuple[str, ...] = ()
    between_labels: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> CaseFormat:
        """Build the format that `to_dict` has written."""
        return cls(
            parse_options(ManifestOptions, plain["options"], where="the stored options"),
            tuple(plain["images"]),
            tuple(_table_format(one) for one in plain["tables"]),
            {name: DateReading(**one) for name, one in plain["dates"].items()},
            tuple(plain["no_labels"]),
            tuple(plain.get("between_labels", ())),
        )

    def header(self) -> list[str]:
        """Return the columns that a table of new cases can have, in a sensible order."""
        options = self.options
        wanted = [options.case]
        for images in options.images.values():
            without_masks = ImageOptions(image=images.image, spacing_mm=images.spacing_mm)
            wanted += image_columns(without_masks)
        for table in self.tables:
            for name in table.recorded:
                wanted += [name, *self.ends_of(name)]
        return list(dict.fromkeys(wanted))

    def ends_of(self, name: str) -> Iterator[str]:
        """Yield the column that a column of dates counts from, if it is one."""
        since = self.options.columns.get(name, ColumnOptions()).since
        if since is not None and self.dates.get(name, DateReading()).since_is_column:
            yield since

    def known(self) -> set[str]:
        """Return every column that has a meaning, be it to be left alone."""
        options = self.options
        roles = {options.label, options.patient, options.site}
        masks = {name for one in options.images.values() for name in image_columns(one)}
        barred = {*options.exclude, *options.post_diagnosis}
        return {name for name in (*self.header(), *roles, *masks, *barred) if name is not None}


def plain_format(cohort: Cohort) -> CaseFormat:
    """Say how a plain table of new cases is read, for cohorts that come from no such table.

    It has ``case``, one column per image modality with its path (and
    ``<modality>_spacing_mm``), and the recorded columns by their names, those that stand in
    two modalities as ``<modality>.<column>``.

    Parameters
    ----------
    cohort : Cohort
        On which models are developed.
    """
    images = tuple(one.name for one in cohort.images)
    spacing = {name: f"{name}{SPACING_SUFFIX}" for name in images}
    names = Counter(column.name for one in cohort.tables for column in one.columns)
    names.update((CASE, LABEL, *spacing, *spacing.values()))
    tables = tuple(
        TableFormat(
            one.name,
            one.columns,
            tuple(
                column.name if names[column.name] == 1 else f"{one.name}.{column.name}"
                for column in one.columns
            ),
        )
        for one in cohort.tables
    )
    options = ManifestOptions(
        case=CASE,
        label=LABEL,
        images={
            name: ImageOptions(image=(name,), spacing_mm=column) for name, column in spacing.items()
        },
    )
    return CaseFormat(options, images, tables, no_labels=NO_LABELS)


def _table_format(plain: Mapping[str, Any]) -> TableFormat:
    columns = tuple(Column.from_dict(one) for one in plain["columns"])
    return TableFormat(plain["name"], columns, tuple(plain["recorded"]))
