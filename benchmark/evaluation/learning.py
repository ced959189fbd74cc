"""Learning curves of networks, as their cells stored them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import pandas as pd

from benchmark.evaluation._plain import finite, loads

__all__ = ["CURVES", "learning_curves"]

# Earlier folders have the losses only.
CURVES = ("train_loss", "valid_loss", "valid_roc_auc", "valid_balanced_accuracy")

# A page cannot show more, and a board has many epochs.
N_DECIMALS = 4


def learning_curves(cells: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the curves of one row, fold by fold and stage by stage.

    Parameters
    ----------
    cells : DataFrame
        Rows of ``plan.parquet`` of one row of the board.

    Returns
    -------
    list of dict
        ``repeat``, ``fold`` and ``stages``: each its ``name``, the index of its ``kept`` epoch
        (of the lowest validation loss, else the last one), and a list per curve, which is
        None where it was not recorded. Empty for models that have no epochs.
    """
    found: list[dict[str, Any]] = []
    for repeat, fold, history in zip(cells["repeat"], cells["fold"], cells["history"], strict=True):
        epochs = loads(history)
        if epochs:
            stages = [
                _stage(name, list(members))
                for name, members in groupby(epochs, key=lambda epoch: epoch["stage"])
            ]
            found.append({"repeat": int(repeat), "fold": int(fold), "stages": stages})
    return found


def _stage(name: str, epochs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    losses = [finite(epoch.get("valid_loss")) for epoch in epochs]
    known = [i for i, loss in enumerate(losses) if loss is not None]
    kept = min(known, key=lambda i: losses[i] or 0.0) if known else len(epochs) - 1
    return {"name": name, "kept": kept, **{curve: _curve(epochs, curve) for curve in CURVES}}


def _curve(epochs: Sequence[Mapping[str, Any]], name: str) -> list[float | None] | None:
    values = [finite(epoch.get(name)) for epoch in epochs]
    if all(value is None for value in values):
        return None
    return [None if value is None else round(value, N_DECIMALS) for value in values]
