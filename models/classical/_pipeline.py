"""A feature set's preprocessor and a classifier as one pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sklearn.pipeline import Pipeline

from features import BlockSchema, make_preprocessor
from models._settings import ModelSettings

__all__ = ["make_classical"]


def make_classical(
    blocks: Sequence[BlockSchema],
    classifier: Any,
    *,
    scale: bool,
    settings: ModelSettings,
    random_state: int,
    between: Sequence[tuple[str, Any]] = (),
) -> Pipeline:
    """Return ``encode`` then ``classify``: all that learns from data, fitted in one place.

    Parameters
    ----------
    blocks : sequence of BlockSchema
        Columns of the feature set.
    classifier : estimator
        Unfitted.
    scale : bool
        Whether the classifier feels units.
    settings : ModelSettings
        How many principal components of a wide block are kept.
    random_state : int
        Seed of the encoding.
    between : sequence of (str, transformer)
        Further steps before the classifier.
    """
    encode = make_preprocessor(
        blocks, scale=scale, n_components=settings.n_components, random_state=random_state
    )
    return Pipeline([("encode", encode), *between, ("classify", classifier)])
