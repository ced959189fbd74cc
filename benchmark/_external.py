"""Cohorts that are only predicted: loaded and checked before any long work, predicted after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmark._external_description import describe_external
from benchmark._seen_patients import check_weights
from benchmark.config import Config, ExternalConfig
from benchmark.experiment import (
    Cell,
    CellResult,
    ExternalPlan,
    ExternalStore,
    ExternalTarget,
    Plan,
    RunStore,
    TaskFactory,
    block_names,
    external_costs,
    finished_plan,
    plan_external,
    run_external_cells,
)
from cohorts import (
    BLOCK_SEPARATOR,
    BenchmarkError,
    Cohort,
    Note,
    Overlap,
    conform_modalities,
    find_overlap,
    load_cohort,
    map_classes,
)
from features import (
    PIXEL_KINDS,
    FeatureBlock,
    FeatureCache,
    FeatureSet,
    check_pixel_sizes,
    extraction_s,
    rebuild_blocks,
)

__all__ = [
    "ExternalCohort",
    "check_folders",
    "load_external",
    "predict_external",
]

# Columns without a value that a note names.
N_NAMED = 4


@dataclass(frozen=True)
class ExternalCohort:
    """A cohort that is only predicted, in the terms of the development cohort.

    Attributes
    ----------
    key : str
        Name of its folder.
    cohort : Cohort
        Classes, modalities and columns of the development cohort.
    plan : ExternalPlan
        Which rows are predicted.
    costs : mapping of Cell to float
        Expected seconds of each refit on one core.
    description : mapping
        What ``external.json`` and the page say about it; counts, never values.
    is_refitted_again : bool
        Whether some of these rows are kept as well, by refits of their own.
    """

    key: str
    cohort: Cohort
    plan: ExternalPlan
    costs: Mapping[Cell, float]
    description: Mapping[str, Any]
    is_refitted_again: bool

    def extraction_s(self, sets: Sequence[FeatureSet]) -> float:
        """Return the expected seconds of computing its image features with an empty cache."""
        return extraction_s(self.cohort, block_names(_used_sets(self.plan, sets)))


def load_external(config: Config, development: Cohort, plan: Plan) -> tuple[ExternalCohort, ...]:
    """Load and check every external cohort of the config.

    Parameters
    ----------
    config : Config
        Its ``external`` section.
    development : Cohort
        Whose classes, modalities and columns count.
    plan : Plan
        Of the development cohort.

    Raises
    ------
    BenchmarkError
        If a cohort cannot be read, a class is not mapped, or nothing is left that the
        development cohort does not hold as well.
    """
    return tuple(_load_one(entry, config, development, plan) for entry in config.external)


def _load_one(
    entry: ExternalConfig, config: Config, development: Cohort, plan: Plan
) -> ExternalCohort:
    where = f"external.{entry.key}"
    loaded = load_cohort(entry.name, entry.data, entry.options, where=f"{where}.options")
    check_weights(config, loaded)
    mapped = map_classes(loaded, entry.classes, development, where=f"{where}.classes")
    kept = _without_overlap(mapped, development, where)
    conformed, gaps = conform_modalities(kept, development)
    try:
        check_pixel_sizes(conformed, config.imaging)
    except BenchmarkError as error:
        raise BenchmarkError(f"{where}: {error}") from None
    if entry.title:
        conformed = replace(conformed, info=replace(conformed.info, title=entry.title))
    external_plan = plan_external(plan, conformed, gaps)
    return ExternalCohort(
        entry.key,
        conformed,
        external_plan,
        external_costs(external_plan, development, config, plan.sets),
        describe_external(entry, loaded, conformed, development, gaps),
        config.final_models != "none",
    )


def _without_overlap(cohort: Cohort, development: Cohort, where: str) -> Cohort:
    """Leave out what the development cohort holds as well, and say so."""
    overlap = find_overlap(cohort, development)
    n_shared = int(overlap.shared.sum())
    if n_shared == cohort.n_cases:
        raise BenchmarkError(
            f"{where}: all {n_shared} cases stand in the development cohort as well, so that none "
            "is external. Give other patients, or take the entry out."
        )
    notes = [
        *_overlap_note(overlap),
        *_alike_note(overlap),
        *_patient_note(cohort, development),
    ]
    return cohort.take(np.flatnonzero(~overlap.shared)).with_notes(*notes)


def _overlap_note(overlap: Overlap) -> list[Note]:
    counts = (
        (overlap.same_image, "with the same image file"),
        (overlap.similar_image, "with nearly the same image"),
        (overlap.same_row, "with the same id and the same record"),
        (overlap.same_patient, "of the same patients"),
    )
    told = ", ".join(f"{int(flags.sum())} {what}" for flags, what in counts if flags.any())
    if not told:
        return []
    text = (
        f"{int(overlap.shared.sum())} of {len(overlap.shared)} cases were left out, because the "
        f"development cohort holds them as well ({told}): a model would be judged on what it was "
        "trained on."
    )
    return [Note("shared-cases", "warning", text)]


def _alike_note(overlap: Overlap) -> list[Note]:
    n_alike = int(overlap.alike_row.sum())
    if not n_alike:
        return []
    text = (
        f"{n_alike} of {len(overlap.shared)} cases have the id and the recorded values of a case "
        "of the development cohort, but too few or too coarse values to tell whether they are the "
        "same people. If they are, the cohort is not external: leave these cases out."
    )
    return [Note("alike-cases", "warning", text)]


def _patient_note(cohort: Cohort, development: Cohort) -> list[Note]:
    if not (cohort.info.patients_known and development.info.patients_known):
        return []
    n_shared = len(set(cohort.patients) & set(development.patients))
    if not n_shared:
        return []
    text = (
        f"{n_shared} patient ids stand in the development cohort as well. If they are the same "
        "people, and not numbers given twice, the cohort is not external: leave these cases out."
    )
    return [Note("shared-patient-ids", "warning", text)]


def check_folders(externals: Sequence[ExternalCohort], store: RunStore) -> None:
    """Check that what the run folder holds of external cohorts is of the same cases.

    Raises
    ------
    BenchmarkError
        If it is not.
    """
    for one in externals:
        ExternalStore(store.folder, one.key).check(one.description)


def predict_external(
    externals: Sequence[ExternalCohort],
    make_task: TaskFactory,
    plan: Plan,
    internal: Mapping[Cell, CellResult],
    store: RunStore,
    *,
    cache: FeatureCache,
    n_jobs: int,
    progress: bool,
) -> None:
    """Predict every external cohort by rows refitted on the whole development cohort.

    Parameters
    ----------
    externals : sequence of ExternalCohort
        As `load_external` returned them.
    make_task : TaskFactory
        Of the development cohort.
    plan : Plan
        Of the development cohort.
    internal : mapping of Cell to CellResult
        Of its folds.
    store : RunStore
        Of the run; each cohort has a folder below ``external/``.
    cache : FeatureCache
        Where the numbers of an image are kept.
    n_jobs : int
        Worker processes.
    progress : bool
        Show bars.
    """
    targets = {}
    for one in externals:
        folder = ExternalStore(store.folder, one.key)
        folder.begin(one.description)
        blocks = _blocks(one, make_task, plan, cache=cache, progress=progress)
        targets[one.key] = ExternalTarget(one.plan, blocks, folder)
    results = run_external_cells(
        targets,
        make_task,
        internal,
        costs={cell: cost for one in externals for cell, cost in one.costs.items()},
        n_jobs=n_jobs,
        progress=progress,
    )
    for one in externals:
        carried_out = finished_plan(one.plan, plan.sets, internal)
        targets[one.key].store.write_tables(carried_out, results[one.key], one.cohort)


def _used_sets(plan: ExternalPlan, sets: Sequence[FeatureSet]) -> list[FeatureSet]:
    used = {cell.features for cell in plan.cells}
    return [one for one in sets if one.name in used]


def _blocks(
    external: ExternalCohort,
    make_task: TaskFactory,
    plan: Plan,
    *,
    cache: FeatureCache,
    progress: bool,
) -> dict[str, FeatureBlock]:
    """Make the blocks of the rows that are predicted, as they were made in development."""
    known = {block.schema.name: block for parts in make_task.blocks.values() for block in parts}
    names = block_names(_used_sets(external.plan, plan.sets))
    made = rebuild_blocks(
        external.cohort,
        {name: known[name] for name in names},
        imaging=make_task.config.imaging,
        cache=cache,
        random_state=make_task.config.seed,
        progress=progress,
    )
    gaps = external.description["gaps"]
    return {
        name: block if block.schema.modality in gaps else _with_empty_columns(block, known[name])
        for name, block in made.items()
    }


def _with_empty_columns(block: FeatureBlock, development: FeatureBlock) -> FeatureBlock:
    """Say which columns have values in development and none here: models see them imputed."""
    if block.schema.kind in PIXEL_KINDS:
        return block
    known = development.frame.notna().any() & ~block.frame.notna().any()
    empty = [name.split(BLOCK_SEPARATOR, 1)[1] for name in known.index[known]]
    if not empty:
        return block
    more = f" and {len(empty) - N_NAMED} more" if len(empty) > N_NAMED else ""
    text = (
        f"{len(empty)} of {len(block.schema.columns)} columns of {block.schema.name!r} have no "
        f"value in any case of this cohort, and are imputed as in training: "
        f"{', '.join(empty[:N_NAMED])}{more}."
    )
    note = Note("columns-without-values", "warning", text)
    return replace(block, notes=(*block.notes, note))
