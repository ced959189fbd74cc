"""Tuning on inner folds, by log loss, with Optuna."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
import pandas as pd
from numpy.typing import NDArray
from optuna.trial import TrialState

from benchmark.config import Config
from benchmark.evaluation.metrics import METRICS, Predictions, evaluate
from benchmark.experiment._plan import n_trials
from benchmark.experiment._splits import grouped_folds
from models import ModelSpec

__all__ = [
    "InnerPredictions",
    "TrainingPart",
    "TuningResult",
    "fit_classifier",
    "predict_proba",
    "tune",
]

Builder = Callable[[Mapping[str, Any]], Any]


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


@dataclass(frozen=True)
class TuningResult:
    """The chosen parameters and how they did on the inner folds.

    Attributes
    ----------
    params : mapping
        Of the trial with the lowest inner log loss.
    n_trials_requested, n_trials_completed : int
        Budget, and trials that ended without an error; both 0 where the inner folds were not
        used at all.
    inner : InnerPredictions or None
        Of the chosen trial; None where no trial was run.
    """

    params: Mapping[str, Any]
    n_trials_requested: int
    n_trials_completed: int
    inner: InnerPredictions | None


def tune(
    spec: ModelSpec,
    build: Builder,
    part: TrainingPart,
    config: Config,
    *,
    inner_seed: int,
    sampler_seed: int,
) -> TuningResult:
    """Search the model's space on grouped inner folds of the training part.

    The first trial is the model's known-good parameters; the others come from a seeded
    tree-structured Parzen estimator (Bergstra et al. 2011). A later trial that raises is left
    out, under a warning.

    Parameters
    ----------
    spec : ModelSpec
        Space, defaults and budget class.
    build : callable
        Parameters -> unfitted classifier.
    part : TrainingPart
        Training rows of one outer fold.
    config : Config
        Budgets and inner folds.
    inner_seed : int
        Seed of the inner folds, shared by all models of an outer fold.
    sampler_seed : int
        Seed of the sampler.

    Returns
    -------
    TuningResult
        With the best trial's parameters.

    Raises
    ------
    Exception
        What the first trial raised, or any that ran out of memory or disk.
    """
    budget = n_trials(spec, config)
    if spec.is_deep and budget == 1:
        # One candidate needs no comparison, and a network's inner fits cost minutes.
        return TuningResult(dict(spec.defaults), 0, 0, None)
    folds = grouped_folds(
        part.y, part.groups, n_splits=config.inner.n_splits, random_state=inner_seed
    )
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=sampler_seed))
    study.enqueue_trial(dict(spec.defaults))
    found: dict[int, InnerPredictions] = {}
    for number in range(budget):
        trial = study.ask(fixed_distributions=dict(spec.search_space))
        try:
            inner = _predict_inner(spec, build(trial.params), part, folds)
        except Exception as error:
            # The known-good parameters must work, and a full memory or disk is no property of
            # the others: the cell then fails as a whole, and is tried again by the next start.
            if number == 0 or isinstance(error, (MemoryError, OSError)):
                raise
            warnings.warn(f"Trial {number} failed: {error!r}", RuntimeWarning, stacklevel=1)
            study.tell(trial, state=TrialState.FAIL)
            continue
        found[trial.number] = inner
        study.tell(trial, _log_loss(part, inner))
    best = study.best_trial
    return TuningResult(best.params, budget, len(found), found[best.number])


def fit_classifier(
    spec: ModelSpec, classifier: Any, X: pd.DataFrame, y: NDArray[np.intp], groups: Any
) -> Any:
    """Fit, handing on the patients to the models that split their training part."""
    extra = {"groups": groups} if spec.uses_groups else {}
    return classifier.fit(X, y, **extra)


def predict_proba(classifier: Any, X: pd.DataFrame, *, n_classes: int) -> NDArray[np.float64]:
    """Return checked probabilities of shape (n_samples, n_classes).

    A class without a patient in the training part keeps probability 0.

    Raises
    ------
    ValueError
        If the classifier returns what are no probabilities.
    """
    proba = np.zeros((len(X), n_classes))
    proba[:, classifier.classes_] = classifier.predict_proba(X)
    if not np.isfinite(proba).all():
        raise ValueError("The model predicted probabilities that are not finite.")
    if not np.allclose(proba.sum(axis=1), 1.0, atol=1e-4):
        raise ValueError("The model predicted probabilities that do not sum to 1.")
    return proba


def _predict_inner(
    spec: ModelSpec,
    classifier: Any,
    part: TrainingPart,
    folds: list[tuple[NDArray[np.intp], NDArray[np.intp]]],
) -> InnerPredictions:
    proba = np.zeros((len(part.y), part.n_classes))
    fold_of = np.zeros(len(part.y), dtype=np.intp)
    for number, (train, test) in enumerate(folds):
        X_train, y_train = part.X.iloc[train], part.y[train]
        fit_classifier(spec, classifier, X_train, y_train, part.groups[train])
        proba[test] = predict_proba(classifier, part.X.iloc[test], n_classes=part.n_classes)
        fold_of[test] = number
    return InnerPredictions(fold_of, proba)


def _log_loss(part: TrainingPart, inner: InnerPredictions) -> float:
    # The loss needs no positive class; any index will do.
    predictions = Predictions(part.y, inner.proba[None], inner.fold[None], positive_index=0)
    return float(evaluate(METRICS["log_loss"], predictions)[0])
