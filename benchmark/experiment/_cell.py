"""One cell: tune, refit, predict. A pure function of config, data and cell."""

from __future__ import annotations

import sys
import time
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmark.config import Config
from benchmark.experiment._inner import TrainingPart, predict_proba
from benchmark.experiment._plan import Cell, cell_seed, fold_seed
from benchmark.experiment._recalibration import recalibrated
from benchmark.experiment._tuning import StudyPlace, TuningResult, tune
from cohorts import Note
from features import BlockSchema
from models import (
    MODELS,
    build_model,
    fit_with_groups,
    trained_network,
)

__all__ = [
    "CellResult",
    "CellTask",
    "ExternalTask",
    "describe_error",
    "fit_final",
    "one_thread",
    "predict_cases",
    "run_cell",
    "run_external_cell",
]

OUT_OF_TIME = Note(
    "time-budget",
    "warning",
    "In some fold the time budget ended the search before all trials were made: the marked rows "
    "were tuned less than the others, and less on a slower machine.",
)


@dataclass(frozen=True)
class CellTask:
    """Everything a cell needs, so that it can be sent anywhere; no label of a test case.

    Attributes
    ----------
    cell : Cell
        Which one.
    config : Config
        The run's.
    blocks : tuple of BlockSchema
        Columns of the feature set.
    training : TrainingPart
        Training rows of the outer fold, or all rows for the refit that is kept.
    train_rows : ndarray of int
        Their places in the cohort.
    X_test : DataFrame of shape (n_test, n_columns)
        Features of the cases to predict.
    test_rows : ndarray of int
        Their places in the cohort.
    notes : tuple of Note
        What the page must say about rows on these blocks.
    place : StudyPlace or None
        Where the trials of the cell are kept while it runs; in memory where None.
    memory : str or None
        Folder of the networks that embed images inside the fold; see `FinetunedColumns`.
    """

    cell: Cell
    config: Config
    blocks: tuple[BlockSchema, ...]
    training: TrainingPart
    train_rows: NDArray[np.intp]
    X_test: pd.DataFrame
    test_rows: NDArray[np.intp]
    notes: tuple[Note, ...] = ()
    place: StudyPlace | None = None
    memory: str | None = None


