"""Curves and tables of single rows: ROC and confusion."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, roc_curve

from benchmark.evaluation.metrics import Predictions

__all__ = ["confusion_counts", "mean_roc_curve"]

# Enough points for a smooth line on a page.
GRID = np.linspace(0.0, 1.0, 101)


def mean_roc_curve(
    predictions: Predictions, k: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the ROC curve of class k versus rest, averaged over outer folds.

    Sensitivity is averaged at equal false-positive rates (vertical averaging, Fawcett 2006,
    Pattern Recognition Letters 27), so that the curve belongs to the fold-averaged AUC.

    Parameters
    ----------
    predictions : Predictions
        One row.
    k : int
        Class index.

    Returns
    -------
    tuple of ndarray
        False- and true-positive rates, 101 points each.
    """
    curves = []
    for repeat, folds in enumerate(predictions.folds):
        for fold in np.unique(folds):
            rows = folds == fold
            observed = predictions.y_true[rows] == k
            if observed.all() or not observed.any():
                continue
            fpr, tpr, _ = roc_curve(observed, predictions.y_proba[repeat, rows, k])
            curve = np.interp(GRID, fpr, tpr)
            curve[0] = 0.0
            curves.append(curve)
    return GRID, np.asarray(np.mean(curves, axis=0))


def confusion_counts(predictions: Predictions) -> list[list[float]]:
    """Return counts of shape (n_classes observed, n_classes most probable), each case once.

    With several repeats, the mean of their counts.
    """
    labels = range(predictions.n_classes)
    repeats = [
        confusion_matrix(predictions.y_true, proba.argmax(axis=1), labels=labels)
        for proba in predictions.y_proba
    ]
    counts: list[list[float]] = np.mean(repeats, axis=0).tolist()
    return counts
