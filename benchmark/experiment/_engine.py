"""The engine: runs the cells that are missing and stores each one as it ends."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import joblib
import numpy as np
from tqdm.auto import tqdm

from benchmark.config import Config
from benchmark.experiment._cell import CellResult, CellTask, run_cell
from benchmark.experiment._plan import Cell, Plan
from benchmark.experiment._splits import Split
from benchmark.experiment._store import RunStore
from cohorts import Cohort
from features import FeatureBlock, FeatureSet, assemble

__all__ = ["TaskFactory", "default_jobs", "run_cells"]

logger = logging.getLogger(__name__)


def default_jobs() -> int:
    """Return the number of cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


@dataclass(frozen=True)
class TaskFactory:
    """Makes the task of a cell from what the run holds in memory."""

    config: Config
    cohort: Cohort
    sets: tuple[FeatureSet, ...]
    blocks: Mapping[str, FeatureBlock]
    splits: tuple[Split, ...]

    def __call__(self, cell: Cell) -> CellTask:
        """Return the cell's task; a final cell trains on every case."""
        chosen = next(one for one in self.sets if one.name == cell.features)
        blocks = [self.blocks[name] for name in chosen.blocks]
        train, test = self._rows(cell)
        return CellTask(
            cell=cell,
            config=self.config,
            blocks=tuple(block.schema for block in blocks),
            X=assemble(blocks),
            y=self.cohort.labels,
            groups=np.asarray(self.cohort.patients, dtype=object),
            train=train,
            test=test,
            n_classes=len(self.cohort.classes),
            positive_index=self.cohort.positive_index,
            notes=tuple(note for block in blocks for note in block.notes),
        )

    def _rows(self, cell: Cell) -> tuple[np.ndarray, np.ndarray]:
        if cell.fold < 0:
            return np.arange(self.cohort.n_cases), np.arange(0)
        for split in self.splits:
            if (split.repeat, split.fold) == (cell.repeat, cell.fold):
                return split.train, split.test
        raise LookupError(f"no split for {cell}")


def run_cells(
    plan: Plan,
    make_task: Callable[[Cell], CellTask],
    store: RunStore,
    *,
    costs: Mapping[Cell, float],
    n_jobs: int,
    progress: bool,
) -> dict[Cell, CellResult]:
    """Run what the store does not hold yet.

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
    finished = _run_all((make_task(cell) for cell in missing), n_jobs=n_jobs)
    bar = tqdm(total=len(plan.cells), initial=len(results), desc="cells", disable=not progress)
    with bar:
        for result in finished:
            store.write(result)
            results[result.cell] = result
            bar.set_postfix_str(f"{result.cell.model} on {result.cell.features}", refresh=False)
            bar.update()
            if result.status == "failed":
                logger.warning("cell=%s status=failed reason=%s", result.cell.key, result.reason)
    return results


def _run_all(tasks: Iterable[CellTask], *, n_jobs: int) -> Iterator[CellResult]:
    if n_jobs == 1:
        yield from map(run_cell, tasks)
        return
    parallel = joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered", pre_dispatch=n_jobs)
    # Registered extensions of other packages are found again in the workers by entry point.
    yield from parallel(joblib.delayed(run_cell)(task) for task in tasks)
