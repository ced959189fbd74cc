"""A cell tunes, refits and predicts, and what fails stays a row."""

from __future__ import annotations

import re
import time
import warnings
from dataclasses import replace

import numpy as np
import pytest
from optuna.distributions import FloatDistribution
from sklearn.base import BaseEstimator, ClassifierMixin

from benchmark.experiment import Cell, RunStore, fit_final, run_cell
from benchmark.experiment._cell import ExternalTask, run_external_cell
from benchmark.experiment._plan import cell_seed, fold_seed, make_plan
from benchmark.experiment._tables import variants_table
from cohorts import BenchmarkError
from models import MODELS, ModelSpec, register_model

from support import prepared, task_factory, tiny_config


@pytest.fixture
def registered():
    """Let a test register models, and forget them afterwards."""
    before = dict(MODELS._items)
    yield register_model
    MODELS._items.clear()
    MODELS._items.update(before)


class Threshold(ClassifierMixin, BaseEstimator):
    """Gives every case the probability `level` for the second class."""

    def __init__(self, level: float = 0.5) -> None:
        self.level = level

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        rest = (1 - self.level) / (len(self.classes_) - 1)
        proba = np.full((len(X), len(self.classes_)), rest)
        proba[:, 1] = self.level
        return proba


def test_tuning_starts_at_the_known_good_and_keeps_the_best(small_cohort, registered):
    """The first trial is the default; the chosen one has the lowest inner log loss of all."""
    tried = []

    @registered("level")
    class Level(ModelSpec):
        title, family = "a constant", "baseline"
        recalibrated = False
        search_space = {"level": FloatDistribution(0.01, 0.99)}
        defaults = {"level": 0.9}

        def build(self, blocks, *, params, random_state, settings):
            tried.append(params["level"])
            return Threshold(params["level"])

        def estimate_fit_s(self, n_samples, n_columns, settings):
            return 0.01

    inner = {"n_splits": 2, "n_trials": 12, "pruning": "none"}
    ready = prepared(small_cohort, ["tabular"], ["level"], inner=inner)
    result = run_cell(task_factory(ready)(ready.plan.cells[0]))
    assert tried[0] == 0.9
    assert result.n_trials_requested == result.n_trials_completed == 12
    # A third of the cases are of the second class: the best constant is 1/3.
    candidates = np.array(tried[:12])
    loss = -(np.log(candidates) / 3 + 2 / 3 * np.log((1 - candidates) / 2))
    assert result.params["level"] == pytest.approx(candidates[loss.argmin()])
    assert tried[12] == result.params["level"]
    assert np.asarray(result.inner_proba)[:, 1] == pytest.approx(result.params["level"])
    assert sorted(set(result.inner_fold)) == [0, 1]
    assert not set(result.inner_test) & set(result.test)
    assert len(result.inner_test) + len(result.test) == 90


def test_an_error_becomes_a_failed_row_with_its_reason(small_cohort, registered):
    """A model that raises, or predicts what is no probability, fails its cell and nothing else."""

    @registered("broken")
    class Broken(ModelSpec):
        title, family = "broken", "baseline"

        def build(self, blocks, *, params, random_state, settings):
            raise RuntimeError("singular\nmatrix")

        def estimate_fit_s(self, n_samples, n_columns, settings):
            return 0.01

    @registered("nonsense")
    class Nonsense(Broken):
        def build(self, blocks, *, params, random_state, settings):
            return Threshold(float("nan"))

    ready = prepared(small_cohort, ["tabular"], ["broken", "nonsense"])
    make_task = task_factory(ready)
    broken, nonsense = (run_cell(make_task(cell)) for cell in ready.plan.cells[:2])
    assert broken.status == nonsense.status == "failed"
    where = r"cohort=demo, features=tabular, model=broken, repeat=0, fold=0 at test_cell\.py:\d+"
    assert re.fullmatch(rf"RuntimeError: singular matrix \({where}\)", broken.reason)
    assert "not finite" in nonsense.reason
    assert not broken.proba


def test_a_trial_that_fails_does_not_take_the_cell_down(small_cohort, registered):
    """Parameters that cannot be fitted are left out, and the completed trials are counted."""

    @registered("picky")
    class Picky(ModelSpec):
        title, family = "refuses low levels", "baseline"
        search_space = {"level": FloatDistribution(0.01, 0.99)}
        defaults = {"level": 0.6}

        def build(self, blocks, *, params, random_state, settings):
            if params["level"] < 0.4:
                raise FloatingPointError("too low")
            return Threshold(params["level"])

        def estimate_fit_s(self, n_samples, n_columns, settings):
            return 0.01

    ready = prepared(small_cohort, ["tabular"], ["picky"], inner={"n_splits": 2, "n_trials": 10})
    result = run_cell(task_factory(ready)(ready.plan.cells[0]))
    assert result.status == "ok", result.reason
    assert 1 <= result.n_trials_completed < result.n_trials_requested == 10
    assert result.params["level"] >= 0.4
    assert any("Trial" in text and "too low" in text for text in result.warnings)


