"""Scores on an external cohort, beside those of the development cohort on the same classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark._seeds import hashed_seed
from benchmark.evaluation.board import Board, RowKey
from benchmark.evaluation.intervals import patient_weights, percentile_interval, share_interval
from benchmark.evaluation.metrics import METRICS, Metric, Predictions, evaluate
from benchmark.evaluation.operating_points import (
    OperatingPoint,
    operating_point_of,
    sensitivity_and_specificity,
)

__all__ = [
    "ExternalBoard",
    "ExternalRecord",
    "ExternalRow",
    "ExternalScore",
    "FrozenPoint",
    "Score",
    "score_external",
]

Array = NDArray[np.float64]

# Averages over classes: a class without a case has no share in them.
EVERY_CLASS = ("roc_auc_macro", "f1_macro", "balanced_accuracy")
NEEDS_POSITIVES = ("roc_auc", "sensitivity")
NEEDS_OTHERS = ("roc_auc", "specificity")

TOO_FEW = "too few {positive} cases in development ({n}) to support a threshold"


@dataclass(frozen=True)
class Score:
    """A value with its interval; NaN where it could not be estimated."""

    value: float
    ci_low: float
    ci_high: float


NO_SCORE = Score(np.nan, np.nan, np.nan)


@dataclass(frozen=True)
class ExternalScore:
    """One metric of one row, there and here.

    Attributes
    ----------
    external : Score
        On the external cohort.
    internal : Score
        Out of fold, on the development cases of the classes that the external cohort has.
    change : Score
        External minus internal.
    reason : str
        Why there is none; empty where there is.
    """

    external: Score
    internal: Score
    change: Score
    reason: str = ""


@dataclass(frozen=True)
class FrozenPoint:
    """What a threshold chosen in development does on the external cohort.

    Attributes
    ----------
    target_sensitivity : float
        What it was chosen to keep.
    threshold : float or None
        None where development could not support one.
    found, left_alone : tuple of (int, int) or None
        Positives found and all positives; others left alone and all others.
    sensitivity, specificity : Score
        The shares of these counts.
    reason : str
        Why there is none; empty where there is.
    """

    target_sensitivity: float
    threshold: float | None
    found: tuple[int, int] | None
    left_alone: tuple[int, int] | None
    sensitivity: Score
    specificity: Score
    reason: str = ""


@dataclass(frozen=True)
class ExternalRow:
    """Everything that is computed for a row on an external cohort."""

    scores: Mapping[str, ExternalScore]
    frozen: FrozenPoint
    observed_expected: Score


@dataclass(frozen=True)
class ExternalRecord:
    """What a run stored of an external cohort, read back.

    Attributes
    ----------
    description : mapping
        ``external.json``.
    plan : DataFrame
        Its ``plan.parquet``.
    predictions : DataFrame
        Its ``predictions.parquet``.
    """

    description: Mapping[str, Any]
    plan: pd.DataFrame
    predictions: pd.DataFrame

    @property
    def classes(self) -> list[str]:
        """Classes in the order of the probability columns; some may have no case."""
        return [one["name"] for one in self.description["classes"]]


@dataclass(frozen=True)
class ExternalBoard:
    """The scored rows of an external cohort.

    Attributes
    ----------
    record : ExternalRecord
        What was stored.
    rows : mapping of (features, model) to ExternalRow
        Rows that predicted every case and have internal scores.
    unscored : mapping of (features, model) to str
        Other rows that have predictions, and why they are not scored.
    """

    record: ExternalRecord
    rows: Mapping[RowKey, ExternalRow]
    unscored: Mapping[RowKey, str]


@dataclass(frozen=True)
class _Sample:
    """Cases, and draws of their patients."""

    y_true: NDArray[np.intp]
    patients: NDArray[np.object_]
    weights: Array
    free_weights: Array


def score_external(
    record: ExternalRecord,
    board: Board,
    *,
    evaluation: Mapping[str, Any],
    seed: int,
) -> ExternalBoard:
    """Score every row of an external cohort against its internal scores.

    The internal score of a comparison is that of the development cases whose class the
    external cohort has, so that a difference is none of the mix of classes. The two cohorts
    are drawn independently of each other; the interval of a change is that of the difference
    of the draws. Thresholds are chosen on the out-of-fold predictions of the development
    cohort and applied as they are.

    Parameters
    ----------
    record : ExternalRecord
        Stored predictions of the refitted rows.
    board : Board
        Of the development cohort.
    evaluation : mapping
        ``n_resamples``, ``confidence``, and ``target_sensitivity`` of the frozen thresholds.
    seed : int
        Of the run; the draws are seeded by it and the name of the cohort.
    """
    classes, positive = record.classes, str(record.description["positive_class"])
    parts = {
        cast("RowKey", key): part.set_index("case")
        for key, part in record.predictions.groupby(["features", "model"], sort=False)
    }
    if not parts:
        return ExternalBoard(record, {}, {})
    n_cases = int(record.description["n_cases"])
    complete = {key: part for key, part in parts.items() if _is_complete(part, n_cases, classes)}
    unscored = {
        key: "predictions are missing or stand twice: the row cannot be scored beside the others"
        for key in parts
        if key not in complete
    }
    no_internal = "the row has no internal score to be compared with"
    unscored |= {key: no_internal for key in complete if key not in board.rows}
    if not complete:
        return ExternalBoard(record, {}, unscored)
    first = next(iter(complete.values())).sort_index()
    sample = _draw(first, classes, evaluation["n_resamples"], _seed(seed, record))
    scored = {
        key: _score_row(
            _aligned(part.loc[first.index], classes, positive, sample),
            board.rows[key],
            board,
            sample,
            names=classes,
            confidence=evaluation["confidence"],
            target_sensitivity=evaluation["target_sensitivity"],
        )
        for key, part in complete.items()
        if key in board.rows
    }
    return ExternalBoard(record, scored, unscored)


def _is_complete(part: pd.DataFrame, n_cases: int, classes: Sequence[str]) -> bool:
    values = part[[f"p_{name}" for name in classes]].to_numpy(dtype=np.float64)
    return len(part) == n_cases and part.index.is_unique and bool(np.isfinite(values).all())


def _seed(seed: int, record: ExternalRecord) -> int:
    """Return a seed of the cohort's own: draws of two cohorts must not go together."""
    return hashed_seed(f"{seed}/external/{record.description['key']}")


