"""Probability-level late fusion of the best single-block models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import FloatDistribution
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import cross_val_predict
from sklearn.preprocessing import LabelEncoder
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from features import BlockKind, BlockSchema
from models._groups import check_two_classes, fit_with_groups, group_params, grouped_folds
from models._registry import MODELS, ModelSpec, register_model
from models._settings import ModelSettings

__all__ = ["BlockStackingClassifier"]

# A probability of exactly 0 or 1 would be an infinite logit for the fusing regression.
PROBABILITY_FLOOR = 1e-3

FINETUNED_INSIDE = (
    "stacking compares its members on folds of its own, in which the network would have to be "
    "trained anew as well; fine-tuned embeddings are for single models"
)


class BlockStackingClassifier(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    """Pick the best model of each block and fuse their probabilities.

    Every candidate predicts the training part out of fold. For each block the candidate
    with the lowest out-of-fold log loss is kept, and a multinomial logistic regression on
    the kept log-probabilities is fitted to those same out-of-fold predictions: nothing that
    the fusion learns from was seen by the model that predicted it.

    Parameters
    ----------
    candidates : sequence of (str, str, estimator), optional
        Block, label and unfitted classifier, each reading its own columns of X. By default
        one logistic regression on all columns.
    C : float, default=0.1
        Inverse strength of the fusing regression's L2 penalty.
    n_splits : int, default=3
        Folds of the out-of-fold predictions.
    random_state : int, default=0
        Seed of those folds.

    Attributes
    ----------
    chosen_ : dict of str to str
        Block -> label of the kept candidate.
    members_ : list of classifier
        The kept candidates, refitted on the whole training part.
    fusion_ : LogisticRegression
        The fusing regression.
    classes_ : ndarray
        Class labels, sorted.
    """

    def __init__(
        self,
        candidates: Sequence[tuple[str, str, Any]] | None = None,
        *,
        C: float = 0.1,
        n_splits: int = 3,
        random_state: int = 0,
    ) -> None:
        self.candidates = candidates
        self.C = C
        self.n_splits = n_splits
        self.random_state = random_state

    def fit(self, X: Any, y: Any, groups: Any = None) -> BlockStackingClassifier:
        """Choose, fuse and refit.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,)
            Labels.
        groups : array-like of shape (n_samples,), optional
            Patients; the inner folds never split one.
        """
        X, y = self._check_rows(X, y=y)
        check_classification_targets(y)
        encoder = LabelEncoder().fit(y)
        self.classes_ = encoder.classes_
        check_two_classes(self, self.classes_)
        encoded = encoder.transform(y)
        folds = grouped_folds(
            encoded, groups, n_splits=self.n_splits, random_state=self.random_state
        )
        best: dict[str, tuple[float, str, Any, NDArray[np.float64]]] = {}
        for block, label, estimator in self._candidates():
            proba = cross_val_predict(
                estimator,
                X,
                encoded,
                cv=folds,
                method="predict_proba",
                params=group_params(estimator, groups),
            )
            loss = log_loss(encoded, proba, labels=range(len(self.classes_)))
            if block not in best or loss < best[block][0]:
                best[block] = (loss, label, estimator, proba)
        self.chosen_ = {block: label for block, (_, label, _, _) in best.items()}
        stacked = _as_log([proba for _, _, _, proba in best.values()])
        self.fusion_ = LogisticRegression(C=self.C, class_weight="balanced", max_iter=2000)
        self.fusion_.fit(stacked, encoded)
        self.members_ = [
            fit_with_groups(clone(estimator), X, encoded, groups)
            for _, _, estimator, _ in best.values()
        ]
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return fused class probabilities of shape (n_samples, n_classes)."""
        check_is_fitted(self)
        X = self._check_rows(X, reset=False)
        stacked = _as_log([member.predict_proba(X) for member in self.members_])
        return np.asarray(self.fusion_.predict_proba(stacked))

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most probable class of each row."""
        best = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def _check_rows(self, X: Any, **options: Any) -> Any:
        # Members pick their columns from a frame by name; an array is checked as usual.
        return validate_data(self, X, skip_check_array=hasattr(X, "iloc"), **options)

    def _candidates(self) -> list[tuple[str, str, Any]]:
        if self.candidates is None:
            return [("all", "logistic_regression", LogisticRegression(class_weight="balanced"))]
        return list(self.candidates)


def _as_log(parts: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.log(np.clip(np.hstack(parts), PROBABILITY_FLOOR, 1.0))


@register_model("stacking")
class Stacking(ModelSpec):
    """Late fusion of probabilities: one model for each block, one regression on top."""

    title = "Probability-level late fusion of the best single-block models"
    family = "ensemble"
    expensive = True
    # The fusing regression has a handful of inputs; shrinkage decides how far it trusts them.
    search_space = {"C": FloatDistribution(1e-3, 1e1, log=True)}
    defaults = {"C": 0.1}
    # One linear, one kernel and one tree model: cheap, and wrong in different ways.
    members = ("logistic_regression", "svm", "extra_trees")

    def accepts(self, kinds: Sequence[BlockKind]) -> bool:
        """Fuse at least two blocks, none of them pixels."""
        return super().accepts(kinds) and len(kinds) > 1

    def refuse(self, kinds: Sequence[BlockKind]) -> str | None:
        """Leave out what is itself learnt from labels: it flatters what is stacked on it."""
        return FINETUNED_INSIDE if "finetuned" in kinds else None

    def build(
        self,
        blocks: Sequence[BlockSchema],
        *,
        params: Mapping[str, Any],
        random_state: int,
        settings: ModelSettings,
    ) -> BaseEstimator:
        """Build the candidates, each at its known-good parameters, and the fusion."""
        candidates = [
            (
                block.name,
                name,
                MODELS.get(name).build(
                    [block],
                    params=MODELS.get(name).defaults,
                    random_state=random_state,
                    settings=settings,
                ),
            )
            for block in blocks
            for name in self.members
        ]
        return BlockStackingClassifier(
            candidates,
            C=params["C"],
            n_splits=settings.stacking_splits,
            random_state=random_state,
        )

    def estimate_fit_s(self, n_samples: int, n_columns: int, settings: ModelSettings) -> float:
        """Add up the members over the stacking folds."""
        fits = settings.stacking_splits + 1
        members = [MODELS.get(name) for name in self.members]
        return fits * sum(one.estimate_fit_s(n_samples, n_columns, settings) for one in members)
