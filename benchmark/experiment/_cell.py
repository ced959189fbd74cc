"""One cell: tune, refit, predict. A pure function of config, data and cell."""

from __future__ import annotations

import sys
import time
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmark.config import Config
from benchmark.experiment._plan import Cell, cell_seed, fold_seed
from benchmark.experiment._tuning import (
    TrainingPart,
    TuningResult,
    fit_classifier,
    predict_proba,
    tune,
)
from cohorts import Note
from features import BlockSchema
from models import MODELS

__all__ = ["CellResult", "CellTask", "fit_final", "run_cell"]


@dataclass(frozen=True)
class CellTask:
    """Everything a cell needs, so that it can be sent anywhere.

    Attributes
    ----------
    cell : Cell
        Which one.
    config : Config
        The run's.
    blocks : tuple of BlockSchema
        Columns of the feature set.
    X : DataFrame of shape (n_cases, n_columns)
        The feature set of the whole cohort.
    y : ndarray of shape (n_cases,), int
        Class indices.
    groups : ndarray of shape (n_cases,)
        Patients.
    train, test : ndarray of int
        Rows of the outer fold; `test` is empty for the refit on all cases.
    n_classes, positive_index : int
        Of the cohort.
    notes : tuple of Note
        What the page must say about rows on these blocks.
    """

    cell: Cell
    config: Config
    blocks: tuple[BlockSchema, ...]
    X: pd.DataFrame
    y: NDArray[np.intp]
    groups: NDArray[np.object_]
    train: NDArray[np.intp]
    test: NDArray[np.intp]
    n_classes: int
    positive_index: int
    notes: tuple[Note, ...] = ()

    def training_part(self) -> TrainingPart:
        """Return the training rows, and nothing of the test rows."""
        rows = self.train
        return TrainingPart(
            self.X.iloc[rows], self.y[rows], self.groups[rows], self.n_classes, self.positive_index
        )


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
    n_trials_requested, n_trials_completed : int
        Tuning budget and what came of it.
    inner_scores : mapping
        Metrics of the chosen parameters on the inner folds.
    history : list of mapping
        Losses per epoch, for networks.
    notes : list of mapping
        Code, severity and text of what the page must say about the row.
    warnings : list of str
        What libraries warned about, each once.
    tune_time_s, fit_time_s, predict_time_s : float
        Wall seconds.
    """

    cell: Cell
    status: Literal["ok", "failed"]
    reason: str = ""
    test: list[int] = field(default_factory=list)
    proba: list[list[float]] = field(default_factory=list)
    params: Mapping[str, Any] = field(default_factory=dict)
    n_trials_requested: int = 0
    n_trials_completed: int = 0
    inner_scores: Mapping[str, float] = field(default_factory=dict)
    history: Sequence[Mapping[str, Any]] = field(default_factory=list)
    notes: Sequence[Mapping[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    tune_time_s: float = 0.0
    fit_time_s: float = 0.0
    predict_time_s: float = 0.0


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
    with _one_thread(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        try:
            return _predict_fold(task, caught)
        except Exception as error:  # a failed cell is a row on the board, not the end of a run
            error.add_note(f"cell={task.cell.key}")
            return CellResult(
                task.cell, "failed", reason=_describe(error), warnings=_messages(caught)
            )


def fit_final(task: CellTask) -> tuple[Any, TuningResult]:
    """Tune and fit on all training rows of the task and return the classifier itself."""
    with _one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tuning, classifier, _ = _tune_and_fit(task)
    return classifier, tuning


def _predict_fold(task: CellTask, caught: list[warnings.WarningMessage]) -> CellResult:
    tuning, classifier, times = _tune_and_fit(task)
    started = time.perf_counter()
    proba = predict_proba(classifier, task.X.iloc[task.test], n_classes=task.n_classes)
    predict_time_s = time.perf_counter() - started
    return CellResult(
        task.cell,
        "ok",
        test=task.test.tolist(),
        proba=proba.tolist(),
        params=dict(tuning.params),
        n_trials_requested=tuning.n_trials_requested,
        n_trials_completed=tuning.n_trials_completed,
        inner_scores=dict(tuning.inner_scores),
        history=list(getattr(classifier, "history_", [])),
        notes=[
            {"code": note.code, "severity": note.severity, "text": note.text}
            for note in (*task.notes, *getattr(classifier, "notes_", ()))
        ],
        warnings=_messages(caught),
        tune_time_s=times[0],
        fit_time_s=times[1],
        predict_time_s=predict_time_s,
    )


def _tune_and_fit(task: CellTask) -> tuple[TuningResult, Any, tuple[float, float]]:
    cell, config = task.cell, task.config
    spec = MODELS.get(cell.model)
    seed = cell_seed(cell, config.seed)

    def build(params: Mapping[str, Any]) -> Any:
        return spec.build(
            task.blocks, params=params, random_state=seed, settings=config.model_settings
        )

    part = task.training_part()
    started = time.perf_counter()
    inner_seed = fold_seed(cell.repeat, cell.fold, config.seed)
    tuning = tune(spec, build, part, config, inner_seed=inner_seed, sampler_seed=seed)
    tuned = time.perf_counter()
    classifier = fit_classifier(spec, build(tuning.params), part.X, part.y, part.groups)
    return tuning, classifier, (tuned - started, time.perf_counter() - tuned)


def _describe(error: BaseException) -> str:
    """One line for the board: the error, where it rose, and its notes."""
    message = " ".join(str(error).split()) or "no message"
    frames = traceback.extract_tb(error.__traceback__)
    place = f" (at {frames[-1].name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {message}{place}"


def _messages(caught: list[warnings.WarningMessage]) -> list[str]:
    texts = (f"{item.category.__name__}: {' '.join(str(item.message).split())}" for item in caught)
    return sorted(dict.fromkeys(texts))


@contextmanager
def _one_thread() -> Iterator[None]:
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
