"""Summaries as a run gives them: real evaluation functions on small simulated predictions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmark.evaluation import (
    ExternalRecord,
    RunRecord,
    build_board,
    score_external,
    score_table,
    summarise,
)

N_FOLDS = 3

# Features, model, family, skill in standard deviations between the classes.
ROWS = (
    ("tabular", "logistic_regression", "linear", 1.2),
    ("radiomics", "random_forest", "forest", 0.9),
    ("radiomics+tabular", "svm", "kernel", 1.5),
    ("image+tabular", "late_fusion", "deep", 1.0),
    ("tabular", "dummy", "baseline", 0.0),
)

UNSCORED = (
    ("embedding", "xgboost", "boosting", "failed", "ValueError: no gradient (at fit, line 12)"),
    ("image", "image_network", "deep", "skipped", "The cohort has no images."),
)

NOTES = (
    {"code": "no-early-stopping", "severity": "info", "text": "Trained without early stopping."},
    {
        "code": "post-diagnosis-columns",
        "severity": "warning",
        "text": "2 columns recorded after the diagnosis were kept out: er, pr.",
    },
)

RANDOM_WEIGHTS = {
    "code": "random-weights",
    "severity": "warning",
    "text": "Pretrained weights of the backbone could not be had.",
}

Summary = dict[str, Any]


def make_summary(
    rows: Sequence[tuple[str, str, str, float]] = ROWS,
    *,
    unscored: Sequence[tuple[str, str, str, str, str]] = UNSCORED,
    notes: Sequence[Mapping[str, str]] = NOTES,
    classes: Sequence[str] = ("benign", "malignant", "normal"),
    simulation: str = "real",
    n_cases: int = 90,
    n_resamples: int = 100,
    external: Sequence[ExternalRecord] = (),
    target_sensitivity: float = 0.9,
    **replaced: Any,
) -> Summary:
    """Build a summary; entries of `replaced` take the place of those of ``run.json``."""
    splits = _splits(n_cases)
    predictions = [_predictions(splits, row, classes, seed) for seed, row in enumerate(rows)]
    board = build_board(
        pd.concat(predictions, ignore_index=True),
        splits,
        classes=list(classes),
        positive_class=classes[1],
        n_resamples=n_resamples,
        random_state=0,
    )
    record = RunRecord(
        name="a-run",
        description=_description(classes, simulation, n_cases, n_resamples, notes) | replaced,
        plan=_plan(rows, unscored),
        scores=score_table(board, confidence=0.95),
        board=board,
        inner=_inner(predictions),
        external=tuple(
            score_external(
                one,
                board,
                evaluation={
                    "n_resamples": n_resamples,
                    "confidence": 0.95,
                    "target_sensitivity": target_sensitivity,
                },
                seed=7,
            )
            for one in external
        ),
    )
    # As it comes back from leaderboard.json: plain types only.
    summary: Summary = json.loads(json.dumps(summarise(record)))
    return summary


@pytest.fixture(name="make_summary")
def make_summary_fixture() -> Callable[..., Summary]:
    """Give the maker to tests: modules under tests/ do not import each other."""
    return make_summary


def make_external(
    rows: Sequence[tuple[str, str, str, float]] = ROWS,
    *,
    unscored: Sequence[tuple[str, str, str, str, str]] = (),
    classes: Sequence[str] = ("benign", "malignant", "normal"),
    absent: Sequence[str] = ("normal",),
    n_cases: int = 60,
    **replaced: Any,
) -> ExternalRecord:
    """Build what a run stores of an external cohort; `replaced` is of its description."""
    splits = _splits(n_cases).assign(fold=-1)
    parts = [_predictions(splits, row, classes, seed + 50) for seed, row in enumerate(rows)]
    table = pd.concat(parts, ignore_index=True)
    table = table[~table["label"].isin(absent)]
    counts = table.drop_duplicates("case")["label"].value_counts()
    sizes = {name: int(counts.get(name, 0)) for name in classes}
    cells = [_cell(row, "ok", "", -1) for row in rows]
    cells += [_cell(row, row[3], row[4], -1) for row in unscored]
    n_kept = sum(sizes.values())
    description = _cohort(classes, "real", n_kept) | {
        "key": "elsewhere",
        "title": "Patients of elsewhere",
        "classes": [
            {"name": name, "n_cases": size, "n_patients": size} for name, size in sizes.items()
        ],
        "fingerprint": "fedcba9876543210",
        "mapping": [
            {"from": "carcinoma", "to": "malignant", "n_cases": sizes["malignant"]},
            {"from": "cyst", "to": None, "n_cases": 4},
        ],
        "gaps": {},
        "notes": [{"code": "shared-cases", "severity": "warning", "text": "2 were left out."}],
        "differences": ["It has no normal case."],
    }
    return ExternalRecord(description | replaced, pd.DataFrame(cells), table)


@pytest.fixture(name="make_external")
def make_external_fixture() -> Callable[..., ExternalRecord]:
    """Give the maker to tests, as above."""
    return make_external


@pytest.fixture
def summary() -> Summary:
    """Give a summary of five scored and two unscored rows on real patients."""
    return make_summary()


def _splits(n_cases: int) -> pd.DataFrame:
    cases = [f"case{i:03d}" for i in range(n_cases)]
    # Every fold holds every class.
    return pd.DataFrame({"repeat": 0, "fold": np.arange(n_cases) // 3 % N_FOLDS, "case": cases})


def _predictions(
    splits: pd.DataFrame, row: tuple[str, str, str, float], classes: Sequence[str], seed: int
) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    truth = np.arange(len(splits)) % len(classes)
    logit = rng.normal(size=(len(splits), len(classes))) * (row[3] > 0)
    logit[np.arange(len(splits)), truth] += row[3]
    proba = np.exp(logit) / np.exp(logit).sum(axis=1, keepdims=True)
    return splits.assign(
        patient=splits["case"],
        site="",
        features=row[0],
        model=row[1],
        label=np.asarray(classes)[truth],
        **{f"p_{name}": proba[:, k] for k, name in enumerate(classes)},
    )


def _plan(
    rows: Sequence[tuple[str, str, str, float]],
    unscored: Sequence[tuple[str, str, str, str, str]],
) -> pd.DataFrame:
    cells = [_cell(row, "ok", "", fold) for row in rows for fold in range(N_FOLDS)]
    for row in unscored:
        folds = range(N_FOLDS if row[3] == "failed" else 1)
        cells += [_cell(row, row[3], row[4], fold) for fold in folds]
    return pd.DataFrame(cells)


def _inner(predictions: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The predictions of classical rows again, as if the inner folds had given the same."""
    classical = [part for part in predictions if "fusion" not in part["model"].iloc[0]]
    return pd.concat(classical, ignore_index=True).assign(inner_fold=0)


