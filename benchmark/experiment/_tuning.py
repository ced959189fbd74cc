"""Tuning on inner folds, by log loss, with Optuna: seeded, pruned, and resumable."""

from __future__ import annotations

import hashlib
import logging
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from benchmark.config import Config
from benchmark.experiment._inner import (
    Builder,
    Candidate,
    InnerFolds,
    InnerPredictions,
    TrainingPart,
)
from benchmark.experiment._plan import n_trials
from benchmark.experiment._splits import inner_folds
from cohorts import BenchmarkError
from models import ModelSpec

__all__ = ["StudyPlace", "TuningResult", "tune"]

logger = logging.getLogger(__name__)

# Attribute of a trial that holds what was chosen besides the sampled parameters.
CHOSEN = "chosen"

# Trials that no other can be compared with yet.
UNPRUNED_TRIALS = 5


@dataclass(frozen=True)
class StudyPlace:
    """Where a study is kept, so that a stopped cell goes on with its next trial.

    Attributes
    ----------
    name : str
        Of the study; unique in its storage.
    storage : str
        Path of a journal file, or URL of an Optuna storage.
    """

    name: str
    storage: str

    @property
    def is_url(self) -> bool:
        """Whether the storage is shared by machines."""
        return "://" in self.storage

    def open(self) -> BaseStorage:
        """Return the storage, made if it is not there.

        Raises
        ------
        BenchmarkError
            If the storage cannot be reached, without the URL, which may hold a password.
        """
        if not self.is_url:
            Path(self.storage).parent.mkdir(parents=True, exist_ok=True)
            return JournalStorage(JournalFileBackend(self.storage))
        try:
            return optuna.storages.RDBStorage(self.storage)
        except Exception as error:
            kind = type(error).__name__
            raise BenchmarkError(
                f"The storage of the studies (inner.storage) cannot be opened ({kind}). Check its "
                "URL, that the server is up, and that its driver is installed."
            ) from None


@dataclass(frozen=True)
class TuningResult:
    """The chosen parameters and how they did on the inner folds.

    Attributes
    ----------
    params : mapping
        Of the trial with the lowest inner log loss.
    n_trials_requested, n_trials_completed, n_trials_pruned : int
        Budget, trials that went through every inner fold, and trials given up on the way;
        all 0 where the inner folds were not used at all.
    inner : InnerPredictions or None
        Of the chosen parameters; None where no trial was run.
    trials : sequence of mapping
        Number, state, loss, parameters and steps of every trial.
    out_of_time : bool
        Whether the time budget ended the study.
    """

    params: Mapping[str, Any]
    n_trials_requested: int
    n_trials_completed: int
    inner: InnerPredictions | None
    n_trials_pruned: int = 0
    trials: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    out_of_time: bool = False


def tune(
    spec: ModelSpec,
    build: Builder,
    part: TrainingPart,
    config: Config,
    *,
    inner_seed: int,
    sampler_seed: int,
    place: StudyPlace | None = None,
) -> TuningResult:
    """Search the model's space on grouped inner folds of the training part.

    The first trial is the model's known-good parameters; the others come from a seeded
    tree-structured Parzen estimator [1]_. A trial whose loss is worse than the median of the
    others at the same step (an inner fold, or a number of rounds) is given up. A later trial
    that raises is left out, under a warning. A study that was stopped goes on, and ends with
    what it would have ended with.

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
    place : StudyPlace, optional
        Where the study is kept; in memory by default.

    Returns
    -------
    TuningResult
        With the best trial's parameters.

    Raises
    ------
    Exception
        What the first trial raised, or any that ran out of memory or disk.

    References
    ----------
    .. [1] Bergstra, Bardenet, Bengio & Kégl (2011), Algorithms for hyper-parameter
       optimization, NeurIPS.
    """
    budget = n_trials(spec, config)
    if spec.is_deep and budget == 1:
        # One candidate needs no comparison, and a network's inner fits cost minutes.
        return TuningResult(dict(spec.defaults), 0, 0, None)
    folds = inner_folds(part.y, part.groups, config, seed=inner_seed)
    inner = InnerFolds(spec, build, part, folds, config.model_settings)
    study = _open_study(place, config)
    started = time.monotonic()
    out_of_time = False
    while (n_done := len(_finished(study))) < budget:
        # At least the known-good parameters are tried, whatever the budget.
        out_of_time = n_done > 0 and _is_spent(config.inner.time_budget_s, since=started)
        if out_of_time:
            break
        _run_trial(study, spec, inner, n_done, sampler_seed)
    return _result(study, budget, inner, out_of_time=out_of_time)


