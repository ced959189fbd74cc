"""The run folder: each finished cell is written once, whole, and never computed twice."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmark.config import Config
from benchmark.experiment._cell import CellResult
from benchmark.experiment._description import SCHEMA_VERSION, describe_run
from benchmark.experiment._identity import differences, run_digest
from benchmark.experiment._plan import Cell, Plan
from benchmark.experiment._splits import Split
from benchmark.experiment._tables import (
    columns_table,
    inner_predictions_table,
    plan_table,
    predictions_table,
    regions_table,
    splits_table,
    trials_table,
    variants_table,
)
from benchmark.experiment._tuning import StudyPlace
from cohorts import (
    BenchmarkError,
    Cohort,
    write_atomically,
)
from features import FeatureBlock

__all__ = ["SCHEMA_VERSION", "CellStore", "RunStore", "write_json", "write_parquet"]

# What may differ between two starts on the same folder: rows can be added to a board, cohorts
# can be predicted besides, and images taken off its page.
EXTENDABLE = (
    "external",
    "features",
    "models",
    "finetuned_embeddings",
    "final_models",
    "show_images",
)


class CellStore:
    """Reads and writes finished cells, and the tables made of them.

    Parameters
    ----------
    folder : Path
        Its ``cells`` folder holds one file for each.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, result: CellResult) -> None:
        """Store a finished cell."""
        write_json(self._cell_path(result.cell), asdict(result))

    def read(self, cell: Cell) -> CellResult | None:
        """Return a stored cell, or None where there is none or it cannot be read."""
        path = self._cell_path(cell)
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            return CellResult(**{**stored, "cell": Cell(**stored["cell"])})
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError):
            # A damaged file is computed again; a failure is never mistaken for a result.
            path.unlink(missing_ok=True)
            return None

    def completed(self, cells: Iterable[Cell]) -> dict[Cell, CellResult]:
        """Return the stored cells that ended well; failed ones are tried again."""
        found = {cell: self.read(cell) for cell in cells}
        return {
            cell: result
            for cell, result in found.items()
            if result is not None and result.status == "ok"
        }

    def read_table(self, name: str) -> pd.DataFrame:
        """Return a parquet table by its stem.

        Raises
        ------
        BenchmarkError
            If the run has not come that far.
        """
        path = self.folder / f"{name}.parquet"
        if not path.is_file():
            raise BenchmarkError(
                f"{str(self.folder)!r} has no {path.name}: the run has not ended. "
                "Start benchmark run again on the same folder; it goes on where it was."
            )
        return pd.read_parquet(path)

    def _read_json(self, path: Path) -> dict[str, Any]:
        try:
            values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise BenchmarkError(
                f"{path} is damaged ({error}); the run must be made again."
            ) from None
        return values

    @property
    def _cells(self) -> Path:
        return self.folder / "cells"

    def _cell_path(self, cell: Cell) -> Path:
        return self._cells / f"{cell.key}.json"


