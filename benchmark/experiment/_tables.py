"""The tables of a run folder, made of what its cells left."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from benchmark.experiment._cell import CellResult
from benchmark.experiment._plan import Cell, Plan
from benchmark.experiment._splits import Split
from cohorts import Cohort
from features import FeatureBlock
from models import MODELS

__all__ = [
    "columns_table",
    "inner_predictions_table",
    "plan_table",
    "predictions_table",
    "regions_table",
    "splits_table",
    "trials_table",
    "variants_table",
]

PLAN_COLUMNS = (
    "features",
    "model",
    "family",
    "repeat",
    "fold",
    "status",
    "reason",
    "params",
    "n_trials_requested",
    "n_trials_completed",
    "n_trials_pruned",
    "history",
    "notes",
    "warnings",
    "tune_time_s",
    "fit_time_s",
    "predict_time_s",
    "cpu_time_s",
)

NO_CELL = Cell("", "", 0, 0)

TRIAL_COLUMNS = (
    "features",
    "model",
    "repeat",
    "fold",
    "number",
    "state",
    "loss",
    "last_step",
    "params",
)

REGION_COLUMNS = ("block", "case", "image", "origin", "confidence")


def plan_table(plan: Plan, results: Mapping[Cell, CellResult]) -> pd.DataFrame:
    """Return one row per cell and per skipped row: status, reason, times, parameters."""
    rows = [_plan_row(cell, results.get(cell)) for cell in plan.cells]
    rows += [
        {
            "features": row.features,
            "model": row.model,
            "family": MODELS.get(row.model).family if row.model in MODELS.names() else "",
            "status": "skipped",
            "reason": row.reason,
        }
        for row in plan.skipped
    ]
    table = pd.DataFrame(rows, columns=list(PLAN_COLUMNS))
    whole = ["repeat", "fold", "n_trials_requested", "n_trials_completed", "n_trials_pruned"]
    return table.astype(dict.fromkeys(whole, "Int64"))


def trials_table(plan: Plan, results: Mapping[Cell, CellResult]) -> pd.DataFrame:
    """Return one row per trial of each cell: state, inner log loss, parameters, last step."""
    rows = [
        {
            "features": one.cell.features,
            "model": one.cell.model,
            "repeat": one.cell.repeat,
            "fold": one.cell.fold,
            **trial,
            "params": json.dumps(trial["params"], sort_keys=True),
        }
        for one in _ended_well(plan, results)
        for trial in one.trials
    ]
    table = pd.DataFrame(rows, columns=list(TRIAL_COLUMNS))
    return table.astype({"loss": "float64", "last_step": "Int64"})


def columns_table(blocks: Mapping[str, FeatureBlock]) -> pd.DataFrame:
    """Return one row per column of each block: what was recorded or measured, and its unit."""
    rows = [
        {
            "block": name,
            "modality": block.schema.modality,
            "column": column.name,
            "kind": column.kind.value,
            "unit": column.unit,
            "description": column.description,
        }
        for name, block in blocks.items()
        for column in block.schema.columns
    ]
    return pd.DataFrame(rows)


def regions_table(blocks: Mapping[str, FeatureBlock]) -> pd.DataFrame:
    """Return one row per block and image that was measured in a region: who drew it."""
    parts = [
        block.regions.assign(block=name)
        for name, block in blocks.items()
        if block.regions is not None
    ]
    if not parts:
        return pd.DataFrame(columns=list(REGION_COLUMNS))
    return pd.concat(parts, ignore_index=True)[list(REGION_COLUMNS)]


def _plan_row(cell: Cell, result: CellResult | None) -> dict[str, Any]:
    if result is None:
        result = CellResult(cell, "failed", reason="The run was stopped before this cell.")
    return {
        "features": cell.features,
        "model": cell.model,
        "family": MODELS.get(cell.model).family,
        "repeat": cell.repeat,
        "fold": cell.fold,
        "status": result.status,
        "reason": result.reason,
        "params": json.dumps(result.params, sort_keys=True),
        "n_trials_requested": result.n_trials_requested,
        "n_trials_completed": result.n_trials_completed,
        "n_trials_pruned": result.n_trials_pruned,
        "history": json.dumps(result.history),
        "notes": json.dumps(result.notes),
        "warnings": json.dumps(result.warnings),
        "tune_time_s": result.tune_time_s,
        "fit_time_s": result.fit_time_s,
        "predict_time_s": result.predict_time_s,
        "cpu_time_s": result.cpu_time_s,
    }


def predictions_table(
    plan: Plan, results: Mapping[Cell, CellResult], cohort: Cohort
) -> pd.DataFrame:
    """Return the out-of-fold probabilities, one row per case and cell."""
    parts = [
        _predicted(one.cell, one.test, one.proba, cohort) for one in _ended_well(plan, results)
    ]
    return pd.concat([_predicted(NO_CELL, [], [], cohort), *parts], ignore_index=True)


def inner_predictions_table(
    plan: Plan, results: Mapping[Cell, CellResult], cohort: Cohort
) -> pd.DataFrame:
    """Predictions on the inner folds: thresholds and comparisons may be chosen on these."""
    parts = [
        _predicted(one.cell, one.inner_test, one.inner_proba, cohort).assign(
            inner_fold=one.inner_fold
        )
        for one in _ended_well(plan, results)
    ]
    empty = _predicted(NO_CELL, [], [], cohort).assign(inner_fold=[])
    return pd.concat([empty, *parts], ignore_index=True).astype({"inner_fold": "int64"})


def variants_table(plan: Plan, results: Mapping[Cell, CellResult], cohort: Cohort) -> pd.DataFrame:
    """Return what networks predicted with less: one row per case, cell and variant."""
    parts = [
        _predicted(one.cell, one.test, proba, cohort).assign(variant=name)
        for one in _ended_well(plan, results)
        for name, proba in one.variants.items()
    ]
    empty = _predicted(NO_CELL, [], [], cohort).assign(variant=pd.Series([], dtype="str"))
    table = pd.concat([empty, *parts], ignore_index=True)
    first = [*table.columns[: list(table.columns).index("label")], "variant"]
    return table[[*first, *(name for name in table.columns if name not in first)]]


def _ended_well(plan: Plan, results: Mapping[Cell, CellResult]) -> list[CellResult]:
    return [results[c] for c in plan.cells if c in results and results[c].status == "ok"]


def _predicted(
    cell: Cell, rows: Sequence[int], proba: Sequence[Sequence[float]], cohort: Cohort
) -> pd.DataFrame:
    values = np.asarray(proba, dtype=np.float64).reshape(len(rows), len(cohort.classes))
    sites = [cohort.sites[i] if cohort.sites else "" for i in rows]
    table = pd.DataFrame(
        {
            "case": pd.Series([cohort.cases[i] for i in rows], dtype="str"),
            "patient": pd.Series([cohort.patients[i] for i in rows], dtype="str"),
            "site": pd.Series(sites, dtype="str"),
            "repeat": np.full(len(rows), cell.repeat),
            "fold": np.full(len(rows), cell.fold),
            "features": pd.Series([cell.features] * len(rows), dtype="str"),
            "model": pd.Series([cell.model] * len(rows), dtype="str"),
            "label": pd.Series([cohort.classes[cohort.labels[i]] for i in rows], dtype="str"),
        }
    )
    return table.assign(**{f"p_{name}": values[:, k] for k, name in enumerate(cohort.classes)})


def splits_table(splits: Iterable[Split], cohort: Cohort) -> pd.DataFrame:
    """Return repeat, fold and case of every outer test fold."""
    parts = [
        pd.DataFrame(
            {
                "repeat": split.repeat,
                "fold": split.fold,
                "case": [cohort.cases[i] for i in split.test],
            }
        )
        for split in splits
    ]
    return pd.concat(parts, ignore_index=True)
