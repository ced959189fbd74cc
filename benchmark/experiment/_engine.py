"""The engine: runs the cells that are missing and stores each one as it ends."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import joblib
import numpy as np
from numpy.typing import NDArray

from benchmark.config import Config
from benchmark.experiment._cell import CellResult, CellTask, run_cell
from benchmark.experiment._finetuning import train_networks
from benchmark.experiment._inner import TrainingPart
from benchmark.experiment._plan import Cell, Plan
from benchmark.experiment._splits import Split
from benchmark.experiment._store import RunStore
from benchmark.experiment._tuning import StudyPlace
from cohorts import Cohort
from features import FeatureBlock, FeatureSet, assemble, is_finetuned, progress_bar

__all__ = ["TaskFactory", "default_jobs", "run_all", "run_cells", "without_mixed_weights"]

Task = TypeVar("Task")
Done = TypeVar("Done")

logger = logging.getLogger(__name__)

UNTRAINED = "A network that embeds the images of this fold could not be trained: {error}"


def default_jobs() -> int:
    """Return the number of cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


class TaskFactory:
    """Makes the task of a cell from what the run holds in memory.

    Parameters
    ----------
    config : Config
        The run's.
    cohort : Cohort
        Labels and patients.
    sets : sequence of FeatureSet
        Of the plan.
    blocks : mapping of str to FeatureBlock
        Every block that the sets name.
    splits : sequence of Split
        Outer folds.
    place_study : callable, optional
        Cell -> where its trials are kept while it runs; in memory by default.
    memory : Path, optional
        Folder of the networks that embed images inside the folds; without it, every cell
        trains them for itself.
    """

    def __init__(
        self,
        config: Config,
        cohort: Cohort,
        sets: Sequence[FeatureSet],
        blocks: Mapping[str, FeatureBlock],
        splits: Sequence[Split],
        place_study: Callable[[Cell], StudyPlace] | None = None,
        *,
        memory: Path | None = None,
    ) -> None:
        self.config = config
        self._memory = None if memory is None else str(memory)
        self._place_study = place_study
        self.blocks = {one.name: [blocks[name] for name in one.blocks] for one in sets}
        self._frames = {name: assemble(parts) for name, parts in self.blocks.items()}
        self._splits = {(split.repeat, split.fold): split for split in splits}
        self._labels = cohort.labels
        self._patients = np.asarray(cohort.patients, dtype=object)
        self._n_classes = len(cohort.classes)

    def __call__(self, cell: Cell) -> CellTask:
        """Return the cell's task; a final cell trains on every case and predicts none."""
        blocks, X = self.blocks[cell.features], self._frames[cell.features]
        train, test = self._rows(cell)
        return CellTask(
            cell=cell,
            config=self.config,
            blocks=tuple(block.schema for block in blocks),
            training=TrainingPart(
                X.iloc[train], self._labels[train], self._patients[train], self._n_classes
            ),
            train_rows=train,
            X_test=X.iloc[test],
            test_rows=test,
            notes=tuple(note for block in blocks for note in block.notes),
            place=self._place(cell),
            memory=self._memory,
        )

    def _place(self, cell: Cell) -> StudyPlace | None:
        # Refits on all cases come when the board is finished and what it was resumed from is gone.
        return None if self._place_study is None or cell.is_final else self._place_study(cell)

    def _rows(self, cell: Cell) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        if cell.is_final:
            return np.arange(len(self._labels)), np.arange(0)
        split = self._splits[cell.repeat, cell.fold]
        return split.train, split.test


def run_cells(
    plan: Plan,
    make_task: Callable[[Cell], CellTask],
    store: RunStore,
    *,
    costs: Mapping[Cell, float],
    n_jobs: int,
    progress: bool,
) -> dict[Cell, CellResult]:
    """Run what the store does not hold yet: first the networks that cells share, then the cells.

    Parameters
    ----------
    plan : Plan
        All cells.
    make_task : callable
        Cell -> task.
    store : RunStore
        Where finished cells are and go.
    costs : mapping of Cell to float
        Expected seconds; the longest cells start first, so that none is left over at the end.
    n_jobs : int
        Worker processes; 1 runs in this one.
    progress : bool
        Show a bar.

    Returns
    -------
    dict of Cell to CellResult
        Every planned cell.
    """
    results = store.completed(plan.cells)
    missing = [cell for cell in plan.cells if cell not in results]
    missing.sort(key=lambda cell: (-costs[cell], cell))
    logger.info("cells=%d stored=%d to_run=%d", len(plan.cells), len(results), len(missing))
    errors = train_networks(missing, make_task, n_jobs=n_jobs, progress=progress)
    failed = [
        CellResult(cell, "failed", reason=UNTRAINED.format(error=errors[cell.repeat, cell.fold]))
        for cell in missing
        if is_finetuned(cell.features) and (cell.repeat, cell.fold) in errors
    ]
    lost = {result.cell for result in failed}
    tasks = (make_task(cell) for cell in missing if cell not in lost)
    finished = itertools.chain(failed, run_all(tasks, run_cell, n_jobs=n_jobs))
    with progress_bar(len(plan.cells), done=len(results), title="cells", shown=progress) as bar:
        for result in finished:
            store.write(result)
            results[result.cell] = result
            bar.set_postfix_str(f"{result.cell.model} on {result.cell.features}", refresh=False)
            bar.update()
            if result.status == "failed":
                logger.warning("cell=%s status=failed reason=%s", result.cell.key, result.reason)
    return without_mixed_weights(results)


def without_mixed_weights(results: Mapping[Cell, CellResult]) -> dict[Cell, CellResult]:
    """Fail the cells of a row whose folds trained on weights of different origin.

    Where a hub is within reach of one start and out of reach of another, a row would
    otherwise be the mean of two models.
    """
    origins: dict[tuple[str, str], set[str]] = {}
    for cell, result in results.items():
        if result.status == "ok":
            origins.setdefault((cell.features, cell.model), set()).add(result.weights)
    checked = dict(results)
    for cell, result in results.items():
        mixed = sorted(origins.get((cell.features, cell.model), ()))
        if result.status == "ok" and len(mixed) > 1:
            reason = (
                f"The folds of this row have image weights of different origin ({', '.join(mixed)})"
                ". Name a weights file, and start in a new folder."
            )
            checked[cell] = CellResult(cell, "failed", reason=reason)
    return checked


def run_all(tasks: Iterable[Task], run: Callable[[Task], Done], *, n_jobs: int) -> Iterator[Done]:
    """Run tasks in this process or in several, and give each result as it is finished."""
    if n_jobs == 1:
        yield from map(run, tasks)
        return
    parallel = joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered", pre_dispatch=n_jobs)
    # Registered extensions of other packages are found again in the workers by entry point.
    yield from parallel(joblib.delayed(run)(task) for task in tasks)
