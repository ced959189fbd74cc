"""Linear and kernel models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optuna.distributions import FloatDistribution
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression

from features import BlockSchema
from models._registry import ModelSpec, register_model
from models._settings import ModelSettings
from models.classical._pipeline import make_classical
from models.classical._vector_machine import CalibratedVectorMachine

__all__: list[str] = []


@register_model("logistic_regression")
class LogisticRegressionSpec(ModelSpec):
    """Multinomial logistic regression with an L2 penalty."""

    title = "Multinomial logistic regression, L2 penalty"
    family = "linear"
    # Six decades around the usual 1: on standardised columns the optimum of a few hundred
    # patients lies between heavy shrinkage (wide blocks) and nearly none (a handful of columns).
    search_space = {"C": FloatDistribution(1e-4, 1e2, log=True)}
    defaults = {"C": 0.1}

    def build(
        self,
        blocks: Sequence[BlockSchema],
        *,
        params: Mapping[str, Any],
        random_state: int,
        settings: ModelSettings,
    ) -> BaseEstimator:
        """Build the pipeline with ``class_weight="balanced"``."""
        classifier = LogisticRegression(
            C=params["C"], class_weight="balanced", max_iter=2000, random_state=random_state
        )
        return make_classical(
            blocks, classifier, scale=True, settings=settings, random_state=random_state
        )

    def estimate_fit_s(self, n_samples: int, n_columns: int, settings: ModelSettings) -> float:  # noqa: ARG002  # no setting matters
        """Grow with the cells of the matrix."""
        return 0.03 + 1e-6 * n_samples * n_columns


@register_model("svm")
class SupportVectorMachine(ModelSpec):
    """Support vector machine with a radial basis, calibrated inside the training part."""

    # Platt's sigmoids give the frequencies of the classes back.
    balanced = False
    title = "Support vector machine, RBF kernel, Platt-calibrated"
    family = "kernel"
    # Hsu, Chang & Lin, A Practical Guide to Support Vector Classification: exponential grids
    # of C and gamma, here around gamma = 1 / (n_columns × variance).
    search_space = {
        "C": FloatDistribution(1e-2, 1e2, log=True),
        "gamma_factor": FloatDistribution(0.03, 3.0, log=True),
    }
    defaults = {"C": 1.0, "gamma_factor": 1.0}

    def build(
        self,
        blocks: Sequence[BlockSchema],
        *,
        params: Mapping[str, Any],
        random_state: int,
        settings: ModelSettings,
    ) -> BaseEstimator:
        """Build the pipeline: margins with balanced weights, then Platt's sigmoid."""
        classifier = CalibratedVectorMachine(**params, random_state=random_state)
        return make_classical(
            blocks, classifier, scale=True, settings=settings, random_state=random_state
        )

    def estimate_fit_s(self, n_samples: int, n_columns: int, settings: ModelSettings) -> float:  # noqa: ARG002  # no setting matters
        """Grow with the pairs of cases."""
        return 0.05 + 2e-8 * n_samples**2 * n_columns
