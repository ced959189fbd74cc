"""What ``run.json`` says about a run: its config, patients, rows and versions."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import pandas as pd

from benchmark.config import Config
from benchmark.experiment._plan import Plan
from cohorts import Cohort, ImageModality, TabularModality, __version__

__all__ = ["SCHEMA_VERSION", "describe_run"]

SCHEMA_VERSION = 1

RECORDED_PACKAGES = (
    "numpy",
    "pandas",
    "scikit-learn",
    "scikit-image",
    "scipy",
    "lightgbm",
    "xgboost",
    "optuna",
    "torch",
    "timm",
    "skorch",
)


def describe_run(config: Config, cohort: Cohort, plan: Plan) -> dict[str, Any]:
    """Return what ``run.json`` says: config, rows, seed, versions, data fingerprint."""
    return {
        "schema_version": SCHEMA_VERSION,
        "created": pd.Timestamp.now(tz="UTC").strftime("%Y-%m-%d %H:%M UTC"),
        "config": json.loads(json.dumps(config.to_dict())),
        "config_yaml": config.to_yaml(),
        "cohort": describe_cohort(cohort),
        "rows": [list(row) for row in plan.rows],
        "notes": [asdict(note) for note in cohort.notes],
        "seed": config.seed,
        "versions": _versions(),
        "fingerprint": cohort.fingerprint(),
    }


def describe_cohort(cohort: Cohort) -> dict[str, Any]:
    """Return what the pages say about the patients: counts, never values."""
    cases, patients = cohort.class_counts(), cohort.patients_per_class()
    return {
        "name": cohort.info.name,
        "title": cohort.info.title,
        "source": cohort.info.source,
        "licence": cohort.info.licence,
        "simulation": cohort.info.simulation,
        "planted": dict(cohort.info.planted),
        "n_cases": cohort.n_cases,
        "n_patients": cohort.n_patients,
        "patients_known": cohort.info.patients_known,
        "classes": [
            {"name": name, "n_cases": cases[name], "n_patients": patients[name]}
            for name in cohort.classes
        ],
        "positive_class": cohort.positive_class,
        "modalities": [
            *(_describe_images(modality) for modality in cohort.images),
            *(_describe_table(table) for table in cohort.tables),
        ],
        "n_sites": None if cohort.sites is None else len(set(cohort.sites)),
    }


def _describe_images(modality: ImageModality) -> dict[str, Any]:
    return {
        "name": modality.name,
        "kind": "images",
        "n_columns": None,
        "n_missing": modality.n_missing,
        "columns": [],
    }


def _describe_table(table: TabularModality) -> dict[str, Any]:
    missing = table.table.isna()
    return {
        "name": table.name,
        "kind": "tabular",
        "n_columns": len(table.columns),
        "n_missing": int(missing.all(axis=1).sum()),
        "columns": [
            {
                "name": column.name,
                "kind": column.kind.value,
                "unit": column.unit,
                "share_missing": float(missing[column.name].mean()),
            }
            for column in table.columns
        ],
    }


def _versions() -> dict[str, str]:
    found = {"sonobench": __version__, "python": platform.python_version()}
    for name in RECORDED_PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
