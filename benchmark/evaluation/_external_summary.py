"""The external boards as plain dictionaries and tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from benchmark.evaluation._plain import loads, plain_score, unique_notes
from benchmark.evaluation.board import RowKey
from benchmark.evaluation.external import ExternalBoard, ExternalRow, Score
from benchmark.evaluation.metrics import METRICS

__all__ = ["external_csv", "external_scores", "summarise_external"]

# From what can be said of patients to what cannot.
SIMULATIONS = ("real", "semi-simulated", "simulated")

# Code of the note on a row that is predicted without one of its modalities.
WITHOUT_INPUT = "modality-missing"

WHOLE = ("rank", "internal_rank", "n_found", "n_positives", "n_left_alone", "n_others")

# The AUC of risks that know nothing.
CHANCE = 0.5


def external_scores(board: ExternalBoard) -> pd.DataFrame:
    """Return ``scores.parquet`` of an external cohort: every metric of every row.

    Columns features, model, metric; value, ci_low, ci_high on the external cohort; the same
    as internal, internal_low, internal_high and as change, change_low, change_high; and
    reason, where the metric is not defined.
    """
    records = []
    for (features, model), row in board.rows.items():
        for name, one in row.scores.items():
            record: dict[str, Any] = {"features": features, "model": model, "metric": name}
            record |= _triple("value", "ci", one.external)
            record |= _triple("internal", "internal", one.internal)
            record |= _triple("change", "change", one.change)
            records.append(record | {"reason": one.reason})
    columns = ["features", "model", "metric", "value", "ci_low", "ci_high", "internal"]
    columns += ["internal_low", "internal_high", "change", "change_low", "change_high", "reason"]
    return pd.DataFrame(records, columns=columns)


def _triple(name: str, ends: str, score: Score) -> dict[str, float]:
    return {name: score.value, f"{ends}_low": score.ci_low, f"{ends}_high": score.ci_high}


def summarise_external(
    board: ExternalBoard,
    *,
    ranks: Mapping[RowKey, int],
    families: Mapping[str, str],
    primary: str,
    simulation: str,
    confidence: float,
) -> dict[str, Any]:
    """Return everything that the page shows of an external cohort, as plain JSON types.

    Parameters
    ----------
    board : ExternalBoard
        Scored rows.
    ranks : mapping of (features, model) to int
        Place on the internal board.
    families : mapping of str to str
        Model -> family.
    primary : str
        Metric that orders the rows where it is defined; else the AUC does.
    simulation : str
        Of the development cohort.
    confidence : float
        Coverage of the intervals.
    """
    description = board.record.description
    ordered_by = _ordering(board, primary)
    keys = sorted(board.rows, key=lambda key: _order(board.rows[key], ordered_by, ranks[key], key))
    plan = board.record.plan
    rows = [
        _row(board.rows[key], key, rank, ranks[key], families[key[1]], plan)
        for rank, key in enumerate(keys, start=1)
    ]
    return {
        **description,
        "data": max(description["simulation"], simulation, key=SIMULATIONS.index),
        "confidence": confidence,
        "ordered_by": ordered_by,
        "comparison": _comparison(description),
        "notes": unique_notes(
            [*description["notes"], *(note for cell in plan["notes"] for note in loads(cell))]
        ),
        "leader": _leader(rows),
        "reversed": _looks_reversed(rows),
        "rows": rows,
        "unscored": _unscored(board),
    }


def _ordering(board: ExternalBoard, primary: str) -> str:
    """Return the primary metric, or the AUC where it means nothing on these cases."""
    defined = all(not row.scores[primary].reason for row in board.rows.values())
    return primary if defined else "roc_auc"


def _order(
    row: ExternalRow, metric: str, internal_rank: int, key: RowKey
) -> tuple[float, int, RowKey]:
    value = row.scores[metric].external.value
    sign = -1.0 if METRICS[metric].greater_is_better else 1.0
    return (sign * value if math.isfinite(value) else math.inf, internal_rank, key)


def _leader(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the rank here of the row that leads internally, and what to call it.

    A choice that these cases have no part in: the best row here is partly lucky. Rows that
    lack an input here are another model than they were internally, and come last.
    """
    if not rows:
        return None
    first = min(rows, key=lambda row: (WITHOUT_INPUT in row["notes"], row["internal_rank"]))
    if first["internal_rank"] == 1:
        return {"rank": first["rank"], "text": "first on the internal board"}
    whole = WITHOUT_INPUT not in first["notes"]
    more = ", the first that has all its inputs here" if whole else ""
    place = f"number {first['internal_rank']} of the internal board{more}"
    return {"rank": first["rank"], "text": place}