@dataclass(frozen=True)
class CellResult:
    """What a cell left behind; stored as it is.

    Attributes
    ----------
    cell : Cell
        Which one.
    status : {"ok", "failed"}
        Whether there are predictions.
    reason : str
        The error of a failed cell.
    test : list of int
        Rows that were predicted.
    proba : list of list of float
        Probabilities of shape (n_test, n_classes).
    params : mapping
        Chosen on the inner folds.
    n_trials_requested, n_trials_completed, n_trials_pruned : int
        Tuning budget, trials that went through every inner fold, and trials given up early.
    trials : list of mapping
        Number, state, loss, parameters and last step of every trial.
    inner_test, inner_fold : list of int
        Training rows that were predicted on the inner folds with the chosen parameters, and
        the inner fold of each; empty where no trial was run.
    inner_proba : list of list of float
        Their probabilities, of shape (n_train, n_classes), each calibrated on the other folds.
    variants : mapping of str to list of list of float
        Of a network: its probabilities for the same rows with a modality withheld, or before
        it was trained end to end.
    history : list of mapping
        Losses and validation scores per epoch, for networks.
    weights : str
        Where the image weights of a network, or of the one that embeds, came from; empty
        without any.
    notes : list of mapping
        Code, severity and text of what the page must say about the row.
    warnings : list of str
        What libraries warned about, each once.
    tune_time_s, fit_time_s, predict_time_s : float
        Wall seconds.
    cpu_time_s : float
        Processor seconds of all three. Of an external cohort, the first two are those of the
        one fit that all external cohorts share.
    """

    cell: Cell
    status: Literal["ok", "failed"]
    reason: str = ""
    test: list[int] = field(default_factory=list)
    proba: list[list[float]] = field(default_factory=list)
    params: Mapping[str, Any] = field(default_factory=dict)
    n_trials_requested: int = 0
    n_trials_completed: int = 0
    n_trials_pruned: int = 0
    trials: Sequence[Mapping[str, Any]] = field(default_factory=list)
    inner_test: list[int] = field(default_factory=list)
    inner_fold: list[int] = field(default_factory=list)
    inner_proba: list[list[float]] = field(default_factory=list)
    variants: Mapping[str, list[list[float]]] = field(default_factory=dict)
    history: Sequence[Mapping[str, Any]] = field(default_factory=list)
    weights: str = ""
    notes: Sequence[Mapping[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    tune_time_s: float = 0.0
    fit_time_s: float = 0.0
    predict_time_s: float = 0.0
    cpu_time_s: float = 0.0


@dataclass(frozen=True)
class ExternalTask:
    """A refit on all development cases, and the cohorts that it is to predict.

    Attributes
    ----------
    fit : CellTask
        Of a final cell: all that tuning and fitting get to see.
    cases : mapping of str to DataFrame of shape (n_cases, n_columns)
        Cohort -> features of its cases, in the columns of the training part.
    notes : mapping of str to tuple of Note
        Cohort -> what the page must say about the row there.
    """

    fit: CellTask
    cases: Mapping[str, pd.DataFrame]
    notes: Mapping[str, tuple[Note, ...]]


@dataclass(frozen=True)
class _Fitted:
    """A classifier, how it was tuned, and what both took."""

    tuning: TuningResult
    classifier: Any
    tune_time_s: float
    fit_time_s: float
    cpu_time_s: float


def run_cell(task: CellTask) -> CellResult:
    """Run one cell; an error becomes a failed result with its reason.

    Parameters
    ----------
    task : CellTask
        The cell and its data.

    Returns
    -------
    CellResult
        Ready to be stored.
    """
    with one_thread(), _recorded_warnings() as caught:
        try:
            fitted = _fitted(task)
            result = replace(_predict(task, fitted), variants=_variants(fitted.classifier, task))
            return replace(result, warnings=_messages(caught))
        except Exception as error:  # a failed cell is a row on the board, not the end of a run
            return _failed(task, error, caught)


def run_external_cell(task: ExternalTask) -> dict[str, CellResult]:
    """Fit once on the development cases, then predict each external cohort.

    Tuning and fitting are handed the training part alone: no external case can reach them.

    Parameters
    ----------
    task : ExternalTask
        What is fitted, and what is predicted.

    Returns
    -------
    dict of str to CellResult
        One for each cohort; an error while one is predicted leaves the others.
    """
    with one_thread():
        with _recorded_warnings() as caught:
            try:
                fitted = _fitted(task.fit)
            except Exception as error:  # as in run_cell
                return dict.fromkeys(task.cases, _failed(task.fit, error, caught))
        # Inner predictions are of development cases: they belong to no external cohort.
        fitted = replace(fitted, tuning=replace(fitted.tuning, inner=None))
        return {
            name: _predict_external(
                name,
                replace(task.fit, X_test=X, test_rows=np.arange(len(X)), notes=task.notes[name]),
                fitted,
                caught,
            )
            for name, X in task.cases.items()
        }


def _predict_external(
    name: str, task: CellTask, fitted: _Fitted, caught: Sequence[warnings.WarningMessage]
) -> CellResult:
    """Predict one cohort; warnings are those of the fit, which all share, and its own."""
    with _recorded_warnings() as own:
        try:
            result = _predict(task, fitted)
        except Exception as error:  # as in run_cell
            error.add_note(f"external={name}")
            return _failed(task, error, [*caught, *own])
    return replace(result, warnings=_messages([*caught, *own]))


@contextmanager
def _recorded_warnings() -> Iterator[list[warnings.WarningMessage]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        yield caught


def _failed(
    task: CellTask, error: Exception, caught: Sequence[warnings.WarningMessage]
) -> CellResult:
    cell = task.cell
    error.add_note(
        f"cohort={task.config.cohort.name}, features={cell.features}, "
        f"model={cell.model}, repeat={cell.repeat}, fold={cell.fold}"
    )
    return CellResult(cell, "failed", reason=describe_error(error), warnings=_messages(caught))


def fit_final(task: CellTask) -> tuple[Any, TuningResult]:
    """Tune and fit on all training rows of the task and return the classifier itself."""
    with one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tuning, classifier, _ = _tune_and_fit(task)
    return classifier, tuning


def predict_cases(classifier: Any, X: pd.DataFrame, *, n_classes: int) -> NDArray[np.float64]:
    """Predict as a cell does: on one thread, and with probabilities that are checked."""
    with one_thread():
        return predict_proba(classifier, X, n_classes=n_classes)


def _fitted(task: CellTask) -> _Fitted:
    began = time.process_time()
    tuning, classifier, (tune_time_s, fit_time_s) = _tune_and_fit(task)
    return _Fitted(tuning, classifier, tune_time_s, fit_time_s, time.process_time() - began)


def _predict(task: CellTask, fitted: _Fitted) -> CellResult:
    tuning, classifier = fitted.tuning, fitted.classifier
    began, started = time.process_time(), time.perf_counter()
    proba = predict_proba(classifier, task.X_test, n_classes=task.training.n_classes)
    predict_time_s = time.perf_counter() - started
    cpu_time_s = fitted.cpu_time_s + time.process_time() - began
    inner = tuning.inner
    network = trained_network(classifier)
    notes = [*task.notes, *getattr(network, "notes_", ())]
    notes += [OUT_OF_TIME] if tuning.out_of_time else []
    return CellResult(
        task.cell,
        "ok",
        test=task.test_rows.tolist(),
        proba=proba.tolist(),
        params=dict(tuning.params),
        n_trials_requested=tuning.n_trials_requested,
        n_trials_completed=tuning.n_trials_completed,
        n_trials_pruned=tuning.n_trials_pruned,
        trials=list(tuning.trials),
        inner_test=[] if inner is None else task.train_rows.tolist(),
        inner_fold=[] if inner is None else inner.fold.tolist(),
        inner_proba=[] if inner is None else inner.proba.tolist(),
        history=list(getattr(classifier, "history_", [])),
        weights=getattr(network, "weights_", ""),
        notes=[asdict(note) for note in notes],
        tune_time_s=fitted.tune_time_s,
        fit_time_s=fitted.fit_time_s,
        predict_time_s=predict_time_s,
        cpu_time_s=cpu_time_s,
    )


def _variants(classifier: Any, task: CellTask) -> dict[str, list[list[float]]]:
    """Return what a network says with less; a class that it never saw keeps probability 0."""
    predict_variants = getattr(classifier, "predict_variants", None)
    if predict_variants is None:
        return {}
    found = {}
    for name, values in predict_variants(task.X_test).items():
        proba = np.zeros((len(task.X_test), task.training.n_classes))
        proba[:, classifier.classes_] = values
        found[name] = proba.tolist()
    return found


def _tune_and_fit(task: CellTask) -> tuple[TuningResult, Any, tuple[float, float]]:
    cell, config, part = task.cell, task.config, task.training
    spec = MODELS.get(cell.model)
    seed = cell_seed(cell, config.seed)

    def build(params: Mapping[str, Any]) -> Any:
        return build_model(
            spec,
            task.blocks,
            params=params,
            random_state=seed,
            settings=config.model_settings,
            network_seed=config.seed,
            memory=task.memory,
        )

    started = time.perf_counter()
    inner_seed = fold_seed(cell.repeat, cell.fold, config.seed)
    tuning = tune(
        spec, build, part, config, inner_seed=inner_seed, sampler_seed=seed, place=task.place
    )
    tuned = time.perf_counter()
    classifier = fit_with_groups(build(tuning.params), part.X, part.y, part.groups)
    if spec.recalibrated and tuning.inner is not None:
        tuning, classifier = recalibrated(
            tuning, tuning.inner, classifier, part, balanced=spec.balanced
        )
    return tuning, classifier, (tuned - started, time.perf_counter() - tuned)


def describe_error(error: BaseException) -> str:
    """One line for the board: the error, the file and line where it rose, and its notes."""
    message = " ".join(str(error).split()) or "no message"
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    notes = "; ".join(getattr(error, "__notes__", ()))
    return f"{type(error).__name__}: {message} ({notes}{place})"


def _messages(caught: Sequence[warnings.WarningMessage]) -> list[str]:
    texts = (f"{item.category.__name__}: {' '.join(str(item.message).split())}" for item in caught)
    return sorted(dict.fromkeys(texts))


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep every library on one thread: cells are what runs in parallel.

    The order of a sum depends on the number of threads, so this is also what makes the
    numbers the same whatever the number of jobs.
    """
    with threadpool_limits(limits=1):
        torch = sys.modules.get("torch")
        before = None if torch is None else torch.get_num_threads()
        if torch is not None:
            torch.set_num_threads(1)
        try:
            yield
        finally:
            if torch is not None:
                torch.set_num_threads(before)
