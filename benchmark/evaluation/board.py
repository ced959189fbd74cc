"""From the stored predictions to the scores of every row, all on the same cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.evaluation.intervals import patient_weights, percentile_interval
from benchmark.evaluation.metrics import METRICS, Predictions, evaluate

__all__ = ["Board", "RowKey", "build_board", "score_table"]

RowKey = tuple[str, str]


@dataclass(frozen=True)
class Board:
    """The complete rows of a run, aligned case by case.

    Attributes
    ----------
    rows : mapping of (features, model) to Predictions
        Rows whose every case was predicted in every repeat.
    cases, patients : ndarray of shape (n_cases,)
        In the order of the predictions.
    weights : ndarray of shape (n_resamples, n_cases)
        One bootstrap draw of the patients, shared by all rows.
    incomplete : mapping of (features, model) to int
        Rows with predictions that are missing, stand twice or belong to another fold, and how
        many; these are not scored.
    """

    rows: Mapping[RowKey, Predictions]
    cases: NDArray[np.object_]
    patients: NDArray[np.object_]
    weights: NDArray[np.float64]
    incomplete: Mapping[RowKey, int]


def build_board(
    predictions: pd.DataFrame,
    splits: pd.DataFrame,
    *,
    classes: Sequence[str],
    positive_class: str,
    n_resamples: int,
    random_state: int,
) -> Board:
    """Align the predictions of all rows on the cases and folds of the splits.

    Parameters
    ----------
    predictions : DataFrame
        ``predictions.parquet``.
    splits : DataFrame
        ``splits.parquet``: repeat, fold and case of every planned prediction.
    classes : sequence of str
        Order of the probability columns.
    positive_class : str
        The class whose miss costs most.
    n_resamples : int
        Bootstrap resamples.
    random_state : int
        Seed of the bootstrap.

    Returns
    -------
    Board
        Rows that lack a prediction, or have it in another fold, are refused and counted.
    """
    planned = splits.sort_values(["repeat", "case"], kind="stable").reset_index(drop=True)
    n_repeats = planned["repeat"].nunique()
    cases = planned["case"].to_numpy(dtype=object)[: len(planned) // n_repeats]
    folds = planned["fold"].to_numpy(dtype=np.intp).reshape(n_repeats, len(cases))
    about = predictions.drop_duplicates("case").set_index("case").reindex(cases)
    codes = {name: k for k, name in enumerate(classes)}
    y_true = np.asarray([codes.get(label, -1) for label in about["label"]], dtype=np.intp)
    probabilities = [f"p_{name}" for name in classes]
    rows: dict[RowKey, Predictions] = {}
    incomplete: dict[RowKey, int] = {}
    for key, part in predictions.groupby(["features", "model"], sort=False):
        aligned = planned.merge(part, on=["repeat", "fold", "case"], how="left")
        values = aligned[probabilities].to_numpy(dtype=np.float64)
        n_missing = int(np.isnan(values).any(axis=1).sum())
        if n_missing or len(part) != len(planned):
            incomplete[_row_key(key)] = max(n_missing, abs(len(part) - len(planned)))
            continue
        proba = values.reshape(n_repeats, len(cases), len(classes))
        rows[_row_key(key)] = Predictions(y_true, proba, folds, codes[positive_class])
    patients = about["patient"].to_numpy(dtype=object)
    # Within classes only: a stratum of m patients understates its variance by 1/m, so finer
    # strata, such as class × fold, would make the intervals of a rare class too narrow.
    weights = patient_weights(patients, y_true, n_resamples=n_resamples, random_state=random_state)
    return Board(rows, cases, patients, weights, incomplete)


def score_table(board: Board, *, confidence: float) -> pd.DataFrame:
    """Return ``scores.parquet``: every metric of every row, pooled and for each fold.

    Parameters
    ----------
    board : Board
        Aligned predictions.
    confidence : float
        Coverage of the intervals.

    Returns
    -------
    DataFrame
        Columns features, model, fold, metric, value, ci_low, ci_high. ``fold`` is
        ``pooled`` (with an interval) or ``r<repeat>f<fold>`` (without one: a single fold
        is a diagnostic, not an estimate).
    """
    records = []
    for key, predictions in board.rows.items():
        features, model = key
        for metric in METRICS.values():
            value = float(evaluate(metric, predictions)[0])
            resampled = evaluate(metric, predictions, board.weights)
            low, high = percentile_interval(resampled, confidence=confidence)
            records.append((features, model, "pooled", metric.name, value, low, high))
        for name, part in _single_folds(predictions):
            for metric in METRICS.values():
                value = float(evaluate(metric, part)[0])
                records.append((features, model, name, metric.name, value, np.nan, np.nan))
    columns = ["features", "model", "fold", "metric", "value", "ci_low", "ci_high"]
    return pd.DataFrame(records, columns=columns)


def _row_key(key: object) -> RowKey:
    # pandas types a group key as a scalar
    features, model = cast("tuple[str, str]", key)
    return features, model


def _single_folds(predictions: Predictions) -> list[tuple[str, Predictions]]:
    parts = []
    for repeat, folds in enumerate(predictions.folds):
        for fold in np.unique(folds):
            rows = folds == fold
            part = Predictions(
                predictions.y_true[rows],
                predictions.y_proba[repeat : repeat + 1, rows],
                folds[rows][None],
                predictions.positive_index,
            )
            parts.append((f"r{repeat}f{fold}", part))
    return parts
