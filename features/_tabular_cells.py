"""Cells of recorded columns to arrays, one kind at a time; nothing here learns."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohorts import ColumnKind

__all__ = [
    "as_categories",
    "as_floats",
    "as_ranks",
    "as_truth",
    "frequent_labels",
    "infer_kind",
    "label_matrix",
]


def infer_kind(values: NDArray[Any]) -> ColumnKind:
    """Return numeric where every cell can be read as a number, else categorical."""
    try:
        values.astype(np.float64)
    except (TypeError, ValueError):
        return ColumnKind.CATEGORICAL
    return ColumnKind.NUMERIC


def as_floats(values: NDArray[Any], positions: list[int]) -> NDArray[np.float64]:
    """Return the columns at `positions` as numbers."""
    return np.asarray(values[:, positions], dtype=np.float64)


def as_truth(values: NDArray[Any], positions: list[int]) -> NDArray[np.float64]:
    """Return the columns at `positions` as 0 and 1; what is neither counts as missing."""
    truth = as_floats(values, positions)
    return np.where(np.isin(truth, (0.0, 1.0)), truth, np.nan)


def as_ranks(cells: NDArray[Any], order: tuple[str, ...]) -> list[float]:
    """Return the place of each level in the order; NaN where missing or not in it."""
    rank = {level: float(place) for place, level in enumerate(order)}
    return [np.nan if pd.isna(cell) else rank.get(str(cell), np.nan) for cell in cells]


def as_categories(values: NDArray[Any]) -> NDArray[np.object_]:
    """Return every cell as text, NaN where missing."""
    categories = values.astype(object)
    missing = pd.isna(categories)
    categories[~missing] = [str(value) for value in categories[~missing]]
    categories[missing] = np.nan
    return categories


def split_labels(cell: Any, separator: str) -> tuple[str, ...]:
    """Return the labels of one cell; missing is the empty label, which no recorded label can be."""
    if pd.isna(cell):
        return ("",)
    return tuple(label for part in str(cell).split(separator) if (label := part.strip()))


def frequent_labels(cells: NDArray[Any], separator: str, min_frequency: int) -> list[str]:
    """Return the labels, sorted, that at least `min_frequency` cells have."""
    counts = Counter(label for cell in cells for label in set(split_labels(cell, separator)))
    return sorted(label for label, count in counts.items() if count >= min_frequency)


def label_matrix(cells: NDArray[Any], labels: list[str], separator: str) -> NDArray[np.float64]:
    """Return 1 where a cell has a label, else 0: shape (n_cells, n_labels)."""
    found = [set(split_labels(cell, separator)) for cell in cells]
    matrix = [[float(label in row) for label in labels] for row in found]
    return np.asarray(matrix, dtype=np.float64).reshape(len(cells), len(labels))
