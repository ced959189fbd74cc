"""Metrics as weighted, vectorised functions of stored predictions.

Every metric is one function of labels, probabilities and case weights. Weights of one
give the point estimate, bootstrap multiplicities give its resamples, so that a value and
its interval can never come from two definitions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["METRICS", "Metric", "Predictions", "evaluate"]

Array = NDArray[np.float64]

# Probabilities are clipped here before a logarithm, as scikit-learn does with its own epsilon;
# this one keeps a single confident miss from deciding a board.
LOG_CLIP = 1e-7


@dataclass(frozen=True)
class Predictions:
    """Out-of-fold predictions of one row of the board.

    Attributes
    ----------
    y_true : ndarray of shape (n_cases,), int
        Index of the observed class.
    y_proba : ndarray of shape (n_repeats, n_cases, n_classes)
        Predicted probabilities; each case is predicted once in each repeat.
    folds : ndarray of shape (n_repeats, n_cases), int
        The outer fold in which the case was predicted.
    positive_index : int
        Column of the positive class.
    """

    y_true: NDArray[np.intp]
    y_proba: Array
    folds: NDArray[np.intp]
    positive_index: int

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return int(self.y_proba.shape[2])


MetricFunction = Callable[[Predictions, Array], Array]


@dataclass(frozen=True)
class Metric:
    """A score and how to read it.

    Attributes
    ----------
    name, title, short : str
        Key, readable name and column header; ``{positive}`` stands for the positive class.
    description : str
        One or two sentences for the glossary of the page.
    greater_is_better : bool
        Direction.
    low, high : float
        Range of possible values; ``high`` may be infinite.
    function : callable
        ``(Predictions, weights of shape (n_resamples, n_cases)) -> (n_resamples,)``.
    """

    name: str
    title: str
    short: str
    description: str
    greater_is_better: bool
    low: float
    high: float
    function: MetricFunction


METRICS: dict[str, Metric] = {}


def evaluate(metric: Metric, predictions: Predictions, weights: Array | None = None) -> Array:
    """Compute a metric for one or many weightings of the cases.

    Parameters
    ----------
    metric : Metric
        What to compute.
    predictions : Predictions
        One row's predictions.
    weights : ndarray of shape (n_resamples, n_cases), optional
        Non-negative multiplicities; by default every case once.

    Returns
    -------
    ndarray of shape (n_resamples,)
        NaN where the metric is not defined, such as an AUC without positives.
    """
    if weights is None:
        weights = np.ones((1, len(predictions.y_true)))
    return metric.function(predictions, weights)


def _register(
    name: str,
    title: str,
    short: str,
    description: str,
    *,
    greater_is_better: bool = True,
    low: float = 0.0,
    high: float = 1.0,
) -> Callable[[MetricFunction], MetricFunction]:
    def decorate(function: MetricFunction) -> MetricFunction:
        if name in METRICS:
            raise ValueError(f"A metric named {name!r} is already registered.")
        METRICS[name] = Metric(
            name, title, short, description, greater_is_better, low, high, function
        )
        return function

    return decorate


def weighted_auc(y_true: NDArray[np.bool_], score: Array, weights: Array) -> Array:
    """Area under the ROC curve for many weightings at once.

    The probability that a positive scores above a negative, ties counted half
    (Hanley & McNeil 1982, Radiology 143), with pairs weighted by the product of their
    cases' weights.

    Parameters
    ----------
    y_true : ndarray of shape (n,), bool
        Whether the case is positive.
    score : ndarray of shape (n,)
        Larger means more likely positive.
    weights : ndarray of shape (n_resamples, n)
        Case weights.

    Returns
    -------
    ndarray of shape (n_resamples,)
        In [0, 1]; NaN where one side has no weight.

    Examples
    --------
    >>> weighted_auc(np.array([True, False]), np.array([0.7, 0.2]), np.ones((1, 2))).tolist()
    [1.0]
    """
    _, level = np.unique(score, return_inverse=True)
    order = np.argsort(level, kind="stable")
    starts = np.flatnonzero(np.diff(level[order], prepend=-1))
    positive = np.add.reduceat((weights * y_true)[:, order], starts, axis=1)
    negative = np.add.reduceat((weights * ~y_true)[:, order], starts, axis=1)
    below = np.cumsum(negative, axis=1) - negative / 2
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(pairs > 0, (positive * below).sum(axis=1) / pairs, np.nan))


def _auc_over_folds(predictions: Predictions, weights: Array, k: int) -> Array:
    """One-vs-rest AUC of class k within each fold, averaged over folds and repeats.

    Scores of different folds come from different models and are never ranked against each
    other. A resample that leaves a fold without one of the sides averages over the others.
    """
    y_true = predictions.y_true == k
    per_fold = []
    for repeat, folds in enumerate(predictions.folds):
        for fold in np.unique(folds):
            rows = folds == fold
            score = predictions.y_proba[repeat, rows, k]
            per_fold.append(weighted_auc(y_true[rows], score, weights[:, rows]))
    stacked = np.stack(per_fold)
    defined = ~np.isnan(stacked)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(defined, stacked, 0.0).sum(axis=0) / defined.sum(axis=0))


@_register(
    "roc_auc",
    "ROC AUC, {positive} versus rest",
    "AUC {positive}",
    "Chance that a randomly chosen {positive} case is given a higher risk than a randomly chosen "
    "other case. 0.5 is chance. Computed within each outer fold and averaged.",
)
def _roc_auc(predictions: Predictions, weights: Array) -> Array:
    return _auc_over_folds(predictions, weights, predictions.positive_index)


@_register(
    "roc_auc_macro",
    "ROC AUC, macro average of one class versus rest",
    "AUC macro",
    "The AUC of each class against all others, averaged with equal weight for every class; "
    "within each outer fold.",
)
def _roc_auc_macro(predictions: Predictions, weights: Array) -> Array:
    every = [_auc_over_folds(predictions, weights, k) for k in range(predictions.n_classes)]
    return np.asarray(np.mean(every, axis=0))


def _confusion(predictions: Predictions, weights: Array) -> Array:
    """Weighted counts of shape (n_resamples, n_classes true, n_classes predicted).

    Repeats are not new patients: each case counts once, shared evenly among its repeats. The
    repeats' probabilities are not averaged first, which would score an ensemble that nobody
    will have.
    """
    n = predictions.n_classes
    predicted = predictions.y_proba.argmax(axis=2)
    cell = np.eye(n * n)[predictions.y_true * n + predicted].mean(axis=0)
    return np.asarray((weights @ cell).reshape(len(weights), n, n))


def _ratio(numerator: Array, denominator: Array, *, empty: float = np.nan) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(denominator > 0, numerator / denominator, empty))


def _f1_per_class(predictions: Predictions, weights: Array) -> tuple[Array, Array]:
    """F1 of each class, and each class's weight; a class nobody predicts scores 0."""
    counts = _confusion(predictions, weights)
    hits = np.einsum("bkk->bk", counts)
    actual, predicted = counts.sum(axis=2), counts.sum(axis=1)
    return _ratio(2 * hits, actual + predicted, empty=0.0), actual


