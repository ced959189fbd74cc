"""The models that are kept: rows refitted on all cases, with what it takes to use them."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from benchmark.evaluation import build_board
from benchmark.evaluation.board import Board
from benchmark.evaluation.metrics import Predictions
from benchmark.evaluation.operating_points import (
    operating_point_of,
    sensitivity_and_specificity,
)
from benchmark.evaluation.verdict import MASK_NOTES
from benchmark.experiment import (
    Cell,
    RunStore,
    TaskFactory,
    fit_final,
    predict_cases,
    write_json,
    write_parquet,
)
from cohorts import BenchmarkError, CaseFormat, Cohort
from features import (
    BlockRecipe,
    FeatureCache,
    ImageNovelty,
    describe_images,
    describe_seen,
    modality_records,
)
from models import MODELS, hash_files, load_model, save_model

__all__ = [
    "DEVELOPMENT",
    "DEVELOPMENT_SCHEMA",
    "MODELS_FOLDER",
    "FinalModels",
]

logger = logging.getLogger(__name__)

# Below the run folder: a folder for each model; and what all of them saw.
MODELS_FOLDER = "models"
DEVELOPMENT = "development.json"
DEVELOPMENT_SCHEMA = 1

# What a final model says of the cases it was fitted on: no test predictions, as every column
# but the case says again.
TRAINING_FIT = "training_fit.parquet"

Kept = dict[str, dict[str, Any]]


class FinalModels:
    """Refits rows of a finished run on all cases and keeps them below ``models/``.

    Parameters
    ----------
    store : RunStore
        The run folder.
    make_task : TaskFactory
        Of the same run.
    cohort : Cohort
        The development cohort.
    form : CaseFormat
        How new cases are read.
    cache : FeatureCache
        Where the numbers of an image are kept.
    """

    def __init__(
        self,
        store: RunStore,
        make_task: TaskFactory,
        cohort: Cohort,
        form: CaseFormat,
        cache: FeatureCache,
    ) -> None:
        self.store = store
        self.make_task = make_task
        self.cohort = cohort
        self.form = form
        self.cache = cache

    def save(self, summary: Mapping[str, Any], *, which: Literal["leading", "all"]) -> None:
        """Keep the best classical and the best deep row, or all that new patients can have.

        The SHA-256 of every file goes into ``run.json``; a refit that fails is recorded there
        with its reason, and loses nothing else. A model that an earlier start has made is
        taken over if its files are whole and can be read.

        Parameters
        ----------
        summary : mapping
            Of the finished run.
        which : {"leading", "all"}
            Rows that need an expert's masks are passed over: new patients come without.
        """
        before: Kept = self.store.read_description().get("models") or {}
        order = [_final(row) for row in _competing(summary["rows"])]
        wanted = order if which == "all" else _leading(summary["rows"])
        kept: Kept = {}
        for cell in order:
            sound = self._is_sound(cell, before)
            if cell not in wanted and not sound:
                continue
            kept[cell.key] = before[cell.key] if sound else self._keep(cell)
            # After each, so that a stop loses none; those of earlier starts come last.
            self.store.update_description(
                models=kept | {k: before[k] for k in before if k not in kept}
            )
        self.store.update_description(models=kept)
        if any(about["status"] == "ok" for about in kept.values()):
            self._keep_development()

    @property
    def _folder(self) -> Path:
        return self.store.folder / MODELS_FOLDER

    def _is_sound(self, cell: Cell, before: Kept) -> bool:
        about = before.get(cell.key, {})
        if about.get("status") != "ok":
            return False
        try:
            load_model(self._folder / cell.key, files=about["files"])
        except BenchmarkError as error:
            logger.warning("final_model=%s refit=yes reason=%s", cell.key, error)
            return False
        return True

    def _keep(self, cell: Cell) -> dict[str, Any]:
        """Refit a row and return what ``run.json`` says of it."""
        about = {"features": cell.features, "model": cell.model}
        folder = self._folder / cell.key
        try:
            logger.info("final_model=%s", cell.key)
            shutil.rmtree(folder, ignore_errors=True)
            self._refit(cell, folder)
            return about | {"status": "ok", "files": hash_files(folder)}
        except Exception as error:  # the board is finished; a refit must not take it down
            logger.warning("final_model=%s status=failed error=%s", cell.key, error)
            return about | {"status": "failed", "reason": _in_one_line(error)}

    def _refit(self, cell: Cell, folder: Path) -> None:
        task = self.make_task(cell)
        classifier, tuning = fit_final(task)
        classes, blocks = list(self.cohort.classes), self.make_task.blocks[cell.features]
        metadata = {
            "features": cell.features,
            "model": cell.model,
            "family": MODELS.get(cell.model).family,
            "params": dict(tuning.params),
            "n_cases": len(task.train_rows),
            # The classifier knows its classes by index alone.
            "classes": classes,
            "positive_class": self.cohort.positive_class,
            "operating_point": self._operating_point(cell),
            "blocks": [BlockRecipe.of(block).to_dict() for block in blocks],
        }
        proba = predict_cases(classifier, task.training.X, n_classes=len(classes))
        fit = pd.DataFrame(proba, columns=[f"fitted_p_{name}" for name in classes])
        fit.insert(0, "case", list(self.cohort.cases))
        folder.mkdir(parents=True, exist_ok=True)
        write_parquet(folder / TRAINING_FIT, fit)
        save_model(classifier, folder, metadata=metadata)

    def _operating_point(self, cell: Cell) -> dict[str, Any]:
        """Return the threshold that the row's out-of-fold predictions support, or why none."""
        target = self.make_task.config.evaluation.target_sensitivity
        predictions = self._board.rows[cell.features, cell.model]
        point = operating_point_of(
            predictions, target_sensitivity=target, patients=self._board.patients
        )
        reason = ""
        if point.threshold is None:
            reason = (
                f"{point.n_positives} patients with {self.cohort.positive_class} are too few to "
                f"support a sensitivity of {target:g}"
            )
        counts = _counts(predictions, point.threshold)
        return asdict(point) | counts | {"reason": reason}

    @cached_property
    def _board(self) -> Board:
        return build_board(
            self.store.read_table("predictions"),
            self.store.read_table("splits"),
            classes=list(self.cohort.classes),
            positive_class=self.cohort.positive_class,
            # Nothing is resampled here.
            n_resamples=1,
            random_state=0,
        )

    def _keep_development(self) -> None:
        """Write what all models need; without it they are kept, but cannot predict."""
        try:
            self._save_development()
        except Exception as error:  # the board is finished, whatever becomes of new cases
            logger.warning("file=%s status=failed error=%s", DEVELOPMENT, error)
            self.store.update_description(development={}, development_failed=_in_one_line(error))

    def _save_development(self) -> None:
        """Write how new cases are read, and what the models saw."""
        about = {
            "schema_version": DEVELOPMENT_SCHEMA,
            "classes": list(self.cohort.classes),
            "positive_class": self.cohort.positive_class,
            "simulation": self.cohort.info.simulation,
            "format": self.form.to_dict(),
            "seen": describe_seen(self.cohort),
            "novelty": self._novelty(),
        }
        folder = self.store.folder
        write_json(folder / DEVELOPMENT, about)
        files = hash_files(folder, [DEVELOPMENT])
        self.store.update_description(development=files, development_failed=None)

    def _novelty(self) -> dict[str, Any]:
        """Describe the images of every modality that a block was made of."""
        blocks = [block for blocks in self.make_task.blocks.values() for block in blocks]
        used = {block.schema.modality for block in blocks if block.schema.kind != "tabular"}
        found = {}
        for images in self.cohort.images:
            if images.name not in used:
                continue
            values = describe_images(
                modality_records(images), self.make_task.config.imaging, cache=self.cache
            )
            owners = [
                patient
                for patient, records in zip(self.cohort.patients, images.records, strict=True)
                for _ in records
            ]
            found[images.name] = ImageNovelty.fit(values, owners).to_dict()
        return found


def _counts(predictions: Predictions, threshold: float | None) -> dict[str, Any]:
    """Return what a threshold finds and leaves alone out of fold, each with its total.

    Of several repeats it is the mean, rounded.
    """
    if threshold is None:
        return {"found": None, "left_alone": None}
    positive = predictions.positive_index
    counts = [
        sensitivity_and_specificity(
            predictions.y_true == positive, proba[:, positive], threshold=threshold
        )
        for proba in predictions.y_proba
    ]
    found, left = np.rint(np.mean(counts, axis=0)).astype(int).tolist()
    return {"found": found, "left_alone": left}


def _in_one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _competing(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [
        row for row in rows if row["family"] != "baseline" and not MASK_NOTES & set(row["notes"])
    ]


def _leading(rows: Sequence[Mapping[str, Any]]) -> list[Cell]:
    """Pick the first classical and the first deep row; rows come best first."""
    competing = _competing(rows)
    classical = [row for row in competing if row["family"] != "deep"][:1]
    deep = [row for row in competing if row["family"] == "deep"][:1]
    return [_final(row) for row in (*classical, *deep)]


def _final(row: Mapping[str, Any]) -> Cell:
    return Cell(row["features"], row["model"], -1, -1)
