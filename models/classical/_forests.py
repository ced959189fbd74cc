"""Forests of trees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from optuna.distributions import CategoricalDistribution, IntDistribution
from sklearn.base import BaseEstimator
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

from features import BlockSchema
from models._registry import ModelSpec, register_model
from models._settings import ModelSettings
from models.classical._pipeline import make_classical

__all__: list[str] = []


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
