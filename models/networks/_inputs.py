"""From a frame of records and recorded columns to the arrays that a network reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from cohorts import BLOCK_SEPARATOR, Column
from features import ImagingOptions, TabularEncoder, load_pixels

__all__ = [
    "Inputs",
    "column_tables",
    "hold_out",
    "image_inputs",
    "rows_of",
    "tables_of",
    "tabular_inputs",
    "without",
]

Inputs = Mapping[str, NDArray[Any]]


def image_inputs(
    X: pd.DataFrame, columns: Sequence[str], *, image_size: int, imaging: ImagingOptions | None
) -> dict[str, NDArray[Any]]:
    """Return the pixels of each image column, and who has an image there.

    Parameters
    ----------
    X : DataFrame of shape (n_samples, n_columns)
        Holds tuples of `ImageRecord` in `columns`.
    columns : sequence of str
        One for each image modality.
    image_size : int
        Edge of the square in pixels.
    imaging : ImagingOptions, optional
        What is done to each image first.

    Returns
    -------
    dict of str to ndarray
        ``image_<i>`` of shape (n_samples, image_size, image_size), uint8, and
        ``image_<i>_present`` of shape (n_samples,), bool.
    """
    inputs: dict[str, NDArray[Any]] = {}
    for i, column in enumerate(columns):
        pixels, present = load_pixels(list(X[column]), image_size=image_size, imaging=imaging)
        inputs |= {f"image_{i}": pixels, f"image_{i}_present": present}
    return inputs


def tabular_inputs(
    X: pd.DataFrame, columns: Sequence[Column], encoder: TabularEncoder
) -> dict[str, NDArray[Any]]:
    """Return the encoded columns, and who has which table.

    Parameters
    ----------
    X : DataFrame of shape (n_samples, n_columns)
        Holds `columns`.
    columns : sequence of Column
        As recorded.
    encoder : TabularEncoder
        Fitted.

    Returns
    -------
    dict of str to ndarray
        ``tabular`` of shape (n_samples, n_encoded), float32, and ``tabular_present`` of
        shape (n_samples, n_tables), bool: whether any column of the table was recorded.
    """
    recorded = X[[column.name for column in columns]]
    owners = np.asarray([_table_of(column.name) for column in columns], dtype=object)
    known = recorded.notna().to_numpy()
    present = [known[:, owners == table].any(axis=1) for table in tables_of(columns)]
    return {
        "tabular": encoder.transform(recorded).astype(np.float32),
        "tabular_present": np.stack(present, axis=1),
    }


def tables_of(columns: Sequence[Column]) -> list[str]:
    """Return the tabular modalities that columns come from, in order.

    Columns of a cohort are called ``<modality>__<column>``; those without a prefix count as
    one modality.

    Examples
    --------
    >>> from cohorts import ColumnKind
    >>> tables_of([Column(name, ColumnKind.NUMERIC) for name in ("a__x", "b__x", "a__y")])
    ['a', 'b']
    """
    return list(dict.fromkeys(_table_of(column.name) for column in columns))


def column_tables(columns: Sequence[Column], encoder: TabularEncoder | None) -> list[int]:
    """Return the place in `tables_of` of the table behind each encoded column."""
    if encoder is None:
        return []
    places = {table: place for place, table in enumerate(tables_of(columns))}
    return [places[_table_of(name)] for name in encoder.source_columns_]


def rows_of(inputs: Inputs, rows: NDArray[np.intp]) -> dict[str, NDArray[Any]]:
    """Return the inputs of some cases."""
    return {name: values[rows] for name, values in inputs.items()}


def without(inputs: Inputs, side: str) -> dict[str, NDArray[Any]]:
    """Return the inputs as if no case had any image, or any table.

    Parameters
    ----------
    inputs : mapping of str to ndarray
        Of a network.
    side : {"image", "tabular"}
        What is withheld.
    """
    return {
        name: np.zeros_like(values)
        if name.startswith(side) and name.endswith("_present")
        else values
        for name, values in inputs.items()
    }


def hold_out(
    labels: NDArray[np.int64], groups: Any, *, share: float, random_state: int
) -> tuple[NDArray[np.intp], NDArray[np.intp] | None]:
    """Split off whole patients, if every class can spare some.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,), int
        Classes.
    groups : array-like of shape (n_samples,), optional
        Patients; where None, each case is one.
    share : float
        Share of the cases to hold out, about.
    random_state : int
        Seed.

    Returns
    -------
    tuple of (ndarray, ndarray or None)
        Rows to train on, and rows held out; None where there are too few patients of a class.
    """
    everyone = np.arange(len(labels))
    owners = (
        everyone
        if groups is None
        else np.unique(np.asarray(groups, dtype=str), return_inverse=True)[1]
    )
    n_splits = max(2, round(1 / share))
    per_class = [len(np.unique(owners[labels == k])) for k in np.unique(labels)]
    if min(per_class) < n_splits:
        return everyone, None
    folds = StratifiedGroupKFold(n_splits, shuffle=True, random_state=random_state)
    # A patient with many cases makes their fold large; the gradients need them more.
    splits = list(folds.split(labels, labels, owners))
    train, valid = min(splits, key=lambda split: abs(len(split[1]) / len(labels) - share))
    if len(np.unique(labels[train])) < len(per_class):
        return everyone, None
    return train, valid


def _table_of(name: str) -> str:
    table, separator, _ = name.partition(BLOCK_SEPARATOR)
    return table if separator else ""
