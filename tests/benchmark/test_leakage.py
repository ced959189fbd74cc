"""No test-fold information reaches a choice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.metrics import roc_auc_score

from benchmark.experiment import run_cell
from cohorts import Cohort, Column, ColumnKind, TabularModality
from features import TabularEncoder
from models.networks import FusionNetworkClassifier, _classifiers

from support import make_small_cohort, prepared, task_factory

ROWS = [
    ("tabular", "logistic_regression"),
    ("tabular", "svm"),
    ("tabular", "hist_gradient_boosting"),
    ("tabular", "mlp"),
    ("embedding", "logistic_regression"),
    ("radiomics+tabular", "stacking"),
    ("tabular", "tabular_network"),
    ("image+tabular", "late_fusion"),
    ("image+tabular", "compact_fusion"),
]


@pytest.fixture
def seen(monkeypatch) -> set[str]:
    """Case ids of every row that anything with a `fit` on recorded columns is given."""
    cases: set[str] = set()
    spied = (TabularEncoder, SimpleImputer, FusionNetworkClassifier)
    originals = {cls: cls.fit for cls in spied}

    def spying(cls):
        def fit(self, X, *args, **options):
            # Inside the encoder the imputer sees arrays, of the rows that the encoder saw.
            cases.update(getattr(X, "index", ()))
            return originals[cls](self, X, *args, **options)

        return fit

    for cls in originals:
        monkeypatch.setattr(cls, "fit", spying(cls))
    return cases


@pytest.mark.parametrize(("features", "model"), ROWS)
def test_a_spy_never_sees_a_test_row(small_cohort, features, model, seen):
    """Whatever is fitted in a cell, tuning and stacking included, sees training cases only."""
    make_task = task_factory(ready := prepared(small_cohort, [features], [model]))
    for cell in ready.plan.cells[:2]:
        seen.clear()
        task = make_task(cell)
        result = run_cell(task)
        assert result.status == "ok", result.reason
        cases = np.asarray(small_cohort.cases)
        assert seen
        assert seen <= set(cases[task.train_rows])
        assert not seen & set(cases[task.test_rows])
        assert result.test == task.test_rows.tolist()


@pytest.mark.parametrize("model", ["tabular_network", "late_fusion"])
def test_early_stopping_watches_training_patients_only(small_cohort, model, monkeypatch):
    """The held-out patients of a network are whole, of the training part, and untrained on."""
    held_out = []
    original = _classifiers.hold_out

    def spying(labels, groups, **options):
        train, valid = original(labels, groups, **options)
        held_out.append((np.asarray(groups), train, valid))
        return train, valid

    monkeypatch.setattr(_classifiers, "hold_out", spying)
    features = "image+tabular" if model == "late_fusion" else "tabular"
    make_task = task_factory(ready := prepared(small_cohort, [features], [model]))
    task = make_task(ready.plan.cells[0])
    assert run_cell(task).status == "ok"
    ((groups, train, valid),) = held_out
    assert len(groups) == len(task.train_rows)
    assert len(valid) > 0
    assert not set(groups[train]) & set(groups[valid])
    patients = np.asarray(small_cohort.patients)
    assert not set(groups) & set(patients[task.test_rows])


def test_test_rows_do_not_change_the_model(small_cohort):
    """Garbage in some test rows of a fold leaves what is predicted for the others."""
    make_task = task_factory(ready := prepared(small_cohort, ["tabular"], ["logistic_regression"]))
    task = make_task(ready.plan.cells[0])
    spoiled = task.X_test.copy()
    spoiled.iloc[1:, spoiled.columns.get_loc("clinical__age")] = 1e6
    before = run_cell(task)
    after = run_cell(replace(task, X_test=spoiled))
    assert after.params == before.params
    assert after.proba[0] == before.proba[0]
    assert after.proba[1:] != before.proba[1:]


def permuted(cohort: Cohort, seed: int) -> Cohort:
    """Give whole patients the label of another patient."""
    patients = sorted(set(cohort.patients))
    label_of = dict(zip(cohort.patients, cohort.labels, strict=True))
    shuffled = np.random.default_rng(seed).permutation([label_of[one] for one in patients])
    drawn = dict(zip(patients, shuffled, strict=True))
    return replace(cohort, labels=np.asarray([drawn[one] for one in cohort.patients]))


@pytest.fixture(scope="module")
def large_cohort(tmp_path_factory) -> Cohort:
    """225 cases of 150 patients."""
    return make_small_cohort(tmp_path_factory.mktemp("large"), n_patients=150, seed=3)


def mean_auc(cohort: Cohort, features: str, model: str) -> float:
    """AUC of the positive class, averaged over the outer folds."""
    make_task = task_factory(ready := prepared(cohort, [features], [model]))
    scores = []
    for cell in ready.plan.cells:
        result = run_cell(make_task(cell))
        assert result.status == "ok", result.reason
        truth = cohort.labels[result.test] == cohort.positive_index
        scores.append(roc_auc_score(truth, np.asarray(result.proba)[:, cohort.positive_index]))
    return float(np.mean(scores))


@pytest.mark.parametrize(
    ("features", "model"),
    [
        ("tabular", "logistic_regression"),
        ("radiomics+tabular", "extra_trees"),
        ("radiomics+tabular", "stacking"),
        ("tabular", "knn"),
    ],
)
def test_permuted_labels_score_at_chance(large_cohort, features, model):
    """Whole pipelines on labels that mean nothing have an AUC of 0.5, on true labels far more.

    The mean of four permutations of 150 patients has a standard error of about 0.025.
    """
    scores = [mean_auc(permuted(large_cohort, seed), features, model) for seed in range(4)]
    assert 0.42 < np.mean(scores) < 0.58
    assert mean_auc(large_cohort, features, model) > 0.7


def test_a_leaking_selection_would_be_caught(large_cohort):
    """The permutation test has teeth: choosing columns on all cases, test folds included, shows.

    Of 4,000 columns of noise, the ten that go with the permuted labels of the whole cohort
    are kept before the folds are made: a selection leak in its classic form.
    """
    cohort = permuted(large_cohort, 0)
    noise = np.random.default_rng(0).normal(size=(cohort.n_cases, 4000))
    chosen = SelectKBest(k=10).fit(noise, cohort.labels == cohort.positive_index)
    names = [f"n{i}" for i in range(10)]
    table = pd.DataFrame(chosen.transform(noise), index=list(cohort.cases), columns=names)
    columns = tuple(Column(name, ColumnKind.NUMERIC) for name in names)
    leaking = replace(cohort, tables=(TabularModality("selected", columns, table),))
    assert mean_auc(leaking, "selected", "logistic_regression") > 0.7