@_register(
    "f1_macro",
    "F1, macro average",
    "F1 macro",
    "Harmonic mean of precision and recall at the most probable class, averaged with equal "
    "weight for every class.",
)
def _f1_macro(predictions: Predictions, weights: Array) -> Array:
    f1, _ = _f1_per_class(predictions, weights)
    return np.asarray(f1.mean(axis=1))


@_register(
    "f1_weighted",
    "F1, weighted by class frequency",
    "F1 weighted",
    "The same F1 scores averaged in proportion to the number of cases of each class.",
)
def _f1_weighted(predictions: Predictions, weights: Array) -> Array:
    f1, actual = _f1_per_class(predictions, weights)
    return _ratio((f1 * actual).sum(axis=1), actual.sum(axis=1))


@_register(
    "balanced_accuracy",
    "Balanced accuracy",
    "Bal. acc.",
    "Share of cases assigned to their own class, computed for each class and averaged with equal "
    "weight.",
)
def _balanced_accuracy(predictions: Predictions, weights: Array) -> Array:
    counts = _confusion(predictions, weights)
    recall = _ratio(np.einsum("bkk->bk", counts), counts.sum(axis=2))
    return np.asarray(recall.mean(axis=1))


@_register(
    "sensitivity",
    "Sensitivity for {positive}",
    "Sens. {positive}",
    "Share of {positive} cases whose most probable class was {positive}. No threshold was chosen "
    "for it.",
)
def _sensitivity(predictions: Predictions, weights: Array) -> Array:
    counts, k = _confusion(predictions, weights), predictions.positive_index
    return _ratio(counts[:, k, k], counts[:, k].sum(axis=1))


@_register(
    "specificity",
    "Specificity for {positive}",
    "Spec. {positive}",
    "Share of the other cases whose most probable class was not {positive}.",
)
def _specificity(predictions: Predictions, weights: Array) -> Array:
    counts, k = _confusion(predictions, weights), predictions.positive_index
    others = counts.sum(axis=(1, 2)) - counts[:, k].sum(axis=1)
    false_alarms = counts[:, :, k].sum(axis=1) - counts[:, k, k]
    return _ratio(others - false_alarms, others)


@_register(
    "brier",
    "Brier score",
    "Brier",
    "Mean squared distance between the predicted probabilities and what happened: 0 is perfect. "
    "Of three classes or more it is summed over classes and 2 is certain and wrong; of two it is "
    "that of one class, and 1 is. Lower is better.",
    greater_is_better=False,
    high=2.0,
)
def _brier(predictions: Predictions, weights: Array) -> Array:
    observed = np.eye(predictions.n_classes)[predictions.y_true]
    loss = ((predictions.y_proba - observed) ** 2).sum(axis=2).mean(axis=0)
    # Brier (1950) sums over classes; for two classes everybody quotes the half of that.
    scale = 0.5 if predictions.n_classes == 2 else 1.0
    return _ratio(weights @ (scale * loss), weights.sum(axis=1))


@_register(
    "log_loss",
    "Log loss",
    "Log loss",
    "Mean negative logarithm of the probability given to the observed class, which counts as no "
    "less than one in ten million. Lower is better; confident misses cost most.",
    greater_is_better=False,
    high=float("inf"),
)
def _log_loss(predictions: Predictions, weights: Array) -> Array:
    given = predictions.y_proba[:, np.arange(len(predictions.y_true)), predictions.y_true]
    loss = -np.log(np.clip(given, LOG_CLIP, 1.0)).mean(axis=0)
    return _ratio(weights @ loss, weights.sum(axis=1))
