"""A run from config to pages: what the command line and a notebook both call."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark._examples import example_images
from benchmark._external import (
    ExternalCohort,
    check_folders,
    load_external,
    predict_external,
)
from benchmark._external_boards import read_boards, write_boards
from benchmark._final_models import FinalModels
from benchmark._seen_patients import check_weights
from benchmark.config import Config
from benchmark.evaluation import NO_EXAMPLES, RunRecord, build_board, score_table, summarise
from benchmark.evaluation.summary import leaderboard_table
from benchmark.experiment import (
    Cell,
    Plan,
    RunStore,
    Split,
    StudyPlace,
    TaskFactory,
    block_names,
    default_jobs,
    estimate_networks_s,
    estimate_s,
    fold_notes,
    make_plan,
    outer_splits,
    run_cells,
    write_json,
    write_parquet,
)
from cohorts import (
    CaseFormat,
    Cohort,
    case_format,
    default_cache_dir,
    load_cohort,
    write_atomically,
)
from features import (
    FeatureBlock,
    FeatureCache,
    build_blocks,
    check_options,
    check_pixel_sizes,
    extraction_s,
    is_finetuned,
)
from models import EMBEDDING_NETWORK, MODELS
from reports import render_leaderboard

__all__ = [
    "Preparation",
    "Run",
    "default_folder",
    "extraction_estimate_s",
    "finetuning_estimate_s",
    "plan_table",
    "prepare",
    "render",
    "run",
    "total_estimate_s",
]


@dataclass(frozen=True)
class Preparation:
    """Everything that is known, and checked, before any long work starts.

    Attributes
    ----------
    config : Config
        As given.
    cohort : Cohort
        Loaded and validated.
    splits : tuple of Split
        Outer folds.
    plan : Plan
        Cells and skipped rows.
    costs : mapping of Cell to float
        Expected seconds of each cell on one core.
    form : CaseFormat
        How new cases are read.
    external : tuple of ExternalCohort
        Cohorts that are only predicted.
    """

    config: Config
    cohort: Cohort
    splits: tuple[Split, ...]
    plan: Plan
    costs: Mapping[Cell, float]
    form: CaseFormat
    external: tuple[ExternalCohort, ...] = ()


@dataclass(frozen=True)
class Run:
    """A finished run, read from its folder.

    Attributes
    ----------
    folder : Path
        The run folder.
    """

    folder: Path

    @cached_property
    def description(self) -> dict[str, Any]:
        """``run.json``."""
        return RunStore(self.folder).read_description()

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """Out-of-fold predictions, one row per case and cell."""
        return RunStore(self.folder).read_table("predictions")

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Every metric of every row, pooled and per fold."""
        return RunStore(self.folder).read_table("scores")

    @cached_property
    def leaderboard(self) -> pd.DataFrame:
        """One row per (features, model), best first."""
        # Names can look like numbers or like missing values.
        names = dict.fromkeys(("features", "model", "family", "status"), str)
        path = self.folder / "leaderboard.csv"
        return pd.read_csv(path, dtype=names, keep_default_na=False, na_values=[""])


def prepare(config: Config) -> Preparation:
    """Load the cohort and make the plan; every error of the user's making is raised here.

    Raises
    ------
    BenchmarkError
        If the data, the folds or the choice of rows are not sound.
    """
    source = config.cohort
    where = f"cohort.options of {source.name}"
    cohort = load_cohort(source.name, source.data, source.options, where=where)
    # Now, as the data may be elsewhere when the run ends.
    form = case_format(
        cohort, loader=source.name, data=source.data, options=source.options, where=where
    )
    if source.positive_class is not None:
        cohort = cohort.with_positive_class(source.positive_class)
    check_weights(config, cohort)
    check_pixel_sizes(cohort, config.imaging)
    if config.inner.storage is not None:
        StudyPlace("", config.inner.storage).open()
    splits = outer_splits(cohort, config)
    cohort = cohort.with_notes(*fold_notes(cohort, splits))
    plan = make_plan(cohort, config)
    check_options(cohort, block_names(plan.sets), config.feature_options)
    networks = [EMBEDDING_NETWORK for features, _ in plan.rows if is_finetuned(features)]
    for name in dict.fromkeys([*networks, *(model for _, model in plan.rows)]):
        MODELS.get(name).check(config.model_settings)
    sets = {one.name: one for one in plan.sets}
    costs = {cell: estimate_s(cohort, config, cell, sets[cell.features]) for cell in plan.cells}
    external = load_external(config, cohort, plan)
    return Preparation(config, cohort, splits, plan, costs, form, external)


