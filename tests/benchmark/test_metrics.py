"""Metrics agree with scikit-learn, and weights mean repeated cases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from benchmark.evaluation.metrics import METRICS, Predictions, evaluate, weighted_auc

POSITIVE = 2


def simulated(seed: int, *, n: int = 120, n_repeats: int = 1, n_folds: int = 3) -> Predictions:
    rng = np.random.default_rng(seed)
    y_true = rng.permutation(np.repeat([0, 1, 2], n // 3))
    logits = rng.normal(size=(n_repeats, n, 3)) + 1.2 * np.eye(3)[y_true]
    proba = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    folds = np.stack([rng.permutation(np.arange(n) % n_folds) for _ in range(n_repeats)])
    # Ties are where AUC definitions differ.
    proba = np.round(proba, 2) + 0.01
    return Predictions(y_true, proba / proba.sum(axis=2, keepdims=True), folds, POSITIVE)


def value(name: str, predictions: Predictions) -> float:
    return float(evaluate(METRICS[name], predictions)[0])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("f1_macro", lambda y, p: reference.f1_score(y, p.argmax(1), average="macro")),
        ("f1_weighted", lambda y, p: reference.f1_score(y, p.argmax(1), average="weighted")),
        ("balanced_accuracy", lambda y, p: reference.balanced_accuracy_score(y, p.argmax(1))),
        ("sensitivity", lambda y, p: reference.recall_score(y == 2, p.argmax(1) == 2)),
        ("specificity", lambda y, p: reference.recall_score(y != 2, p.argmax(1) != 2)),
        ("log_loss", lambda y, p: reference.log_loss(y, p)),
        ("brier", lambda y, p: reference.brier_score_loss(y, p, labels=[0, 1, 2])),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_pooled_metrics_equal_scikit_learn(name, expected, seed):
    """Each pooled metric is scikit-learn's metric of the same name."""
    predictions = simulated(seed)
    wanted = expected(predictions.y_true, predictions.y_proba[0])
    assert value(name, predictions) == pytest.approx(wanted, abs=1e-6)


def per_fold_auc(predictions: Predictions, k: int) -> float:
    scores = [
        reference.roc_auc_score(
            predictions.y_true[folds == fold] == k, predictions.y_proba[repeat, folds == fold, k]
        )
        for repeat, folds in enumerate(predictions.folds)
        for fold in np.unique(folds)
    ]
    return float(np.mean(scores))


@pytest.mark.parametrize("n_repeats", [1, 3])
def test_auc_is_the_mean_over_folds_of_scikit_learns(n_repeats):
    """ROC AUC, of the positive class and macro, is averaged over outer folds and repeats."""
    predictions = simulated(5, n_repeats=n_repeats)
    assert value("roc_auc", predictions) == pytest.approx(per_fold_auc(predictions, POSITIVE))
    macro = np.mean([per_fold_auc(predictions, k) for k in range(3)])
    assert value("roc_auc_macro", predictions) == pytest.approx(macro)


def test_scores_of_different_folds_are_never_ranked_against_each_other():
    """A shift of one fold's scores leaves the AUC as it was; a pooled AUC would fall."""
    predictions = simulated(1)
    shifted = predictions.y_proba.copy()
    rows = predictions.folds[0] == 0
    shifted[0, rows, POSITIVE] += 5.0
    moved = Predictions(predictions.y_true, shifted, predictions.folds, POSITIVE)
    assert value("roc_auc", moved) == value("roc_auc", predictions)
    positives = predictions.y_true == POSITIVE
    pooled = reference.roc_auc_score(positives, shifted[0, :, POSITIVE])
    assert pooled < value("roc_auc", predictions) - 0.05


@pytest.mark.parametrize("name", list(METRICS))
def test_a_weight_of_two_is_a_case_that_stands_twice(name):
    """Integer weights give what repeating the cases gives: the bootstrap is a true one."""
    predictions = simulated(2)
    weights = np.random.default_rng(0).integers(0, 3, size=len(predictions.y_true))
    rows = np.repeat(np.arange(len(weights)), weights)
    repeated = Predictions(
        predictions.y_true[rows],
        predictions.y_proba[:, rows],
        predictions.folds[:, rows],
        POSITIVE,
    )
    weighted = evaluate(METRICS[name], predictions, weights[None].astype(float))[0]
    assert weighted == pytest.approx(value(name, repeated))


@pytest.mark.parametrize("name", list(METRICS))
def test_scores_stay_in_their_range_and_reward_skill(name):
    """Every score lies in its declared range, and a perfect prediction is its best value."""
    metric = METRICS[name]
    predictions = simulated(3)
    assert metric.low <= value(name, predictions) <= metric.high
    certain = np.eye(3)[predictions.y_true][None]
    perfect = Predictions(predictions.y_true, certain, predictions.folds, POSITIVE)
    best = metric.high if metric.greater_is_better else metric.low
    assert value(name, perfect) == pytest.approx(best, abs=1e-6)


def test_repeats_share_a_case_and_make_no_ensemble():
    """Each case counts once; losses of the repeats are averaged, not their probabilities."""
    predictions = simulated(4, n_repeats=4)
    y, p = predictions.y_true, predictions.y_proba
    every = np.concatenate([one.argmax(1) for one in p])
    expected = reference.f1_score(np.tile(y, 4), every, average="macro")
    assert value("f1_macro", predictions) == pytest.approx(expected)
    losses = [reference.log_loss(y, one) for one in p]
    assert value("log_loss", predictions) == pytest.approx(np.mean(losses))
    assert value("log_loss", predictions) > reference.log_loss(y, p.mean(axis=0)) + 0.05
    sevenfold = Predictions(y, np.tile(p[:1], (7, 1, 1)), np.tile(predictions.folds[:1], (7, 1)), 2)
    weights = np.random.default_rng(0).integers(0, 3, size=(20, len(y))).astype(float)
    once = Predictions(y, p[:1], predictions.folds[:1], 2)
    for metric in METRICS.values():
        assert evaluate(metric, sevenfold, weights) == pytest.approx(
            evaluate(metric, once, weights)
        )


def test_brier_of_two_classes_is_the_usual_one():
    """Of two classes the score lies in 0 to 1 and is scikit-learn's binary Brier score."""
    rng = np.random.default_rng(0)
    y, risk = rng.integers(0, 2, 50), rng.random(50)
    predictions = Predictions(
        y, np.stack([1 - risk, risk], axis=1)[None], np.zeros((1, 50), int), 1
    )
    assert value("brier", predictions) == pytest.approx(reference.brier_score_loss(y, risk))


def test_auc_without_positives_is_not_a_number():
    """Where one side is missing the AUC is undefined, not 0.5 and not an error."""
    score = np.array([0.1, 0.4, 0.9])
    auc = weighted_auc(np.array([True, False, True]), score, np.array([[1.0, 0, 1], [1, 1, 1]]))
    assert np.isnan(auc[0])
    assert auc[1] == 0.5


@given(st.integers(0, 10_000))
def test_auc_ignores_monotone_rescaling(seed):
    """The AUC depends on the order of the scores alone."""
    rng = np.random.default_rng(seed)
    observed = np.array([True] * 5 + [False] * 7)
    score = np.round(rng.normal(size=12), 1)
    ones = np.ones((1, 12))
    assert weighted_auc(observed, score, ones) == weighted_auc(observed, np.exp(3 * score), ones)
