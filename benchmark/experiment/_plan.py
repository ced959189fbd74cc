"""The plan: every cell that will be run, and every row that cannot be."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmark._seeds import hashed_seed
from benchmark.config import Config
from cohorts import BenchmarkError, Cohort
from features import FeatureSet, block_kinds, is_finetuned, select_sets, skipped_sets
from models import EMBEDDING_NETWORK, MODELS, ModelSpec

__all__ = [
    "Cell",
    "Plan",
    "SkippedRow",
    "block_names",
    "cell_seed",
    "estimate_networks_s",
    "estimate_s",
    "fold_seed",
    "make_plan",
    "n_networks",
    "n_trials",
    "outer_seed",
]

# Columns of an extracted block as models see them, reduced if wide; for the estimate alone.
IMAGE_FEATURE_COLUMNS = 100

FINETUNING_IS_OFF = (
    "it takes a network for every outer fold and each of its inner folds, which this config leaves "
    "out; name the set among the features, or set finetuned_embeddings: true"
)

# Of the readable part of a cell's file name; file systems allow 255 bytes in all.
MAX_KEY_LENGTH = 120


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """Feature set × model × repeat × fold: the unit of work, runnable anywhere.

    ``repeat == fold == -1`` is the refit on all cases.
    """

    features: str
    model: str
    repeat: int
    fold: int

    @classmethod
    def final(cls, features: str, model: str) -> Cell:
        """Return the refit of a row on all cases."""
        return cls(features, model, -1, -1)

    @property
    def is_final(self) -> bool:
        """Whether this is the refit on all cases, with nothing to predict."""
        return self.fold < 0

    @property
    def key(self) -> str:
        """A file name that is safe and unique, whatever the modalities are called."""
        fold = "final" if self.is_final else f"r{self.repeat}f{self.fold}"
        name = f"{self.features}__{self.model}__{fold}"
        readable = re.sub(r"[^A-Za-z0-9_+-]", "-", name)[:MAX_KEY_LENGTH]
        return f"{readable}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


@dataclass(frozen=True, slots=True)
class SkippedRow:
    """Rows that are not run, with the reason; "—" stands for every feature set or model."""

    features: str
    model: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """Rows to run, rows that are skipped, and the feature sets they use."""

    sets: tuple[FeatureSet, ...]
    cells: tuple[Cell, ...]
    skipped: tuple[SkippedRow, ...]

    @property
    def rows(self) -> tuple[tuple[str, str], ...]:
        """(features, model) of every row that has cells, in plan order."""
        return tuple(dict.fromkeys((cell.features, cell.model) for cell in self.cells))


def block_names(sets: Iterable[FeatureSet]) -> list[str]:
    """Return the blocks that these sets are made of, each once."""
    return list(dict.fromkeys(name for one in sets for name in one.blocks))


def cell_seed(cell: Cell, seed: int) -> int:
    """Return a seed that hashes the cell's names, so that adding a model changes no other row."""
    return hashed_seed(f"{seed}/{cell.features}/{cell.model}/{cell.repeat}/{cell.fold}")


def fold_seed(repeat: int, fold: int, seed: int) -> int:
    """Return the seed of a fold's inner splits: the same for every model, so rows stay paired."""
    return hashed_seed(f"{seed}/inner/{repeat}/{fold}")


def outer_seed(repeat: int, seed: int) -> int:
    """Return the seed of a repeat's outer folds; no two runs share one by counting up."""
    return hashed_seed(f"{seed}/outer/{repeat}")


def make_plan(cohort: Cohort, config: Config) -> Plan:
    """Cross feature sets with the models that accept them.

    Parameters
    ----------
    cohort : Cohort
        Decides which feature sets exist.
    config : Config
        Decides which of them, and which models, are wanted.

    Raises
    ------
    BenchmarkError
        If a feature set is unknown for the cohort, or nothing is left to run.
    """
    sets, left_out = _wanted_sets(cohort, config)
    wanted = MODELS.names() if config.models is None else dict.fromkeys(config.models)
    models = [MODELS.get(name) for name in wanted]
    rows, skipped = planned_rows(cohort, sets, models)
    if not rows:
        raise BenchmarkError(_nothing_to_run(sets, models, skipped))
    skipped += left_out
    cells = tuple(
        Cell(features, model, repeat, fold)
        for repeat in range(config.outer.n_repeats)
        for fold in range(config.outer.n_splits)
        for features, model in rows
    )
    used = {features for features, _ in rows}
    return Plan(tuple(one for one in sets if one.name in used), cells, tuple(skipped))


