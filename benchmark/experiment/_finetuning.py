"""The networks behind fine-tuned embeddings: each trained once, before the cells that read it."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.experiment._cell import CellTask, describe_error, one_thread
from benchmark.experiment._plan import Cell, fold_seed
from benchmark.experiment._splits import inner_folds
from features import is_finetuned, progress_bar
from models import finetuned_columns

__all__ = ["NetworkTask", "network_tasks", "train_network", "train_networks"]

logger = logging.getLogger(__name__)

FoldKey = tuple[int, int]


@dataclass(frozen=True)
class NetworkTask:
    """A network to be trained, and whom it then embeds: exactly what pipelines will ask for.

    Attributes
    ----------
    columns : FinetunedColumns
        Unfitted, with a memory.
    X : DataFrame of shape (n_train, n_images)
        Image columns of the training rows.
    y, groups : ndarray of shape (n_train,)
        Their labels and patients.
    X_held_out : DataFrame of shape (n_held_out, n_images)
        Those of the rows to predict; no label of theirs.
    fold : (int, int)
        Repeat and outer fold, for messages.
    keep : bool
        Whether the network itself stays in the memory: only if cases will be embedded that
        are not known yet.
    """

    columns: Any
    X: pd.DataFrame
    y: NDArray[np.intp]
    groups: NDArray[np.object_]
    X_held_out: pd.DataFrame
    fold: FoldKey
    keep: bool


def network_tasks(task: CellTask) -> list[NetworkTask]:
    """Return the networks that a cell needs: of its outer fold, then of its inner ones.

    Parameters
    ----------
    task : CellTask
        Any cell of the fold on a feature set with fine-tuned embeddings.
    """
    cell, part, config = task.cell, task.training, task.config
    columns = finetuned_columns(
        task.blocks, config.model_settings, network_seed=config.seed, memory=task.memory
    )
    if columns is None:
        return []
    images = list(columns.network.image_columns)
    X, X_test, fold = part.X[images], task.X_test[images], (cell.repeat, cell.fold)
    outer = NetworkTask(columns, X, part.y, part.groups, X_test, fold, keep=cell.is_final)
    seed = fold_seed(cell.repeat, cell.fold, config.seed)
    inner = [
        NetworkTask(
            columns, X.iloc[train], part.y[train], part.groups[train], X.iloc[held_out], fold, False
        )
        for train, held_out in inner_folds(part.y, part.groups, config, seed=seed)
    ]
    return [outer, *inner]


def train_network(task: NetworkTask) -> tuple[FoldKey, str]:
    """Train a network, unless the memory has it, and embed; return the fold and the error, if any.

    The calls are those of a pipeline, so that what they leave in the memory is what it finds.
    """
    with one_thread(), warnings.catch_warnings():
        # What training warns about concerns every row alike and is said by its notes.
        warnings.simplefilter("ignore")
        try:
            task.columns.fit_transform(task.X, task.y, groups=task.groups)
            if len(task.X_held_out):
                task.columns.transform(task.X_held_out)
            if not task.keep:
                task.columns.forget_network()
        except Exception as error:  # its rows fail with the reason; the others go on
            return task.fold, describe_error(error)
    return task.fold, ""


def train_networks(
    cells: Iterable[Cell],
    make_task: Callable[[Cell], CellTask],
    *,
    n_jobs: int,
    progress: bool,
) -> dict[FoldKey, str]:
    """Train the networks that these cells read, side by side, each once.

    Parameters
    ----------
    cells : iterable of Cell
        That will be run; those on other features are passed over.
    make_task : callable
        Cell -> task.
    n_jobs : int
        Worker processes; 1 runs in this one.
    progress : bool
        Show a bar.

    Returns
    -------
    dict of (repeat, fold) to str
        The first error of each outer fold in which a network could not be trained.
    """
    # Every feature set of a fold that has fine-tuned embeddings reads the same networks.
    first = {(c.repeat, c.fold): c for c in cells if is_finetuned(c.features)}
    tasks = [one for cell in first.values() for one in network_tasks(make_task(cell))]
    # Without a memory there is nothing to prepare: pipelines train for themselves.
    tasks = [one for one in tasks if one.columns.memory is not None]
    failed: dict[FoldKey, str] = {}
    if not tasks:
        return failed
    logger.info("networks=%d", len(tasks))
    with progress_bar(len(tasks), done=0, title="networks", shown=progress) as bar:
        for fold, error in _train_all(tasks, n_jobs=n_jobs):
            bar.update()
            if error:
                logger.warning("network=r%df%d status=failed reason=%s", *fold, error)
                failed.setdefault(fold, error)
    return failed


def _train_all(tasks: Iterable[NetworkTask], *, n_jobs: int) -> Iterator[tuple[FoldKey, str]]:
    if n_jobs == 1:
        yield from map(train_network, tasks)
        return
    parallel = joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered", pre_dispatch=n_jobs)
    yield from parallel(joblib.delayed(train_network)(task) for task in tasks)
