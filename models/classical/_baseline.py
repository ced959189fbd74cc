"""The row that knows nothing but how common each class is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.dummy import DummyClassifier

from features import BlockSchema
from models._registry import ModelSpec, register_model
from models._settings import ModelSettings
from models.classical._pipeline import make_classical

__all__: list[str] = []


@register_model("dummy")
class Dummy(ModelSpec):
    """Class frequencies of the training part for everybody: what every row must beat."""

    title = "Class frequencies, blind to the features"
    family = "baseline"
    # Class frequencies are what they are.
    recalibrated = False

    def build(
        self,
        blocks: Sequence[BlockSchema],
        *,
        params: Mapping[str, Any],  # noqa: ARG002  # nothing to tune
        random_state: int,
        settings: ModelSettings,
    ) -> BaseEstimator:
        """Build the pipeline; the features are encoded and then ignored."""
        classifier = DummyClassifier(strategy="prior", random_state=random_state)
        return make_classical(
            blocks, classifier, scale=False, settings=settings, random_state=random_state
        )

    def estimate_fit_s(self, n_samples: int, n_columns: int, settings: ModelSettings) -> float:  # noqa: ARG002  # constant
        """Return the cost of the encoding."""
        return 0.02
