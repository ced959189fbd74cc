"""Thresholds that keep a sensitivity."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from benchmark.evaluation.metrics import Predictions
from benchmark.evaluation.operating_points import (
    choose_threshold,
    operating_point_of,
    sensitivity_and_specificity,
)


@pytest.mark.parametrize(
    ("n_positives", "target", "n_allowed"),
    # Largest k with BinomCDF(k; m, 1 - target) <= 0.10.
    [(45, 0.95, 0), (60, 0.95, 0), (100, 0.95, 1), (200, 0.95, 5), (22, 0.90, 0), (300, 0.98, 2)],
)
def test_misses_allowed_follow_the_binomial_tail(n_positives, target, n_allowed):
    """The threshold lets exactly the misses through that the rule supports."""
    risk = np.linspace(0.1, 0.9, n_positives)
    point = choose_threshold(np.ones(n_positives), risk, target_sensitivity=target)
    assert binom.cdf(n_allowed, n_positives, 1 - target) <= 0.10
    assert binom.cdf(n_allowed + 1, n_positives, 1 - target) > 0.10
    assert point.n_missed == n_allowed
    assert (risk < point.threshold).sum() == n_allowed


@pytest.mark.parametrize(("n_positives", "target"), [(44, 0.95), (20, 0.9), (0, 0.9)])
def test_too_few_positives_support_no_threshold(n_positives, target):
    """Where even no miss would not prove the target, there is no threshold rather than a guess."""
    risk = np.linspace(0.1, 0.9, n_positives + 10)
    labels = np.r_[np.ones(n_positives), np.zeros(10)]
    point = choose_threshold(labels, risk, target_sensitivity=target)
    assert point.threshold is None
    assert point.n_positives == n_positives


def test_sensitivity_on_further_patients_reaches_the_target_in_nine_of_ten_samples():
    """The guarantee holds on simulated patients, where the empirical quantile misses it in half."""
    rng = np.random.default_rng(0)
    reached = []
    for _ in range(400):
        positives = rng.random(150)
        point = choose_threshold(np.ones(150), positives, target_sensitivity=0.9)
        # Risks are uniform, so that the true sensitivity is one minus the threshold.
        reached.append(1 - point.threshold >= 0.9)
    assert np.mean(reached) >= 0.88


def test_counts_at_a_threshold():
    """A risk equal to the threshold is flagged."""
    counts = sensitivity_and_specificity([1, 1, 0, 0, 0], [0.5, 0.4, 0.5, 0.1, 0.2], threshold=0.5)
    assert counts == ((1, 2), (2, 3))


@pytest.mark.parametrize("wrong", [{"target_sensitivity": 1.0}, {"target_sensitivity": 95.0}])
def test_targets_outside_of_the_unit_interval_are_refused(wrong):
    """A percentage is no proportion."""
    with pytest.raises(ValueError, match="must lie inside"):
        choose_threshold([1], [0.5], **wrong)


def test_a_patient_counts_once_by_the_lowest_of_their_risks():
    """Ten cases of a patient are no ten pieces of evidence."""
    rng = np.random.default_rng(1)
    risk = rng.random(600)
    patients = np.repeat(np.arange(60), 10)
    point = choose_threshold(np.ones(600), risk, target_sensitivity=0.95, patients=patients)
    lowest = risk.reshape(60, 10).min(axis=1)
    alone = choose_threshold(np.ones(60), lowest, target_sensitivity=0.95)
    assert point == alone
    assert point.n_positives == 60
    cases_alone = choose_threshold(np.ones(600), risk, target_sensitivity=0.95)
    assert cases_alone.threshold > point.threshold


def test_repeats_are_not_averaged_before_the_threshold():
    """The threshold belongs to one model, whose risks vary more than the mean of five."""
    rng = np.random.default_rng(2)
    truth = rng.random(400) < 0.5
    proba = np.clip(0.3 + 0.3 * truth + rng.normal(0, 0.15, (5, 400)), 0.01, 0.99)
    predictions = Predictions(
        truth.astype(np.intp),
        np.stack([1 - proba, proba], axis=2),
        np.zeros((5, 400), dtype=np.intp),
        positive_index=1,
    )
    point = operating_point_of(predictions, target_sensitivity=0.9)
    each = [choose_threshold(truth, one, target_sensitivity=0.9).threshold for one in proba]
    assert point.threshold == pytest.approx(np.mean(each))
    averaged = choose_threshold(truth, proba.mean(axis=0), target_sensitivity=0.9)
    assert point.threshold < averaged.threshold - 0.05