def _draw(part: pd.DataFrame, classes: Sequence[str], n_resamples: int, seed: int) -> _Sample:
    codes = {name: k for k, name in enumerate(classes)}
    y_true = np.asarray([codes[label] for label in part["label"]], dtype=np.intp)
    patients = part["patient"].to_numpy(dtype=object)
    stratified, free = (
        patient_weights(patients, strata, n_resamples=n_resamples, random_state=seed)
        # Observed against expected frequency: fixed numbers of each class would hold the
        # observed one still.
        for strata in (y_true, np.zeros_like(y_true))
    )
    return _Sample(y_true, patients, stratified, free)


def _aligned(
    part: pd.DataFrame, classes: Sequence[str], positive: str, sample: _Sample
) -> Predictions:
    proba = part[[f"p_{name}" for name in classes]].to_numpy(dtype=np.float64)[None]
    # One model predicted all cases: they are ranked against each other.
    folds = np.zeros((1, len(part)), dtype=np.intp)
    return Predictions(sample.y_true, proba, folds, list(classes).index(positive))


def _score_row(
    external: Predictions,
    internal: Predictions,
    board: Board,
    sample: _Sample,
    *,
    names: Sequence[str],
    confidence: float,
    target_sensitivity: float,
) -> ExternalRow:
    same = np.isin(internal.y_true, np.unique(sample.y_true))
    here = Predictions(
        internal.y_true[same],
        internal.y_proba[:, same],
        internal.folds[:, same],
        internal.positive_index,
    )
    weights = board.weights[:, same]
    scores = {
        metric.name: _compare(
            metric, (external, sample.weights), (here, weights), names, confidence=confidence
        )
        for metric in METRICS.values()
    }
    point = operating_point_of(
        internal, target_sensitivity=target_sensitivity, patients=board.patients
    )
    frozen = _frozen(
        external,
        point,
        sample,
        positive=names[external.positive_index],
        confidence=confidence,
    )
    return ExternalRow(scores, frozen, _observed_expected(external, sample, confidence))


