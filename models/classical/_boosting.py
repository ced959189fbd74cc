"""Gradient boosting in its three well-kept implementations."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from lightgbm import LGBMClassifier
from optuna.distributions import FloatDistribution, IntDistribution
from sklearn.base import BaseEstimator
from sklearn.ensemble import HistGradientBoostingClassifier
from xgboost import XGBClassifier

from features import BlockSchema
from models._growth import Growth, GrowthPlan
from models._registry import ModelSpec, register_model
from models._settings import ModelSettings
from models.classical._binning import QuantileBinner
from models.classical._boosting_growth import (
    HistGradientBoostingGrowth,
    LightGBMGrowth,
    XGBoostGrowth,
)
from models.classical._pipeline import make_classical
from models.classical._wrappers import BalancedClassifier

__all__: list[str] = []

# 63 bins lose nothing measurable on a few hundred cases and save a third of the time.
MAX_BINS = 63


# A rate below this cannot reach its best within the rounds that are allowed, and one above
# overshoots it between two looks; with early stopping, what lies between differs little.
LEARNING_RATE = FloatDistribution(0.03, 0.3, log=True)


class _Boosting(ModelSpec):
    """What all three share: the number of rounds is chosen by watching the inner folds."""

    family = "boosting"
    rounds_per_step: ClassVar[int] = 10
    growth_type: ClassVar[Callable[..., Growth]]

    def growth(self, settings: ModelSettings) -> GrowthPlan:
        """Stop some 40 rounds after the best; give nothing up before the 40th round."""
        return GrowthPlan(
            start=self.growth_type,
            step=self.rounds_per_step,
            limit=settings.max_rounds,
            warm_up=40,
            patience=40,
            param="n_rounds",
        )

    def estimate_fit_s(self, n_samples: int, n_columns: int, settings: ModelSettings) -> float:
        """Grow with rounds and columns, and a little with cases; most stop by a third."""
        per_round = (8e-4 + 1.2e-5 * n_columns) * math.sqrt(n_samples / 200)
        return settings.max_rounds / 3 * per_round


def _split_rounds(params: Mapping[str, Any], settings: ModelSettings) -> tuple[int, dict[str, Any]]:
    """Return the number of rounds, and what else was chosen."""
    others = dict(params)
    return others.pop("n_rounds", settings.max_rounds), others


@register_model("hist_gradient_boosting")
class HistGradientBoosting(_Boosting):
    """scikit-learn's histogram gradient boosting."""

    title = "Histogram gradient boosting (scikit-learn)"
    growth_type = HistGradientBoostingGrowth
    # Each step starts the library anew, which costs as much as ten rounds.
    rounds_per_step = 20
    # Ranges as in the AutoML literature (e.g. Grinsztajn et al. 2022), with leaves kept small
    # because a fold holds a few hundred cases.
    search_space = {
        "learning_rate": LEARNING_RATE,
        "max_leaf_nodes": IntDistribution(3, 31, log=True),
        "min_samples_leaf": IntDistribution(3, 20, log=True),
        "l2_regularization": FloatDistribution(1e-3, 10.0, log=True),
    }
    defaults = {
        "learning_rate": 0.05,
        "max_leaf_nodes": 7,
        "min_samples_leaf": 10,
        "l2_regularization": 1.0,
    }

    def build(
        self,
        blocks: Sequence[BlockSchema],
        *,
        params: Mapping[str, Any],
        random_state: int,
        settings: ModelSettings,
    ) -> BaseEstimator:
        """Build the pipeline with ``class_weight="balanced"``, on columns that are binned."""
        n_rounds, others = _split_rounds(params, settings)
        classifier = HistGradientBoostingClassifier(
            max_iter=n_rounds,
            max_bins=MAX_BINS,
            class_weight="balanced",
            early_stopping=False,
            random_state=random_state,
            **others,
        )
        return make_classical(
            blocks,
            classifier,
            scale=False,
            settings=settings,
            random_state=random_state,
            between=[("bin", QuantileBinner(MAX_BINS))],
        )


@register_model("xgboost")
class XGBoost(_Boosting):
    """XGBoost with histogram trees."""

    title = "XGBoost"
    growth_type = XGBoostGrowth
    # Depth, shrinkage and row/column sampling as in Chen & Guestrin (2016) and its practice.
    search_space = {
        "learning_rate": LEARNING_RATE,
        "max_depth": IntDistribution(2, 6),
        "min_child_weight": FloatDistribution(0.5, 20.0, log=True),
        "subsample": FloatDistribution(0.5, 1.0),
        "colsample_bytree": FloatDistribution(0.3, 1.0),
        "reg_lambda": FloatDistribution(1e-2, 30.0, log=True),
    }
    defaults = {
        "learning_rate": 0.05,
        "max_depth": 3,
        "min_child_weight": 2.0,
        "subsample": 0.8,
        "colsample_bytree": 0.7,
        "reg_lambda": 1.0,
    }

    def build(
        self,
        blocks: Sequence[BlockSchema],
        *,
        params: Mapping[str, Any],
        random_state: int,
        settings: ModelSettings,
    ) -> BaseEstimator:
        """Build the pipeline; balance comes as sample weights."""
        n_rounds, others = _split_rounds(params, settings)
        booster = XGBClassifier(
            n_estimators=n_rounds,
            max_bin=MAX_BINS,
            tree_method="hist",
            n_jobs=1,
            verbosity=0,
            random_state=random_state,
            **others,
        )
        return make_classical(
            blocks,
            BalancedClassifier(booster),
            scale=False,
            settings=settings,
            random_state=random_state,
        )


@register_model("lightgbm")
class LightGBM(_Boosting):
    """LightGBM."""

    title = "LightGBM"
    growth_type = LightGBMGrowth
    # As for XGBoost, with leaves instead of depth (LightGBM's own tuning guide).
    search_space = {
        "learning_rate": LEARNING_RATE,
        "num_leaves": IntDistribution(3, 31, log=True),
        "min_child_samples": IntDistribution(3, 20, log=True),
        "colsample_bytree": FloatDistribution(0.3, 1.0),
        "reg_lambda": FloatDistribution(1e-2, 30.0, log=True),
    }
    defaults = {
        "learning_rate": 0.05,
        "num_leaves": 7,
        "min_child_samples": 10,
        "colsample_bytree": 0.7,
        "reg_lambda": 1.0,
    }

    def build(
        self,
        blocks: Sequence[BlockSchema],
        *,
        params: Mapping[str, Any],
        random_state: int,
        settings: ModelSettings,
    ) -> BaseEstimator:
        """Build the pipeline; balance comes as sample weights, which the wrapper hands on."""
        n_rounds, others = _split_rounds(params, settings)
        booster = LGBMClassifier(
            n_estimators=n_rounds,
            max_bin=MAX_BINS,
            n_jobs=1,
            verbosity=-1,
            deterministic=True,
            force_row_wise=True,
            random_state=random_state,
            **others,
        )
        return make_classical(
            blocks,
            BalancedClassifier(booster),
            scale=False,
            settings=settings,
            random_state=random_state,
        )
