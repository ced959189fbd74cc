"""Handing patients to whatever splits its training part."""

from __future__ import annotations

from typing import Any

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

__all__ = ["fit_with_groups", "group_params"]


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
