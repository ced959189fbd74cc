"""Forests of trees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import CategoricalDistribution, IntDistribution
from sklearn.base import BaseEstimator, clone
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.utils.class_weight import compute_sample_weight

from features import BlockSchema
from models._growth import Growth, GrowthPlan
from models._registry import ModelSpec, register_model
from models._settings import ModelSettings
from models.classical._pipeline import make_classical

__all__: list[str] = []

# Trees of a candidate while it is tuned: the order of candidates is settled long before the
# probabilities are as smooth as they get.
TUNING_TREES = 100


class _ForestGrowth(Growth):
    """Trees that are added by warm start; they are those that `fit` grows at once."""

    def __init__(self, classifier: Any, X: Any, y: Any, X_held_out: Any) -> None:
        # The same weights as class_weight="balanced", which a warm start warns of.
        self._forest = clone(classifier).set_params(
            warm_start=True, class_weight=None, n_estimators=0
        )
        self._X, self._y, self._held_out = X, y, np.asarray(X_held_out, dtype=np.float32)
        self._weight = compute_sample_weight("balanced", y)
        self.classes_ = np.unique(y)
        self._votes = np.zeros((len(self._held_out), len(self.classes_)))

    def grow(self, n: int) -> NDArray[np.float64]:
        """Add `n` trees and predict."""
        n_before = self._forest.n_estimators
        self._forest.set_params(n_estimators=n_before + n)
        self._forest.fit(self._X, self._y, sample_weight=self._weight)
        for tree in self._forest.estimators_[n_before:]:
            self._votes += tree.predict_proba(self._held_out, check_input=False)
        return np.asarray(self._votes / self._forest.n_estimators)


class _Forest(ModelSpec):
    """What both forests share: leaves and columns per split are what matters for probabilities."""

    family = "forest"
    # Probst, Wright & Boulesteix (2019), WIREs DMKD 9(3): leaf size and columns per split are
    # the tunable ones; the number of trees only needs to be large enough.
    search_space = {
        "min_samples_leaf": IntDistribution(1, 20, log=True),
        "max_features": CategoricalDistribution(["sqrt", "log2", 0.3]),
    }
    defaults = {"min_samples_leaf": 2, "max_features": "sqrt"}
    estimator_type: ClassVar[type]
    seconds_per_tree: ClassVar[float]

    def growth(self, settings: ModelSettings) -> GrowthPlan:
        """Look at every 25 trees; more trees are never worse, so none are chosen."""
        return GrowthPlan(start=_ForestGrowth, step=25, limit=min(TUNING_TREES, settings.n_trees))

    def build(
        self,
        blocks: Sequence[BlockSchema],
        *,
        params: Mapping[str, Any],
        random_state: int,
        settings: ModelSettings,
    ) -> BaseEstimator:
        """Build the pipeline with ``class_weight="balanced"``."""
        classifier = self.estimator_type(
            n_estimators=settings.n_trees,
            class_weight="balanced",
            n_jobs=1,
            random_state=random_state,
            **params,
        )
        return make_classical(
            blocks, classifier, scale=False, settings=settings, random_state=random_state
        )

    def estimate_fit_s(self, n_samples: int, n_columns: int, settings: ModelSettings) -> float:
        """Grow with trees, cases and the square root of the columns."""
        per_tree = self.seconds_per_tree * (n_samples / 200) * float(n_columns**0.25)
        return settings.n_trees * per_tree


@register_model("random_forest")
class RandomForest(_Forest):
    """Random forest."""

    title = "Random forest"
    estimator_type = RandomForestClassifier
    seconds_per_tree = 6e-4


@register_model("extra_trees")
class ExtraTrees(_Forest):
    """Extremely randomised trees."""

    title = "Extremely randomised trees"
    estimator_type = ExtraTreesClassifier
    seconds_per_tree = 4e-4
