"""Class weights by inverse frequency for estimators that take none."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import LabelEncoder
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from models._groups import check_two_classes

__all__ = ["BalancedClassifier", "BalancedNeighborsClassifier"]


class BalancedClassifier(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    """Fit any classifier that takes sample weights with weights by inverse class frequency.

    Labels are encoded as 0 … n_classes - 1 for the inner estimator, as XGBoost demands.

    Parameters
    ----------
    estimator : classifier, optional
        Its `fit` takes ``sample_weight``. Logistic regression by default.

    Attributes
    ----------
    estimator_ : classifier
        The fitted clone.
    classes_ : ndarray
        Class labels, sorted.
    """

    def __init__(self, estimator: Any = None) -> None:
        self.estimator = estimator

    def fit(self, X: Any, y: Any) -> BalancedClassifier:
        """Fit on features of shape (n_samples, n_features) and labels of shape (n_samples,)."""
        X, y = validate_data(self, X, y)
        check_classification_targets(y)
        encoder = LabelEncoder().fit(y)
        self.classes_ = encoder.classes_
        check_two_classes(self, self.classes_)
        base = LogisticRegression() if self.estimator is None else self.estimator
        encoded = encoder.transform(y)
        weights = compute_sample_weight("balanced", encoded)
        self.estimator_ = clone(base).fit(X, encoded, sample_weight=weights)
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return class probabilities of shape (n_samples, n_classes), rows summing to 1."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        return np.asarray(self.estimator_.predict_proba(X), dtype=np.float64)

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most probable class of each row."""
        best = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[best])


class BalancedNeighborsClassifier(ClassifierMixin, BaseEstimator):
    """Nearest neighbours whose votes weigh as much as their class is rare.

    A neighbour of class k votes with n_samples / (n_classes × n_k). One further vote is
    shared evenly among the classes (Laplace's rule of succession), so that no probability
    is exactly 0 and the log loss stays finite.

    Parameters
    ----------
    n_neighbors : int, default=15
        Neighbours that vote; all rows where the training part has fewer.
    weights : {"uniform", "distance"}, default="uniform"
        Whether nearer neighbours count more.

    Attributes
    ----------
    neighbors_ : KNeighborsClassifier
        The fitted search.
    class_weight_ : ndarray of shape (n_classes,)
        Weight of a vote for each class.
    classes_ : ndarray
        Class labels, sorted.
    """

    def __init__(self, n_neighbors: int = 15, *, weights: str = "uniform") -> None:
        self.n_neighbors = n_neighbors
        self.weights = weights

    def fit(self, X: Any, y: Any) -> BalancedNeighborsClassifier:
        """Keep the training rows and the weight of each class."""
        X, y = validate_data(self, X, y)
        check_classification_targets(y)
        n_voting = min(self.n_neighbors, len(y))
        self.neighbors_ = KNeighborsClassifier(n_voting, weights=self.weights).fit(X, y)
        self.classes_ = self.neighbors_.classes_
        self.class_weight_ = compute_class_weight("balanced", classes=self.classes_, y=y)
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return weighted shares of the vote, of shape (n_samples, n_classes)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        shares = self.neighbors_.predict_proba(X)
        votes = shares * self.neighbors_.n_neighbors * self.class_weight_ + 1 / len(self.classes_)
        return np.asarray(votes / votes.sum(axis=1, keepdims=True))

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the class with the largest weighted vote."""
        best = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[best])
