"""Makes predictions: plan, splits, tuning, cells, engine and store."""

from benchmark.experiment._cell import CellResult, CellTask, fit_final, run_cell
from benchmark.experiment._engine import TaskFactory, default_jobs, run_cells
from benchmark.experiment._finetuning import train_networks
from benchmark.experiment._plan import (
    Cell,
    Plan,
    SkippedRow,
    estimate_networks_s,
    estimate_s,
    make_plan,
    n_networks,
)
from benchmark.experiment._splits import Split, fold_notes, grouped_folds, outer_splits
from benchmark.experiment._store import RunStore, write_json, write_parquet

__all__ = [
    "Cell",
    "CellResult",
    "CellTask",
    "Plan",
    "RunStore",
    "SkippedRow",
    "Split",
    "TaskFactory",
    "default_jobs",
    "estimate_networks_s",
    "estimate_s",
    "fit_final",
    "fold_notes",
    "grouped_folds",
    "make_plan",
    "n_networks",
    "outer_splits",
    "run_cell",
    "run_cells",
    "train_networks",
    "write_json",
    "write_parquet",
]
