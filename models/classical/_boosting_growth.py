"""Boosting that is watched round by round, in each of the three libraries."""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np
import xgboost
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.preprocessing import LabelEncoder
from sklearn.utils.class_weight import compute_sample_weight

from models._growth import Growth

__all__ = ["HistGradientBoostingGrowth", "LightGBMGrowth", "XGBoostGrowth"]

Array = NDArray[np.float64]


class XGBoostGrowth(Growth):
    """Rounds of an `XGBClassifier` inside a `BalancedClassifier`.

    The native booster keeps its matrices and margins between rounds; the trees are those that
    the classifier's own `fit` grows.
    """

    def __init__(self, classifier: Any, X: Any, y: Any, X_held_out: Any) -> None:
        encoder = LabelEncoder().fit(y)
        self.classes_ = encoder.classes_
        n_classes, codes = len(self.classes_), encoder.transform(y)
        params = classifier.estimator.get_xgb_params() | {
            "objective": "multi:softprob" if n_classes > 2 else "binary:logistic"
        }
        if n_classes > 2:
            params["num_class"] = n_classes
        weight = compute_sample_weight("balanced", codes)
        self._train = xgboost.QuantileDMatrix(
            X, codes, weight=weight, max_bin=params["max_bin"], nthread=1
        )
        self._held_out = xgboost.DMatrix(X_held_out, nthread=1)
        self._booster = xgboost.Booster(params, [self._train, self._held_out])
        self._n = 0

    def grow(self, n: int) -> Array:
        """Add `n` rounds and predict."""
        for _ in range(n):
            self._booster.update(self._train, self._n)
            self._n += 1
        return _both_columns(self._booster.predict(self._held_out))


class LightGBMGrowth(Growth):
    """Rounds of an `LGBMClassifier` inside a `BalancedClassifier`."""

    def __init__(self, classifier: Any, X: Any, y: Any, X_held_out: Any) -> None:
        encoder = LabelEncoder().fit(y)
        self.classes_ = encoder.classes_
        n_classes, codes = len(self.classes_), encoder.transform(y)
        params = {
            name: value
            for name, value in classifier.estimator.get_params().items()
            if name not in ("n_estimators", "class_weight") and value is not None
        }
        params |= {"objective": "multiclass", "num_class": n_classes} if n_classes > 2 else {}
        params |= {"objective": "binary"} if n_classes == 2 else {}
        weight = compute_sample_weight("balanced", codes)
        data = lightgbm.Dataset(X, codes, weight=weight, params=params)
        self._booster = lightgbm.Booster(params, data)
        self._held_out = X_held_out

    def grow(self, n: int) -> Array:
        """Add `n` rounds and predict."""
        for _ in range(n):
            self._booster.update()
        return _both_columns(self._booster.predict(self._held_out))


class HistGradientBoostingGrowth(Growth):
    """Rounds of scikit-learn's histogram boosting, continued by its warm start."""

    def __init__(self, classifier: Any, X: Any, y: Any, X_held_out: Any) -> None:
        self._model: HistGradientBoostingClassifier = clone(classifier)
        self._model.set_params(warm_start=True)
        self._X, self._y, self._held_out = X, y, X_held_out
        self.classes_ = np.unique(y)
        self._n = 0

    def grow(self, n: int) -> Array:
        """Add `n` rounds and predict."""
        self._n += n
        self._model.set_params(max_iter=self._n).fit(self._X, self._y)
        return np.asarray(self._model.predict_proba(self._held_out))


def _both_columns(proba: Any) -> Array:
    """Return one column per class where a library gives that of the second of two alone."""
    values = np.asarray(proba, dtype=np.float64)
    return np.column_stack([1 - values, values]) if values.ndim == 1 else values
