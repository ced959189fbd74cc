"""Support vector machines, one class against the others, calibrated by patient."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import SVC
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from models._groups import check_two_classes, grouped_folds

__all__ = ["CalibratedVectorMachine"]


class CalibratedVectorMachine(ClassifierMixin, BaseEstimator):
    """RBF machines, one class against the rest, with Platt's sigmoid on each [1]_.

    One machine per class: the scores that scikit-learn derives from pairwise machines are
    mostly counts of votes, and lose much of the ranking between patients. The sigmoids are
    fitted to scores of patients that the scoring machines had not seen.

    Parameters
    ----------
    C : float, default=1.0
        Cost of a violated margin.
    gamma_factor : float, default=1.0
        Width of the kernel: ``gamma = gamma_factor / (n_features × variance)``.
    n_splits : int, default=3
        Folds of the calibration.
    random_state : int, default=0
        Seed of those folds.

    Attributes
    ----------
    calibrated_ : CalibratedClassifierCV
        Machines and sigmoids.
    classes_ : ndarray
        Class labels, sorted.

    References
    ----------
    .. [1] Platt (1999), Probabilistic outputs for support vector machines, in Advances in
       Large Margin Classifiers.
    """

    def __init__(
        self,
        C: float = 1.0,
        *,
        gamma_factor: float = 1.0,
        n_splits: int = 3,
        random_state: int = 0,
    ) -> None:
        self.C = C
        self.gamma_factor = gamma_factor
        self.n_splits = n_splits
        self.random_state = random_state

    def fit(self, X: Any, y: Any, groups: Any = None) -> CalibratedVectorMachine:
        """Fit machines and sigmoids.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Standardised rows.
        y : array-like of shape (n_samples,)
            Labels.
        groups : array-like of shape (n_samples,), optional
            Patients; the calibration folds never split one.
        """
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_ = np.unique(y)
        check_two_classes(self, self.classes_)
        variance = float(X.var())
        gamma = self.gamma_factor / (X.shape[1] * variance) if variance > 0 else 1.0
        machine = SVC(C=self.C, gamma=gamma, class_weight="balanced")
        folds = grouped_folds(y, groups, n_splits=self.n_splits, random_state=self.random_state)
        self.calibrated_ = CalibratedClassifierCV(
            machine if len(self.classes_) == 2 else OneVsRestClassifier(machine),
            method="sigmoid",
            cv=folds,
            ensemble=False,
        ).fit(X, y)
        # The folds are training rows; a stored model has no need of them.
        self.calibrated_.cv = None
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return class probabilities of shape (n_samples, n_classes), rows summing to 1."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return np.asarray(self.calibrated_.predict_proba(X))

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most probable class of each row."""
        best = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[best])
