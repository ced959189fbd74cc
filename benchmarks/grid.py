"""Tune a fixed sample of cells as sonobench does, and as a plain loop would: cost and score.

    python benchmarks/grid.py --busi DIR [--sample K] [--trials N] [--jobs N]

The sample is a diagonal of the grid of 8 classical models × 8 feature sets of BUSI with
simulated tables: each model once, each set once, over the outer folds; ``--sample`` shifts the
diagonal. The plain loop fits the whole pipeline anew for each trial and each inner fold, at the
libraries' own numbers of bins, with all rounds and all trees, and prunes nothing; spaces, seeds,
trials and folds are the same. Its probabilities are scored as they come, and calibrated on its
inner folds like ours.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import joblib
import numpy as np
import optuna
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss
from sklearn.pipeline import Pipeline

from benchmark import load_config
from benchmark._run import prepare
from benchmark.experiment import Cell, CellTask, TaskFactory, grouped_folds, run_cell
from benchmark.experiment._plan import cell_seed, fold_seed
from cohorts import default_cache_dir
from features import FeatureCache, build_blocks
from models import MODELS, ProbabilityCalibrator, fit_with_groups

MODEL_NAMES = (
    "logistic_regression",
    "svm",
    "mlp",
    "extra_trees",
    "random_forest",
    "lightgbm",
    "xgboost",
    "hist_gradient_boosting",
)
SETS = (
    "clinical",
    "molecular",
    "tabular",
    "radiomics",
    "embedding",
    "radiomics+tabular",
    "embedding+tabular",
    "all",
)
N_FOLDS = 5

# What the libraries do unless told otherwise.
LIBRARY_BINS = 255


class Outcome(NamedTuple):
    """Processor seconds and outer log losses of one cell, both ways."""

    cell: Cell
    plain_s: float
    ours_s: float
    plain: float
    plain_calibrated: float
    ours: float


def main() -> None:
    """Print a row for each cell, the totals, and what the whole grid would cost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--busi", required=True, help="folder of BUSI")
    parser.add_argument("--sample", type=int, default=0, help="which diagonal, 0 to 7 (default 0)")
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--jobs", type=int, default=1, help="cells side by side")
    arguments = parser.parse_args()
    make_task = tasks(arguments.busi, arguments.trials)
    cells = [
        Cell(SETS[(i + arguments.sample) % len(SETS)], model, 0, i % N_FOLDS)
        for i, model in enumerate(MODEL_NAMES)
    ]
    outcomes = joblib.Parallel(n_jobs=arguments.jobs)(
        joblib.delayed(run_both)(*make_task(cell)) for cell in cells
    )
    report(outcomes)


def tasks(busi: str, trials: int) -> Any:
    """Return a function from a cell to its task and the labels of its test cases."""
    config = load_config(
        None,
        {
            "cohort": {"name": "busi", "data": busi, "options": {"simulate_tabular": True}},
            "preset": "standard",
            "features": list(SETS),
            "inner": {"n_splits": 3, "n_trials": trials},
            "outer": {"n_splits": N_FOLDS},
        },
    )
    ready = prepare(config)
    names = [name for one in ready.plan.sets for name in one.blocks]
    cache = FeatureCache(default_cache_dir())
    blocks = build_blocks(
        ready.cohort, names, options={}, cache=cache, random_state=0, progress=True
    )
    factory = TaskFactory(config, ready.cohort, ready.plan.sets, blocks, ready.splits)

    def make(cell: Cell) -> tuple[CellTask, NDArray[np.intp]]:
        task = factory(cell)
        return task, ready.cohort.labels[task.test_rows]

    return make


def run_both(task: CellTask, y_test: NDArray[np.intp]) -> Outcome:
    """Run a cell both ways."""
    started = time.process_time()
    result = run_cell(task)
    ours_s = time.process_time() - started
    if result.status != "ok":
        raise RuntimeError(result.reason)
    started = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain, calibrated = plain_loop(task)
    plain_s = time.process_time() - started
    losses = (score(y_test, proba) for proba in (plain, calibrated, np.asarray(result.proba)))
    return Outcome(task.cell, plain_s, ours_s, *losses)


