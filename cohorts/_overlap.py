"""Cases that stand in two cohorts: they would be predicted by a model that was trained on them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohorts._cohort import Cohort, TabularModality
from cohorts._duplicates import nearly_equal

__all__ = ["Overlap", "find_overlap"]

Flags = NDArray[np.bool_]


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
        A case of the same id with the same recorded values.
    same_patient : ndarray of shape (n_cases,), bool
        None of these, but of a patient of whom another case is among them.
    """

    same_image: Flags
    similar_image: Flags
    same_row: Flags
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
    rows = _shared_rows(cohort, development)
    found = same | similar | rows
    patients = np.asarray(cohort.patients, dtype=object)
    of_same_patient = np.isin(patients.astype(str), patients[found].astype(str)) & ~found
    return Overlap(same, similar & ~same, rows, of_same_patient)


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


def _shared_rows(cohort: Cohort, development: Cohort) -> Flags:
    """Compare cases of the same id cell by cell, in the columns that both cohorts have."""
    ours, theirs = _recorded(cohort), _recorded(development)
    columns = [name for name in ours.columns if name in theirs.columns]
    ours, theirs = ours[columns], theirs[columns].reindex(ours.index)
    missing = ours.isna() & theirs.isna()
    equal = (ours.astype(str) == theirs.astype(str)) | missing
    # Rows without a value are alike, and say nothing.
    told = theirs.notna().any(axis=1)
    return (equal.all(axis=1) & told).to_numpy(dtype=bool)


def _recorded(cohort: Cohort) -> pd.DataFrame:
    def renamed(table: TabularModality) -> pd.DataFrame:
        return table.table.set_axis([f"{table.name}.{name}" for name in table.table], axis=1)

    parts = [renamed(table).set_axis(list(cohort.cases)) for table in cohort.tables]
    return pd.concat(parts, axis=1) if parts else pd.DataFrame(index=list(cohort.cases))