def run(
    config: Config | Preparation,
    *,
    out: str | Path | None = None,
    n_jobs: int | None = None,
    use_cache: bool = True,
    progress: bool = False,
) -> Run:
    """Run what is missing in the run folder, score it and write the pages.

    Parameters
    ----------
    config : Config or Preparation
        What to run; a preparation saves loading the cohort twice.
    out : path, optional
        Run folder; by default ``runs/<cohort>-<preset>``.
    n_jobs : int, optional
        Worker processes; by default one per core.
    use_cache : bool, default=True
        Take features of images from the user's cache folder, and leave them there.
    progress : bool, default=False
        Show bars.

    Returns
    -------
    Run
        The finished run.

    Raises
    ------
    BenchmarkError
        Before any long work, if the input is not sound or the folder holds another run.
    """
    ready = config if isinstance(config, Preparation) else prepare(config)
    folder = Path(out) if out is not None else default_folder(ready.config)
    store = RunStore(folder)
    store.check(ready.config, ready.cohort, ready.plan)
    check_folders(ready.external, store)
    started = time.perf_counter()
    cache = FeatureCache(default_cache_dir() if use_cache else None)
    make_task = _extract(ready, cache, store, progress=progress)
    results = run_cells(
        ready.plan,
        make_task,
        store,
        costs=ready.costs,
        n_jobs=n_jobs or default_jobs(),
        progress=progress,
    )
    store.write_tables(ready.plan, results, ready.cohort, ready.splits)
    if ready.external:
        predict_external(
            ready.external,
            make_task,
            ready.plan,
            results,
            store,
            cache=cache,
            n_jobs=n_jobs or default_jobs(),
            progress=progress,
        )
    _add_wall_time(store, time.perf_counter() - started)
    summary = render(folder)
    which = ready.config.final_models
    if which != "none":
        final = FinalModels(store, make_task, ready.cohort, ready.form, cache)
        final.save(summary, which=which)
    if all(result.status == "ok" for result in results.values()):
        # Refits can need networks of their own.
        store.discard_work()
    return Run(folder)


def render(folder: str | Path) -> dict[str, Any]:
    """Score a run from its stored predictions and write scores, board and page.

    Parameters
    ----------
    folder : path
        A run folder whose cells have ended.

    Returns
    -------
    dict
        The summary that the page was laid out from.

    Raises
    ------
    BenchmarkError
        If the folder holds no finished run.
    """
    store = RunStore(Path(folder))
    description = store.read_description()
    evaluation, cohort = description["config"]["evaluation"], description["cohort"]
    board = build_board(
        store.read_table("predictions"),
        store.read_table("splits"),
        classes=[one["name"] for one in cohort["classes"]],
        positive_class=cohort["positive_class"],
        n_resamples=evaluation["n_resamples"],
        random_state=description["seed"],
    )
    scores = score_table(board, confidence=evaluation["confidence"])
    external = read_boards(store, board)
    record = RunRecord(
        name=store.folder.resolve().name,
        description=description,
        plan=store.read_table("plan"),
        scores=scores,
        board=board,
        inner=store.read_table("inner_predictions"),
        examples=store.read_examples() or NO_EXAMPLES,
        variants=store.read_variants(),
        external=external,
    )
    summary = summarise(record)
    write_boards(store, external, summary["external"])
    write_parquet(store.folder / "scores.parquet", scores)
    write_json(store.folder / "leaderboard.json", summary)
    csv = leaderboard_table(summary).to_csv(index=False).encode("utf-8")
    write_atomically(store.folder / "leaderboard.csv", csv)
    page = render_leaderboard(summary).encode("utf-8")
    write_atomically(store.folder / "leaderboard.html", page)
    return summary


