"""Folds keep patients whole, classes balanced, and stop where a class is too small."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark import load_config
from benchmark.experiment import fold_notes, grouped_folds, outer_splits
from cohorts import BenchmarkError


def config(**outer: int):
    return load_config(None, {"outer": {"n_splits": 3, "n_repeats": 2, **outer}})


def test_every_case_is_tested_once_in_each_repeat(small_cohort):
    """The test folds of a repeat are a partition of the cases."""
    splits = outer_splits(small_cohort, config())
    for repeat in (0, 1):
        tested = np.concatenate([one.test for one in splits if one.repeat == repeat])
        assert sorted(tested.tolist()) == list(range(small_cohort.n_cases))
    first, second = (one.test for one in splits if one.fold == 0)
    assert first.tolist() != second.tolist()


@given(st.integers(0, 10_000))
def test_patients_stay_whole(seed):
    """Whatever the number of cases of a patient, no patient is on both sides of a fold."""
    rng = np.random.default_rng(seed)
    patients = np.repeat(np.arange(40), rng.integers(1, 5, size=40))
    y = rng.permutation(40)[patients] % 3
    for train, test in grouped_folds(y, patients, n_splits=3, random_state=seed):
        assert not set(patients[train]) & set(patients[test])
        assert len(train) + len(test) == len(patients)


def test_classes_are_spread_evenly(small_cohort):
    """Every test fold has about a third of every class."""
    for split in outer_splits(small_cohort, config()):
        counts = np.bincount(small_cohort.labels[split.test], minlength=3)
        assert (np.abs(counts - 10) <= 2).all()


def test_a_patient_with_several_classes_counts_by_the_worst(small_cohort):
    """A patient with a malignant and a benign case is stratified as malignant."""
    from benchmark.experiment._splits import _worst_class

    labels = small_cohort.labels.copy()
    labels[0], labels[60] = 1, 2
    assert small_cohort.patients[0] == small_cohort.patients[60]
    worst = _worst_class(replace(small_cohort, labels=labels))
    assert worst[0] == worst[60] == worst[labels == 2][0]


def test_a_class_smaller_than_the_folds_is_refused(small_cohort):
    """The message has the class, its patients, the folds, and what to do."""
    few = np.flatnonzero((small_cohort.labels != 2) | (np.arange(90) < 6))
    tiny = small_cohort.take(few)
    message = r"class 'malignant' has 2 patient\(s\), too few for 3 outer .* Leave the class out"
    with pytest.raises(BenchmarkError, match=message):
        outer_splits(tiny, config())


def test_few_patients_in_a_fold_are_warned_about(small_cohort):
    """Fewer than five patients of a class in some test fold: the page says so."""
    splits = outer_splits(small_cohort, config())
    assert fold_notes(small_cohort, splits) == ()
    few = small_cohort.take(np.flatnonzero((small_cohort.labels != 2) | (np.arange(90) < 36)))
    (note,) = fold_notes(few, outer_splits(few, config()))
    assert (note.code, note.severity) == ("small-class", "warning")
    assert "only 4 patient(s) of class 'malignant'" in note.text


def test_same_seed_same_folds(small_cohort):
    """Folds are a function of cohort and seed."""
    one, same = (outer_splits(small_cohort, config()) for _ in range(2))
    assert all((a.test == b.test).all() for a, b in zip(one, same, strict=True))
    moved = load_config(None, {"seed": 5, "outer": {"n_splits": 3, "n_repeats": 2}})
    other = outer_splits(small_cohort, moved)
    assert any(a.test.tolist() != b.test.tolist() for a, b in zip(one, other, strict=True))
