"""The bootstrap draws patients, and its intervals cover."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.evaluation.intervals import patient_weights, percentile_interval

PATIENTS = np.array(["a", "a", "b", "c", "d", "e", "e", "f"], dtype=object)
STRATA = np.array([0, 0, 0, 0, 1, 1, 1, 1])


def draw(n_resamples: int = 200, random_state: int = 0) -> np.ndarray:
    return patient_weights(PATIENTS, STRATA, n_resamples=n_resamples, random_state=random_state)


def test_cases_of_a_patient_are_drawn_together():
    """Both cases of patient a, and of patient e, stand equally often in every resample."""
    weights = draw()
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 5] == weights[:, 6]).all()
    assert (weights[:, 0] != weights[:, 2]).any()


def test_each_stratum_keeps_its_number_of_patients():
    """Three patients are drawn of each stratum, in every resample."""
    one_case_each = [0, 2, 3, 4, 5, 7]
    drawn = draw()[:, one_case_each]
    assert (drawn[:, :3].sum(axis=1) == 3).all()
    assert (drawn[:, 3:].sum(axis=1) == 3).all()


def test_same_seed_same_draw():
    """The draw is a function of its seed."""
    assert (draw(random_state=1) == draw(random_state=1)).all()
    assert (draw(random_state=1) != draw(random_state=2)).any()


def test_interval_of_a_mean_covers_as_often_as_it_says():
    """Over 400 samples of 80 patients with two cases each, 95 % intervals cover 91 to 98 %."""
    rng = np.random.default_rng(0)
    patients = np.repeat(np.arange(80), 2).astype(object)
    covered = 0
    for trial in range(400):
        values = np.repeat(rng.normal(size=80), 2)
        weights = patient_weights(
            patients, np.zeros(160, dtype=int), n_resamples=300, random_state=trial
        )
        low, high = percentile_interval(weights @ values / weights.sum(axis=1), confidence=0.95)
        covered += low <= 0 <= high
    assert 0.91 <= covered / 400 <= 0.98


def test_undefined_resamples_do_not_pretend():
    """If most resamples are undefined there is no interval; a few are left out."""
    mostly = np.array([np.nan] * 6 + [0.5] * 4)
    assert np.isnan(percentile_interval(mostly, confidence=0.95)).all()
    few = np.array([np.nan] + [0.5] * 9)
    assert percentile_interval(few, confidence=0.95) == pytest.approx((0.5, 0.5))
