"""Models that are watched while they grow are the models that are fitted at once."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import make_classification

from models import MODELS, BalancedClassifier, ModelSettings
from models._growth import GrowthPlan
from models.classical._binning import QuantileBinner

SETTINGS = ModelSettings(n_trees=30, max_rounds=60)
GROWING = [spec.name for spec in MODELS if spec.growth(SETTINGS) is not None]


def draw(n_classes: int):
    X, y = make_classification(
        200, 8, n_informative=5, n_classes=n_classes, random_state=3, flip_y=0.2
    )
    return X[:140], y[:140] + 1, X[140:]


def last_step(name: str, **params):
    spec = MODELS.get(name)
    built = spec.build([], params={**spec.defaults, **params}, random_state=4, settings=SETTINGS)
    return built[-1]


def booster_or_forest(classifier):
    return classifier.estimator if isinstance(classifier, BalancedClassifier) else classifier


def test_forests_and_boosting_grow():
    """Every family of trees is watched while it is tuned."""
    families = {MODELS.get(name).family for name in GROWING}
    assert families == {"forest", "boosting"}


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("name", GROWING)
def test_growing_in_steps_gives_what_fitting_at_once_gives(name, n_classes):
    """After every step the probabilities are those of a model of that size."""
    X, y, X_held_out = draw(n_classes)
    spec = MODELS.get(name)
    growth = spec.growth(SETTINGS).start(last_step(name), X, y, X_held_out)
    assert growth.classes_.tolist() == list(range(1, n_classes + 1))
    for size in (10, 25):
        grown = growth.grow(size if size == 10 else 15)
        whole = last_step(name)
        owner = booster_or_forest(whole)
        param = "max_iter" if name == "hist_gradient_boosting" else "n_estimators"
        owner.set_params(**{param: size})
        assert grown == pytest.approx(whole.fit(X, y).predict_proba(X_held_out), abs=1e-6)


@pytest.mark.parametrize("name", [n for n in GROWING if MODELS.get(n).family == "boosting"])
def test_the_number_of_rounds_reaches_the_classifier(name):
    """`build` takes the rounds that were chosen, and all that are allowed where none were."""
    for params, expected in (({"n_rounds": 17}, 17), ({}, SETTINGS.max_rounds)):
        whole = last_step(name, **params)
        owner = booster_or_forest(whole)
        assert (
            owner.get_params().get("n_estimators", owner.get_params().get("max_iter")) == expected
        )


def test_a_plan_without_a_parameter_chooses_nothing():
    """Forests keep their number of trees; only how many are looked at while tuning is less."""
    plan = MODELS.get("random_forest").growth(ModelSettings(n_trees=500))
    assert isinstance(plan, GrowthPlan)
    assert plan.param is None
    assert plan.limit < 500


def test_bins_keep_the_order_and_ties_of_a_column():
    """Equal values share a bin, and no bin goes against the order."""
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=300), rng.integers(0, 3, 300), np.zeros(300)])
    bins = QuantileBinner(n_bins=16).fit_transform(X)
    for j in range(3):
        order = np.argsort(X[:, j], kind="stable")
        assert (np.diff(bins[order, j]) >= 0).all()
        for value in np.unique(X[:, 1]):
            assert len(np.unique(bins[X[:, 1] == value, 1])) == 1
    assert len(np.unique(bins[:, 0])) == 16
    assert np.bincount(bins[:, 0].astype(int)).min() >= 300 // 16 - 2
    assert np.unique(bins[:, 2]).tolist() == [0]


def test_values_beyond_the_training_part_fall_into_the_outermost_bins():
    """New patients may lie outside."""
    binner = QuantileBinner(n_bins=4).fit(np.arange(100.0)[:, None])
    assert binner.transform([[-1e9], [1e9]]).ravel().tolist() == [0.0, 3.0]
