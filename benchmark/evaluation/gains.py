"""Where a gain comes from: frozen embedding, fine-tuned embedding, network, step by step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmark.evaluation.board import Board, RowKey
from benchmark.evaluation.comparison import paired_difference
from benchmark.evaluation.intervals import percentile_interval
from benchmark.evaluation.metrics import Metric, Predictions, evaluate
from benchmark.evaluation.verdict import Contestants, choose_opponent

__all__ = ["gain_ladders"]

TITLES = ("Frozen embedding", "Fine-tuned embedding", "Network")

# Feature sets of the classical steps and the network that ends the ladder, from the same input.
LADDERS: Mapping[str, tuple[str, str, str]] = {
    "Without tables": ("embedding", "embedding_finetuned", "image_network"),
    "With tables": ("embedding+tabular", "embedding_finetuned+tabular", "late_fusion"),
}


@dataclass(frozen=True)
class _Step:
    """Predictions, and in how many folds each row behind them was chosen; None where all."""

    title: str
    predictions: Predictions
    chosen: Mapping[RowKey, int | None]


def gain_ladders(
    board: Board, metric: Metric, contestants: Contestants, *, confidence: float
) -> list[dict[str, Any]]:
    """Compare each step with the one before, without and with the tables.

    A classical step is the best row on its features, chosen anew inside each outer fold by
    its inner scores; see `choose_opponent`.

    Parameters
    ----------
    board : Board
        Scored rows.
    metric : Metric
        The primary one.
    contestants : Contestants
        About the rows.
    confidence : float
        Coverage of the intervals.

    Returns
    -------
    list of dict
        ``title`` and ``steps``, each with ``title``, its ``rows`` and their ``score``, and its
        ``difference`` to the step before with the ``verdict``; None for the first. Scores and
        differences have ``value``, ``ci_low`` and ``ci_high``, None where not defined. A
        ladder that lacks a step is left out.
    """
    found = []
    for title, names in LADDERS.items():
        steps = _steps(names, board, metric, contestants)
        if steps is None:
            continue
        described = [
            _describe(step, before, board, metric, confidence)
            for before, step in zip([None, *steps[:-1]], steps, strict=True)
        ]
        found.append({"title": title, "steps": described})
    return found


def _steps(
    names: tuple[str, str, str], board: Board, metric: Metric, contestants: Contestants
) -> list[_Step] | None:
    *features, model = names
    networks = [row for row in board.rows if row[1] == model]
    steps = []
    for title, name in zip(TITLES, features, strict=False):
        rows = [row for row in contestants.classical(board) if row[0] == name]
        best = choose_opponent(board, rows, contestants, metric)
        if best is None:
            return None
        steps.append(_Step(title, best.predictions, best.chosen))
    if not networks:
        return None
    return [*steps, _Step(TITLES[-1], board.rows[networks[0]], {networks[0]: None})]


def _describe(
    step: _Step, before: _Step | None, board: Board, metric: Metric, confidence: float
) -> dict[str, Any]:
    resampled = evaluate(metric, step.predictions, board.weights)
    interval = percentile_interval(resampled, confidence=confidence)
    described: dict[str, Any] = {
        "title": step.title,
        "rows": [
            {"features": features, "model": model, "n_folds": n_folds}
            for (features, model), n_folds in step.chosen.items()
        ],
        "score": _score(float(evaluate(metric, step.predictions)[0]), *interval),
        "difference": None,
        "verdict": None,
    }
    if before is None:
        return described
    apart = paired_difference(
        step.predictions,
        before.predictions,
        metric,
        weights=board.weights,
        confidence=confidence,
    )
    difference = _score(apart.value, apart.ci_low, apart.ci_high)
    return described | {"difference": difference, "verdict": apart.verdict}


def _score(value: float, low: float, high: float) -> dict[str, float | None]:
    numbers = {"value": value, "ci_low": low, "ci_high": high}
    return {name: one if math.isfinite(one) else None for name, one in numbers.items()}
