"""Paired differences between predictions of the same cases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmark.evaluation.intervals import percentile_interval
from benchmark.evaluation.metrics import Metric, Predictions, evaluate

__all__ = ["Difference", "paired_difference"]


@dataclass(frozen=True)
class Difference:
    """Score of the first minus score of the second, on the same cases.

    Attributes
    ----------
    value, ci_low, ci_high : float
        In units of the metric.
    first, second : float
        The two scores.
    verdict : {"better", "worse", "cannot tell"}
        Whether the interval lies on one side of zero, seen from the first.
    """

    value: float
    ci_low: float
    ci_high: float
    first: float
    second: float
    verdict: Literal["better", "worse", "cannot tell"]


def paired_difference(
    first: Predictions,
    second: Predictions,
    metric: Metric,
    *,
    weights: NDArray[np.float64],
    confidence: float,
) -> Difference:
    """Compare two sets of predictions of the same cases by the same draw of the patients.

    The interval answers for the choice of patients, given these fitted models; it does
    not hold the variation that refitting them would add.

    Parameters
    ----------
    first, second : Predictions
        Of the same cases, in the same folds.
    metric : Metric
        What is compared.
    weights : ndarray of shape (n_resamples, n_cases)
        Bootstrap multiplicities, as in `Board.weights`.
    confidence : float
        Coverage of the interval.
    """
    drawn = evaluate(metric, first, weights) - evaluate(metric, second, weights)
    low, high = percentile_interval(drawn, confidence=confidence)
    first_value = float(evaluate(metric, first)[0])
    second_value = float(evaluate(metric, second)[0])
    return Difference(
        value=first_value - second_value,
        ci_low=low,
        ci_high=high,
        first=first_value,
        second=second_value,
        verdict=_verdict(low, high, metric),
    )


def _verdict(low: float, high: float, metric: Metric) -> Literal["better", "worse", "cannot tell"]:
    if np.isnan(low) or low <= 0 <= high:
        return "cannot tell"
    return "better" if (low > 0) == metric.greater_is_better else "worse"