def _looks_reversed(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether the row that leads internally ranks the wrong way round here."""
    leader = _leader(rows)
    if leader is None:
        return False
    high = rows[leader["rank"] - 1]["metrics"]["roc_auc"]["external"]["ci_high"]
    return high is not None and high < CHANCE


def _comparison(description: Mapping[str, Any]) -> str:
    present = [one["name"] for one in description["classes"] if one["n_cases"]]
    absent = [one["name"] for one in description["classes"] if not one["n_cases"]]
    if not absent:
        return "Both cohorts have every class, and internal scores are those of the board above."
    return (
        f"There is no {' and no '.join(absent)} case here, so internal scores are those of the "
        f"{' and '.join(present)} cases of development alone: a change is none of the mix of "
        "classes. Probabilities are as the models give them, those of the absent class included."
    )


def _row(
    row: ExternalRow, key: RowKey, rank: int, internal_rank: int, family: str, plan: pd.DataFrame
) -> dict[str, Any]:
    cell = plan[(plan["features"] == key[0]) & (plan["model"] == key[1])].iloc[0]
    frozen = row.frozen
    return {
        "rank": rank,
        "internal_rank": internal_rank,
        "features": key[0],
        "model": key[1],
        "family": family,
        "notes": list(dict.fromkeys(note["code"] for note in loads(cell["notes"]))),
        "metrics": {
            name: {
                "external": _plain(one.external),
                "internal": _plain(one.internal),
                "change": _plain(one.change),
                "reason": one.reason,
            }
            for name, one in row.scores.items()
        },
        "frozen": {
            "target_sensitivity": frozen.target_sensitivity,
            "threshold": frozen.threshold,
            "found": None if frozen.found is None else list(frozen.found),
            "left_alone": None if frozen.left_alone is None else list(frozen.left_alone),
            "sensitivity": _plain(frozen.sensitivity),
            "specificity": _plain(frozen.specificity),
            "reason": frozen.reason,
        },
        "observed_expected": _plain(row.observed_expected),
        "fit_time_s": float(cell["tune_time_s"] + cell["fit_time_s"]),
    }


def _plain(score: Score) -> dict[str, float | None]:
    return plain_score(score.value, score.ci_low, score.ci_high)


def _unscored(board: ExternalBoard) -> list[dict[str, str]]:
    plan = board.record.plan
    rows = [
        {
            "features": str(cell["features"]),
            "model": str(cell["model"]),
            "status": str(cell["status"]),
            "reason": str(cell["reason"]),
        }
        for _, cell in plan[plan["status"] != "ok"].iterrows()
    ]
    rows += [
        {"features": features, "model": model, "status": "failed", "reason": reason}
        for (features, model), reason in board.unscored.items()
    ]
    return rows


def external_csv(summary: Mapping[str, Any]) -> pd.DataFrame:
    """Return ``board.csv`` of an external cohort: one row per (features, model), best first.

    Columns are ``rank``, ``internal_rank``, ``features``, ``model``, ``family``, ``status``,
    ``reason``; of every metric ``NAME``, ``NAME_internal`` and ``NAME_change``, each with
    ``_low`` and ``_high``; what the frozen threshold did; ``observed_expected``; and ``data``,
    which says whether the patients are real.
    """
    records = []
    for row in summary["rows"]:
        record = {key: row[key] for key in ("rank", "internal_rank", "features", "model", "family")}
        record |= {"status": "ok", "reason": ""}
        for name, one in row["metrics"].items():
            record |= _columns(name, one["external"])
            record |= _columns(f"{name}_internal", one["internal"])
            record |= _columns(f"{name}_change", one["change"])
        records.append(record | _frozen_columns(row) | {"data": summary["data"]})
    for row in summary["unscored"]:
        records.append({**row, "data": summary["data"]})
    table = pd.DataFrame(records)
    # Rows without a score would make floats of them.
    whole = [name for name in WHOLE if name in table.columns]
    return table.astype(dict.fromkeys(whole, "Int64"))


def _columns(name: str, score: Mapping[str, float | None]) -> dict[str, float | None]:
    return {
        name: score["value"],
        f"{name}_low": score["ci_low"],
        f"{name}_high": score["ci_high"],
    }


def _frozen_columns(row: Mapping[str, Any]) -> dict[str, Any]:
    frozen = row["frozen"]
    found, left = (frozen[name] or (None, None) for name in ("found", "left_alone"))
    return {
        "target_sensitivity": frozen["target_sensitivity"],
        "threshold": frozen["threshold"],
        "n_found": found[0],
        "n_positives": found[1],
        **_columns("frozen_sensitivity", frozen["sensitivity"]),
        "n_left_alone": left[0],
        "n_others": left[1],
        **_columns("frozen_specificity", frozen["specificity"]),
        **_columns("observed_expected", row["observed_expected"]),
    }