class RunStore(CellStore):
    """Reads and writes one run folder.

    Parameters
    ----------
    folder : Path
        ``runs/NAME``; created by `check`.
    """

    @property
    def _work(self) -> Path:
        """Where unfinished work is kept; not there once all is done."""
        return self.folder / "work"

    @property
    def _studies(self) -> Path:
        return self._work / "studies"

    @property
    def networks(self) -> Path:
        """Where the networks that embed images inside the folds are kept until all is done."""
        return self._work / "networks"

    def check(self, config: Config, cohort: Cohort, plan: Plan) -> None:
        """Check, before any long work, that the folder is empty or belongs to the same run.

        Raises
        ------
        BenchmarkError
            If the folder holds another run, naming what differs, or rows that this plan
            leaves out.
        """
        existing = self._existing()
        if existing is not None:
            self._check_same(existing, describe_run(config, cohort, plan))
        elif self.folder.is_dir() and any(self.folder.iterdir()):
            raise BenchmarkError(
                f"The folder {str(self.folder)!r} is not empty and holds no run. "
                "Choose another with --out."
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BenchmarkError(
                f"The run folder {str(self.folder)!r} cannot be made ({error.strerror}). "
                "Choose another with --out."
            ) from None

    def begin(
        self, config: Config, cohort: Cohort, plan: Plan, blocks: Mapping[str, FeatureBlock]
    ) -> None:
        """Check the features as well, and write ``run.json``: from here on the rows are owed.

        Raises
        ------
        BenchmarkError
            As in `check`, or if a block differs from the one that stored cells were
            computed with. The folder is then left as it was.
        """
        self.check(config, cohort, plan)
        existing = self._existing() or {}
        digests = self._check_blocks(existing.get("blocks", {}), blocks)
        description = describe_run(config, cohort, plan) | {"blocks": digests}
        description["created"] = existing.get("created", description["created"])
        self._cells.mkdir(exist_ok=True)
        # What earlier starts added, such as the time they took, stays.
        write_json(self._description_path, existing | description)
        # No start leaves out a row of an earlier one, so that these are all blocks so far.
        write_parquet(self.folder / "columns.parquet", columns_table(blocks))
        write_parquet(self.folder / "regions.parquet", regions_table(blocks))

    def _existing(self) -> dict[str, Any] | None:
        return self.read_description() if self._description_path.exists() else None

    def _check_blocks(
        self, before: Mapping[str, str], blocks: Mapping[str, FeatureBlock]
    ) -> dict[str, str]:
        """Return the digests of all blocks that the folder knows."""
        now = {name: block.digest() for name, block in blocks.items()}
        changed = [name for name, digest in now.items() if before.get(name, digest) != digest]
        if changed:
            raise BenchmarkError(
                f"The folder {str(self.folder)!r} holds cells on other features: {changed[0]!r} is "
                "not what it was (another version of its extractor, other weights, or another "
                "kind of processor). Choose another folder with --out, or delete this one."
            )
        return {**before, **now}

    def read_description(self) -> dict[str, Any]:
        """Return ``run.json``.

        Raises
        ------
        BenchmarkError
            If the folder holds no run, or one of another schema.
        """
        path = self._description_path
        if not self.folder.exists():
            raise BenchmarkError(
                f"The run folder {str(self.folder)!r} does not exist. Give the folder that "
                "benchmark run wrote."
            )
        if not path.is_file():
            raise BenchmarkError(
                f"{str(self.folder)!r} is not a run folder: it has no run.json. "
                "Give the folder that benchmark run wrote."
            )
        description = self._read_json(path)
        if description.get("schema_version") != SCHEMA_VERSION:
            raise BenchmarkError(
                f"{path} has schema version {description.get('schema_version')!r}; this sonobench "
                f"reads version {SCHEMA_VERSION}. Render it with the sonobench that made it "
                f"({description.get('versions', {}).get('sonobench', 'unknown')})."
            )
        return description

    def study_place(self, cell: Cell, config: Config) -> StudyPlace:
        """Return where the trials of a cell are kept until it has ended."""
        if config.inner.storage is None:
            return StudyPlace(cell.key, str(self._studies / f"{cell.key}.journal"))
        # A shared storage holds the studies of many runs; these are of this one.
        digest = run_digest(self.read_description(), extendable=EXTENDABLE)
        return StudyPlace(f"{digest}/{cell.key}", config.inner.storage)

    def update_description(self, **values: Any) -> None:
        """Add or replace entries of ``run.json``."""
        write_json(self._description_path, self.read_description() | values)

    def write(self, result: CellResult) -> None:
        """Store a finished cell; what was kept to go on from, had it been stopped, goes."""
        super().write(result)
        if result.status == "ok":
            (self._studies / f"{result.cell.key}.journal").unlink(missing_ok=True)

    def write_tables(
        self,
        plan: Plan,
        results: Mapping[Cell, CellResult],
        cohort: Cohort,
        splits: Iterable[Split],
    ) -> None:
        """Write the tables of the plan, of all predictions, splits and trials."""
        write_parquet(self.folder / "plan.parquet", plan_table(plan, results))
        write_parquet(self.folder / "predictions.parquet", predictions_table(plan, results, cohort))
        inner = inner_predictions_table(plan, results, cohort)
        write_parquet(self.folder / "inner_predictions.parquet", inner)
        variants = variants_table(plan, results, cohort)
        write_parquet(self.folder / "variants.parquet", variants)
        write_parquet(self.folder / "splits.parquet", splits_table(splits, cohort))
        write_parquet(self.folder / "trials.parquet", trials_table(plan, results))
        if all(cell in results and results[cell].status == "ok" for cell in plan.cells):
            self.discard_work()

    def discard_work(self) -> None:
        """Remove what was kept for work that has ended."""
        shutil.rmtree(self._work, ignore_errors=True)

    def read_examples(self) -> dict[str, Any] | None:
        """Return the example images of the page, or None where the folder has none."""
        path = self.folder / "examples.json"
        if not path.is_file():
            return None
        examples: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return examples

    def read_variants(self) -> pd.DataFrame | None:
        """Return ``variants.parquet``, or None where an earlier version made the folder."""
        has_variants = (self.folder / "variants.parquet").is_file()
        return self.read_table("variants") if has_variants else None

    @property
    def _description_path(self) -> Path:
        return self.folder / "run.json"

    def _check_same(self, existing: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        differing = differences(existing, new, extendable=EXTENDABLE)
        if differing:
            raise BenchmarkError(
                f"The folder {str(self.folder)!r} holds another run (different: "
                f"{', '.join(differing)}). Choose another with --out, or delete it."
            )
        left_out = [row for row in existing["rows"] if row not in new["rows"]]
        if left_out:
            features, model = left_out[0]
            raise BenchmarkError(
                f"The folder {str(self.folder)!r} holds {len(left_out)} row(s) that this run "
                f"leaves out, such as {model!r} on {features!r}. Name them as well, or choose "
                "another folder with --out."
            )


def write_json(path: Path, values: Any) -> None:
    """Write JSON atomically; floats keep every bit."""
    write_atomically(path, json.dumps(values, indent=1, default=_plain).encode("utf-8"))


def write_parquet(path: Path, table: pd.DataFrame) -> None:
    """Write parquet atomically, the same bytes for the same table."""
    write_atomically(path, table.to_parquet(index=False))


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} does not belong in a run folder")
