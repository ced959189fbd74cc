"""Patients inside an estimator: handed on to whatever splits its training part by them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

__all__ = ["check_two_classes", "fit_with_groups", "group_params", "grouped_folds"]


def check_two_classes(classifier: Any, classes: NDArray[Any]) -> None:
    """Refuse labels of a single class.

    Raises
    ------
    ValueError
        Naming the classifier and the class.
    """
    if len(classes) < 2:
        raise ValueError(
            f"{type(classifier).__name__} needs at least 2 classes, but y has one class: "
            f"{classes[0]!r}."
        )


def grouped_folds(
    y: Any, groups: Any, *, n_splits: int, random_state: int
) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Return stratified folds as (train, held out) rows; they never split a patient.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels.
    groups : array-like of shape (n_samples,) or None
        Patients; where None, every row is one.
    n_splits : int
        Number of folds; fewer where a class has fewer patients.
    random_state : int
        Seed of the shuffle.

    Raises
    ------
    ValueError
        If a class has one patient: it would be missing where that patient is held out.
    """
    labels = np.asarray(y)
    owners = np.arange(len(labels))
    if groups is not None:
        _, owners = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    per_class = [len(np.unique(owners[labels == k])) for k in np.unique(labels)]
    n_splits = min(n_splits, *per_class)
    if n_splits < 2:
        raise ValueError(
            "A class has one patient in this training part, too few to hold any out. Lower "
            "outer.n_splits and inner.n_splits, or merge the class with another."
        )
    splitter = StratifiedGroupKFold(n_splits, shuffle=True, random_state=random_state)
    return list(splitter.split(np.zeros(len(labels)), labels, owners))


def group_params(classifier: Any, groups: Any) -> dict[str, Any]:
    """Return what `fit` of the estimator is to be given besides X and y.

    Parameters
    ----------
    classifier : estimator
        One whose `fit` takes ``groups``, a pipeline that holds such steps, or any other.
    groups : array-like of shape (n_samples,) or None
        Patients.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> group_params(LogisticRegression(), ["p1", "p2"])
    {}
    """
    if groups is None:
        return {}
    if isinstance(classifier, Pipeline):
        return {
            f"{name}__{key}": value
            for name, step in classifier.steps
            for key, value in group_params(step, groups).items()
        }
    # A step of a pipeline may be a word, such as "passthrough".
    takes_groups = hasattr(classifier, "fit") and has_fit_parameter(classifier, "groups")
    return {"groups": groups} if takes_groups else {}


def fit_with_groups(classifier: Any, X: Any, y: Any, groups: Any) -> Any:
    """Fit a classifier, with the patients if it splits its training part.

    Parameters
    ----------
    classifier : estimator
        Unfitted.
    X, y : array-like of shape (n_samples, n_features) and (n_samples,)
        Training rows and their labels.
    groups : array-like of shape (n_samples,)
        Patients.

    Returns
    -------
    estimator
        The same object, fitted.
    """
    return classifier.fit(X, y, **group_params(classifier, groups))
