"""Handing patients to the classifiers that split their training part."""

from __future__ import annotations

from typing import Any

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

__all__ = ["fit_with_groups", "group_params"]


def group_params(classifier: Any, groups: Any) -> dict[str, Any]:
    """Return what `fit` of the classifier is to be given besides X and y.

    Parameters
    ----------
    classifier : estimator
        A classifier whose `fit` takes ``groups``, a pipeline that ends in one, or any other.
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
        name, last = classifier.steps[-1]
        return {f"{name}__{key}": value for key, value in group_params(last, groups).items()}
    return {"groups": groups} if has_fit_parameter(classifier, "groups") else {}


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
