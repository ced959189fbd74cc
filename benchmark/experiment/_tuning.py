"""Tuning on inner folds, by log loss, with Optuna."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
import pandas as pd
from numpy.typing import NDArray

from benchmark.config import Config
from benchmark.evaluation.metrics import METRICS, Predictions, evaluate
from benchmark.experiment._plan import n_trials
from benchmark.experiment._splits import grouped_folds
from models import ModelSpec

__all__ = ["TrainingPart", "TuningResult", "fit_classifier", "predict_proba", "tune"]

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
    n_classes, positive_index : int
        Of the cohort.
    """

    X: pd.DataFrame
    y: NDArray[np.intp]
    groups: NDArray[np.object_]
    n_classes: int
    positive_index: int


@dataclass(frozen=True)
class TuningResult:
    """The chosen parameters and how they did on the inner folds.

    Attributes
    ----------
    params : mapping
        Of the trial with the lowest inner log loss.
    n_trials_requested, n_trials_completed : int
        Budget and what came of it.
    inner_scores : mapping of str to float
        Metrics of the chosen trial on the inner out-of-fold predictions; empty where no
        choice had to be made.
    """

    params: Mapping[str, Any]
    n_trials_requested: int
    n_trials_completed: int
    inner_scores: Mapping[str, float]


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
    tree-structured Parzen estimator (Bergstra et al. 2011).

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
    """
    budget = n_trials(spec, config)
    if spec.is_deep and budget == 1:
        # One candidate needs no comparison, and a network's inner fits cost minutes.
        return TuningResult(dict(spec.defaults), 1, 1, {})
    folds = grouped_folds(
        part.y, part.groups, n_splits=config.inner.n_splits, random_state=inner_seed
    )
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=sampler_seed))
    study.enqueue_trial(dict(spec.defaults))
    scores: dict[int, dict[str, float]] = {}
    for _ in range(budget):
        trial = study.ask(fixed_distributions=dict(spec.search_space))
        scores[trial.number] = _inner_scores(spec, build(trial.params), part, folds, config)
        study.tell(trial, scores[trial.number]["log_loss"])
    best = study.best_trial
    return TuningResult(best.params, budget, len(scores), scores[best.number])


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


def _inner_scores(
    spec: ModelSpec,
    classifier: Any,
    part: TrainingPart,
    folds: list[tuple[NDArray[np.intp], NDArray[np.intp]]],
    config: Config,
) -> dict[str, float]:
    proba = np.zeros((len(part.y), part.n_classes))
    fold_of = np.zeros(len(part.y), dtype=np.intp)
    for number, (train, test) in enumerate(folds):
        X_train, y_train = part.X.iloc[train], part.y[train]
        fit_classifier(spec, classifier, X_train, y_train, part.groups[train])
        proba[test] = predict_proba(classifier, part.X.iloc[test], n_classes=part.n_classes)
        fold_of[test] = number
    predictions = Predictions(part.y, proba[None], fold_of[None], part.positive_index)
    wanted = dict.fromkeys(["log_loss", config.evaluation.primary])
    return {name: float(evaluate(METRICS[name], predictions)[0]) for name in wanted}
