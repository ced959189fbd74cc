"""The cohort: patients as they come in, before anything is computed from them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohorts._errors import BenchmarkError, unknown_name

__all__ = [
    "UNLABELLED",
    "Cohort",
    "CohortInfo",
    "Column",
    "ColumnKind",
    "ImageModality",
    "ImageRecord",
    "Note",
    "TabularModality",
]

Simulation = Literal["real", "semi-simulated", "simulated"]

DEFAULT_POSITIVE_CLASS = "malignant"

# The label of a case whose class nobody has told: new patients, who are only predicted.
UNLABELLED = -1

# Between the block and the column in the name of a feature.
BLOCK_SEPARATOR = "__"


class ColumnKind(StrEnum):
    """What the values of a tabular column are.

    In a `TabularModality` table a numeric cell is a float, an ordinal cell a str out of
    the column's declared order, a categorical cell any str, a boolean cell 0.0 or 1.0,
    and a multi-label cell one str whose labels are joined by the column's separator (an
    empty set of labels is the empty string). Missing is NaN in every kind. The last kind
    stands in feature blocks alone: its cells are tuples of `ImageRecord`.
    """

    NUMERIC = "numeric"
    ORDINAL = "ordinal"
    CATEGORICAL = "categorical"
    BOOLEAN = "boolean"
    MULTI_LABEL = "multi_label"
    IMAGES = "images"


@dataclass(frozen=True, slots=True)
class Column:
    """One recorded column: its name, kind and unit, and how its cells are read.

    Attributes
    ----------
    name : str
        As recorded.
    kind : ColumnKind
        What its cells are.
    unit : str
        Of numeric cells, such as ``"years"``; "" if there is none.
    description : str
        One line for the reader.
    separator : str
        Between the labels of a multi-label cell.
    order : tuple of str
        The levels of an ordinal column, lowest first.

    Raises
    ------
    ValueError
        If the column is ordinal and has fewer than two different levels.
    """

    name: str
    kind: ColumnKind
    unit: str = ""
    description: str = ""
    separator: str = "&"
    order: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        levels = len(set(self.order))
        if self.kind is ColumnKind.ORDINAL and (levels < 2 or levels < len(self.order)):
            raise ValueError(
                f"Column {self.name!r}: {self.order} is no order of two or more levels."
            )

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Column:
        """Build the column whose fields were kept as plain values."""
        order = tuple(plain.get("order", ()))
        return cls(**{**plain, "kind": ColumnKind(plain["kind"]), "order": order})


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """One image file with its masks.

    Attributes
    ----------
    path : Path
        The image file.
    masks : tuple of Path
        Mask files of the same size; their union is the region of interest. Empty if none.
    spacing_mm : float or None
        Edge length of a pixel in millimetres, where it is known.
    size_px : tuple of (int, int)
        Width and height in pixels.
    other_masks : tuple of Path
        Mask files of other structures, such as a second finding; no region of interest.
    """

    path: Path
    masks: tuple[Path, ...] = ()
    spacing_mm: float | None = None
    size_px: tuple[int, int] = (0, 0)
    other_masks: tuple[Path, ...] = ()


@dataclass(frozen=True)
class ImageModality:
    """The images of one kind, such as ``ultrasound``: one tuple of records per case."""

    name: str
    records: tuple[tuple[ImageRecord, ...], ...]

    def take(self, indices: NDArray[np.intp]) -> ImageModality:
        """Return the modality for the cases at `indices`."""
        return replace(self, records=tuple(self.records[i] for i in indices))

    @property
    def n_missing(self) -> int:
        """Number of cases without an image."""
        return sum(not records for records in self.records)


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence about the data or a computation that must reach the page.

    Attributes
    ----------
    code : str
        A short stable name, such as ``"post-diagnosis-columns"``.
    severity : {"info", "warning"}
        Whether it changes how the scores must be read.
    text : str
        One or two sentences for an analyst, without patient identifiers.
    """

    code: str
    severity: Literal["info", "warning"]
    text: str