def default_folder(config: Config) -> Path:
    """Return ``runs/<cohort>-<preset>``."""
    return Path("runs") / f"{config.cohort.name}-{config.preset}"


def _extract(
    ready: Preparation, cache: FeatureCache, store: RunStore, *, progress: bool
) -> TaskFactory:
    """Compute every block that the plan needs, once for the whole cohort."""
    blocks = build_blocks(
        ready.cohort,
        block_names(ready.plan.sets),
        options=ready.config.feature_options,
        imaging=ready.config.imaging,
        cache=cache,
        random_state=ready.config.seed,
        progress=progress,
    )
    store.begin(ready.config, ready.cohort, ready.plan, blocks)
    store.update_description(external=[_about(one) for one in ready.external])
    write_json(store.folder / "examples.json", _examples(ready, blocks))
    return TaskFactory(
        ready.config,
        ready.cohort,
        ready.plan.sets,
        blocks,
        ready.splits,
        lambda cell: store.study_place(cell, ready.config),
        memory=store.networks,
    )


def _about(external: ExternalCohort) -> dict[str, Any]:
    """Return what ``run.json`` says of an external cohort; its own folder has the rest."""
    return {key: external.description[key] for key in ("key", "title", "n_cases", "fingerprint")}


def _examples(ready: Preparation, blocks: Mapping[str, FeatureBlock]) -> dict[str, Any]:
    """Return what the page shows of the images: nothing unless it may be seen and was used."""
    wanted = ready.config.show_images
    shown = ready.cohort.info.images_public if wanted is None else wanted
    tables = {table.name for table in ready.cohort.tables}
    if not shown or all(tables.issuperset(one.blocks) for one in ready.plan.sets):
        return dict(NO_EXAMPLES)
    measured = (block.regions for block in blocks.values() if block.regions is not None)
    outlined = any("automatic" in set(regions["origin"]) for regions in measured)
    return example_images(ready.cohort, ready.config.imaging, outlined=outlined)


def _add_wall_time(store: RunStore, seconds: float) -> None:
    """Add the time of this start to what earlier starts on the folder took."""
    before = store.read_description().get("wall_time_s") or 0.0
    store.update_description(wall_time_s=before + seconds)


def plan_table(ready: Preparation) -> pd.DataFrame:
    """Return the plan row by row: cells, trials and expected seconds on one core."""
    records = [
        {"features": cell.features, "model": cell.model, "cells": 1, "core_s": ready.costs[cell]}
        for cell in ready.plan.cells
    ]
    table = pd.DataFrame(records)
    return table.groupby(["features", "model"], sort=False, as_index=False).sum()


def extraction_estimate_s(ready: Preparation) -> float:
    """Return the expected seconds of computing every image feature; less if some are cached."""
    return extraction_s(ready.cohort, block_names(ready.plan.sets))


def finetuning_estimate_s(ready: Preparation) -> float:
    """Return the expected seconds of training the networks that rows share, on one core."""
    return estimate_networks_s(ready.cohort, ready.config, ready.plan)


def total_estimate_s(
    plan: Plan, costs: Mapping[Cell, float], n_jobs: int, *, networks_s: float = 0.0
) -> float:
    """Return the expected wall seconds: the cores' shares, or the longest cell if it is longer.

    Networks that rows share, of `networks_s` in all, are trained before the cells.
    """
    spent = [costs[cell] for cell in plan.cells]
    return networks_s / n_jobs + max(sum(spent) / n_jobs, max(spent))
