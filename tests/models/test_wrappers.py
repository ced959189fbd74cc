"""Our own classifiers keep scikit-learn's contract and weigh classes by rarity."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier
from sklearn.datasets import make_classification
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import parametrize_with_checks
from xgboost import XGBClassifier

from features import CappedPCA
from models import BalancedClassifier, BalancedNeighborsClassifier, BlockStackingClassifier
from models.classical import FixedLengthMLP

SMALL = {"n_estimators": 10, "n_jobs": 1, "random_state": 0}


@parametrize_with_checks(
    [
        BalancedClassifier(),
        BalancedClassifier(XGBClassifier(verbosity=0, **SMALL)),
        BalancedClassifier(LGBMClassifier(verbosity=-1, min_child_samples=1, **SMALL)),
        BalancedClassifier(FixedLengthMLP((8,), max_iter=400, random_state=0)),
        FixedLengthMLP((8,), max_iter=400, random_state=0),
        BalancedNeighborsClassifier(3),
        BlockStackingClassifier(n_splits=2),
        CappedPCA(2),
    ]
)
def test_scikit_learn_contract(estimator, check):
    """Every wrapper behaves as scikit-learn checks that estimators behave."""
    check(estimator)


@pytest.fixture
def imbalanced() -> tuple[np.ndarray, np.ndarray]:
    return make_classification(
        n_samples=400, n_features=5, n_informative=3, weights=[0.9], flip_y=0.2, random_state=0
    )


def test_balanced_classifier_is_class_weight_balanced(imbalanced):
    """The wrapper gives what scikit-learn's own ``class_weight="balanced"`` gives."""
    X, y = imbalanced
    ours = BalancedClassifier(LogisticRegression()).fit(X, y)
    theirs = LogisticRegression(class_weight="balanced").fit(X, y)
    assert ours.predict_proba(X) == pytest.approx(theirs.predict_proba(X), abs=1e-6)


def test_balanced_classifier_hands_inverse_frequencies_on(imbalanced):
    """Weighted by inverse frequency, the prior of both classes is one half."""
    X, y = imbalanced
    prior = BalancedClassifier(DummyClassifier(strategy="prior")).fit(X, y).predict_proba(X)
    assert prior == pytest.approx(np.full((400, 2), 0.5))


def test_neighbours_of_a_rare_class_weigh_more():
    """One rare neighbour against two common ones wins when the class is three times as rare."""
    X = np.array([[0.0], [0.1], [0.2], [5], [5.1], [5.2], [9], [9.1], [9.2], [9.3], [9.4], [9.5]])
    y = np.array(["rare", "common", "common", *["common"] * 8, "rare"])
    model = BalancedNeighborsClassifier(3).fit(X, y)
    assert model.predict([[0.1]]) == ["rare"]
    votes = np.array([2 * 12 / (2 * 10), 1 * 12 / (2 * 2)]) + 0.5
    assert model.predict_proba([[0.1]])[0] == pytest.approx(votes / votes.sum())


def test_few_rows_are_all_neighbours():
    """Fifteen neighbours of ten rows are ten neighbours, not an error."""
    X, y = np.arange(10.0)[:, None], [0, 1] * 5
    few = BalancedNeighborsClassifier(15).fit(X, y).predict_proba(X)
    assert (few == BalancedNeighborsClassifier(10).fit(X, y).predict_proba(X)).all()


def test_neighbours_are_never_certain():
    """Unanimous neighbours leave the other class a probability above zero."""
    model = BalancedNeighborsClassifier(3).fit([[0], [1], [2], [10], [11], [12]], [0] * 3 + [1] * 3)
    assert 0 < model.predict_proba([[1]])[0, 1] < 0.2


class Recorder(LogisticRegression):
    """Remembers which rows each fitted copy saw, by the value of the first column."""

    fits: list[set[float]] = []  # shared by the clones on purpose

    def fit(self, X, y, sample_weight=None):
        Recorder.fits.append(set(X[:, 0]))
        return super().fit(X, y, sample_weight)


def test_stacking_never_splits_a_patient():
    """In every inner fold of stacking, a patient is wholly in or wholly out."""
    rng = np.random.default_rng(0)
    patients = np.repeat(np.arange(40), 2)
    X = np.column_stack([patients + np.tile([0.0, 0.5], 40), rng.normal(size=(80, 2))])
    Recorder.fits = []
    BlockStackingClassifier([("a", "lr", Recorder())]).fit(X, patients % 2, groups=patients)
    *inner, _ = Recorder.fits
    assert len(inner) == 3
    for seen in inner:
        whole = {np.floor(value) for value in seen}
        assert len(seen) == 2 * len(whole) < 80


def test_stacking_keeps_the_better_model_of_each_block():
    """Per block the candidate with the lower out-of-fold loss is kept, and fusion beats either."""
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, size=300)
    frame = pd.DataFrame({"a": y + rng.normal(size=300), "b": y + rng.normal(size=300)})

    def on(column, model):
        from sklearn.compose import make_column_transformer
        from sklearn.pipeline import make_pipeline

        return make_pipeline(make_column_transformer(("passthrough", [column])), model)

    candidates = [
        (block, name, on(block, model))
        for block in ("a", "b")
        for name, model in [
            ("prior", DummyClassifier(strategy="prior")),
            ("lr", LogisticRegression()),
        ]
    ]
    fused = BlockStackingClassifier(candidates, C=1.0).fit(frame[:200], y[:200])
    assert fused.chosen_ == {"a": "lr", "b": "lr"}
    alone = on("a", LogisticRegression()).fit(frame[:200], y[:200])

    def loss(model):
        return -np.log(model.predict_proba(frame[200:])[np.arange(100), y[200:]]).mean()

    assert loss(fused) < loss(alone)


def test_principal_components_are_capped_by_the_training_part():
    """Ten rows support nine components, whatever was asked for."""
    X = np.random.default_rng(0).normal(size=(10, 50))
    assert CappedPCA(32).fit_transform(X).shape == (10, 9)
