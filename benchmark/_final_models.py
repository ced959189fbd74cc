"""The models that are kept: the leading rows, refitted on all cases, with what they need."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmark.evaluation.verdict import MASK_NOTES
from benchmark.experiment import Cell, RunStore, TaskFactory, fit_final
from cohorts import Cohort
from features import FeatureBlock
from models import save_model

__all__ = ["save_leading"]

logger = logging.getLogger(__name__)


def save_leading(
    summary: Mapping[str, Any], store: RunStore, make_task: TaskFactory, cohort: Cohort
) -> None:
    """Refit the best classical and the best deep row on all cases and keep them.

    The SHA-256 of every file goes into ``run.json``; a refit that fails is recorded there
    with its reason, and loses nothing else.

    Parameters
    ----------
    summary : mapping
        Of the finished run.
    store : RunStore
        The run folder.
    make_task : TaskFactory
        Of the same run.
    cohort : Cohort
        The development cohort.
    """
    kept: dict[str, dict[str, Any]] = {}
    for cell in _leading(summary["rows"]):
        folder = store.folder / "models" / cell.key
        about = {"features": cell.features, "model": cell.model}
        try:
            if not (folder / "model.json").is_file():
                logger.info("final_model=%s", cell.key)
                _refit(make_task, cell, folder, cohort)
            kept[cell.key] = about | {"status": "ok", "files": _hashes(folder)}
        except Exception as error:  # the board is finished; a refit must not take it down
            logger.warning("final_model=%s status=failed error=%s", cell.key, error)
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            kept[cell.key] = about | {"status": "failed", "reason": reason}
    store.update_description(models=kept)


def _leading(rows: Sequence[Mapping[str, Any]]) -> list[Cell]:
    """Pick the first classical and the first deep row; rows come best first.

    Rows that need an expert's masks are passed over: new patients come without.
    """
    competing = [
        row for row in rows if row["family"] != "baseline" and not MASK_NOTES & set(row["notes"])
    ]
    classical = [row for row in competing if row["family"] != "deep"][:1]
    deep = [row for row in competing if row["family"] == "deep"][:1]
    return [Cell(row["features"], row["model"], -1, -1) for row in (*classical, *deep)]


def _refit(make_task: TaskFactory, cell: Cell, folder: Path, cohort: Cohort) -> None:
    task = make_task(cell)
    classifier, tuning = fit_final(task)
    metadata = {
        "features": cell.features,
        "model": cell.model,
        "params": dict(tuning.params),
        "n_cases": len(task.train_rows),
        # The classifier knows its classes by index alone.
        "classes": list(cohort.classes),
        "positive_class": cohort.positive_class,
        "blocks": [_describe_block(block) for block in make_task.blocks[cell.features]],
    }
    save_model(classifier, folder, metadata=metadata)


def _describe_block(block: FeatureBlock) -> dict[str, Any]:
    """Say what it takes to make the same columns of new patients."""
    return asdict(block.schema) | {"options": dict(block.options)}


def _hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
