"""What networks are worth with less: a side withheld, or without the end-to-end stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pandas as pd

from benchmark.evaluation._plain import plain_score
from benchmark.evaluation.board import Board, RowKey
from benchmark.evaluation.comparison import paired_difference
from benchmark.evaluation.intervals import percentile_interval
from benchmark.evaluation.metrics import Metric, Predictions, evaluate

__all__ = ["compare_variants"]


def compare_variants(
    variants: pd.DataFrame,
    board: Board,
    metric: Metric,
    *,
    classes: Sequence[str],
    confidence: float,
) -> dict[RowKey, list[dict[str, Any]]]:
    """Score every variant of every scored row, and its difference to the row itself.

    Parameters
    ----------
    variants : DataFrame
        ``variants.parquet``.
    board : Board
        The rows; its draw of the patients serves the variants as well, so that differences
        are paired.
    metric : Metric
        What is compared.
    classes : sequence of str
        Order of the probability columns.
    confidence : float
        Coverage of the intervals.

    Returns
    -------
    dict of (features, model) to list of dict
        ``variant``, its ``score`` and its ``difference``, variant minus row, each with
        ``value``, ``ci_low`` and ``ci_high`` (None where not defined), and the ``verdict``. A
        variant that lacks a prediction is left out.
    """
    found: dict[RowKey, list[dict[str, Any]]] = {}
    groups = variants.groupby(["features", "model", "variant"], sort=False)
    for key, part in groups:
        # pandas types a group key as a scalar
        features, model, variant = cast("tuple[str, str, str]", key)
        row = board.rows.get((features, model))
        predictions = None if row is None else _aligned(part, board, row, classes)
        if row is None or predictions is None:
            continue
        resampled = evaluate(metric, predictions, board.weights)
        value = float(evaluate(metric, predictions)[0])
        apart = paired_difference(
            predictions, row, metric, weights=board.weights, confidence=confidence
        )
        found.setdefault((features, model), []).append(
            {
                "variant": variant,
                "score": plain_score(value, *percentile_interval(resampled, confidence=confidence)),
                "difference": plain_score(apart.value, apart.ci_low, apart.ci_high),
                "verdict": apart.verdict,
            }
        )
    return found


def _aligned(
    part: pd.DataFrame, board: Board, row: Predictions, classes: Sequence[str]
) -> Predictions | None:
    """Bring a variant into the order of its row; None where a prediction is missing."""
    repeats, (n_repeats, n_cases) = np.unique(part["repeat"]), row.folds.shape
    if len(part) != row.folds.size or len(repeats) != n_repeats:
        return None
    planned = pd.DataFrame(
        {
            "repeat": np.repeat(repeats, n_cases),
            "fold": row.folds.ravel(),
            "case": np.tile(board.cases, n_repeats),
        }
    )
    aligned = planned.merge(part, on=["repeat", "fold", "case"], how="left")
    values = aligned[[f"p_{name}" for name in classes]].to_numpy(dtype=np.float64)
    if np.isnan(values).any():
        return None
    proba = values.reshape(row.y_proba.shape)
    return Predictions(row.y_true, proba, row.folds, row.positive_index)