def _wanted_sets(cohort: Cohort, config: Config) -> tuple[tuple[FeatureSet, ...], list[SkippedRow]]:
    """Return the sets to run and, where all are wanted, those that are left out with the reason."""
    sets = select_sets(cohort, config.features)
    if config.features is not None:
        return sets, []
    left_out = [SkippedRow(name, "—", reason) for name, reason in skipped_sets(cohort).items()]
    if not config.finetuned_embeddings:
        costly = [one.name for one in sets if is_finetuned(one.name)]
        left_out += [SkippedRow(name, "—", FINETUNING_IS_OFF) for name in costly]
        sets = tuple(one for one in sets if one.name not in costly)
    return sets, left_out


def planned_rows(
    cohort: Cohort, sets: Sequence[FeatureSet], models: Sequence[ModelSpec]
) -> tuple[list[tuple[str, str]], list[SkippedRow]]:
    """Return the rows to run and, for every model without one, why."""
    kinds = block_kinds(cohort)
    rows: list[tuple[str, str]] = []
    skipped: list[SkippedRow] = []
    for spec in models:
        reason = spec.skip(cohort)
        if reason is not None:
            skipped.append(SkippedRow("—", spec.name, reason))
            continue
        fitting = {
            one.name: blocks
            for one in sets
            if spec.accepts(blocks := [kinds[name] for name in one.blocks])
        }
        refused = {name: why for name, blocks in fitting.items() if (why := spec.refuse(blocks))}
        rows += [(name, spec.name) for name in fitting if name not in refused]
        skipped += [SkippedRow(name, spec.name, why) for name, why in refused.items()]
        if not fitting:
            among = ", ".join(one.name for one in sets)
            reason = f"none of the feature sets in this run fits it ({among})"
            skipped.append(SkippedRow("—", spec.name, reason))
    order = {one.name: position for position, one in enumerate(sets)}
    return sorted(rows, key=lambda row: order[row[0]]), skipped


def estimate_s(cohort: Cohort, config: Config, cell: Cell, feature_set: FeatureSet) -> float:
    """Return a cell's expected seconds on one core: fits × the model's own guess."""
    spec = MODELS.get(cell.model)
    widths = {table.name: 2 * len(table.columns) for table in cohort.tables}
    n_columns = sum(widths.get(name, IMAGE_FEATURE_COLUMNS) for name in feature_set.blocks)
    share = 1.0 if cell.is_final else 1 - 1 / config.outer.n_splits
    n_train = int(cohort.n_cases * share)
    inner_share = 1 - 1 / config.inner.n_splits
    per_fit = spec.estimate_fit_s(n_train, n_columns, config.model_settings)
    n_inner = n_inner_fits(spec, config)
    return per_fit * (1 + n_inner * inner_share)


def n_networks(plan: Plan, config: Config) -> int:
    """Return how many networks embed images inside the folds: shared by all rows that read them."""
    folds = {(cell.repeat, cell.fold) for cell in plan.cells if is_finetuned(cell.features)}
    return len(folds) * (1 + config.inner.n_splits)


def estimate_networks_s(cohort: Cohort, config: Config, plan: Plan) -> float:
    """Return the expected seconds of training them on one core, each once."""
    n_train = cohort.n_cases * (1 - 1 / config.outer.n_splits)
    n_inner = n_train * (1 - 1 / config.inner.n_splits)
    spec = MODELS.get(EMBEDDING_NETWORK)
    sizes = [n_train, *[n_inner] * config.inner.n_splits]
    per_fold = sum(spec.estimate_fit_s(int(n), 0, config.model_settings) for n in sizes)
    return n_networks(plan, config) / len(sizes) * per_fold


def n_inner_fits(spec: ModelSpec, config: Config) -> int:
    """Return how many fits on inner folds a cell of this model takes."""
    trials = n_trials(spec, config)
    if spec.is_deep and trials == 1:
        return 0
    return trials * config.inner.n_splits


def n_trials(spec: ModelSpec, config: Config) -> int:
    """Return the trial budget of a model: one where there is nothing to tune."""
    if not spec.search_space:
        return 1
    inner = config.inner
    return inner.n_trials_expensive if spec.expensive else inner.n_trials


def _nothing_to_run(
    sets: Sequence[FeatureSet], models: Sequence[ModelSpec], skipped: Sequence[SkippedRow]
) -> str:
    wanted = ", ".join(spec.name for spec in models)
    listed = ", ".join(one.name for one in sets)
    reasons = "; ".join(dict.fromkeys(f"{row.model}: {row.reason}" for row in skipped))
    return (
        f"Nothing to run: no model of ({wanted}) fits a feature set of ({listed}). {reasons}. "
        "Networks read image and image+tabular, stacking needs two blocks or more."
    )
