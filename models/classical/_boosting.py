"""Gradient boosting in its three well-kept implementations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from lightgbm import LGBMClassifier
from optuna.distributions import FloatDistribution, IntDistribution
from sklearn.base import BaseEstimator
from sklearn.ensemble import HistGradientBoostingClassifier
from xgboost import XGBClassifier

from features import BlockSchema
from models._registry import ModelSpec, register_model
from models._settings import ModelSettings
from models.classical._pipeline import make_classical
from models.classical._wrappers import BalancedClassifier

__all__: list[str] = []

# 63 bins lose nothing measurable on a few hundred cases and save a third of the time.
MAX_BINS = 63


class _Boosting(ModelSpec):
    family = "boosting"

    def estimate_fit_s(self, n_samples: int, n_columns: int, settings: ModelSettings) -> float:
        """Grow with rounds and columns, and a little with cases."""
        per_round = (8e-4 + 1.2e-5 * n_columns) * math.sqrt(n_samples / 200)
        return settings.max_rounds * per_round


@register_model("hist_gradient_boosting")
class HistGradientBoosting(_Boosting):
    """scikit-learn's histogram gradient boosting."""

    title = "Histogram gradient boosting (scikit-learn)"
    # Ranges as in the AutoML literature (e.g. Grinsztajn et al. 2022), with leaves kept small
    # because a fold holds a few hundred cases.
    search_space = {
        "learning_rate": FloatDistribution(0.01, 0.3, log=True),
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
        """Build the pipeline with ``class_weight="balanced"``."""
        classifier = HistGradientBoostingClassifier(
            max_iter=settings.max_rounds,
            max_bins=MAX_BINS,
            class_weight="balanced",
            early_stopping=False,
            random_state=random_state,
            **params,
        )
        return make_classical(
            blocks, classifier, scale=False, settings=settings, random_state=random_state
        )


@register_model("xgboost")
class XGBoost(_Boosting):
    """XGBoost with histogram trees."""

    title = "XGBoost"
    # Depth, shrinkage and row/column sampling as in Chen & Guestrin (2016) and its practice.
    search_space = {
        "learning_rate": FloatDistribution(0.01, 0.3, log=True),
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
        booster = XGBClassifier(
            n_estimators=settings.max_rounds,
            max_bin=MAX_BINS,
            tree_method="hist",
            n_jobs=1,
            verbosity=0,
            random_state=random_state,
            **params,
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
    # As for XGBoost, with leaves instead of depth (LightGBM's own tuning guide).
    search_space = {
        "learning_rate": FloatDistribution(0.01, 0.3, log=True),
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
        booster = LGBMClassifier(
            n_estimators=settings.max_rounds,
            max_bin=MAX_BINS,
            n_jobs=1,
            verbosity=-1,
            deterministic=True,
            force_row_wise=True,
            random_state=random_state,
            **params,
        )
        return make_classical(
            blocks,
            BalancedClassifier(booster),
            scale=False,
            settings=settings,
            random_state=random_state,
        )
