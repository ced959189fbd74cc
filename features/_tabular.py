"""Recorded columns to numbers: the tabular encoder, fitted inside the fold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.validation import check_is_fitted, validate_data

from cohorts import Column, ColumnKind
from features._scaling import SteadyScaler
from features._tabular_cells import (
    as_categories,
    as_floats,
    as_ranks,
    as_truth,
    frequent_labels,
    infer_kind,
    label_matrix,
)
from features._tabular_names import MISSING_SUFFIX, RARE_SUFFIX, describe_output, value_suffix

__all__ = ["TabularEncoder"]


class TabularEncoder(TransformerMixin, BaseEstimator):
    """Encode numeric, ordinal, categorical, boolean and multi-label columns as floats.

    Numeric columns are imputed with the median and brought to one scale by `SteadyScaler`,
    which neither skew nor a slip can distort; ordinal columns become ranks, imputed with
    the median one and standardised; boolean columns are imputed with the mode; categorical
    columns become one column per category, multi-label columns one per label. Missing
    values are kept visible: numeric, ordinal and boolean columns gain an indicator,
    categorical ones a category of their own, multi-label ones a ``missing`` label (each
    only where training data have missing values). Categories and labels rarer than
    `min_frequency` are pooled or dropped, and unseen ones count as such; a level outside
    the declared order counts as missing.

    Parameters
    ----------
    columns : sequence of Column, optional
        Kind of each column of `X`, in order. By default numeric where every value can be
        read as a number, else categorical.
    scale : bool, default=True
        Bring numbers and ranks to zero mean and unit variance. Trees need it not, and get
        the values as recorded and the ranks 0, 1, 2 and so on.
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
        self._fit_ranks(values)
        self._fit_booleans(values)
        self._fit_missing(values)
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
        parts = [self._transform_numbers(values), self._transform_missing(values)]
        if self._categorical:
            encoded = self._one_hot.transform(as_categories(values[:, self._categorical]))
            parts.append(np.asarray(encoded, dtype=np.float64))
        parts += [
            label_matrix(values[:, position], labels, self._separator(position))
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

    def fold_to_sources(self, values: ArrayLike, *, axis: int = -1) -> NDArray[np.float64]:
        """Sum the values of encoded columns over the recorded column behind them.

        For what adds up over columns, such as SHAP values: the sum over all columns stays.

        Parameters
        ----------
        values : array-like with n_outputs entries along `axis`
            One value for each encoded column, of a case, a class, or whatever else.
        axis : int, default=-1
            Along which encoded columns stand.

        Returns
        -------
        ndarray with n_columns entries along `axis`
            In the order of the columns that `fit` saw.

        Raises
        ------
        ValueError
            If there are not as many values as encoded columns.

        Examples
        --------
        >>> X = [["a"], ["b"], ["a"]]
        >>> TabularEncoder(min_frequency=1).fit(X).fold_to_sources([0.5, -0.2]).tolist()
        [0.3]
        """
        check_is_fitted(self)
        moved = np.moveaxis(np.asarray(values, dtype=np.float64), axis, 0)
        if len(moved) != len(self._outputs):
            raise ValueError(
                f"{len(moved)} values are given along axis {axis}, but {len(self._outputs)} "
                "columns are encoded."
            )
        folded = np.zeros((self.n_features_in_, *moved.shape[1:]))
        np.add.at(folded, [position for position, _ in self._outputs], moved)
        return np.moveaxis(folded, 0, axis)

    def dictionary(self) -> pd.DataFrame:
        """Say of every encoded column where it comes from and how it was made.

        Returns
        -------
        DataFrame of shape (n_outputs, 6)
            ``feature`` (the encoded column), ``source`` (the recorded one), ``kind`` (of the
            source), ``unit`` (of the values as encoded; "" where they have none any more),
            ``description`` (of the source) and ``encoding`` (how it was made, in words).

        Examples
        --------
        >>> encoder = TabularEncoder(min_frequency=1).fit([["a"], ["b"], ["a"]])
        >>> encoder.dictionary()[["feature", "source", "encoding"]].values.tolist()
        [['x0: a', 'x0', '1 where it is a, else 0'], ['x0: b', 'x0', '1 where it is b, else 0']]
        """
        check_is_fitted(self)
        rows = []
        for name, (position, suffix) in zip(
            self.get_feature_names_out(), self._outputs, strict=True
        ):
            kind, column = self.kinds_[position], self.columns and self.columns[position]
            rows.append(
                {
                    "feature": name,
                    "source": self._input_names(None)[position],
                    "kind": kind.value,
                    "description": column.description if column else "",
                    **describe_output(kind, suffix, column=column or None, scale=self.scale),
                }
            )
        names = ["feature", "source", "kind", "unit", "description", "encoding"]
        return pd.DataFrame(rows, columns=names)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags

    def _resolve_kinds(self, values: NDArray[Any]) -> list[ColumnKind]:
        if self.columns is None:
            return [infer_kind(values[:, position]) for position in range(values.shape[1])]
        if len(self.columns) != values.shape[1]:
            raise ValueError(
                f"{len(self.columns)} columns are declared, but X has {values.shape[1]}."
            )
        return [column.kind for column in self.columns]

    def _positions(self, *kinds: ColumnKind) -> list[int]:
        return [position for position, kind in enumerate(self.kinds_) if kind in kinds]

    def _fit_numbers(self, values: NDArray[Any]) -> None:
        self._numeric = self._positions(ColumnKind.NUMERIC)
        self._median, self._scaler = None, None
        if self._numeric:
            # A column with no value at all in this training part becomes a constant zero.
            self._median = SimpleImputer(strategy="median", keep_empty_features=True)
            imputed = self._median.fit_transform(as_floats(values, self._numeric))
            self._scaler = SteadyScaler().fit(imputed) if self.scale else None

    def _fit_ranks(self, values: NDArray[Any]) -> None:
        self._ordinal = self._positions(ColumnKind.ORDINAL)
        self._middle, self._rank_scaler = None, None
        if self._ordinal:
            self._middle = SimpleImputer(strategy="median", keep_empty_features=True)
            imputed = self._middle.fit_transform(self._ranks(values))
            self._rank_scaler = StandardScaler().fit(imputed) if self.scale else None

    def _fit_booleans(self, values: NDArray[Any]) -> None:
        self._boolean = self._positions(ColumnKind.BOOLEAN)
        self._mode = None
        if self._boolean:
            self._mode = SimpleImputer(strategy="most_frequent", keep_empty_features=True)
            self._mode.fit(as_truth(values, self._boolean))

    def _fit_missing(self, values: NDArray[Any]) -> None:
        missing = np.isnan(np.hstack(self._recorded(values)))
        self._flagged = np.flatnonzero(missing.any(axis=0)).tolist()

    def _recorded(self, values: NDArray[Any]) -> list[NDArray[np.float64]]:
        """Return numbers, ranks and truth values with NaN where missing."""
        return [
            as_floats(values, self._numeric),
            self._ranks(values),
            as_truth(values, self._boolean),
        ]

    def _ranks(self, values: NDArray[Any]) -> NDArray[np.float64]:
        columns = [as_ranks(values[:, one], self._order(one)) for one in self._ordinal]
        return np.asarray(columns, dtype=np.float64).reshape(len(self._ordinal), len(values)).T

    def _transform_numbers(self, values: NDArray[Any]) -> NDArray[np.float64]:
        steps = ((self._median, self._scaler), (self._middle, self._rank_scaler), (self._mode,))
        parts = self._recorded(values)
        for index, fitted in enumerate(steps):
            for step in fitted:
                if step is not None:
                    parts[index] = step.transform(parts[index])
        return np.hstack(parts)

    def _transform_missing(self, values: NDArray[Any]) -> NDArray[np.float64]:
        missing = np.isnan(np.hstack(self._recorded(values)))
        return missing[:, self._flagged].astype(np.float64)

    def _fit_categories(self, values: NDArray[Any]) -> None:
        self._categorical = self._positions(ColumnKind.CATEGORICAL)
        if self._categorical:
            self._one_hot = OneHotEncoder(
                handle_unknown="infrequent_if_exist",
                min_frequency=self.min_frequency,
                sparse_output=False,
            ).fit(as_categories(values[:, self._categorical]))

    def _fit_labels(self, values: NDArray[Any]) -> None:
        self._multi_label = self._positions(ColumnKind.MULTI_LABEL)
        self._labels = [
            frequent_labels(values[:, position], self._separator(position), self.min_frequency)
            for position in self._multi_label
        ]

    def _separator(self, position: int) -> str:
        # Multi-label columns are always declared: inference never guesses a separator.
        return self.columns[position].separator if self.columns is not None else "&"

    def _order(self, position: int) -> tuple[str, ...]:
        # So are ordinal columns.
        return self.columns[position].order if self.columns is not None else ()

    def _name_outputs(self) -> None:
        numbers = [*self._numeric, *self._ordinal, *self._boolean]
        outputs = [(position, "") for position in numbers]
        outputs += [(numbers[flag], MISSING_SUFFIX) for flag in self._flagged]
        for number, position in enumerate(self._categorical):
            outputs += [(position, suffix) for suffix in self._category_suffixes(number)]
        for position, labels in zip(self._multi_label, self._labels, strict=True):
            outputs += [(position, value_suffix(label)) for label in labels]
        self._outputs = outputs
        names = self._input_names(None)
        self.source_columns_ = [str(names[position]) for position, _ in outputs]

    def _category_suffixes(self, number: int) -> list[str]:
        """Name the columns of a categorical column, in the order of the one-hot encoder."""
        rare = self._one_hot.infrequent_categories_[number]
        pooled = set() if rare is None else {_or_none(value) for value in rare}
        values = map(_or_none, self._one_hot.categories_[number])
        suffixes = [value_suffix(value) for value in values if value not in pooled]
        return suffixes if rare is None else [*suffixes, RARE_SUFFIX]

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


def _or_none(value: Any) -> str | None:
    """Categories are text or NaN, which is not equal to itself."""
    return value if isinstance(value, str) else None