def _cell(row: Sequence[Any], status: str, reason: str, fold: int) -> dict[str, Any]:
    random = row[2] == "deep" and status == "ok"
    return {
        "features": row[0],
        "model": row[1],
        "family": row[2],
        "repeat": 0,
        "fold": fold,
        "status": status,
        "reason": reason,
        "history": "[]",
        "notes": json.dumps([RANDOM_WEIGHTS] if random else []),
        "tune_time_s": 2.0,
        "fit_time_s": 0.5,
        "predict_time_s": 0.1,
        "n_trials_requested": 3,
        "n_trials_completed": 3,
    }


def _description(
    classes: Sequence[str],
    simulation: str,
    n_cases: int,
    n_resamples: int,
    notes: Sequence[Mapping[str, str]],
) -> dict[str, Any]:
    return {
        "created": "2026-01-02 03:04 UTC",
        "config": {
            "preset": "quick",
            "outer": {"n_splits": N_FOLDS, "n_repeats": 1},
            "inner": {"n_splits": 2, "n_trials": 3, "n_trials_expensive": 1},
            "evaluation": {
                "primary": "roc_auc",
                "n_resamples": n_resamples,
                "confidence": 0.95,
            },
        },
        "config_yaml": "cohort:\n  name: demo\npreset: quick\nseed: 7\n",
        "cohort": _cohort(classes, simulation, n_cases),
        "notes": list(notes),
        "seed": 7,
        "versions": {"sonobench": "0.1.0", "python": "3.11.0", "numpy": "2.2.0"},
        "fingerprint": "0123456789abcdef",
        "wall_time_s": 75.0,
    }


def _cohort(classes: Sequence[str], simulation: str, n_cases: int) -> dict[str, Any]:
    share = n_cases // len(classes)
    return {
        "name": "demo",
        "title": "Breast ultrasound with clinical data",
        "source": "A hospital",
        "licence": "CC BY 4.0",
        "simulation": simulation,
        "planted": {} if simulation == "real" else {"age": 0.8, "density": -0.4},
        "n_cases": n_cases,
        "n_patients": n_cases,
        "patients_known": True,
        "classes": [{"name": name, "n_cases": share, "n_patients": share} for name in classes],
        "positive_class": classes[1],
        "modalities": [
            {
                "name": "ultrasound",
                "kind": "images",
                "n_columns": None,
                "n_missing": 0,
                "columns": [],
            },
            {
                "name": "clinical",
                "kind": "tabular",
                "n_columns": 1,
                "n_missing": 4,
                "columns": [
                    {"name": "age", "kind": "numeric", "unit": "years", "share_missing": 0.04}
                ],
            },
        ],
        "n_sites": None,
    }