def test_the_known_good_parameters_must_work(small_cohort, registered):
    """If the first trial raises, or any runs out of memory, the cell fails and is tried again."""
    built = []

    @registered("exhausting")
    class Exhausting(ModelSpec):
        title, family = "runs out of memory in its third trial", "baseline"
        search_space = {"level": FloatDistribution(0.01, 0.99)}
        defaults = {"level": 0.6}

        def build(self, blocks, *, params, random_state, settings):
            built.append(params)
            if len(built) == 3:
                raise MemoryError("full")
            return Threshold(params["level"])

        def estimate_fit_s(self, n_samples, n_columns, settings):
            return 0.01

    ready = prepared(
        small_cohort, ["tabular"], ["exhausting"], inner={"n_splits": 2, "n_trials": 10}
    )
    result = run_cell(task_factory(ready)(ready.plan.cells[0]))
    assert result.status == "failed"
    assert "MemoryError: full" in result.reason
    assert len(built) == 3


def test_names_of_cells_are_safe_file_names():
    """Whatever a modality is called, its files stay in their folder and apart."""
    hostile = [Cell(name, "svm", 0, 0) for name in ("../../etc", "a/b", "a:b", "ü", "x" * 500)]
    keys = [cell.key for cell in hostile]
    assert len(set(keys)) == 5
    assert all(re.fullmatch(r"[A-Za-z0-9_+-]{1,200}", key) for key in keys)
    assert Cell("a", "svm", -1, -1).key != Cell("a", "svm", 0, 0).key


def test_the_final_model_trains_on_every_case(small_cohort):
    """The refit for keeping has no test rows."""
    ready = prepared(small_cohort, ["tabular"], ["logistic_regression"])
    task = task_factory(ready)(Cell("tabular", "logistic_regression", -1, -1))
    assert task.train_rows.tolist() == list(range(90))
    assert len(task.X_test) == 0
    classifier, tuning = fit_final(task)
    assert set(tuning.params) == {"C"}
    part = task.training
    assert (classifier.predict(part.X) == part.y).mean() > 0.5


def test_networks_leave_their_losses(small_cohort):
    """Both stages leave a loss per epoch, in order, with the rate of that epoch."""
    ready = prepared(small_cohort, ["image+tabular"], ["late_fusion"])
    result = run_cell(task_factory(ready)(ready.plan.cells[0]))
    assert [(e["stage"], e["epoch"]) for e in result.history] == [
        ("warm-up", 1),
        ("warm-up", 2),
        ("warm-up", 3),
        ("end to end", 1),
    ]
    names = ("train_loss", "valid_loss", "valid_roc_auc", "valid_balanced_accuracy")
    assert np.isfinite([[epoch[name] for name in names] for epoch in result.history]).all()


def test_networks_leave_their_variants(small_cohort, tmp_path):
    """Each variant predicts the test cases of its fold, is stored and stands in a table."""
    ready = prepared(small_cohort, ["image+tabular"], ["late_fusion", "compact_fusion"])
    make_task, store = task_factory(ready), RunStore(tmp_path)
    store.check(ready.config, small_cohort, ready.plan)
    store.begin(ready.config, small_cohort, ready.plan, {})
    cells = [next(c for c in ready.plan.cells if c.model == name) for _, name in ready.plan.rows]
    results = {cell: run_cell(make_task(cell)) for cell in cells}
    late, compact = results.values()
    assert list(late.variants) == ["image only", "tables only", "after the warm-up"]
    assert list(compact.variants) == ["image only", "tables only"]
    for proba in late.variants.values():
        assert np.allclose(np.sum(proba, axis=1), 1)
        assert len(proba) == len(late.test)
        assert not np.allclose(proba, late.proba)
    store.write(late)
    assert store.read(late.cell) == late
    table = variants_table(ready.plan, results, small_cohort)
    assert len(table) == 3 * len(late.test) + 2 * len(compact.test)
    stored = table[(table["model"] == "late_fusion") & (table["variant"] == "tables only")]
    assert stored["case"].tolist() == [small_cohort.cases[i] for i in late.test]
    assert (
        stored[[f"p_{name}" for name in small_cohort.classes]].to_numpy().tolist()
        == (late.variants["tables only"])
    )


