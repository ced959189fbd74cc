"""Weights that have seen the patients at hand: refused before anything is computed from them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.config import Config
from cohorts import BenchmarkError, Cohort

__all__ = ["check_weights"]


def check_weights(config: Config, cohort: Cohort) -> None:
    """Refuse a network of a run on the same patients as the source of weights.

    The networks that a run keeps are refitted on all of its cases. Features of their backbones
    have seen the label of every one of them, so that no fold of the same cohort is held out
    any more.

    Parameters
    ----------
    config : Config
        Whose paths of weights are looked at.
    cohort : Cohort
        The patients at hand.

    Raises
    ------
    BenchmarkError
        If a path leads into a run on a cohort of the same name that shares cases, or on the
        same data.
    """
    for key, weights in _paths(config):
        run = _run_of(Path(weights))
        if run is None:
            continue
        n_shared = _n_shared(run, cohort)
        if n_shared:
            raise BenchmarkError(
                f"{key} = {weights!r} was trained on the labels of {n_shared} of the "
                f"{cohort.n_cases} cases at hand (run {run.name!r}), so that no fold would be held "
                "out. Take weights from a run on other patients, a weights file, or auto."
            )


def _paths(config: Config) -> Iterator[tuple[str, str]]:
    embedding = config.feature_options.get("embedding", {}).get("weights")
    if embedding is not None:
        yield "feature_options.embedding.weights", str(embedding)
    yield "model_settings.networks.weights", config.model_settings.networks.weights


def _run_of(weights: Path) -> Path | None:
    """Return the run folder that a network's folder (or a file in it) lies in, if it does."""
    for folder in weights.resolve().parents:
        if folder.name == "models" and (folder.parent / "run.json").is_file():
            return folder.parent
    return None


def _n_shared(run: Path, cohort: Cohort) -> int:
    description: dict[str, Any] = json.loads((run / "run.json").read_text(encoding="utf-8"))
    if description.get("fingerprint") == cohort.fingerprint():
        return cohort.n_cases
    if description.get("cohort", {}).get("name") != cohort.info.name:
        return 0
    splits = run / "splits.parquet"
    if not splits.is_file():
        return 0
    seen = set(pd.read_parquet(splits, columns=["case"])["case"].astype(str))
    return len(seen.intersection(cohort.cases))
