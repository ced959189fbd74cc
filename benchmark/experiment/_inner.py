"""One candidate on the inner folds: encoded once, watched while it grows, scored by log loss."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import joblib
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import log_loss
from sklearn.pipeline import Pipeline

from models import (
    Growth,
    GrowthPlan,
    ModelSettings,
    ModelSpec,
    ProbabilityCalibrator,
    fit_with_groups,
    group_params,
)

__all__ = [
    "Builder",
    "Candidate",
    "InnerFolds",
    "InnerPredictions",
    "TrainingPart",
    "calibrated_loss",
    "predict_proba",
    "raw_loss",
]

Builder = Callable[[Mapping[str, Any]], Any]
Report = Callable[[int, float], None]
Folds = Sequence[tuple[NDArray[np.intp], NDArray[np.intp]]]


@dataclass(frozen=True)
class TrainingPart:
    """What tuning may see: the training rows of one outer fold, nothing else.

    Attributes
    ----------
    X : DataFrame of shape (n_train, n_columns)
        Features.
    y : ndarray of shape (n_train,), int
        Class indices.
    groups : ndarray of shape (n_train,)
        Patients.
    n_classes : int
        Of the cohort.
    """

    X: pd.DataFrame
    y: NDArray[np.intp]
    groups: NDArray[np.object_]
    n_classes: int


@dataclass(frozen=True)
class InnerPredictions:
    """Predictions of the chosen parameters on the inner folds of a training part.

    Attributes
    ----------
    fold : ndarray of shape (n_train,), int
        Inner fold in which the row was predicted.
    proba : ndarray of shape (n_train, n_classes)
        By a model that had not seen the row.
    """

    fold: NDArray[np.intp]
    proba: NDArray[np.float64]


class Candidate(NamedTuple):
    """A parameter setting that went through every inner fold.

    Attributes
    ----------
    loss : float
        Log loss on the inner folds, after calibration.
    params : mapping
        The setting, with the number of rounds where one was chosen.
    """

    loss: float
    params: Mapping[str, Any]


class _Part(NamedTuple):
    """One inner fold, encoded."""

    number: int
    X: Any
    y: NDArray[np.intp]
    groups: NDArray[np.object_]
    X_held_out: Any
    held_out: NDArray[np.intp]


def calibrated_loss(y: NDArray[np.intp], proba: NDArray[np.float64]) -> float:
    """Return the log loss that is left once slope and base rates are mended.

    Candidates differ in how far class weights and overconfidence shift their probabilities;
    as every row is calibrated afterwards, that must not decide between them. The handful of
    constants is fitted to the very rows that it is scored on, alike for every candidate.

    Parameters
    ----------
    y : ndarray of shape (n_samples,), int
        Class indices.
    proba : ndarray of shape (n_samples, n_classes)
        Predicted by models that had not seen the rows.
    """
    mended = ProbabilityCalibrator().fit(proba, y).transform(proba)
    return float(log_loss(y, mended, labels=range(proba.shape[1])))


def raw_loss(y: NDArray[np.intp], proba: NDArray[np.float64]) -> float:
    """Return the log loss of probabilities as they are, of the same shapes."""
    return float(log_loss(y, proba, labels=range(proba.shape[1])))


def predict_proba(classifier: Any, X: Any, *, n_classes: int) -> NDArray[np.float64]:
    """Return checked probabilities of shape (n_samples, n_classes).

    A class without a patient in the training part keeps probability 0.

    Raises
    ------
    ValueError
        If the classifier returns what are no probabilities.
    """
    return _checked(classifier.predict_proba(X), classifier.classes_, n_classes=n_classes)


class InnerFolds:
    """Scores candidates of one model on the inner folds of a training part.

    Parameters
    ----------
    spec : ModelSpec
        The model.
    build : callable
        Parameters -> unfitted classifier.
    part : TrainingPart
        Training rows of one outer fold.
    folds : sequence of (train, held out)
        Row indices into the part.
    settings : ModelSettings
        Of the run.
    """

    def __init__(
        self,
        spec: ModelSpec,
        build: Builder,
        part: TrainingPart,
        folds: Folds,
        settings: ModelSettings,
    ) -> None:
        self._build, self._part, self._folds = build, part, folds
        self._plan = spec.growth(settings)
        self._loss = calibrated_loss if spec.recalibrated else raw_loss
        self._encoded: dict[str, list[_Part]] = {}
        self._predicted: dict[str, InnerPredictions] = {}

    def score(self, params: Mapping[str, Any], report: Report) -> Candidate:
        """Fit a candidate on every inner fold.

        Parameters
        ----------
        params : mapping
            For `ModelSpec.build`.
        report : callable
            Given a step, counted up from 0, and the loss so far; may raise to end the trial.
        """
        head, last = _split(self._build(params))
        parts = self._parts(head)
        if self._plan is not None:
            return self._score_growing(last, parts, self._plan, params, report)
        predictions = self._empty()
        for step, part in enumerate(parts):
            self._fit_and_predict(last, part, predictions)
            done = predictions.fold >= 0
            loss = self._loss(self._part.y[done], predictions.proba[done])
            report(step, loss)
        self._predicted[_key(params)] = predictions
        return Candidate(loss, dict(params))

    def predict(self, params: Mapping[str, Any]) -> InnerPredictions:
        """Return the predictions of the model that `params` describe, at its full size."""
        if _key(params) in self._predicted:
            return self._predicted[_key(params)]
        head, last = _split(self._build(params))
        predictions = self._empty()
        for part in self._parts(head):
            self._fit_and_predict(last, part, predictions)
        return predictions

    def _empty(self) -> InnerPredictions:
        n = len(self._part.y)
        return InnerPredictions(np.full(n, -1, dtype=np.intp), np.zeros((n, self._part.n_classes)))

    def _parts(self, head: Any) -> list[_Part]:
        """Return the inner folds, through all steps of a pipeline but the last."""
        key = "" if head is None else joblib.hash(head)
        if key not in self._encoded:
            self._encoded[key] = [
                self._encode(head, number, train, held_out)
                for number, (train, held_out) in enumerate(self._folds)
            ]
        return self._encoded[key]

    def _encode(
        self, head: Any, number: int, train: NDArray[np.intp], held_out: NDArray[np.intp]
    ) -> _Part:
        whole, y, groups = self._part.X, self._part.y[train], self._part.groups
        X, X_held_out = whole.iloc[train], whole.iloc[held_out]
        if head is not None:
            X = head.fit_transform(X, y, **group_params(head, groups[train]))
            X_held_out = head.transform(X_held_out)
        return _Part(number, X, y, groups[train], X_held_out, held_out)

    def _fit_and_predict(self, last: Any, part: _Part, into: InnerPredictions) -> None:
        fitted = fit_with_groups(last, part.X, part.y, part.groups)
        proba = predict_proba(fitted, part.X_held_out, n_classes=self._part.n_classes)
        into.proba[part.held_out] = proba
        into.fold[part.held_out] = part.number

    def _score_growing(
        self,
        last: Any,
        parts: Sequence[_Part],
        plan: GrowthPlan,
        params: Mapping[str, Any],
        report: Report,
    ) -> Candidate:
        """Let all folds grow side by side, so that one number of rounds serves them all."""
        growths = [plan.start(last, part.X, part.y, part.X_held_out) for part in parts]
        best, best_n = np.inf, 0
        for n in _steps(plan):
            loss = self._grow(growths, parts, n)
            if loss < best or plan.param is None:
                best, best_n = loss, n.after
            if n.after >= plan.warm_up:
                report(n.after, best)
            if plan.patience is not None and n.after - best_n >= plan.patience:
                break
        chosen = {} if plan.param is None else {plan.param: best_n}
        return Candidate(float(best), {**params, **chosen})

    def _grow(self, growths: Sequence[Growth], parts: Sequence[_Part], n: _Step) -> float:
        proba = np.zeros((len(self._part.y), self._part.n_classes))
        for growth, part in zip(growths, parts, strict=True):
            grown = growth.grow(n.added)
            proba[part.held_out] = _checked(grown, growth.classes_, n_classes=self._part.n_classes)
        return self._loss(self._part.y, proba)


class _Step(NamedTuple):
    """Rounds added, and rounds after that."""

    added: int
    after: int


def _split(classifier: Any) -> tuple[Any, Any]:
    """Return all steps of a pipeline but the last, or None, and the last."""
    if not isinstance(classifier, Pipeline):
        return None, classifier
    return (classifier[:-1] if len(classifier) > 1 else None), classifier[-1]


def _key(params: Mapping[str, Any]) -> str:
    return repr(sorted(params.items()))


def _steps(plan: GrowthPlan) -> Iterator[_Step]:
    ends = [*range(plan.step, plan.limit, plan.step), plan.limit]
    return (_Step(after - before, after) for before, after in itertools.pairwise([0, *ends]))


def _checked(proba: Any, classes: Any, *, n_classes: int) -> NDArray[np.float64]:
    whole = np.zeros((len(proba), n_classes))
    whole[:, classes] = proba
    if not np.isfinite(whole).all():
        raise ValueError("The model predicted probabilities that are not finite.")
    if not np.allclose(whole.sum(axis=1), 1.0, atol=1e-4):
        raise ValueError("The model predicted probabilities that do not sum to 1.")
    return whole
