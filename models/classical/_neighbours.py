"""Nearest neighbours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optuna.distributions import CategoricalDistribution, IntDistribution
from sklearn.base import BaseEstimator

from features import BlockSchema
from models._registry import ModelSpec, register_model
from models._settings import ModelSettings
from models.classical._pipeline import make_classical
from models.classical._wrappers import BalancedNeighborsClassifier

__all__: list[str] = []


@register_model("knn")
class NearestNeighbours(ModelSpec):
    """Nearest neighbours on standardised columns."""

    title = "k nearest neighbours, votes weighted by class rarity"
    family = "neighbours"
    # About the square root of a few hundred cases, and a factor of three either way.
    search_space = {
        "n_neighbors": IntDistribution(5, 45, step=2),
        "weights": CategoricalDistribution(["uniform", "distance"]),
    }
    defaults = {"n_neighbors": 15, "weights": "distance"}

    def build(
        self,
        blocks: Sequence[BlockSchema],
        *,
        params: Mapping[str, Any],
        random_state: int,
        settings: ModelSettings,
    ) -> BaseEstimator:
        """Build the pipeline."""
        classifier = BalancedNeighborsClassifier(**params)
        return make_classical(
            blocks, classifier, scale=True, settings=settings, random_state=random_state
        )

    def estimate_fit_s(self, n_samples: int, n_columns: int, settings: ModelSettings) -> float:  # noqa: ARG002  # no setting matters
        """Return the cost of the encoding and of one round of distances."""
        return 0.03 + 1e-7 * n_samples * n_columns