@dataclass(frozen=True)
class TabularModality:
    """The tabular data of one origin, such as ``clinical``.

    Attributes
    ----------
    name : str
        The modality's name.
    columns : tuple of Column
        One for each column of `table`, in the same order.
    table : DataFrame of shape (n_cases, n_columns)
        Values in recorded units, encoded as `ColumnKind` says, indexed by case id.
    notes : tuple of Note
        What must be said about every row that uses the modality.
    """

    name: str
    columns: tuple[Column, ...]
    table: pd.DataFrame
    notes: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        if names != list(self.table.columns):
            raise ValueError(f"Modality {self.name!r}: columns and table do not agree.")
        if any(column.kind is ColumnKind.IMAGES for column in self.columns):
            raise ValueError(f"Modality {self.name!r}: images are a modality of their own.")

    def take(self, indices: NDArray[np.intp]) -> TabularModality:
        """Return the modality for the cases at `indices`."""
        return replace(self, table=self.table.iloc[indices])


@dataclass(frozen=True)
class CohortInfo:
    """Where a cohort comes from: what the page must say about it.

    Attributes
    ----------
    name : str
        The loader's name, or the name that the config gives.
    title : str
        A readable name.
    source : str
        Citation or origin.
    licence : str
        Licence of the data, or "" if unknown.
    simulation : {"real", "semi-simulated", "simulated"}
        Whether patients are real. Anything else is stamped on every page and table.
    patients_known : bool
        Whether patient ids came with the data; if not, `Cohort.patients` holds stand-ins:
        the cases themselves, or groups of duplicates.
    images_public : bool
        Whether anybody may see the images: they are published, or of nobody. Pages show
        images of other cohorts only on request.
    planted : mapping of str to float
        For simulated data, what drives the label: ``<modality>.<feature>`` -> signed effect,
        the difference between the positive class and the others in within-class standard
        deviations (log-odds per standard deviation, feature by feature). Of image properties
        it is the difference between malignant and benign lesions. 0.0 marks what is noise on
        purpose. Empty for real data.
    """

    name: str
    title: str
    source: str = ""
    licence: str = ""
    simulation: Simulation = "real"
    patients_known: bool = True
    images_public: bool = False
    planted: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Cohort:
    """Cases with their images, tables, label, patient and site.

    Attributes
    ----------
    info : CohortInfo
        Provenance.
    cases : tuple of str
        Case ids, unique.
    patients : tuple of str
        Patient id of each case; folds never split one.
    classes : tuple of str
        Class names in the order of the probability columns.
    labels : ndarray of shape (n_cases,), int
        Index into `classes`; `UNLABELLED` for a case that is only predicted. A loader's cohort
        has none of these.
    positive_class : str
        The class whose miss costs most.
    images : tuple of ImageModality
        Possibly empty.
    tables : tuple of TabularModality
        Possibly empty.
    sites : tuple of str or None
        Site of each case, where it is recorded.
    notes : tuple of Note
        What the loader has to say.

    Raises
    ------
    BenchmarkError
        If case ids repeat, or no modality or two of the same name are given.
    """

    info: CohortInfo
    cases: tuple[str, ...]
    patients: tuple[str, ...]
    classes: tuple[str, ...]
    labels: NDArray[np.intp]
    positive_class: str = DEFAULT_POSITIVE_CLASS
    images: tuple[ImageModality, ...] = ()
    tables: tuple[TabularModality, ...] = ()
    sites: tuple[str, ...] | None = None
    notes: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        self._check_lengths()
        self._check_cases()
        self._check_modalities()

    @property
    def n_cases(self) -> int:
        """Number of cases."""
        return len(self.cases)

    @property
    def n_patients(self) -> int:
        """Number of distinct patients."""
        return len(set(self.patients))

    @property
    def positive_index(self) -> int:
        """Position of the positive class in `classes`."""
        return self.classes.index(self.positive_class)

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of all modalities, images first."""
        return (*(one.name for one in self.images), *(one.name for one in self.tables))

    def class_counts(self) -> dict[str, int]:
        """Return the number of cases in each class; unlabelled ones count nowhere."""
        known = self.labels[self.labels != UNLABELLED]
        counts = np.bincount(known, minlength=len(self.classes))
        return dict(zip(self.classes, counts.tolist(), strict=True))

    def patients_per_class(self) -> dict[str, int]:
        """Return the number of patients with at least one case of each class."""
        patients = np.asarray(self.patients, dtype=object)
        return {
            name: len(set(patients[self.labels == index]))
            for index, name in enumerate(self.classes)
        }

    def take(self, indices: Sequence[int] | NDArray[np.intp]) -> Cohort:
        """Return the cohort of the cases at `indices`, in that order."""
        rows = np.asarray(indices, dtype=np.intp)
        return replace(
            self,
            cases=tuple(self.cases[i] for i in rows),
            patients=tuple(self.patients[i] for i in rows),
            labels=self.labels[rows],
            images=tuple(modality.take(rows) for modality in self.images),
            tables=tuple(modality.take(rows) for modality in self.tables),
            sites=None if self.sites is None else tuple(self.sites[i] for i in rows),
        )

    def with_notes(self, *notes: Note) -> Cohort:
        """Return the cohort with more notes."""
        return replace(self, notes=(*self.notes, *notes))

    def with_positive_class(self, name: str) -> Cohort:
        """Return the cohort with another positive class.

        Raises
        ------
        BenchmarkError
            If there is no such class.
        """
        # What a loader said about its own choice no longer holds.
        kept = tuple(note for note in self.notes if note.code != "positive-class")
        changed = replace(self, positive_class=name, notes=kept)
        changed.check_classes()
        return changed

    def fingerprint(self) -> str:
        """Return the SHA-256 of everything that can shape a result.

        Ids, labels, tables and the bytes of every image and mask go in; file names and
        folders do not, so that a copy of the data has the same fingerprint.
        """
        digest = hashlib.sha256()
        for part in self._parts_to_hash():
            digest.update(len(part).to_bytes(8, "little"))
            digest.update(part)
        return digest.hexdigest()

    def _parts_to_hash(self) -> Iterable[bytes]:
        listed = (self.cases, self.patients, self.classes, self.sites, self.positive_class)
        yield repr(listed).encode()
        yield self.labels.astype("<i8").tobytes()
        for table in self.tables:
            yield repr((table.name, table.columns)).encode()
            yield table.table.to_csv(index=True).encode()
        for modality in self.images:
            yield modality.name.encode()
            for records in modality.records:
                for record in records:
                    yield repr((record.spacing_mm, len(record.masks))).encode()
                    for path in (record.path, *record.masks):
                        yield hashlib.sha256(path.read_bytes()).digest()
                yield b"next case"

    def _check_lengths(self) -> None:
        lengths = {"patients": len(self.patients), "labels": len(self.labels)}
        if self.sites is not None:
            lengths["sites"] = len(self.sites)
        lengths |= {modality.name: len(modality.records) for modality in self.images}
        lengths |= {table.name: len(table.table) for table in self.tables}
        for name, length in lengths.items():
            if length != self.n_cases:
                raise ValueError(f"{name} has {length} entries for {self.n_cases} cases.")

    def _check_cases(self) -> None:
        seen: set[str] = set()
        repeated = sorted({case for case in self.cases if case in seen or seen.add(case)})  # type: ignore[func-returns-value]  # set.add as a one-pass filter
        if repeated:
            raise BenchmarkError(
                f"Cohort {self.info.name!r}: {len(repeated)} case id(s) stand in more than one "
                f"row, the first is {repeated[0]!r}. Give every row its own case id, and use "
                "the patient column for rows of the same patient."
            )

    def check_classes(self) -> None:
        """Check that the cohort can be developed on: two classes or more, each with a case.

        Part of a cohort, or one that is only predicted, need not hold every class.

        Raises
        ------
        BenchmarkError
            Naming the class that is empty, the only one, or the unknown positive one.
        """
        counts = self.class_counts().values()
        empty = [name for name, count in zip(self.classes, counts, strict=False) if count == 0]
        if empty:
            raise BenchmarkError(
                f"Cohort {self.info.name!r}: no case has the class {empty[0]!r}. "
                "Remove it from the declared classes or add its cases."
            )
        if len(self.classes) < 2:
            raise BenchmarkError(
                f"Cohort {self.info.name!r}: the label has one class, {self.classes[0]!r}. "
                "A benchmark needs at least two; check the label column."
            )
        if self.positive_class not in self.classes:
            raise unknown_name(
                "positive class",
                self.positive_class,
                self.classes,
                hint="Set positive_class in the cohort section to the class whose miss costs most.",
            )

    def _check_modalities(self) -> None:
        if not self.modalities:
            raise BenchmarkError(
                f"Cohort {self.info.name!r} has neither images nor tabular columns; "
                "declare at least one modality."
            )
        odd = [name for name in self.modalities if BLOCK_SEPARATOR in name]
        if odd:
            raise BenchmarkError(
                f"Cohort {self.info.name!r}: the modality name {odd[0]!r} holds "
                f"{BLOCK_SEPARATOR!r}, which separates block and column in feature names. "
                "Rename it."
            )
        if len(set(self.modalities)) != len(self.modalities):
            raise BenchmarkError(
                f"Cohort {self.info.name!r}: modality names repeat: {', '.join(self.modalities)}."
            )