def plain_loop(task: CellTask) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the test probabilities of the plain loop, as they come and calibrated."""
    part, config, cell = task.training, task.config, task.cell
    spec = MODELS.get(cell.model)
    folds = grouped_folds(
        part.y,
        part.groups,
        n_splits=config.inner.n_splits,
        random_state=fold_seed(cell.repeat, cell.fold, config.seed),
    )

    def inner_proba(params: Mapping[str, Any]) -> NDArray[np.float64]:
        proba = np.zeros((len(part.y), part.n_classes))
        for train, held_out in folds:
            classifier = build_plain(task, params)
            fit_with_groups(classifier, part.X.iloc[train], part.y[train], part.groups[train])
            proba[held_out] = classifier.predict_proba(part.X.iloc[held_out])
        return proba

    def objective(trial: optuna.Trial) -> float:
        params = {key: trial._suggest(key, space) for key, space in spec.search_space.items()}
        return score(part.y, inner_proba(params))

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=cell_seed(cell, config.seed))
    )
    study.enqueue_trial(dict(spec.defaults))
    study.optimize(objective, n_trials=config.inner.n_trials)
    classifier = build_plain(task, study.best_params)
    fit_with_groups(classifier, part.X, part.y, part.groups)
    proba = classifier.predict_proba(task.X_test)
    calibrator = ProbabilityCalibrator().fit(inner_proba(study.best_params), part.y)
    return proba, calibrator.transform(proba)


def build_plain(task: CellTask, params: Mapping[str, Any]) -> Pipeline:
    """Return the pipeline with the libraries' own number of bins."""
    pipeline: Any = MODELS.get(task.cell.model).build(
        task.blocks,
        params=params,
        random_state=cell_seed(task.cell, task.config.seed),
        settings=task.config.model_settings,
    )
    last = pipeline[-1]
    if isinstance(last, HistGradientBoostingClassifier):
        last.set_params(max_bins=LIBRARY_BINS)
        return Pipeline([pipeline.steps[0], pipeline.steps[-1]])
    if "estimator__max_bin" in last.get_params():
        last.set_params(estimator__max_bin=LIBRARY_BINS)
    return pipeline


def score(y: NDArray[np.intp], proba: NDArray[np.float64]) -> float:
    """Return the log loss; no probability counts as less than one in ten million."""
    clipped = np.clip(proba, 1e-7, 1.0)
    return float(log_loss(y, clipped / clipped.sum(axis=1, keepdims=True), labels=range(3)))


def report(outcomes: list[Outcome]) -> None:
    """Print the table and its summary."""
    print(
        f"{'features':18} {'model':23} {'plain s':>8} {'ours s':>7} {'ratio':>6} "
        f"{'plain':>7} {'+calib.':>8} {'ours':>7}"
    )
    for one in outcomes:
        print(
            f"{one.cell.features:18} {one.cell.model:23} {one.plain_s:8.1f} {one.ours_s:7.1f} "
            f"{one.plain_s / one.ours_s:6.1f} {one.plain:7.3f} {one.plain_calibrated:8.3f} "
            f"{one.ours:7.3f}"
        )
    total_plain = sum(one.plain_s for one in outcomes)
    total_ours = sum(one.ours_s for one in outcomes)
    means = np.mean([[one.plain, one.plain_calibrated, one.ours] for one in outcomes], axis=0)
    n_grid = len(MODEL_NAMES) * len(SETS) * N_FOLDS
    print(
        f"\nProcessor time: {total_plain:.0f} s plain, {total_ours:.0f} s ours, a ratio of "
        f"{total_plain / total_ours:.1f}; the grid of {n_grid} cells at these means: "
        f"{total_plain / len(outcomes) * n_grid / 3600:.1f} h and "
        f"{total_ours / len(outcomes) * n_grid / 3600:.2f} h."
    )
    print(
        f"Mean outer log loss: {means[0]:.3f} plain, {means[1]:.3f} plain and calibrated, "
        f"{means[2]:.3f} ours: ours minus plain {means[2] - means[0]:+.3f}, minus calibrated "
        f"{means[2] - means[1]:+.3f}."
    )


if __name__ == "__main__":
    main()