def _open_study(place: StudyPlace | None, config: Config) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    pruner: optuna.pruners.BasePruner = optuna.pruners.NopPruner()
    if config.inner.pruning == "median":
        pruner = optuna.pruners.MedianPruner(n_startup_trials=UNPRUNED_TRIALS)
    study = optuna.create_study(
        storage=None if place is None else place.open(),
        study_name=None if place is None else place.name,
        pruner=pruner,
        load_if_exists=True,
    )
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        # Left behind by a process that was stopped.
        study.tell(trial.number, state=TrialState.FAIL)
    return study


def _finished(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that count against the budget: all that ended by themselves."""
    trials = study.get_trials(deepcopy=False)
    ended = (TrialState.COMPLETE, TrialState.PRUNED)
    return [trial for trial in trials if trial.state in ended or "error" in trial.user_attrs]


def _run_trial(
    study: optuna.Study, spec: ModelSpec, inner: InnerFolds, n_done: int, sampler_seed: int
) -> None:
    # A sampler of its own for each trial, seeded by its place: a study that was stopped goes on
    # with the numbers that it would have drawn.
    seed = hashlib.sha256(f"{sampler_seed}/{n_done}".encode()).digest()
    study.sampler = optuna.samplers.TPESampler(seed=int.from_bytes(seed[:4], "little"))
    if n_done == 0:
        # The known-good parameters; not once more where a start was stopped before it asked.
        study.enqueue_trial(dict(spec.defaults), skip_if_exists=_is_waiting(study))
    trial = study.ask(fixed_distributions=dict(spec.search_space))

    def report(step: int, loss: float) -> None:
        trial.report(loss, step)
        if trial.should_prune():
            raise optuna.TrialPruned

    try:
        candidate: Candidate = inner.score(trial.params, report)
    except optuna.TrialPruned:
        study.tell(trial, state=TrialState.PRUNED)
    except Exception as error:
        # The known-good parameters must work, and a full memory or disk is no property of the
        # others: the cell then fails as a whole, and is tried again by the next start.
        if n_done == 0 or isinstance(error, (MemoryError, OSError)):
            study.tell(trial, state=TrialState.FAIL)
            raise
        warnings.warn(f"Trial {n_done} failed: {error!r}", RuntimeWarning, stacklevel=1)
        trial.set_user_attr("error", repr(error))
        study.tell(trial, state=TrialState.FAIL)
    else:
        trial.set_user_attr(CHOSEN, dict(candidate.params))
        study.tell(trial, candidate.loss)


def _is_waiting(study: optuna.Study) -> bool:
    return bool(study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))


def _is_spent(budget_s: float | None, *, since: float) -> bool:
    return budget_s is not None and time.monotonic() - since >= budget_s


def _result(
    study: optuna.Study, budget: int, inner: InnerFolds, *, out_of_time: bool
) -> TuningResult:
    trials = _finished(study)
    states = [trial.state for trial in trials]
    params = study.best_trial.user_attrs[CHOSEN]
    return TuningResult(
        params=params,
        n_trials_requested=budget,
        n_trials_completed=states.count(TrialState.COMPLETE),
        n_trials_pruned=states.count(TrialState.PRUNED),
        inner=inner.predict(params),
        trials=[_describe(trial, number) for number, trial in enumerate(trials)],
        out_of_time=out_of_time,
    )


def _describe(trial: FrozenTrial, number: int) -> dict[str, Any]:
    steps = trial.intermediate_values
    return {
        "number": number,
        "state": trial.state.name.lower(),
        "loss": trial.value if trial.state is TrialState.COMPLETE else None,
        "last_step": max(steps) if steps else None,
        "params": trial.user_attrs.get(CHOSEN, trial.params),
    }
