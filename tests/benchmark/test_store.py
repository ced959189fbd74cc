"""The run folder: whole files only, and never two runs in one."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from benchmark.experiment import CellResult, RunStore
from cohorts import BenchmarkError, write_atomically
from features import EXTRACTORS, FeatureCache, build_blocks

from support import prepared


@pytest.fixture
def ready(small_cohort):
    return prepared(small_cohort, ["tabular"], ["svm"])


@pytest.fixture
def store(tmp_path, ready) -> RunStore:
    store = RunStore(tmp_path / "run")
    store.begin(ready.config, ready.cohort, ready.plan, {})
    return store


def result(cell, **changes) -> CellResult:
    proba = [[0.1, 0.2, 0.7], [1 / 3, 1 / 3, 1 / 3]]
    return replace(CellResult(cell, "ok", test=[3, 1], proba=proba, params={"C": 0.1}), **changes)


def test_a_cell_reads_back_to_the_bit(store, ready):
    """Probabilities keep every bit, names can hold anything."""
    cell = replace(ready.plan.cells[0], features="a/b: ü+c")
    store.write(result(cell))
    assert store.read(cell) == result(cell)


def test_failures_are_tried_again(store, ready):
    """Only cells that ended well count as done."""
    good, bad, never = ready.plan.cells
    store.write(result(good))
    store.write(result(bad, status="failed", reason="no memory"))
    assert list(store.completed([good, bad, never])) == [good]


def test_a_damaged_cell_counts_as_not_run(store, ready):
    """A truncated or altered file is computed again, never trusted."""
    cell = ready.plan.cells[0]
    store.write(result(cell))
    (path,) = (store.folder / "cells").iterdir()
    path.write_text(path.read_text()[:-20])
    assert store.read(cell) is None
    store.write(result(cell))
    stored = json.loads(path.read_text())
    path.write_text(json.dumps({**stored, "surprise": 1}))
    assert store.read(cell) is None


def test_a_stopped_write_leaves_the_old_file(tmp_path, monkeypatch):
    """If writing breaks off, the file holds what it held, and nothing is left beside it."""
    path = tmp_path / "a.json"
    write_atomically(path, b"old")

    def broken(_):
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", broken)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"seed": 1}, "seed"),
        ({"outer": {"n_splits": 4}}, "outer"),
        ({"feature_options": {"radiomics": {"n_levels": 8}}}, "feature_options"),
    ],
)
def test_another_run_does_not_mix_in(store, small_cohort, changes, named):
    """The folder of one config is refused to another, naming what differs."""
    other = prepared(small_cohort, ["tabular"], ["svm"], **changes)
    with pytest.raises(BenchmarkError, match=rf"holds another run \(different: {named}\)"):
        store.check(other.config, small_cohort, other.plan)


def test_other_data_do_not_mix_in(store, ready, small_cohort):
    """The same config on changed data is another run."""
    changed = small_cohort.take(range(89))
    with pytest.raises(BenchmarkError, match=r"\(different: the data\)"):
        store.check(ready.config, changed, ready.plan)


def test_rows_may_be_added_and_intervals_changed(store, small_cohort):
    """More models, more feature sets, or another number of resamples continue the run."""
    more = prepared(
        small_cohort, ["tabular", "clinical"], ["svm", "knn"], evaluation={"n_resamples": 300}
    )
    store.update_description(wall_time_s=12.0)
    store.begin(more.config, small_cohort, more.plan, {})
    description = store.read_description()
    assert description["config"]["models"] == ["svm", "knn"]
    assert description["wall_time_s"] == 12.0


def test_data_may_have_moved(store, ready):
    """The same cases from another path continue the run; the fingerprint knows them."""
    moved = replace(ready.config, cohort=replace(ready.config.cohort, data="elsewhere"))
    store.check(moved, ready.cohort, ready.plan)
    other = replace(ready.config, cohort=replace(ready.config.cohort, options={"seed": 5}))
    with pytest.raises(BenchmarkError, match=r"\(different: cohort\.options\)"):
        store.check(other, ready.cohort, ready.plan)


def test_finished_rows_are_not_dropped(store, small_cohort):
    """A start that leaves out a row of the folder is refused: none disappears."""
    other = prepared(small_cohort, ["tabular"], ["knn"])
    with pytest.raises(BenchmarkError, match=r"holds 1 row\(s\) that .* 'svm' on 'tabular'"):
        store.check(other.config, small_cohort, other.plan)


def test_other_versions_do_not_mix_in(store, ready):
    """Cells of another scikit-learn are not scored beside new ones."""
    versions = store.read_description()["versions"]
    store.update_description(versions=versions | {"scikit-learn": "0.1"})
    with pytest.raises(BenchmarkError, match=r"\(different: the version of scikit-learn\)"):
        store.check(ready.config, ready.cohort, ready.plan)


def test_other_features_do_not_mix_in(store, ready, small_cohort, monkeypatch):
    """A new version of an extractor is noticed before a cell runs on it, and locks nothing."""

    def blocks():
        return build_blocks(
            small_cohort, ["radiomics"], options={}, cache=FeatureCache(None), random_state=0
        )

    def begin(one):
        store.begin(one.config, small_cohort, one.plan, blocks())

    begin(ready)
    begin(ready)
    original = EXTRACTORS.get("radiomics").version
    monkeypatch.setattr(type(EXTRACTORS.get("radiomics")), "version", 99)
    more = prepared(small_cohort, ["tabular"], ["svm", "knn"])
    with pytest.raises(BenchmarkError, match="holds cells on other features: 'radiomics'"):
        begin(more)
    # The refused start owes no rows: the run goes on as it was begun.
    monkeypatch.setattr(type(EXTRACTORS.get("radiomics")), "version", original)
    begin(ready)


def test_foreign_folders_are_left_alone(tmp_path, ready):
    """A folder that holds something else is refused, not filled."""
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(BenchmarkError, match=r"is not empty and holds no run"):
        RunStore(tmp_path).check(ready.config, ready.cohort, ready.plan)


def test_what_is_no_run_is_said(tmp_path, store):
    """A missing, damaged or newer ``run.json`` ends in a sentence."""
    with pytest.raises(BenchmarkError, match=r"is not a run folder: it has no run\.json"):
        RunStore(tmp_path).read_description()
    with pytest.raises(BenchmarkError, match=r"The run folder '.*nowhere' does not exist"):
        RunStore(tmp_path / "nowhere").read_description()
    with pytest.raises(BenchmarkError, match=r"has no predictions\.parquet: the run has not ended"):
        store.read_table("predictions")
    path = store.folder / "run.json"
    path.write_text('{"schema_version": 99, "versions": {"sonobench": "9"}}')
    with pytest.raises(BenchmarkError, match=r"has schema version 99; this sonobench reads vers"):
        store.read_description()
    path.write_text("{")
    with pytest.raises(BenchmarkError, match=r"run\.json is damaged"):
        store.read_description()


def test_no_patient_value_is_described(store, small_cohort):
    """``run.json`` counts patients and columns and holds no id and no value."""
    text = (store.folder / "run.json").read_text()
    assert "p001" not in text
    assert "c001" not in text
    assert json.loads(text)["cohort"]["n_patients"] == small_cohort.n_patients
