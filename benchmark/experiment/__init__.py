"""Makes predictions: plan, splits, tuning, cells, engine and store."""

from benchmark.experiment._cell import CellResult, CellTask, fit_final, predict_cases, run_cell
from benchmark.experiment._description import describe_cohort
from benchmark.experiment._engine import TaskFactory, default_jobs, run_cells
from benchmark.experiment._external import (
    ExternalPlan,
    ExternalStore,
    ExternalTarget,
    external_costs,
    finished_plan,
    plan_external,
    run_external_cells,
)
from benchmark.experiment._finetuning import train_networks
from benchmark.experiment._plan import (
    Cell,
    Plan,
    SkippedRow,
    block_names,
    estimate_networks_s,
    estimate_s,
    make_plan,
    n_networks,
)
from benchmark.experiment._splits import Split, fold_notes, grouped_folds, outer_splits
from benchmark.experiment._store import RunStore, write_json, write_parquet
from benchmark.experiment._tuning import StudyPlace

__all__ = [
    "Cell",
    "CellResult",
    "CellTask",
    "ExternalPlan",
    "ExternalStore",
    "ExternalTarget",
    "Plan",
    "RunStore",
    "SkippedRow",
    "Split",
    "StudyPlace",
    "TaskFactory",
    "block_names",
    "default_jobs",
    "describe_cohort",
    "estimate_networks_s",
    "estimate_s",
    "external_costs",
    "finished_plan",
    "fit_final",
    "fold_notes",
    "grouped_folds",
    "make_plan",
    "n_networks",
    "outer_splits",
    "plan_external",
    "predict_cases",
    "run_cell",
    "run_cells",
    "run_external_cells",
    "train_networks",
    "write_json",
    "write_parquet",
]
