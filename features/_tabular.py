"""Recorded columns to numbers: the tabular encoder, fitted inside the fold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.validation import check_is_fitted, validate_data

from cohorts import Column, ColumnKind

__all__ = ["TabularEncoder"]

# Stands between a column's position and the category in the encoder's output names, so
# that every output column can be traced to its source whatever the names contain.
_MARK = "\x1f"


class TabularEncoder(TransformerMixin, BaseEstimator):
    """Encode numeric, categorical, boolean and multi-label columns as floats.

    Numeric columns are imputed with the median and standardised; boolean columns are
    imputed with the mode; categorical columns become one column per category, multi-label
    columns one per label. Missing values are kept visible: numeric and boolean columns
    gain an indicator, categorical ones a category of their own, multi-label ones a
    ``missing`` label (each only where training data have missing values). Categories and
    labels rarer than `min_frequency` are pooled or dropped, and unseen ones count as such.

    Parameters
    ----------
    columns : sequence of Column, optional
        Kind of each column of `X`, in order. By default numeric where every value can be
        read as a number, else categorical.
    scale : bool, default=True
        Standardise numeric columns to zero mean and unit variance. Trees need it not.
    min_frequency : int, default=3
        Least number of training cases for a category or label to have its own column.

    Attributes
    ----------
    kinds_ : list of ColumnKind
        Kind of each input column.
    source_columns_ : list of str
        The recorded column behind each output column.

    Examples
    --------
    >>> import pandas as pd
    >>> X = pd.DataFrame({"age": [40.0, 60.0, float("nan")], "sign": ["a", "b", "a"]})
    >>> encoder = TabularEncoder(scale=False, min_frequency=1).fit(X)
    >>> encoder.get_feature_names_out().tolist()
    ['age', 'age missing', 'sign: a', 'sign: b']
    >>> encoder.transform(X)[2].tolist()
    [50.0, 1.0, 1.0, 0.0]
    """

    def __init__(
        self,
        columns: Sequence[Column] | None = None,
        *,
        scale: bool = True,
        min_frequency: int = 3,
    ) -> None:
        self.columns = columns
        self.scale = scale
        self.min_frequency = min_frequency

    def fit(self, X: Any, y: Any = None) -> TabularEncoder:  # noqa: ARG002  # scikit-learn's signature
        """Learn medians, modes, scales, categories and labels.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_columns)
            Recorded values as `ColumnKind` describes them; NaN is missing.
        y : ignored

        Returns
        -------
        TabularEncoder
            Fitted.
        """
        values = validate_data(self, X, dtype=None, ensure_all_finite="allow-nan")
        self.kinds_ = self._resolve_kinds(values)
        self._fit_numbers(values)
        self._fit_categories(values)
        self._fit_labels(values)
        self._name_outputs()
        return self

    def transform(self, X: Any) -> NDArray[np.float64]:
        """Encode recorded values.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_columns)
            The columns seen in `fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)
            Finite floats.
        """
        check_is_fitted(self)
        values = validate_data(self, X, dtype=None, ensure_all_finite="allow-nan", reset=False)
        parts = [self._transform_numbers(values)]
        if self._categorical:
            encoded = self._one_hot.transform(_as_categories(values[:, self._categorical]))
            parts.append(np.asarray(encoded, dtype=np.float64))
        parts += [
            _label_matrix(values[:, position], labels, self._separator(position))
            for position, labels in zip(self._multi_label, self._labels, strict=True)
        ]
        return np.hstack(parts)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return a readable name for each output column.

        Parameters
        ----------
        input_features : array-like of str, optional
            Names of the input columns; by default those seen in `fit`.
        """
        check_is_fitted(self)
        names = self._input_names(input_features)
        return np.asarray(
            [f"{names[position]}{suffix}" for position, suffix in self._outputs], dtype=object
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags

    def _resolve_kinds(self, values: NDArray[Any]) -> list[ColumnKind]:
        if self.columns is None:
            return [_infer_kind(values[:, position]) for position in range(values.shape[1])]
        if len(self.columns) != values.shape[1]:
            raise ValueError(
                f"{len(self.columns)} columns are declared, but X has {values.shape[1]}."
            )
        return [column.kind for column in self.columns]

    def _positions(self, *kinds: ColumnKind) -> list[int]:
        return [position for position, kind in enumerate(self.kinds_) if kind in kinds]

    def _fit_numbers(self, values: NDArray[Any]) -> None:
        self._numeric = self._positions(ColumnKind.NUMERIC)
        self._boolean = self._positions(ColumnKind.BOOLEAN)
        numeric, boolean = _as_floats(values, self._numeric), _as_floats(values, self._boolean)
        if self._numeric:
            # A column with no value at all in this training part becomes a constant zero.
            self._median = SimpleImputer(strategy="median", keep_empty_features=True)
            imputed = self._median.fit_transform(numeric)
            self._scaler = StandardScaler(with_mean=self.scale, with_std=self.scale).fit(imputed)
        if self._boolean:
            self._mode = SimpleImputer(strategy="most_frequent", keep_empty_features=True)
            self._mode.fit(boolean)
        both = np.hstack([numeric, boolean])
        self._flagged = np.flatnonzero(np.isnan(both).any(axis=0)).tolist()

    def _transform_numbers(self, values: NDArray[Any]) -> NDArray[np.float64]:
        numeric, boolean = _as_floats(values, self._numeric), _as_floats(values, self._boolean)
        missing = np.isnan(np.hstack([numeric, boolean]))[:, self._flagged]
        if self._numeric:
            numeric = self._scaler.transform(self._median.transform(numeric))
        if self._boolean:
            boolean = self._mode.transform(boolean)
        return np.hstack([numeric, boolean, missing.astype(np.float64)])

    def _fit_categories(self, values: NDArray[Any]) -> None:
        self._categorical = self._positions(ColumnKind.CATEGORICAL)
        if self._categorical:
            self._one_hot = OneHotEncoder(
                handle_unknown="infrequent_if_exist",
                min_frequency=self.min_frequency,
                sparse_output=False,
            ).fit(_as_categories(values[:, self._categorical]))

    def _fit_labels(self, values: NDArray[Any]) -> None:
        self._multi_label = self._positions(ColumnKind.MULTI_LABEL)
        self._labels = [
            _frequent_labels(values[:, position], self._separator(position), self.min_frequency)
            for position in self._multi_label
        ]

    def _separator(self, position: int) -> str:
        # Multi-label columns are always declared: inference never guesses a separator.
        return self.columns[position].separator if self.columns is not None else "&"

    def _name_outputs(self) -> None:
        numbers = [*self._numeric, *self._boolean]
        outputs = [(position, "") for position in numbers]
        outputs += [(numbers[flag], " missing") for flag in self._flagged]
        if self._categorical:
            marked = [f"{position}{_MARK}" for position in self._categorical]
            for name in self._one_hot.get_feature_names_out(marked):
                marked_position, category = str(name).split(_MARK, 1)
                outputs.append((int(marked_position), f": {_category_name(category)}"))
        for position, labels in zip(self._multi_label, self._labels, strict=True):
            outputs += [(position, f": {label or 'missing'}") for label in labels]
        self._outputs = outputs
        names = self._input_names(None)
        self.source_columns_ = [str(names[position]) for position, _ in outputs]

    def _input_names(self, input_features: Any) -> NDArray[np.object_]:
        known = getattr(self, "feature_names_in_", None)
        if input_features is not None:
            given = np.asarray(input_features, dtype=object)
            if known is not None and not np.array_equal(given, known):
                raise ValueError("input_features is not equal to feature_names_in_")
            if len(given) != self.n_features_in_:
                raise ValueError(
                    "input_features should have length equal to number of features "
                    f"({self.n_features_in_}), got {len(given)}"
                )
            return given
        if known is not None:
            return np.asarray(known, dtype=object)
        return np.asarray([f"x{i}" for i in range(self.n_features_in_)], dtype=object)


def _infer_kind(values: NDArray[Any]) -> ColumnKind:
    try:
        values.astype(np.float64)
    except (TypeError, ValueError):
        return ColumnKind.CATEGORICAL
    return ColumnKind.NUMERIC


def _as_floats(values: NDArray[Any], positions: list[int]) -> NDArray[np.float64]:
    return np.asarray(values[:, positions], dtype=np.float64)


def _as_categories(values: NDArray[Any]) -> NDArray[np.object_]:
    categories = values.astype(object)
    missing = pd.isna(categories)
    categories[~missing] = [str(value) for value in categories[~missing]]
    categories[missing] = np.nan
    return categories


def _category_name(category: str) -> str:
    # The encoder joins position and category with an underscore.
    name = category.removeprefix("_")
    return {"nan": "missing", "infrequent_sklearn": "rare"}.get(name, name)


def _split_labels(cell: Any, separator: str) -> tuple[str, ...]:
    """Labels of one cell; missing is the empty label, which no recorded label can be."""
    if pd.isna(cell):
        return ("",)
    return tuple(label for part in str(cell).split(separator) if (label := part.strip()))


def _frequent_labels(cells: NDArray[Any], separator: str, min_frequency: int) -> list[str]:
    counts = Counter(label for cell in cells for label in set(_split_labels(cell, separator)))
    return sorted(label for label, count in counts.items() if count >= min_frequency)


def _label_matrix(cells: NDArray[Any], labels: list[str], separator: str) -> NDArray[np.float64]:
    found = [set(_split_labels(cell, separator)) for cell in cells]
    matrix = [[float(label in row) for label in labels] for row in found]
    return np.asarray(matrix, dtype=np.float64).reshape(len(cells), len(labels))
