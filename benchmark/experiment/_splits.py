"""Outer and inner folds: stratified by class, never splitting a patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from benchmark.config import Config
from benchmark.experiment._plan import outer_seed
from cohorts import BenchmarkError, Cohort, Note

__all__ = ["Split", "fold_notes", "grouped_folds", "inner_folds", "outer_splits"]

Indices = NDArray[np.intp]

# With fewer patients of a class in a test fold, bootstrap intervals cover too seldom.
FEW_PATIENTS = 5


@dataclass(frozen=True)
class Split:
    """One outer fold of one repeat.

    Attributes
    ----------
    repeat, fold : int
        Counted from 0.
    train, test : ndarray of int
        Rows of the cohort.
    """

    repeat: int
    fold: int
    train: Indices
    test: Indices


def outer_splits(cohort: Cohort, config: Config) -> tuple[Split, ...]:
    """Return the outer folds of every repeat.

    Parameters
    ----------
    cohort : Cohort
        Its patients are the groups; a patient is stratified by the worst of their classes.
    config : Config
        Number of folds and repeats, and the seed.

    Raises
    ------
    BenchmarkError
        If a class has fewer patients than the folds need.
    """
    check_class_sizes(cohort, config)
    strata = _worst_class(cohort)
    splits = []
    for repeat in range(config.outer.n_repeats):
        folds = grouped_folds(
            strata,
            cohort.patients,
            n_splits=config.outer.n_splits,
            random_state=outer_seed(repeat, config.seed),
        )
        for fold, (train, test) in enumerate(folds):
            _check_fold(cohort, train, test)
            splits.append(Split(repeat, fold, train, test))
    return tuple(splits)


def fold_notes(cohort: Cohort, splits: Sequence[Split]) -> tuple[Note, ...]:
    """Return a warning for each class with fewer than five patients in some test fold."""
    patients = np.asarray(cohort.patients, dtype=object)
    notes = []
    for k, name in enumerate(cohort.classes):
        fewest = min(len(set(patients[s.test[cohort.labels[s.test] == k]])) for s in splits)
        if fewest < FEW_PATIENTS:
            text = (
                f"Some test fold holds only {fewest} patient(s) of class {name!r} (fewer than "
                f"{FEW_PATIENTS}): its scores hang on single patients, and intervals are likely "
                "too narrow."
            )
            notes.append(Note("small-class", "warning", text))
    return tuple(notes)


def grouped_folds(
    y: NDArray[np.intp],
    groups: Sequence[str] | NDArray[np.object_],
    *,
    n_splits: int,
    random_state: int,
) -> list[tuple[Indices, Indices]]:
    """Return stratified folds of whole groups as (train, test) pairs of row indices.

    Parameters
    ----------
    y : ndarray of shape (n_cases,), int
        Strata.
    groups : sequence of shape (n_cases,)
        Patients.
    n_splits : int
        Number of folds.
    random_state : int
        Seed of the shuffle.
    """
    splitter = StratifiedGroupKFold(n_splits=n_splits, shuffle=True, random_state=random_state)
    _, codes = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    return list(splitter.split(np.zeros(len(y)), y, codes))


def inner_folds(
    y: NDArray[np.intp],
    groups: Sequence[str] | NDArray[np.object_],
    config: Config,
    *,
    seed: int,
) -> list[tuple[Indices, Indices]]:
    """Return the inner folds of a training part; parameters as of `grouped_folds`."""
    return grouped_folds(y, groups, n_splits=config.inner.n_splits, random_state=seed)


def check_class_sizes(cohort: Cohort, config: Config) -> None:
    """Refuse a cohort in which a class has too few patients for nested folds.

    Raises
    ------
    BenchmarkError
        Naming the class, its patients and the number of folds that would work.
    """
    # After one outer fold is set aside, every inner fold still needs a patient of the class.
    outer, inner = config.outer.n_splits, config.inner.n_splits
    for name, n_patients in cohort.patients_per_class().items():
        left_for_inner = n_patients - -(-n_patients // outer)
        if n_patients < outer or left_for_inner < inner:
            fewer = (
                "Lower outer.n_splits and inner.n_splits, or leave" if n_patients > 3 else "Leave"
            )
            raise BenchmarkError(
                f"Cohort {cohort.info.name!r}: class {name!r} has {n_patients} patient(s), too few "
                f"for {outer} outer and {inner} inner folds. {fewer} the class out, merge it with "
                "another, or correct its label if it is a misspelling."
            )


def _worst_class(cohort: Cohort) -> NDArray[np.intp]:
    """Stratum of each case: the positive class if the patient has it, else their last class."""
    patients = np.asarray(cohort.patients, dtype=object)
    _, owner = np.unique(patients.astype(str), return_inverse=True)
    severity = cohort.labels + len(cohort.classes) * (cohort.labels == cohort.positive_index)
    worst = np.zeros(owner.max() + 1, dtype=np.intp)
    np.maximum.at(worst, owner, severity)
    return np.asarray(worst[owner], dtype=np.intp)


def _check_fold(cohort: Cohort, train: Indices, test: Indices) -> None:
    for part, rows in (("test", test), ("training", train)):
        present = set(cohort.labels[rows].tolist())
        absent = [name for k, name in enumerate(cohort.classes) if k not in present]
        if absent:
            raise BenchmarkError(
                f"Cohort {cohort.info.name!r}: a {part} fold holds no patient of class "
                f"{absent[0]!r}, because patients with several cases cannot be split. "
                "Lower outer.n_splits."
            )
