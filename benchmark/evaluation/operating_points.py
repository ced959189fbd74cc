"""Operating points: risks above which a case is flagged, chosen on out-of-fold predictions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom

from benchmark.evaluation.metrics import Predictions

__all__ = [
    "OperatingPoint",
    "choose_threshold",
    "operating_point_of",
    "sensitivity_and_specificity",
]


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold on the risk of the positive class, and what it was chosen to keep.

    Attributes
    ----------
    target_sensitivity : float
        In (0, 1).
    threshold : float or None
        Cases with at least this risk are flagged; None where there were too few positives to
        support the target.
    n_positives : int
        Positives it was chosen on, or patients with one.
    n_missed : int
        Those of them below the threshold; of several repeats the mean, rounded.
    """

    target_sensitivity: float
    threshold: float | None
    n_positives: int
    n_missed: int


def choose_threshold(
    y_true: ArrayLike,
    risk: ArrayLike,
    *,
    target_sensitivity: float,
    alpha: float = 0.10,
    patients: ArrayLike | None = None,
) -> OperatingPoint:
    """Choose the highest threshold whose true sensitivity reaches the target, most probably.

    The threshold is an order statistic of the positives' risks: the largest number of misses
    k with ``P(Binomial(m, 1 - target) <= k) <= alpha`` is allowed, so that in at least
    ``1 - alpha`` of all samples the sensitivity on further patients is no lower than the
    target [1]_. The empirical quantile would fall short in about half of them.

    Parameters
    ----------
    y_true : array-like of shape (n_cases,)
        1 or True for the positive class.
    risk : array-like of shape (n_cases,)
        Predicted probability of the positive class, of cases the model had not seen.
    target_sensitivity : float
        In (0, 1).
    alpha : float, default=0.10
        Chance of falling short of the target.
    patients : array-like of shape (n_cases,), optional
        Whose case each is. The positive cases of a patient are not independent: a patient
        then counts once, by the lowest of their risks. By default every case is a patient.

    Returns
    -------
    OperatingPoint
        Without a threshold where even zero misses would not support the target.

    Raises
    ------
    ValueError
        If `target_sensitivity` or `alpha` is not inside (0, 1).

    References
    ----------
    .. [1] Wilks (1941), Determination of sample sizes for setting tolerance limits, Annals
       of Mathematical Statistics 12(1).

    Examples
    --------
    >>> risks = [0.9] * 99 + [0.2]
    >>> choose_threshold([1] * 100, risks, target_sensitivity=0.95).n_missed
    1
    """
    for name, value in (("target_sensitivity", target_sensitivity), ("alpha", alpha)):
        if not 0 < value < 1:
            raise ValueError(f"{name} must lie inside (0, 1), but is {value!r}.")
    positive = np.asarray(y_true, dtype=bool)
    risks = np.asarray(risk, dtype=np.float64)[positive]
    if patients is not None:
        risks = _lowest_of_each(risks, np.asarray(patients, dtype=str)[positive])
    positives = np.sort(risks)
    m = len(positives)
    allowed = np.flatnonzero(binom.cdf(np.arange(m), m, 1 - target_sensitivity) <= alpha)
    if not len(allowed):
        return OperatingPoint(target_sensitivity, None, m, 0)
    threshold = float(positives[allowed[-1]])
    return OperatingPoint(target_sensitivity, threshold, m, int((positives < threshold).sum()))


def operating_point_of(
    predictions: Predictions, *, target_sensitivity: float, patients: ArrayLike | None = None
) -> OperatingPoint:
    """Choose the threshold of a row's final model on its out-of-fold predictions.

    One threshold for each repeat, and their mean: the mean risk over repeats would be that of
    an ensemble, which is sharper than the model that is kept. For cases that none of the row's
    models was trained on, such as new patients and external cohorts: on the development cohort
    itself the threshold has seen the labels. Of the best of many rows it is a little too high,
    because the same predictions made the row the best.

    Parameters
    ----------
    predictions : Predictions
        Of the row, on the outer folds.
    target_sensitivity : float
        In (0, 1).
    patients : array-like of shape (n_cases,), optional
        As in `choose_threshold`.
    """
    positive = predictions.positive_index
    observed = predictions.y_true == positive
    points = [
        choose_threshold(
            observed,
            proba[:, positive],
            target_sensitivity=target_sensitivity,
            patients=patients,
        )
        for proba in predictions.y_proba
    ]
    thresholds = [point.threshold for point in points if point.threshold is not None]
    # All repeats have the same number of positives, so that all have a threshold or none.
    threshold = float(np.mean(thresholds)) if thresholds else None
    n_missed = round(float(np.mean([point.n_missed for point in points])))
    return OperatingPoint(target_sensitivity, threshold, points[0].n_positives, n_missed)


def _lowest_of_each(risks: NDArray[np.float64], patients: NDArray[np.str_]) -> NDArray[np.float64]:
    _, owners = np.unique(patients, return_inverse=True)
    lowest = np.full(owners.max(initial=-1) + 1, np.inf)
    np.minimum.at(lowest, owners, risks)
    return lowest


def sensitivity_and_specificity(
    y_true: ArrayLike, risk: ArrayLike, *, threshold: float
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Count what a threshold finds and what it leaves alone.

    Parameters
    ----------
    y_true : array-like of shape (n_cases,)
        1 or True for the positive class.
    risk : array-like of shape (n_cases,)
        Predicted probability of the positive class.
    threshold : float
        Cases with at least this risk are flagged.

    Returns
    -------
    tuple of ((int, int), (int, int))
        Positives found and all positives; others left alone and all others.

    Examples
    --------
    >>> sensitivity_and_specificity([1, 1, 0], [0.8, 0.1, 0.3], threshold=0.5)
    ((1, 2), (1, 1))
    """
    positive, flagged = np.asarray(y_true, dtype=bool), np.asarray(risk) >= threshold
    found, left = int((positive & flagged).sum()), int((~positive & ~flagged).sum())
    return (found, int(positive.sum())), (left, int((~positive).sum()))
