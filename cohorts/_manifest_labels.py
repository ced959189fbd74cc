"""Recorded labels to classes: their names, their order, and the one that matters most."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohorts._cohort import Note
from cohorts._column_kinds import FALSE_WORDS, TRUE_WORDS, as_text
from cohorts._errors import BenchmarkError, unknown_name
from cohorts._read_tables import name_some

__all__ = ["choose_positive", "read_labels"]

# From harmless to harmful; labels of this set are not sorted by the alphabet.
CLINICAL_ORDER = ("normal", "benign", "malignant")

# Names that say disease in a data set without a class called malignant.
DISEASE_WORDS = (
    "malignant",
    "cancer",
    "carcinoma",
    "melanoma",
    "tumor",
    "tumour",
    "disease",
    "diseased",
    "positive",
    "abnormal",
    "yes",
    "true",
    "1",
)

# More classes than this, on half of the cases or more, are measurements or ids.
MOST_CLASSES = 20

WHOLE_NUMBER = re.compile(r"-?\d+")


def read_labels(
    cells: pd.Series[Any],
    *,
    column: str,
    where: str,
    classes: Mapping[str, str] | Sequence[str] | None = None,
) -> tuple[tuple[str, ...], NDArray[np.intp]]:
    """Turn the label column into class names and indices.

    Parameters
    ----------
    cells : Series of object
        With NaN where missing, indexed by row number.
    column, where : str
        The column and the table, for messages.
    classes : sequence or mapping of str, optional
        Names in order, or recorded value -> name; see `ManifestOptions`.

    Returns
    -------
    classes : tuple of str
        Names in the order of the probability columns.
    labels : ndarray of shape (n_cases,), int
        Index into `classes`.

    Raises
    ------
    BenchmarkError
        If a label is missing or not declared, a declared class has no case, or there is one
        class, or nearly as many classes as cases.
    """
    _check_present(cells, column, where)
    recorded = cells.map(as_text)
    values = list(dict.fromkeys(recorded))
    if classes is None:
        _check_few(values, len(cells), column, where)
        renamed = {value: value for value in _default_order(values)}
    else:
        renamed = _declared(classes, values)
        _check_declared(recorded, renamed, column, where)
    names = tuple(dict.fromkeys(renamed.values()))
    if len(names) < 2:
        raise BenchmarkError(
            f"The label column {column!r} of {where} has one class, {names[0]!r}. "
            "A benchmark needs at least two; check the column, or the mapping under classes."
        )
    index = {name: position for position, name in enumerate(names)}
    return names, np.asarray([index[renamed[value]] for value in recorded], dtype=np.intp)


def choose_positive(
    classes: Sequence[str], labels: NDArray[np.intp]
) -> tuple[str, tuple[Note, ...]]:
    """Choose the class whose miss costs most, where nobody has declared it.

    Parameters
    ----------
    classes : sequence of str
        Class names.
    labels : ndarray of shape (n_cases,), int
        Index into `classes`.

    Returns
    -------
    positive_class : str
        ``malignant``, else the first name that means disease, else the rarest class.
    notes : tuple of Note
        What was chosen and why, unless it is ``malignant``.
    """
    folded = {name.casefold(): name for name in reversed(classes)}
    named = [folded[word] for word in DISEASE_WORDS if word in folded]
    if named and named[0].casefold() == CLINICAL_ORDER[-1]:
        return named[0], ()
    counts = np.bincount(labels, minlength=len(classes))
    chosen, why = (
        (named[0], "by its name") if named else (classes[int(counts.argmin())], "the rarest")
    )
    text = (
        f"Unless positive_class is set in the cohort section, the positive class is {chosen!r} "
        f"({why}). Set it to the class whose miss costs most."
    )
    return chosen, (Note("positive-class", "info", text),)


def _check_present(cells: pd.Series[Any], column: str, where: str) -> None:
    missing = cells.index[cells.isna()].tolist()
    if missing:
        raise BenchmarkError(
            f"The label column {column!r} of {where} has no label in {len(missing)} row(s): row "
            f"{name_some(missing)}. Fill them in or delete these rows; if the value there is a "
            "class, take it out of missing."
        )


def _check_few(values: Sequence[str], n_cases: int, column: str, where: str) -> None:
    if len(values) > MOST_CLASSES and 2 * len(values) >= n_cases:
        raise BenchmarkError(
            f"The label column {column!r} of {where} has {len(values)} different values in "
            f"{n_cases} rows, such as {values[0]!r}: it looks like a measurement or an id. "
            "Name another column, or map its values under classes."
        )


def _default_order(values: Sequence[str]) -> list[str]:
    if {value.casefold() for value in values} <= set(CLINICAL_ORDER):
        return sorted(values, key=lambda value: CLINICAL_ORDER.index(value.casefold()))
    if all(WHOLE_NUMBER.fullmatch(value) for value in values):
        return sorted(values, key=int)
    return sorted(values)


def _declared(classes: Mapping[str, str] | Sequence[str], values: Sequence[str]) -> dict[str, str]:
    """Map recorded values to class names, in declared order."""
    if isinstance(classes, Mapping):
        return {_recorded(key, values): name for key, name in classes.items()}
    keys = [_recorded(key, values) for key in classes]
    return {key: key for key in keys}


def _recorded(declared: str, values: Sequence[str]) -> str:
    """Find the recorded value behind a declared one that YAML took for a truth value."""
    if declared in values or declared not in {"true", "false"}:
        return declared
    words = TRUE_WORDS if declared == "true" else FALSE_WORDS
    return next((value for value in values if value.casefold() in words), declared)


def _check_declared(
    recorded: pd.Series[Any], renamed: Mapping[str, str], column: str, where: str
) -> None:
    for row, value in recorded.items():
        if value not in renamed:
            place = f"row {row} of {where} (column {column!r})"
            hint = "Correct the cell, or add the class under classes."
            raise unknown_name("label", value, renamed, where=place, hint=hint)
    found = {renamed[value] for value in recorded}
    empty = [name for name in renamed.values() if name not in found]
    if empty:
        raise BenchmarkError(
            f"No row of {where} has a label that becomes the declared class {empty[0]!r}; the "
            f"column {column!r} holds {name_some(dict.fromkeys(recorded))}. "
            "Remove the class, or correct its spelling under classes."
        )
