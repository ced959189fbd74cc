"""Paired differences between two rows of a board."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from benchmark.evaluation.board import Board, RowKey
from benchmark.evaluation.intervals import percentile_interval
from benchmark.evaluation.metrics import Metric, evaluate

__all__ = ["Difference", "paired_difference"]


@dataclass(frozen=True)
class Difference:
    """Score of the first row minus score of the second, on the same cases.

    Attributes
    ----------
    value, ci_low, ci_high : float
        In units of the metric.
    first, second : float
        The two scores.
    verdict : {"better", "worse", "cannot tell"}
        Whether the interval lies on one side of zero, seen from the first row.
    """

    value: float
    ci_low: float
    ci_high: float
    first: float
    second: float
    verdict: Literal["better", "worse", "cannot tell"]


def paired_difference(
    board: Board, first: RowKey, second: RowKey, metric: Metric, *, confidence: float
) -> Difference:
    """Compare two rows by the same bootstrap draw of the patients.

    The interval answers for the choice of patients, given these fitted models; it does
    not hold the variation that refitting them would add.

    Parameters
    ----------
    board : Board
        With both rows.
    first, second : tuple of (str, str)
        (features, model).
    metric : Metric
        What is compared.
    confidence : float
        Coverage of the interval.
    """
    one, other = board.rows[first], board.rows[second]
    drawn = evaluate(metric, one, board.weights) - evaluate(metric, other, board.weights)
    low, high = percentile_interval(drawn, confidence=confidence)
    first_value = float(evaluate(metric, one)[0])
    second_value = float(evaluate(metric, other)[0])
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
