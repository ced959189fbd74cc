"""A small multi-layer perceptron on extracted features."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from optuna.distributions import CategoricalDistribution, FloatDistribution
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from features import BlockSchema
from models._registry import ModelSpec, register_model
from models._settings import ModelSettings
from models.classical._pipeline import make_classical
from models.classical._wrappers import BalancedClassifier

__all__ = ["FixedLengthMLP"]


class FixedLengthMLP(MLPClassifier):
    """scikit-learn's perceptron, trained for all of its epochs.

    A fixed length takes the place of early stopping, which would hold out cases without
    their patients; that the optimiser could have gone on is then no warning.
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> FixedLengthMLP:
        """Fit on features of shape (n_samples, n_features) and labels of shape (n_samples,)."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            super().fit(X, y, sample_weight)
        return self


@register_model("mlp")
class MultiLayerPerceptron(ModelSpec):
    """One hidden layer on standardised columns."""

    title = "Multi-layer perceptron on extracted features"
    family = "neural"
    # One layer and a strong weight decay: with a few hundred cases the decay is what matters. From
    # about ten it leaves no weights, and the ranking of what remains is noise.
    search_space = {
        "hidden_units": CategoricalDistribution([16, 32, 64]),
        "alpha": FloatDistribution(1e-3, 3.0, log=True),
        "learning_rate_init": FloatDistribution(3e-4, 1e-2, log=True),
    }
    defaults = {"hidden_units": 32, "alpha": 1.0, "learning_rate_init": 3e-3}
    max_epochs = 100

    def build(
        self,
        blocks: Sequence[BlockSchema],
        *,
        params: Mapping[str, Any],
        random_state: int,
        settings: ModelSettings,
    ) -> BaseEstimator:
        """Build the pipeline; balance comes as sample weights."""
        network = FixedLengthMLP(
            hidden_layer_sizes=(params["hidden_units"],),
            alpha=params["alpha"],
            learning_rate_init=params["learning_rate_init"],
            max_iter=self.max_epochs,
            # All epochs are run: neither a tolerance nor the plateau ends the training.
            tol=0.0,
            n_iter_no_change=self.max_epochs,
            random_state=random_state,
        )
        return make_classical(
            blocks,
            BalancedClassifier(network),
            scale=True,
            settings=settings,
            random_state=random_state,
        )

    def estimate_fit_s(self, n_samples: int, n_columns: int, settings: ModelSettings) -> float:  # noqa: ARG002  # no setting matters
        """Grow with cases and columns."""
        return 0.1 + 5e-4 * n_samples + 2e-6 * n_samples * n_columns
