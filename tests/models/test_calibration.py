"""Calibration of class probabilities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.metrics import log_loss, roc_auc_score

from models import ProbabilityCalibrator


def draw(n: int, *, slope: float = 1.0, shift: tuple[float, ...] = (0.0, 0.0, 0.0), seed: int = 0):
    """Labels, and probabilities that are wrong by a known slope and known shifts."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (n, 3))
    truth = softmax(logits, axis=1)
    labels = np.asarray([rng.choice(3, p=row) for row in truth])
    return labels, softmax(slope * logits + np.asarray(shift), axis=1), truth


@pytest.mark.parametrize("slope", [0.5, 1.0, 2.0])
def test_slope_and_shifts_that_were_put_in_are_taken_out(slope):
    """The inverse of a known distortion is found, up to sampling error."""
    labels, proba, _ = draw(20_000, slope=slope, shift=(0.0, 0.5, -0.5))
    found = ProbabilityCalibrator().fit(proba, labels)
    # The smallest probabilities are lifted a little, which costs a few per cent of slope.
    assert found.slope_ == pytest.approx(1 / slope, rel=0.08)
    assert found.shift_ == pytest.approx(np.array([0.0, -0.5, 0.5]) / slope, abs=0.08)


def test_base_rates_come_back_after_balancing():
    """Mean calibrated probabilities equal the class frequencies."""
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1, 2], [700, 200, 100])
    proba = softmax(rng.normal(0, 1, (1000, 3)) + 2 * np.eye(3)[labels], axis=1)
    calibrated = ProbabilityCalibrator().fit(proba, labels).transform(proba)
    assert calibrated.mean(axis=0) == pytest.approx([0.7, 0.2, 0.1], abs=0.005)


@given(st.integers(0, 2**16), st.integers(4, 60))
@settings(max_examples=30, deadline=None)
def test_two_classes_keep_their_ranking(seed, n):
    """With two classes a higher risk stays a higher risk, whatever the labels."""
    rng = np.random.default_rng(seed)
    risk = np.sort(rng.random(n))
    labels = rng.integers(0, 2, n)
    proba = np.column_stack([1 - risk, risk])
    calibrated = ProbabilityCalibrator().fit(proba, labels).transform(proba)[:, 1]
    assert (np.diff(calibrated) >= 0).all()
    assert ((calibrated > 0) & (calibrated < 1)).all()


def test_a_model_that_is_wrong_about_everything_is_flattened_not_reversed():
    """Where high risks go with the other class, the slope falls towards 0 and stays positive."""
    risk = np.linspace(0.05, 0.95, 60)
    labels = (risk < 0.5).astype(int)
    proba = np.column_stack([1 - risk, risk])
    found = ProbabilityCalibrator().fit(proba, labels)
    calibrated = found.transform(proba)[:, 1]
    assert 0 < found.slope_ < 0.2
    assert roc_auc_score(labels, calibrated) == roc_auc_score(labels, risk)


def test_probabilities_of_zero_and_one_stay_finite_and_ordered():
    """A forest's certain vote costs a finite loss afterwards."""
    proba = np.array([[1.0, 0.0], [0.0, 1.0], [0.9999, 0.0001], [0.5, 0.5]])
    calibrated = ProbabilityCalibrator().fit(proba, [1, 0, 0, 1]).transform(proba)
    assert np.isfinite(log_loss([1, 0, 0, 1], calibrated))
    assert calibrated[0, 1] < calibrated[2, 1] < calibrated[3, 1] < calibrated[1, 1]


def test_calibrating_lowers_the_loss_on_further_cases():
    """Parameters learnt on one sample help on another."""
    labels, proba, _ = draw(300, slope=3.0, shift=(0.8, 0.0, -0.8))
    further, wrong, _ = draw(3000, slope=3.0, shift=(0.8, 0.0, -0.8), seed=9)
    mended = ProbabilityCalibrator().fit(proba, labels).transform(wrong)
    assert log_loss(further, mended) < log_loss(further, wrong) - 0.1


def test_known_base_rates_are_taken_back_without_evidence():
    """With no more than two cases the shift is the one that undoes the class weights."""
    rates = np.array([0.7, 0.2, 0.1])
    proba = np.full((2, 3), 1 / 3)
    found = ProbabilityCalibrator(rates, pull=10.0).fit(proba, [0, 1])
    assert found.transform(proba[:1])[0] == pytest.approx(rates, abs=0.05)


def test_evidence_outweighs_the_base_rates():
    """Among thousands of cases, wrong base rates are forgotten."""
    labels, proba, _ = draw(5000)
    told, untold = (
        ProbabilityCalibrator(rates, pull=10.0).fit(proba, labels)
        for rates in ([0.8, 0.1, 0.1], None)
    )
    assert told.shift_ == pytest.approx(untold.shift_, abs=0.05)


def test_overconfidence_is_learnt_even_where_the_shift_is_held():
    """A strong pull on the shifts leaves the slope free."""
    labels, proba, _ = draw(120, slope=2.0)
    free, held = (ProbabilityCalibrator(pull=pull).fit(proba, labels) for pull in (1.0, 100.0))
    assert np.abs(held.shift_).max() < 0.1
    assert held.slope_ == pytest.approx(free.slope_, rel=0.1)
    assert held.slope_ < 0.75


def test_risks_that_hardly_differ_are_not_made_to_look_sharp():
    """A flattened classifier keeps a loss near that of the class frequencies."""
    rng = np.random.default_rng(4)
    labels = np.repeat([0, 1], 100)
    risk = 0.5 + 1e-3 * (labels - 0.5) + rng.normal(0, 2e-4, 200)
    proba = np.column_stack([1 - risk, risk])
    assert roc_auc_score(labels, risk) > 0.99
    found = ProbabilityCalibrator().fit(proba, labels)
    assert found.slope_ <= 4.0 + 1e-9
    assert log_loss(labels, found.transform(proba)) > 0.68
