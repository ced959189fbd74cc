"""Trials of unfinished cells are kept in the run folder, and only as long as they are needed."""

from __future__ import annotations

import itertools
import json

import pandas as pd
import pytest

from benchmark._run import run
from benchmark.experiment._inner import InnerFolds

from support import prepared

N_TRIALS = 4


@pytest.fixture
def ready(small_cohort):
    return prepared(
        small_cohort,
        ["clinical"],
        ["logistic_regression", "lightgbm"],
        inner={"n_splits": 2, "n_trials": N_TRIALS},
        final_models="none",
    )


def start(ready, folder, calls=None):
    """Run; return how many trials were made."""
    made = itertools.count()
    score = InnerFolds.score

    def counting(self, params, report):
        if next(made) == calls:
            raise KeyboardInterrupt
        return score(self, params, report)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(InnerFolds, "score", counting)
        run(ready, out=folder, n_jobs=1, use_cache=False)
    return next(made)


def test_a_stopped_run_repeats_no_trial_and_ends_in_the_same_bytes(ready, tmp_path):
    """Stopped in the third trial of a cell, a run goes on with the third trial of that cell."""
    whole = start(ready, tmp_path / "whole")
    assert whole == 2 * 3 * N_TRIALS
    with pytest.raises(KeyboardInterrupt):
        start(ready, tmp_path / "stopped", calls=N_TRIALS + 2)
    journals = list((tmp_path / "stopped" / "work" / "studies").glob("*.journal"))
    assert len(journals) == 1
    # One cell is done; of the next, two trials are.
    assert start(ready, tmp_path / "stopped") == whole - N_TRIALS - 2
    for name in ("scores.parquet", "predictions.parquet", "trials.parquet"):
        assert (tmp_path / "stopped" / name).read_bytes() == (
            tmp_path / "whole" / name
        ).read_bytes()
    assert not (tmp_path / "stopped" / "work").exists()


def test_every_trial_is_in_the_table(ready, tmp_path):
    """Requested trials are completed, pruned or failed, and the chosen one has the lowest loss."""
    start(ready, tmp_path / "run")
    trials = pd.read_parquet(tmp_path / "run" / "trials.parquet")
    plan = pd.read_parquet(tmp_path / "run" / "plan.parquet")
    counts = trials.groupby(["features", "model", "repeat", "fold"]).size()
    assert (counts == N_TRIALS).all()
    assert len(counts) == len(plan) == 6
    for cell in plan.itertuples():
        own = trials[(trials["model"] == cell.model) & (trials["fold"] == cell.fold)]
        best = own.loc[own["loss"].idxmin()]
        assert json.loads(best["params"]) == json.loads(cell.params)
        assert (own["state"] == "complete").sum() == cell.n_trials_completed
        assert cell.n_trials_requested == cell.n_trials_completed + cell.n_trials_pruned
        assert cell.cpu_time_s > 0
        if cell.model == "lightgbm":
            assert 1 <= json.loads(cell.params)["n_rounds"] <= 15


def test_studies_of_a_shared_storage_bear_the_name_of_the_run(small_cohort, tmp_path):
    """Two runs that differ in a number do not share trials; moving the folder changes nothing."""
    import optuna

    url = f"sqlite:///{tmp_path / 'studies.db'}"
    for seed, folder in ((0, "a"), (0, "b"), (1, "c")):
        one = prepared(
            small_cohort,
            ["clinical"],
            ["logistic_regression"],
            inner={"n_splits": 2, "n_trials": 2, "storage": url},
            final_models="none",
            seed=seed,
        )
        run(one, out=tmp_path / folder, n_jobs=1, use_cache=False)
    names = optuna.get_all_study_names(url)
    # Three folds of two runs: the second run is the first one in another folder.
    assert len(names) == 6
    assert len({name.split("/")[0] for name in names}) == 2
