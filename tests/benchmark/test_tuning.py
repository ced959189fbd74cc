"""Tuning: on inner folds alone, no worse than the known-good, pruned, and resumable."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from typing import ClassVar

import numpy as np
import optuna
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from benchmark import load_config
from benchmark.experiment import _tuning, run_cell
from benchmark.experiment._inner import (
    InnerFolds,
    InnerPredictions,
    TrainingPart,
    calibrated_loss,
)
from benchmark.experiment._recalibration import recalibrated
from benchmark.experiment._tuning import StudyPlace, TuningResult, tune
from cohorts import BenchmarkError
from models import MODELS, ModelSettings, ModelSpec

from support import prepared, task_factory, tiny_config


class Interrupted(BaseException):
    """Stands for a process that is stopped: no handler of ours may catch it."""


@pytest.fixture
def part():
    """Sixty patients with two cases each."""
    X, y = make_classification(
        120, 6, n_informative=3, n_classes=3, flip_y=0.2, random_state=5, n_clusters_per_class=1
    )
    groups = np.repeat([f"p{i}" for i in range(60)], 2).astype(object)
    return TrainingPart(pd.DataFrame(X).add_prefix("x"), y.astype(np.intp), groups, 3)


class CountingScaler(TransformerMixin, BaseEstimator):
    """Counts how often it is fitted, over all of its clones."""

    fits = 0

    def fit(self, X, y=None):
        CountingScaler.fits += 1
        self.fitted_ = True
        return self

    def transform(self, X):
        return np.asarray(X)


class Kept(TransformerMixin, BaseEstimator):
    """Keeps the first columns, and remembers how many were ever kept."""

    used: ClassVar[set[int]] = set()

    def __init__(self, n: int = 1) -> None:
        self.n = n

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        Kept.used.add(self.n)
        return np.asarray(X)[:, : self.n]


class Counting(ModelSpec):
    """Logistic regression behind the counting step."""

    name, title, family = "counting", "counts", "linear"
    search_space = MODELS.get("logistic_regression").search_space
    defaults = {"C": 0.1}

    def build(self, blocks, *, params, random_state, settings):
        last = LogisticRegression(C=params["C"], class_weight="balanced")
        return Pipeline([("encode", CountingScaler()), ("classify", last)])

    def estimate_fit_s(self, n_samples, n_columns, settings):
        return 0.01


def search(part, spec=None, *, n_trials=12, place=None, **inner):
    spec = spec or Counting()
    config = tiny_config(inner={"n_splits": 3, "n_trials": n_trials, **inner})

    def build(params):
        return spec.build([], params=params, random_state=0, settings=ModelSettings())

    return tune(spec, build, part, config, inner_seed=1, sampler_seed=2, place=place)


def test_encoding_is_fitted_once_for_each_inner_fold(part):
    """Thirty settings of a classifier share what does not depend on them."""
    CountingScaler.fits = 0
    search(part, n_trials=30)
    assert CountingScaler.fits == 3


def test_encoding_that_depends_on_parameters_is_fitted_for_each(part):
    """A pipeline whose first steps are tuned is not fitted once for all."""

    class Selecting(Counting):
        def build(self, blocks, *, params, random_state, settings):
            pipeline = super().build(blocks, params=params, random_state=0, settings=settings)
            return pipeline.set_params(encode=Kept(int(params["C"] > 0.05) + 1))

    Kept.used.clear()
    search(part, Selecting(), n_trials=20, pruning="none")
    assert Kept.used == {1, 2}


def tune_defaults_alone(part):
    return calibrated_loss(part.y, search(part, n_trials=1).inner.proba)


def test_tuning_is_never_worse_than_the_known_good_parameters(part):
    """On the inner folds, by the loss that it minimises."""
    for seed in range(3):
        shuffled = replace(part, y=np.random.default_rng(seed).permutation(part.y))
        result = search(shuffled)
        assert result.trials[0]["params"] == {"C": 0.1}
        known_good = tune_defaults_alone(shuffled)
        found = calibrated_loss(shuffled.y, result.inner.proba)
        assert found <= known_good
        # What is stored are the predictions of the trial with the lowest loss.
        assert found == pytest.approx(min(one["loss"] for one in result.trials if one["loss"]))


def test_trials_are_counted_and_pruned_ones_are_never_chosen(part):
    """Requested is completed and pruned together; without pruning none is given up."""
    result = search(part, n_trials=30)
    assert result.n_trials_requested == 30
    assert result.n_trials_completed + result.n_trials_pruned == 30
    assert result.n_trials_pruned > 0
    pruned = [one for one in result.trials if one["state"] == "pruned"]
    assert all(one["loss"] is None for one in pruned)
    best = min(
        (one for one in result.trials if one["loss"] is not None), key=lambda one: one["loss"]
    )
    assert result.params == best["params"]
    assert search(part, n_trials=30, pruning="none").n_trials_pruned == 0


@pytest.mark.parametrize("model", ["lightgbm", "logistic_regression"])
@pytest.mark.parametrize("kind", ["journal", "url"])
def test_a_study_that_was_stopped_ends_as_it_would_have(part, tmp_path, monkeypatch, model, kind):
    """Stopped in its seventh trial, it goes on to the same trials and the same choice."""
    spec = MODELS.get(model)

    class Plain(type(spec)):
        name = model

        def build(self, blocks, **options):
            return super().build(blocks, **options)[-1:]

    place = StudyPlace(
        "study",
        str(tmp_path / "study.journal") if kind == "journal" else f"sqlite:///{tmp_path}/s.db",
    )
    whole = search(part, Plain(), n_trials=10)
    score, calls = InnerFolds.score, itertools.count()

    def stopping(self, params, report):
        if next(calls) == 6:
            raise Interrupted
        return score(self, params, report)

    monkeypatch.setattr(InnerFolds, "score", stopping)
    with pytest.raises(Interrupted):
        search(part, Plain(), n_trials=10, place=place)
    monkeypatch.setattr(InnerFolds, "score", score)
    resumed = search(part, Plain(), n_trials=10, place=place)
    assert resumed.trials == whole.trials
    assert resumed.params == whole.params
    assert (resumed.inner.proba == whole.inner.proba).all()
    # A study that is whole is not searched again.
    monkeypatch.setattr(InnerFolds, "score", None)
    assert search(part, Plain(), n_trials=10, place=place).params == whole.params


def test_a_time_budget_ends_the_search_after_the_known_good_trial(part, monkeypatch):
    """However small the budget, the known-good parameters are tried, and the rest is counted."""
    clock = itertools.count()
    monkeypatch.setattr(_tuning.time, "monotonic", lambda: 100.0 * next(clock))
    result = search(part, n_trials=10, time_budget_s=150.0)
    assert result.out_of_time
    assert 1 <= result.n_trials_completed < result.n_trials_requested == 10


def test_a_cell_out_of_time_says_so(small_cohort, monkeypatch):
    """The row carries a note."""
    monkeypatch.setattr(_tuning, "_is_spent", lambda budget, **_: budget is not None)
    ready = prepared(
        small_cohort,
        ["tabular"],
        ["logistic_regression"],
        inner={"n_splits": 2, "n_trials": 5, "time_budget_s": 1.0},
    )
    result = run_cell(task_factory(ready)(ready.plan.cells[0]))
    assert [note["code"] for note in result.notes] == ["time-budget"]
    assert result.n_trials_completed == 1


def test_a_storage_that_cannot_be_opened_is_named_without_its_password(part):
    """The error goes into tables that others see."""
    place = StudyPlace("study", "postgresql://me:secret@localhost:1/none")
    with pytest.raises(BenchmarkError, match=r"inner\.storage") as caught:
        search(part, place=place)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:secret@host/studies", "postgresql://me:***@host/studies"),
        ("postgresql://me:s@cret@host/studies", "postgresql://me:***@host/studies"),
        ("mysql://host/db?user=me&password=secret", "mysql://host/db?password=***&user=me"),
        ("sqlite:///studies.db", "sqlite:///studies.db"),
    ],
)
def test_a_stored_config_holds_no_password(url, shown):
    """The URL of a storage is kept without it, wherever it stands."""
    config = load_config(None, {"inner": {"storage": url}})
    assert not {"secret", "cret"} & set(re.split(r"\W", config.to_yaml()))
    stored = config.to_dict()["inner"]["storage"]
    assert sorted(re.split("[?&]", stored)) == sorted(re.split("[?&]", shown))


@pytest.mark.parametrize("wrong", ["trials.log", "/data/studies", "postgres"])
def test_a_storage_that_is_no_url_is_refused(wrong):
    """A path would be one journal for all cells."""
    with pytest.raises(BenchmarkError, match=r"inner\.storage is no URL .* sqlite:///"):
        load_config(None, {"inner": {"storage": wrong}})


def test_a_start_that_stopped_before_its_first_trial_tries_the_known_good_once(
    part, tmp_path, monkeypatch
):
    """Between being queued and being asked for, the known-good parameters are not queued again."""
    place = StudyPlace("study", str(tmp_path / "study.journal"))

    def stop(*_, **__):
        raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr(optuna.Study, "ask", stop)
        with pytest.raises(Interrupted):
            search(part, n_trials=4, place=place)
    assert search(part, n_trials=4, place=place).trials == search(part, n_trials=4).trials


def test_boosting_stops_where_the_inner_folds_stop_improving(part):
    """The rounds that were chosen lie well below the limit, and are those of the lowest loss."""
    spec = MODELS.get("lightgbm")
    settings = ModelSettings(max_rounds=300)

    def build(params):
        return spec.build([], params=params, random_state=0, settings=settings)[-1:]

    folds = [(np.arange(40, 120), np.arange(40)), (np.arange(80), np.arange(80, 120))]
    losses: dict[int, float] = {}
    inner = InnerFolds(spec, build, part, folds, settings)
    candidate = inner.score(spec.defaults | {"learning_rate": 0.3}, losses.__setitem__)
    rounds = candidate.params["n_rounds"]
    assert rounds < 100
    assert max(losses) == rounds + 40
    assert candidate.loss == min(losses.values())


def test_inner_predictions_are_calibrated_without_their_own_labels():
    """Turning the labels of one inner fold round does not change its own predictions."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 90)
    proba = rng.dirichlet([1, 1], 90)
    fold = np.repeat([0, 1, 2], 30)

    class Fitted:
        classes_ = np.array([0, 1])

    def calibrated(labels):
        part = TrainingPart(None, labels, None, 2)
        result = TuningResult({}, 1, 1, InnerPredictions(fold, proba))
        return recalibrated(result, result.inner, Fitted(), part, balanced=True)

    before, after = calibrated(y), calibrated(np.where(fold == 1, 1 - y, y))
    assert (before[0].inner.proba[fold == 1] == after[0].inner.proba[fold == 1]).all()
    assert (before[0].inner.proba[fold == 0] != after[0].inner.proba[fold == 0]).any()
    assert before[1].calibrator.slope_ != after[1].calibrator.slope_


@pytest.mark.parametrize("balanced", [True, False])
def test_ten_cancers_keep_their_frequency(balanced):
    """Trained under class weights, ten cancers in a hundred are expected as about ten."""
    rng = np.random.default_rng(3)
    ratios = []
    for _ in range(40):
        y = np.r_[np.ones(10), np.zeros(90)].astype(int)
        logit = 1.5 * (y - 0.5) + rng.normal(0, 1, 100) + (0 if balanced else -np.log(9))
        risk = 1 / (1 + np.exp(-logit))
        proba = np.column_stack([1 - risk, risk])
        inner = InnerPredictions(rng.permutation(np.arange(100) % 5), proba)
        part = TrainingPart(None, y, None, 2)

        class Fitted:
            classes_ = np.array([0, 1])

        result = TuningResult({}, 1, 1, inner)
        mended, _ = recalibrated(result, inner, Fitted(), part, balanced=balanced)
        ratios.append(mended.inner.proba[:, 1].sum() / 10)
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.07)
