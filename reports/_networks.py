"""What the page says about networks alone: how they learned, and what they are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reports._learning_curves import TRAINING, VALIDATION, learning_figure

__all__ = ["learning_section", "names_of_variants"]

# Of a stage, at the epoch that was kept.
READINGS = ("train_loss", "valid_loss", "valid_roc_auc", "valid_balanced_accuracy")


def names_of_variants(rows: Sequence[Mapping[str, Any]]) -> set[str]:
    """Return the names of all variants of all rows of ``variants`` in the summary."""
    return {one["variant"] for row in rows for one in row["variants"]}


def learning_section(rows: Sequence[Mapping[str, Any]], *, stamp: str) -> dict[str, Any] | None:
    """Return what the template lays out, or None where no network was drawn.

    Parameters
    ----------
    rows : sequence of mapping
        ``learning`` of the summary.
    stamp : str
        Written into the figures where the data are not real.

    Returns
    -------
    dict or None
        ``panels``, one per row, and the line styles of ``training`` and ``validation``.
    """
    if not rows:
        return None
    panels = [_panel(row, stamp) for row in rows]
    validated = any(line["valid_loss"] is not None for panel in panels for line in panel["lines"])
    return {"panels": panels, "training": TRAINING, "validation": VALIDATION if validated else None}


def _panel(row: Mapping[str, Any], stamp: str) -> dict[str, Any]:
    figure = learning_figure(
        row["folds"], name=f"learning{row['rank']}", stamp=stamp, alt=_alt(row, stamp)
    )
    lines = [_reading(fold, stage) for fold in row["folds"] for stage in fold["stages"]]
    return {"row": row, "svg": figure, "lines": lines}


def _alt(row: Mapping[str, Any], stamp: str) -> str:
    names = list(dict.fromkeys(one["name"] for fold in row["folds"] for one in fold["stages"]))
    opening = f"{stamp}. " if stamp else ""
    n_folds = len(row["folds"])
    return (
        f"{opening}Learning curves of {row['model']} on {row['features']}: loss and validation AUC "
        f"by epoch in {n_folds} {'fold' if n_folds == 1 else 'folds'}; {' and '.join(names)}. "
        "The numbers are in the table below."
    )


def _reading(fold: Mapping[str, Any], stage: Mapping[str, Any]) -> dict[str, Any]:
    kept = stage["kept"]
    values = {name: None if stage[name] is None else stage[name][kept] for name in READINGS}
    return {
        "repeat": fold["repeat"] + 1,
        "fold": fold["fold"] + 1,
        "stage": stage["name"],
        "n_epochs": len(stage["train_loss"] or ()),
        "kept": kept + 1,
        **values,
    }