def _compare(
    metric: Metric,
    external: tuple[Predictions, Array],
    internal: tuple[Predictions, Array],
    names: Sequence[str],
    *,
    confidence: float,
) -> ExternalScore:
    reason = _undefined(metric, external[0], names)
    if reason:
        return ExternalScore(NO_SCORE, NO_SCORE, NO_SCORE, reason)
    there, drawn_there = _score(metric, *external, confidence=confidence)
    here, drawn_here = _score(metric, *internal, confidence=confidence)
    low, high = percentile_interval(drawn_there - drawn_here, confidence=confidence)
    change = Score(there.value - here.value, low, high)
    return ExternalScore(there, here, change, "" if np.isfinite(there.value) else "not defined")


def _score(
    metric: Metric, predictions: Predictions, weights: Array, *, confidence: float
) -> tuple[Score, Array]:
    drawn = evaluate(metric, predictions, weights)
    low, high = percentile_interval(drawn, confidence=confidence)
    return Score(float(evaluate(metric, predictions)[0]), low, high), drawn


def _undefined(metric: Metric, predictions: Predictions, names: Sequence[str]) -> str:
    """Say why a metric means nothing where a class has no case; empty where it means something."""
    counts = np.bincount(predictions.y_true, minlength=len(names))
    absent = [name for name, count in zip(names, counts, strict=True) if not count]
    positive = predictions.positive_index
    if metric.name in EVERY_CLASS and absent:
        return f"not defined: no {' and no '.join(absent)} case"
    if metric.name in NEEDS_POSITIVES and not counts[positive]:
        return f"not defined: no {names[positive]} case"
    if metric.name in NEEDS_OTHERS and counts[positive] == counts.sum():
        return f"not defined: every case is {names[positive]}"
    return ""


def _frozen(
    external: Predictions,
    point: OperatingPoint,
    sample: _Sample,
    *,
    positive: str,
    confidence: float,
) -> FrozenPoint:
    """Apply the threshold of the development cohort as it is."""
    target_sensitivity = point.target_sensitivity
    if point.threshold is None:
        reason = TOO_FEW.format(positive=positive, n=point.n_positives)
        return FrozenPoint(target_sensitivity, None, None, None, NO_SCORE, NO_SCORE, reason)
    is_positive, risk = external.y_true == external.positive_index, _risk(external)
    found, left_alone = sensitivity_and_specificity(is_positive, risk, threshold=point.threshold)
    flagged = risk >= point.threshold

    def share(hits: NDArray[np.bool_], rows: NDArray[np.bool_]) -> Score:
        low, high = share_interval(
            hits[rows], sample.patients[rows], sample.weights[:, rows], confidence=confidence
        )
        return Score(float(hits[rows].mean()) if rows.any() else np.nan, low, high)

    return FrozenPoint(
        target_sensitivity,
        point.threshold,
        found,
        left_alone,
        share(flagged, is_positive),
        share(~flagged, ~is_positive),
    )


def _risk(predictions: Predictions) -> Array:
    return np.asarray(predictions.y_proba[0, :, predictions.positive_index])


def _observed_expected(external: Predictions, sample: _Sample, confidence: float) -> Score:
    """Positives that there were over those that the risks add up to: calibration in the large.

    Above 1 the risks are too low, below 1 too high (Steyerberg 2019, Clinical Prediction
    Models, chapter 15).
    """
    is_positive, risk = external.y_true == external.positive_index, _risk(external)
    everyone = np.ones((1, len(risk)))

    def ratio(weights: Array) -> Array:
        expected = weights @ risk
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(expected > 0, weights @ is_positive / expected, np.nan)

    low, high = percentile_interval(ratio(sample.free_weights), confidence=confidence)
    return Score(float(ratio(everyone)[0]), low, high)
