"""The sentence that answers the question the toolkit exists for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.evaluation.board import Board, RowKey
from benchmark.evaluation.comparison import Difference, paired_difference
from benchmark.evaluation.metrics import Metric

__all__ = ["QUESTION", "fusion_verdicts"]

QUESTION = "Does fusion beat the best classical model here?"

# Rows that fuse image and tables end to end, the published set-up first.
FUSION_MODELS = ("late_fusion", "compact_fusion")

NOT_COMPETING = ("baseline", "deep")


def fusion_verdicts(
    board: Board,
    metric: Metric,
    *,
    families: Mapping[str, str],
    inner_scores: Mapping[RowKey, float],
    row_notes: Mapping[RowKey, Sequence[str]],
    title: str,
    unit: str,
    confidence: float,
) -> list[dict[str, Any]]:
    """Compare each fusion network with the classical row that the inner folds chose.

    Choosing the opponent by its outer score would favour it: the best of forty noisy
    numbers is too good. The inner folds, which no outer score depends on, choose it.

    Parameters
    ----------
    board : Board
        Scored rows.
    metric : Metric
        The primary one.
    families : mapping of str to str
        Model -> family.
    inner_scores : mapping of row to float
        Mean of the primary metric on the inner folds.
    row_notes : mapping of row to sequence of str
        Codes of the notes on each row.
    title : str
        The metric with the positive class filled in.
    unit : str
        What the bootstrap draws, in the plural: ``patients`` where they are known.
    confidence : float
        Coverage of the interval.

    Returns
    -------
    list of dict
        One for each fusion row, or one that says why there is none.
    """
    fusions = [row for model in FUSION_MODELS for row in board.rows if row[1] == model]
    classical = {
        row: inner_scores[row]
        for row in board.rows
        if families[row[1]] not in NOT_COMPETING and row in inner_scores
    }
    if not fusions or not classical:
        missing = "fusion network" if not fusions else "classical model"
        return [_unanswered(f"This run scored no {missing}, so the question stays open.")]
    best = (max if metric.greater_is_better else min)(classical, key=lambda row: classical[row])
    return [
        _verdict(
            row,
            best,
            paired_difference(board, row, best, metric, confidence=confidence),
            title=title,
            drawn=f"{len(set(board.patients))} {unit}",
            confidence=confidence,
            random_weights="random-weights" in row_notes.get(row, ()),
        )
        for row in fusions
    ]


def _unanswered(sentence: str) -> dict[str, Any]:
    return {
        "question": QUESTION,
        "answer": "not asked",
        "sentence": sentence,
        "difference": None,
        "fusion": None,
        "classical": None,
    }


def _verdict(
    fusion: RowKey,
    classical: RowKey,
    difference: Difference,
    *,
    title: str,
    drawn: str,
    confidence: float,
    random_weights: bool,
) -> dict[str, Any]:
    answer = {"better": "yes", "worse": "no", "cannot tell": "cannot tell"}[difference.verdict]
    opening = {
        "yes": f"Yes: {fusion[1]} beats it.",
        "no": f"No: {fusion[1]} does worse.",
        "cannot tell": f"It cannot be told for {fusion[1]} on these {drawn}.",
    }[answer]
    low, high = _signed(difference.ci_low), _signed(difference.ci_high)
    sentence = (
        f"{opening} {title}: {difference.first:.2f} for {fusion[1]} ({fusion[0]}) against "
        f"{difference.second:.2f} for {classical[1]} ({classical[0]}), the classical model that "
        f"the inner folds chose; a difference of {_signed(difference.value)} "
        f"({confidence:.0%} interval {low} to {high}), paired on the same {drawn}."
    )
    if random_weights:
        sentence += (
            " The network started from random weights because no pretrained ones could be loaded, "
            "so this says nothing about a pretrained network."
        )
    return {
        "question": QUESTION,
        "answer": answer,
        "sentence": sentence,
        "difference": {
            "value": difference.value,
            "ci_low": difference.ci_low,
            "ci_high": difference.ci_high,
        },
        "fusion": {"features": fusion[0], "model": fusion[1]},
        "classical": {"features": classical[0], "model": classical[1]},
    }


def _signed(value: float) -> str:
    """Two decimals with a sign, and a real minus."""
    return f"{value:+.2f}".replace("-", "−")
