"""The summary: one plain dictionary that the page, the JSON and the CSV are laid out from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import pandas as pd

from benchmark.evaluation._external_summary import summarise_external
from benchmark.evaluation._inputs import modalities_read
from benchmark.evaluation._plain import loads, plain_score, unique_notes
from benchmark.evaluation._protocol import describe_protocol, name_units, patients_sentence
from benchmark.evaluation.board import RowKey
from benchmark.evaluation.curves import confusion_counts, mean_roc_curve
from benchmark.evaluation.gains import gain_ladders
from benchmark.evaluation.learning import learning_curves
from benchmark.evaluation.metrics import METRICS, Predictions, evaluate
from benchmark.evaluation.record import RunRecord
from benchmark.evaluation.variants import compare_variants
from benchmark.evaluation.verdict import FUSION_MODELS, Contestants, FoldKey, fusion_verdicts

__all__ = ["leaderboard_table", "summarise"]

SUMMARY_SCHEMA_VERSION = 1

# Risks closer together than this do not rank.
NO_SPREAD = 1e-9

CONSTANT = {
    "code": "constant-prediction",
    "severity": "warning",
    "text": "In some fold the marked rows gave every case the same risk, because nothing that they "
    "tried on so few cases was better. Such a fold counts as an AUC of 0.5 in every resample, "
    "which makes the interval look narrower than it is.",
}

FAILED_FOLDS = "{n} of {total} folds failed; the first: {reason}"

# Rows whose curves and confusion tables are drawn.
N_LEADING = 4


def summarise(record: RunRecord) -> dict[str, Any]:
    """Return everything the leaderboard page shows, as plain JSON types.

    Parameters
    ----------
    record : RunRecord
        A run whose every cell has ended.

    Returns
    -------
    dict
        Deterministic: the same record gives the same dictionary.
    """
    description, cohort = record.description, record.description["cohort"]
    config, primary = description["config"], record.evaluation["primary"]
    notes_of_rows = _row_notes(record)
    metrics = [_metric(name, cohort) for name in METRICS]
    rows = _rows(record, primary, notes_of_rows)
    contestants = Contestants(
        reads={row: modalities_read(row[0], cohort) for row in record.board.rows},
        families=record.families,
        inner_scores=_inner_scores(record, primary),
        notes=notes_of_rows,
        n_trials=_n_trials(record.plan),
    )
    return {
        "schema_version": SUMMARY_SCHEMA_VERSION,
        "title": cohort["title"],
        "run_name": record.name,
        "created": description["created"],
        "sonobench_version": description["versions"]["sonobench"],
        "preset": config["preset"],
        "simulation": cohort["simulation"],
        "cohort": cohort | {"patients_sentence": patients_sentence(cohort)},
        "notes": _notes(description, record.plan, constant=bool(_constant_rows(record))),
        "protocol": describe_protocol(config, cohort),
        "primary": primary,
        "metrics": metrics,
        "verdicts": fusion_verdicts(
            record.board,
            METRICS[primary],
            contestants,
            title=_metric(primary, cohort)["title"],
            unit=name_units(cohort),
            confidence=record.evaluation["confidence"],
        ),
        "rows": rows,
        "gains": gain_ladders(
            record.board,
            METRICS[primary],
            contestants,
            confidence=record.evaluation["confidence"],
        ),
        "variants": _variants(record, rows, primary),
        "learning": [
            {
                "rank": row["rank"],
                "features": row["features"],
                "model": row["model"],
                "folds": folds,
            }
            for row in rows
            if row["roc"] is not None
            and (folds := learning_curves(_cells_of(record.plan, (row["features"], row["model"]))))
        ],
        "external": _external(record, rows, primary),
        "examples": dict(record.examples),
        "unscored": _unscored(record),
        "config_yaml": description["config_yaml"],
        "versions": description["versions"],
        "fingerprint": description["fingerprint"],
        "seed": description["seed"],
        "cost": _cost(record),
    }


def _external(
    record: RunRecord, rows: Sequence[Mapping[str, Any]], primary: str
) -> list[dict[str, Any]]:
    ranks = {(row["features"], row["model"]): row["rank"] for row in rows}
    return [
        summarise_external(
            board,
            ranks=ranks,
            families=record.families,
            primary=primary,
            simulation=record.description["cohort"]["simulation"],
            confidence=record.evaluation["confidence"],
        )
        for board in record.external
    ]


def leaderboard_table(summary: Mapping[str, Any]) -> pd.DataFrame:
    """Return ``leaderboard.csv``: one row per (features, model), best first.

    Columns are ``features``, ``model``, ``family``, ``status``, ``n_cases``, then
    ``NAME``, ``NAME_low`` and ``NAME_high`` of every metric, then ``data``, which says
    whether the patients are real.
    """
    records = []
    for row in [*summary["rows"], *summary["unscored"]]:
        record = {key: row[key] for key in ("features", "model", "family", "status")}
        record["n_cases"] = row.get("n_cases")
        for metric in summary["metrics"]:
            name = metric["name"]
            score = row.get("metrics", {}).get(name, {})
            record[name] = score.get("value")
            record[f"{name}_low"] = score.get("ci_low")
            record[f"{name}_high"] = score.get("ci_high")
        records.append(record | {"data": summary["simulation"]})
    return pd.DataFrame(records).astype({"n_cases": "Int64"})


def _metric(name: str, cohort: Mapping[str, Any]) -> dict[str, Any]:
    metric, positive = METRICS[name], cohort["positive_class"]

    def filled(text: str) -> str:
        return text.replace("{positive}", positive)

    return {
        "name": name,
        "title": filled(metric.title),
        "short": filled(metric.short),
        "description": filled(metric.description),
        "greater_is_better": metric.greater_is_better,
        "low": metric.low,
        "high": metric.high if math.isfinite(metric.high) else None,
    }


def _rows(
    record: RunRecord, primary: str, notes_of_rows: Mapping[RowKey, Sequence[str]]
) -> list[dict[str, Any]]:
    scores = _pooled_scores(record.scores)
    sign = -1.0 if METRICS[primary].greater_is_better else 1.0

    def order(row: RowKey) -> tuple[float, str, str]:
        value = scores[row][primary]["value"]
        return (math.inf if value is None else sign * value, *row)

    ranked = sorted(record.board.rows, key=order)
    drawn = {*ranked[:N_LEADING], *(row for row in ranked if row[1] in FUSION_MODELS)}
    return [
        _row(record, key, rank, scores[key], notes_of_rows.get(key, ()), draw=key in drawn)
        for rank, key in enumerate(ranked, start=1)
    ]


def _variants(
    record: RunRecord, rows: Sequence[Mapping[str, Any]], primary: str
) -> list[dict[str, Any]]:
    """Networks taken apart, in the order of the board."""
    if record.variants is None:
        return []
    found = compare_variants(
        record.variants,
        record.board,
        METRICS[primary],
        classes=[one["name"] for one in record.description["cohort"]["classes"]],
        confidence=record.evaluation["confidence"],
    )
    return [
        {
            "rank": row["rank"],
            "features": row["features"],
            "model": row["model"],
            "score": row["metrics"][primary],
            "variants": found[row["features"], row["model"]],
        }
        for row in rows
        if (row["features"], row["model"]) in found
    ]


def _row(
    record: RunRecord,
    key: RowKey,
    rank: int,
    scores: Mapping[str, Any],
    notes: Sequence[str],
    *,
    draw: bool,
) -> dict[str, Any]:
    predictions = record.board.rows[key]
    cells = _cells_of(record.plan, key)
    classes = [one["name"] for one in record.description["cohort"]["classes"]]
    return {
        "rank": rank,
        "features": key[0],
        "model": key[1],
        "family": record.families[key[1]],
        "status": "ok",
        "reason": "",
        "n_cases": len(predictions.y_true),
        "n_cells": len(cells),
        "n_ok": int((cells["status"] == "ok").sum()),
        "notes": list(notes),
        "metrics": dict(scores),
        "fit_time_s": float(cells[["tune_time_s", "fit_time_s"]].sum().sum()),
        "n_trials": int(cells["n_trials_completed"].sum()),
        "confusion": confusion_counts(predictions) if draw else None,
        "roc": [_roc(record, key, k, name) for k, name in enumerate(classes)] if draw else None,
    }


def _roc(record: RunRecord, key: RowKey, k: int, name: str) -> dict[str, Any]:
    fpr, tpr = mean_roc_curve(record.board.rows[key], k)
    return {"class": name, "fpr": fpr.tolist(), "tpr": tpr.tolist()}


def _pooled_scores(scores: pd.DataFrame) -> dict[RowKey, dict[str, Any]]:
    pooled = scores[scores["fold"] == "pooled"]
    found: dict[RowKey, dict[str, Any]] = {}
    for features, model, metric, value, low, high in zip(
        *(pooled[c] for c in ["features", "model", "metric", "value", "ci_low", "ci_high"]),
        strict=True,
    ):
        found.setdefault((features, model), {})[metric] = plain_score(value, low, high)
    return found


def _cells_of(plan: pd.DataFrame, key: RowKey) -> pd.DataFrame:
    return plan[(plan["features"] == key[0]) & (plan["model"] == key[1])]


def _unscored(record: RunRecord) -> list[dict[str, Any]]:
    """Rows without a score: skipped ones, and those with a failed cell."""
    rows = []
    for (features, model), cells in record.plan.groupby(["features", "model"], sort=False):
        if (features, model) in record.board.rows:
            continue
        skipped = bool((cells["status"] == "skipped").all())
        rows.append(
            {
                "features": features,
                "model": model,
                "family": record.families[str(model)],
                "status": "skipped" if skipped else "failed",
                "reason": _why_unscored(record, cells),
                "n_cells": 0 if skipped else len(cells),
            }
        )
    return rows


def _why_unscored(record: RunRecord, cells: pd.DataFrame) -> str:
    for status, form in (("skipped", "{reason}"), ("failed", FAILED_FOLDS)):
        part = cells[cells["status"] == status]
        if len(part):
            return form.format(n=len(part), total=len(cells), reason=part["reason"].iloc[0])
    row = (str(cells["features"].iloc[0]), str(cells["model"].iloc[0]))
    return (
        f"{record.board.incomplete[row]} predictions are missing, stand twice or belong to another "
        "fold than planned: the row cannot be scored beside the others."
    )


def _row_notes(record: RunRecord) -> dict[RowKey, list[str]]:
    """Codes of the notes on each row: from its cells, its feature blocks and its predictions."""
    plan = record.plan
    found: dict[RowKey, list[str]] = {row: [CONSTANT["code"]] for row in _constant_rows(record)}
    for features, model, notes in zip(plan["features"], plan["model"], plan["notes"], strict=True):
        codes = [note["code"] for note in loads(notes)]
        kept = found.setdefault((features, model), [])
        kept += [code for code in codes if code not in kept]
    return found


def _constant_rows(record: RunRecord) -> list[RowKey]:
    """Rows, baselines apart, that gave every case of some fold the same risk."""
    found = []
    for row, one in record.board.rows.items():
        risks = one.y_proba[:, :, one.positive_index]
        spreads = [
            np.ptp(risk[folds == fold])
            for risk, folds in zip(risks, one.folds, strict=True)
            for fold in np.unique(folds)
        ]
        if record.families[row[1]] != "baseline" and min(spreads) < NO_SPREAD:
            found.append(row)
    return found


def _notes(
    description: Mapping[str, Any], plan: pd.DataFrame, *, constant: bool
) -> list[dict[str, str]]:
    """Every note once, warnings first."""
    notes = [*description["notes"], *(note for cell in plan["notes"] for note in loads(cell))]
    return unique_notes([*notes, CONSTANT] if constant else notes)


def _inner_scores(record: RunRecord, primary: str) -> dict[RowKey, dict[FoldKey, float]]:
    """Score the inner predictions of each outer fold by the primary metric."""
    cohort = record.description["cohort"]
    classes = [one["name"] for one in cohort["classes"]]
    codes = {name: k for k, name in enumerate(classes)}
    found: dict[RowKey, dict[FoldKey, float]] = {}
    for key, part in record.inner.groupby(["features", "model", "repeat", "fold"], sort=False):
        features, model, repeat, fold = cast("tuple[str, str, int, int]", key)
        predictions = Predictions(
            part["label"].map(codes).to_numpy(dtype=np.intp),
            part[[f"p_{name}" for name in classes]].to_numpy(dtype=np.float64)[None],
            part["inner_fold"].to_numpy(dtype=np.intp)[None],
            codes[cohort["positive_class"]],
        )
        value = float(evaluate(METRICS[primary], predictions)[0])
        if math.isfinite(value):
            found.setdefault((features, model), {})[repeat, fold] = value
    return found


def _n_trials(plan: pd.DataFrame) -> dict[RowKey, int]:
    requested = plan.groupby(["features", "model"])["n_trials_requested"].max().fillna(0)
    return {cast("RowKey", key): int(value) for key, value in requested.items()}


def _cost(record: RunRecord) -> dict[str, Any]:
    times = record.plan[["tune_time_s", "fit_time_s", "predict_time_s"]]
    return {
        "total_fit_time_s": float(times.sum().sum()),
        "wall_time_s": record.description.get("wall_time_s"),
        "n_cells": int((record.plan["status"] != "skipped").sum()),
    }
