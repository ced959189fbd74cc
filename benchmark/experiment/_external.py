"""External cohorts: which rows can be predicted there, and the cells that do it."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.config import LABEL_PATTERN, Config
from benchmark.experiment._cell import CellResult, ExternalTask, run_external_cell
from benchmark.experiment._engine import TaskFactory, run_all, without_mixed_weights
from benchmark.experiment._finetuning import train_networks
from benchmark.experiment._plan import Cell, Plan, SkippedRow, estimate_s
from benchmark.experiment._store import CellStore, write_json, write_parquet
from benchmark.experiment._tables import plan_table, predictions_table
from cohorts import BenchmarkError, Cohort, Note
from features import (
    FeatureBlock,
    FeatureSet,
    assemble,
    block_kinds,
    block_modalities,
    progress_bar,
    without_masks,
)
from models import MODELS

__all__ = [
    "ExternalPlan",
    "ExternalStore",
    "ExternalTarget",
    "external_costs",
    "finished_plan",
    "plan_external",
    "run_external_cells",
]

logger = logging.getLogger(__name__)

WITHOUT = (
    "Rows marked so were predicted without {names}, which cannot be had there: {why}. The network "
    "puts what it has learned for a missing modality in its place, and it can have learned that "
    "only as far as it met cases without one in training."
)
NO_MASKS = "{n_without} of its {n_images} images have no mask, and {block} needs one of each"
UNFINISHED = "the row did not end well in every internal fold, so there is nothing to compare with"


@dataclass(frozen=True)
class ExternalPlan:
    """What is predicted of an external cohort.

    Attributes
    ----------
    cells : tuple of Cell
        Refits on all development cases, one for each row that can be predicted.
    skipped : tuple of SkippedRow
        The other rows, with the reason.
    notes : mapping of Cell to tuple of Note
        What must be said about a row there, besides the notes of its blocks.
    """

    cells: tuple[Cell, ...]
    skipped: tuple[SkippedRow, ...]
    notes: Mapping[Cell, tuple[Note, ...]]


def plan_external(plan: Plan, cohort: Cohort, gaps: Mapping[str, str]) -> ExternalPlan:
    """Decide which rows of a run can be predicted for another cohort.

    A row needs every modality that its feature set is made of. A model that reads images can
    do without tables where it says so (`ModelSpec.tolerates_missing_tables`).

    Parameters
    ----------
    plan : Plan
        Of the development cohort.
    cohort : Cohort
        With the modalities of the development cohort; those in `gaps` are empty.
    gaps : mapping of str to str
        Modality -> why the cohort does not have it.
    """
    sets = {one.name: one for one in plan.sets}
    cells: list[Cell] = []
    skipped: list[SkippedRow] = []
    notes: dict[Cell, tuple[Note, ...]] = {}
    for features, model in plan.rows:
        cell = Cell.final(features, model)
        missing, reason = _obstacles(sets[features], model, cohort, gaps)
        if reason is not None:
            skipped.append(SkippedRow(features, model, reason))
            continue
        cells.append(cell)
        notes[cell] = _missing_note(missing, gaps)
    return ExternalPlan(tuple(cells), tuple(skipped), notes)


def _obstacles(
    feature_set: FeatureSet, model: str, cohort: Cohort, gaps: Mapping[str, str]
) -> tuple[list[str], str | None]:
    """Return the modalities that a row does without, and why it cannot be predicted, if so."""
    modalities, kinds = block_modalities(cohort), block_kinds(cohort)
    missing = [name for name in feature_set.blocks if modalities[name] in gaps]
    names = list(dict.fromkeys(modalities[name] for name in missing))
    pixels = [name for name in feature_set.blocks if kinds[name] == "pixels"]
    tolerant = MODELS.get(model).tolerates_missing_tables
    bearable = tolerant and pixels and not set(pixels) & set(missing)
    if missing and not bearable:
        return names, "; ".join(gaps[name] for name in names)
    for block, (n_without, n_images) in without_masks(cohort, feature_set.blocks).items():
        return names, NO_MASKS.format(n_without=n_without, n_images=n_images, block=block)
    return names, None


def _missing_note(names: Sequence[str], gaps: Mapping[str, str]) -> tuple[Note, ...]:
    if not names:
        return ()
    why = "; ".join(gaps[name] for name in names)
    return (
        Note("modality-missing", "warning", WITHOUT.format(names=" and ".join(names), why=why)),
    )


def external_costs(
    plan: ExternalPlan, development: Cohort, config: Config, sets: Sequence[FeatureSet]
) -> dict[Cell, float]:
    """Return the expected seconds of each refit on one core."""
    by_name = {one.name: one for one in sets}
    return {
        cell: estimate_s(development, config, cell, by_name[cell.features]) for cell in plan.cells
    }


def finished_plan(
    plan: ExternalPlan, sets: Sequence[FeatureSet], internal: Mapping[Cell, CellResult]
) -> Plan:
    """Return the plan as it was carried out: rows that failed internally are skipped."""
    failed = _failed_rows(internal)
    cells = tuple(cell for cell in plan.cells if (cell.features, cell.model) not in failed)
    skipped = tuple(
        SkippedRow(cell.features, cell.model, UNFINISHED)
        for cell in plan.cells
        if (cell.features, cell.model) in failed
    )
    return Plan(tuple(sets), cells, (*plan.skipped, *skipped))


def _failed_rows(internal: Mapping[Cell, CellResult]) -> set[tuple[str, str]]:
    return {(cell.features, cell.model) for cell, one in internal.items() if one.status != "ok"}


class ExternalStore(CellStore):
    """Reads and writes the folder of one external cohort, ``external/KEY`` of a run.

    Parameters
    ----------
    run : Path
        The run folder.
    key : str
        What the cohort is called in it.

    Raises
    ------
    BenchmarkError
        If the key is none that a config can give: the folder would lie elsewhere.
    """

    def __init__(self, run: Path, key: str) -> None:
        if not re.fullmatch(LABEL_PATTERN, key):
            raise BenchmarkError(
                f"{key!r} is no name for the folder of an external cohort in {str(run)!r}: it must "
                "be letters, digits, - and _. Give the cohort a label of these; a run.json that "
                "names it so was changed, and the run must be made again."
            )
        super().__init__(run / "external" / key)

    def check(self, description: Mapping[str, Any]) -> None:
        """Check, before any long work, that the folder is empty or of the same cases.

        Raises
        ------
        BenchmarkError
            If it holds predictions of other cases.
        """
        before = self.read_description().get("fingerprint") if self._about.is_file() else None
        if before not in (None, description["fingerprint"]):
            raise BenchmarkError(
                f"The folder {str(self.folder)!r} holds predictions of other cases (the data, the "
                "options or the mapping of classes differ). Give the external cohort another "
                "label, or delete that folder."
            )

    def begin(self, description: Mapping[str, Any]) -> None:
        """Write ``external.json``, after the same check."""
        self.check(description)
        write_json(self._about, description)

    def read_description(self) -> dict[str, Any]:
        """Return ``external.json``.

        Raises
        ------
        BenchmarkError
            If the run has not come that far.
        """
        if not self._about.is_file():
            raise BenchmarkError(
                f"{str(self.folder)!r} has no {self._about.name}: the run has not ended. "
                "Start benchmark run again on the same folder; it goes on where it was."
            )
        return self._read_json(self._about)

    def write_tables(self, plan: Plan, results: Mapping[Cell, CellResult], cohort: Cohort) -> None:
        """Write the tables of the plan and of the predictions."""
        write_parquet(self.folder / "plan.parquet", plan_table(plan, results))
        write_parquet(self.folder / "predictions.parquet", predictions_table(plan, results, cohort))

    @property
    def _about(self) -> Path:
        return self.folder / "external.json"


@dataclass(frozen=True)
class ExternalTarget:
    """An external cohort, ready to be predicted.

    Attributes
    ----------
    plan : ExternalPlan
        Which rows.
    blocks : mapping of str to FeatureBlock
        Its cases in the blocks of the development cohort.
    store : ExternalStore
        Where its predictions are and go.
    """

    plan: ExternalPlan
    blocks: Mapping[str, FeatureBlock]
    store: ExternalStore


def run_external_cells(
    targets: Mapping[str, ExternalTarget],
    make_task: TaskFactory,
    internal: Mapping[Cell, CellResult],
    *,
    costs: Mapping[Cell, float],
    n_jobs: int,
    progress: bool,
) -> dict[str, dict[Cell, CellResult]]:
    """Refit rows on the development cohort and predict what is not stored yet.

    A row is fitted once for all cohorts that lack its predictions.

    Parameters
    ----------
    targets : mapping of str to ExternalTarget
        The external cohorts.
    make_task : TaskFactory
        Of the development cohort.
    internal : mapping of Cell to CellResult
        Of the folds: rows that did not end well there are not refitted.
    costs : mapping of Cell to float
        Expected seconds; the longest refits start first.
    n_jobs : int
        Worker processes; 1 runs in this one.
    progress : bool
        Show a bar.

    Returns
    -------
    dict of str to dict of Cell to CellResult
        For each cohort, the cells of its plan whose rows ended well internally.
    """
    failed = _failed_rows(internal)
    results = {name: one.store.completed(one.plan.cells) for name, one in targets.items()}
    wanted: dict[Cell, list[str]] = {}
    for name, target in targets.items():
        for cell in target.plan.cells:
            if cell not in results[name] and (cell.features, cell.model) not in failed:
                wanted.setdefault(cell, []).append(name)
    order = sorted(wanted, key=lambda cell: (-costs[cell], cell))
    tasks = (
        _external_task(cell, {name: targets[name] for name in wanted[cell]}, make_task)
        for cell in order
    )
    logger.info("external=%s refits=%d", ",".join(targets), len(order))
    # Refits that read the same networks must not train them beside each other.
    train_networks(order, make_task, n_jobs=n_jobs, progress=progress)
    with progress_bar(len(order), done=0, title="external", shown=progress) as bar:
        for finished in run_all(tasks, run_external_cell, n_jobs=n_jobs):
            for name, result in finished.items():
                targets[name].store.write(result)
                results[name][result.cell] = result
            bar.update()
    return {name: _same_weights(internal, found, failed) for name, found in results.items()}


def _external_task(
    cell: Cell, targets: Mapping[str, ExternalTarget], make_task: TaskFactory
) -> ExternalTask:
    names = [block.schema.name for block in make_task.blocks[cell.features]]
    parts = {name: [one.blocks[block] for block in names] for name, one in targets.items()}
    return ExternalTask(
        fit=make_task(cell),
        cases={name: assemble(blocks) for name, blocks in parts.items()},
        notes={
            name: (
                *(note for block in blocks for note in block.notes),
                *targets[name].plan.notes[cell],
            )
            for name, blocks in parts.items()
        },
    )


def _same_weights(
    internal: Mapping[Cell, CellResult],
    external: Mapping[Cell, CellResult],
    failed: set[tuple[str, str]],
) -> dict[Cell, CellResult]:
    """Fail refits whose image weights are of another origin than those of the folds."""
    checked = without_mixed_weights({**internal, **external})
    return {cell: checked[cell] for cell in external if (cell.features, cell.model) not in failed}
