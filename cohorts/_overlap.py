"""Cases that stand in two cohorts: they would be predicted by a model that was trained on them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohorts._cohort import Cohort, ColumnKind, TabularModality
from cohorts._duplicates import nearly_equal

__all__ = ["Overlap", "find_overlap"]

Flags = NDArray[np.bool_]

# Cases are often numbered from 1, and few or coarse values agree by chance: a record says who it
# is of only if it is this long, and one of its numbers is this precise and of one patient alone.
FEWEST_VALUES = 5
FEWEST_DIGITS = 3


@dataclass(frozen=True)
class Overlap:
    """Which cases of a cohort the development cohort holds as well.

    Attributes
    ----------
    same_image : ndarray of shape (n_cases,), bool
        An image file of the same bytes.
    similar_image : ndarray of shape (n_cases,), bool
        An image that is nearly the same, by the rule that keeps duplicates in one fold.
    same_row : ndarray of shape (n_cases,), bool
        A case of the same id with the same recorded values, and enough of them to tell.
    alike_row : ndarray of shape (n_cases,), bool
        A case of the same id with the same recorded values, but too few or too coarse ones:
        it may be somebody else. Not counted as shared.
    same_patient : ndarray of shape (n_cases,), bool
        None of these, but of a patient of whom another case is among them.
    """

    same_image: Flags
    similar_image: Flags
    same_row: Flags
    alike_row: Flags
    same_patient: Flags

    @property
    def shared(self) -> Flags:
        """Cases that no model of the development cohort may be judged on."""
        return np.asarray(self.same_image | self.similar_image | self.same_row | self.same_patient)


def find_overlap(cohort: Cohort, development: Cohort) -> Overlap:
    """Find the cases of one cohort that another one holds as well.

    Parameters
    ----------
    cohort, development : Cohort
        The cases in question, and those that models are trained on.

    Returns
    -------
    Overlap
        By images, by recorded rows, and by patient.
    """
    same, similar = _shared_images(cohort, development)
    rows, alike = _shared_rows(cohort, development)
    found = same | similar | rows
    patients = np.asarray(cohort.patients, dtype=object)
    of_same_patient = np.isin(patients.astype(str), patients[found].astype(str)) & ~found
    uncertain = alike & ~found & ~of_same_patient
    return Overlap(same, similar & ~same, rows, uncertain, of_same_patient)


def _shared_images(cohort: Cohort, development: Cohort) -> tuple[Flags, Flags]:
    owners, paths = _image_paths(cohort)
    _, known = _image_paths(development)
    same, similar = np.zeros(cohort.n_cases, dtype=bool), np.zeros(cohort.n_cases, dtype=bool)
    if not paths or not known:
        return same, similar
    digests = {hashlib.sha256(path.read_bytes()).digest() for path in known}
    is_same = [hashlib.sha256(path.read_bytes()).digest() in digests for path in paths]
    same[owners[np.asarray(is_same)]] = True
    similar[owners[nearly_equal(paths, known)]] = True
    return same, similar


def _image_paths(cohort: Cohort) -> tuple[NDArray[np.intp], list[Path]]:
    found = [
        (row, record.path)
        for images in cohort.images
        for row, records in enumerate(images.records)
        for record in records
    ]
    return np.asarray([row for row, _ in found], dtype=np.intp), [path for _, path in found]


def _shared_rows(cohort: Cohort, development: Cohort) -> tuple[Flags, Flags]:
    """Compare cases of the same id cell by cell, in the columns that both cohorts have.

    Returns the rows that are the same beyond doubt, and those that only look so.
    """
    ours, known = _recorded(cohort), _recorded(development)
    columns = [name for name in ours.columns if name in known.columns]
    ours, theirs = ours[columns], known[columns].reindex(ours.index)
    missing = ours.isna() & theirs.isna()
    equal = ((ours.astype(str) == theirs.astype(str)) | missing).all(axis=1)
    n_values = theirs.notna().sum(axis=1)
    telling = (n_values >= FEWEST_VALUES) & _has_own_number(theirs, development)
    # Rows without a value are alike, and say nothing.
    same, alike = equal & telling, equal & ~telling & (n_values > 0)
    return same.to_numpy(dtype=bool), alike.to_numpy(dtype=bool)


def _has_own_number(rows: pd.DataFrame, development: Cohort) -> pd.Series:
    """Tell which rows hold a precise number that one patient of the development cohort has."""
    numeric = [
        f"{table.name}.{column.name}"
        for table in development.tables
        for column in table.columns
        if column.kind is ColumnKind.NUMERIC
    ]
    patients = np.asarray(development.patients, dtype=object).astype(str)
    known = _recorded(development)
    found = pd.Series(data=False, index=rows.index)
    for name in numeric:
        if name in rows.columns:
            n_patients = pd.Series(patients).groupby(known[name].to_numpy()).nunique()
            precise = rows[name].map(_n_digits, na_action="ignore") >= FEWEST_DIGITS
            found |= precise & (rows[name].map(n_patients) == 1)
    return found


def _n_digits(value: float) -> int:
    """Count significant digits, zeros at the end left out."""
    digits = f"{abs(value):.15g}".split("e")[0].replace(".", "").strip("0")
    return len(digits)


def _recorded(cohort: Cohort) -> pd.DataFrame:
    def renamed(table: TabularModality) -> pd.DataFrame:
        return table.table.set_axis([f"{table.name}.{name}" for name in table.table], axis=1)

    parts = [renamed(table).set_axis(list(cohort.cases)) for table in cohort.tables]
    return pd.concat(parts, axis=1) if parts else pd.DataFrame(index=list(cohort.cases))