def test_a_class_that_a_network_never_saw_keeps_probability_zero(small_cohort):
    """Variants have a column for every class of the cohort, as predictions do."""
    ready = prepared(small_cohort, ["image+tabular"], ["compact_fusion"])
    task = task_factory(ready)(ready.plan.cells[0])
    kept = np.flatnonzero(task.training.y != 1)
    part = replace(
        task.training,
        X=task.training.X.iloc[kept],
        y=task.training.y[kept],
        groups=task.training.groups[kept],
    )
    result = run_cell(replace(task, training=part, train_rows=task.train_rows[kept]))
    assert result.status == "ok", result.reason
    for proba in result.variants.values():
        values = np.asarray(proba)
        assert values.shape == (len(result.test), 3)
        assert (values[:, 1] == 0).all()
        assert (values[:, [0, 2]] > 0).all()


def test_seeds_hash_names():
    """A cell's seed depends on its own names alone; inner folds are shared by all models."""
    cell = Cell("tabular", "svm", 0, 1)
    assert cell_seed(cell, 0) == cell_seed(Cell("tabular", "svm", 0, 1), 0)
    others = [
        cell_seed(cell, 1),
        cell_seed(Cell("tabular", "knn", 0, 1), 0),
        cell_seed(Cell("clinical", "svm", 0, 1), 0),
        cell_seed(Cell("tabular", "svm", 1, 1), 0),
        fold_seed(0, 1, 0),
        fold_seed(0, 2, 0),
    ]
    assert len({cell_seed(cell, 0), *others}) == 7


def test_every_planned_row_has_all_folds(small_cohort):
    """Cells cross rows, repeats and folds; what cannot be is skipped with its reason."""
    config = tiny_config(
        features=["clinical", "tabular"],
        models=["svm", "stacking", "late_fusion"],
        outer={"n_splits": 3, "n_repeats": 2},
    )
    plan = make_plan(small_cohort, config)
    assert plan.rows == (("clinical", "svm"), ("tabular", "svm"), ("tabular", "stacking"))
    assert len(plan.cells) == len(set(plan.cells)) == 3 * 6
    (skipped,) = plan.skipped
    assert skipped.model == "late_fusion"
    assert "none of the feature sets in this run fits it (clinical, tabular)" in skipped.reason


def test_nothing_to_run_is_an_error(small_cohort):
    """The message has what was asked for and what networks and stacking need."""
    config = tiny_config(features=["clinical"], models=["late_fusion", "stacking"])
    with pytest.raises(BenchmarkError, match=r"Nothing to run: no model of \(late_fusion, stackin"):
        make_plan(small_cohort, config)


def test_external_results_are_of_their_own_cohort(small_cohort, registered):
    """Times count the shared fit, warnings of one cohort are not another's, nothing is withheld."""
    withheld = []

    class Wary(Threshold):
        def fit(self, X, y):
            warnings.warn("fitted", UserWarning, stacklevel=1)
            began = time.process_time()
            while time.process_time() - began < 0.02:  # something that takes time
                pass
            return super().fit(X, y)

        def predict_proba(self, X):
            if len(X) == len(odd):
                warnings.warn("an odd cohort", UserWarning, stacklevel=1)
            return super().predict_proba(X)

        def predict_variants(self, X):
            withheld.append(len(X))
            return {"withheld": super().predict_proba(X)}

    @registered("wary")
    class WarySpec(ModelSpec):
        title, family = "warns", "baseline"
        recalibrated = False

        def build(self, blocks, *, params, random_state, settings):
            return Wary()

        def estimate_fit_s(self, n_samples, n_columns, settings):
            return 0.01

    ready = prepared(small_cohort, ["tabular"], ["wary"])
    make_task = task_factory(ready)
    fit = make_task(Cell.final("tabular", "wary"))
    odd, even = fit.training.X.iloc[:5], fit.training.X.iloc[5:12]
    task = ExternalTask(fit, {"odd": odd, "even": even}, {"odd": (), "even": ()})
    results = run_external_cell(task)
    assert results["odd"].warnings == ["UserWarning: an odd cohort", "UserWarning: fitted"]
    assert results["even"].warnings == ["UserWarning: fitted"]
    assert [len(one.proba) for one in results.values()] == [5, 7]
    assert all(one.cpu_time_s >= 0.02 for one in results.values())
    assert withheld == []
    assert all(one.variants == {} for one in results.values())
    # In a fold, what a network says with less is kept.
    assert set(run_cell(make_task(ready.plan.cells[0])).variants) == {"withheld"}
