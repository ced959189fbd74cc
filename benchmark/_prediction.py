"""Predicting new cases with the models that a run has kept."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark._case_flags import case_flags, notes_on_images
from benchmark._final_models import DEVELOPMENT, DEVELOPMENT_SCHEMA, MODELS_FOLDER
from benchmark.experiment import RunStore, predict_cases
from cohorts import (
    BenchmarkError,
    CaseFormat,
    Cohort,
    GivenCases,
    NewCases,
    default_cache_dir,
    parse_options,
    read_new_cases,
    unknown_name,
)
from features import (
    BlockRecipe,
    FeatureCache,
    ImagingOptions,
    assemble,
    rebuild_blocks,
)
from models import check_files, load_model, read_metadata

__all__ = ["NOT_PREDICTED", "CaseWarning", "Predictor", "load"]

# What stands in the column `flagged` where there is no threshold, and no prediction.
NO_THRESHOLD, NOT_PREDICTED = "no threshold", "no prediction"

SEPARATOR = "; "

# Notes on a table that a caller who sees no notes must be told: what was given does not count.
# What is missing is among the flags.
IGNORED = frozenset({"misspelt-columns", "extra-columns"})


class CaseWarning(UserWarning):
    """A part of the cases that were given is ignored."""


@dataclass(frozen=True)
class _Kept:
    """A model of the run: its folder, the hashes of its files, and what it says of itself."""

    folder: Path
    files: Mapping[str, str]
    about: Mapping[str, Any]

    @property
    def modalities(self) -> frozenset[str]:
        """Those that the model reads."""
        return frozenset(block["modality"] for block in self.about["blocks"])

    @cached_property
    def classifier(self) -> Any:
        """The model itself, read when it is first needed."""
        return load_model(self.folder, files=self.files)


def load(run: str | Path, *, use_cache: bool = True) -> Predictor:
    """Open the models that a run has kept.

    Parameters
    ----------
    run : path
        A run folder.
    use_cache : bool, default=True
        Take features of images from the user's cache folder, and leave them there.

    Returns
    -------
    Predictor
        Of the models on this folder.

    Raises
    ------
    BenchmarkError
        If the folder holds no run, or a run that kept no model.
    """
    return Predictor(Path(run), use_cache=use_cache)


class Predictor:
    """Predicts new cases, one or many, as the run predicted its own.

    For research, not for clinical decisions.

    Parameters
    ----------
    folder : Path
        A run folder.
    use_cache : bool, default=True
        Take features of images from the user's cache folder, and leave them there.
    """

    def __init__(self, folder: Path, *, use_cache: bool = True) -> None:
        self.folder = folder
        self.description = RunStore(folder).read_description()
        self._cache = FeatureCache(default_cache_dir() if use_cache else None)
        self._opened: dict[str, _Kept] = {}
        if not self._entries:
            raise BenchmarkError(self._nothing_kept())

    def __repr__(self) -> str:
        """Name the run and its models, best first."""
        return f"<Predictor of {str(self.folder)!r}: {self._listed(self._entries)}>"

    @property
    def models(self) -> pd.DataFrame:
        """What the run has kept, best first: ``features``, ``model``, ``threshold``, ``n_cases``.

        ``threshold`` is the risk of the positive class from which on a case is flagged; NaN
        where there were too few positives to choose one.
        """
        records = [
            {
                "features": one.about["features"],
                "model": one.about["model"],
                "threshold": one.about["operating_point"]["threshold"],
                "n_cases": one.about["n_cases"],
            }
            for one in map(self._open, self._entries)
        ]
        return pd.DataFrame(records).astype({"threshold": np.float64})

    def operating_point(
        self, features: str | None = None, model: str | None = None
    ) -> dict[str, Any]:
        """Return the threshold of a model, what it was chosen to keep and on how many positives.

        Parameters
        ----------
        features, model : str, optional
            Which of `models`; by default the best.

        Returns
        -------
        dict
            ``threshold`` (None where there is none, for the ``reason`` given),
            ``target_sensitivity``, ``n_positives``, ``n_missed``, and what the threshold did to
            the out-of-fold predictions: ``found``, positive cases flagged and all of them, and
            ``left_alone``, other cases not flagged and all of them.
        """
        return dict(self._choose(features, model).about["operating_point"])

    @property
    def columns(self) -> list[str]:
        """Columns that a table of new cases can have; the first must be there."""
        return self._format.header()

    def read(self, cases: GivenCases) -> NewCases:
        """Read new cases as the run's cohort was read; for parameters and errors see `predict`."""
        new = read_new_cases(
            cases,
            self._format,
            classes=self._development["classes"],
            positive_class=self._development["positive_class"],
        )
        return replace(new, notes=(*new.notes, *notes_on_images(self._development)))

    def predict(
        self,
        cases: GivenCases | NewCases,
        *,
        features: str | None = None,
        model: str | None = None,
    ) -> pd.DataFrame:
        """Predict every case.

        Parameters
        ----------
        cases : path, DataFrame, mapping, sequence of mapping, or NewCases
            A table in a file, whose images are relative to it, or in memory, with images
            relative to the working folder; one case may be given as a mapping of column to
            value. Labels are not needed and not read.
        features, model : str, optional
            Which of `models`; by default the best.

        Returns
        -------
        DataFrame
            One row per case, in the order given: ``case``, ``features``, ``model``,
            ``predicted`` (the most probable class), ``p_<class>``, ``threshold``, ``flagged``
            (whether the risk of the positive class reaches it: ``yes``, ``no``, ``no
            threshold``), ``flags`` (where the case lies outside what the model saw; the
            prediction still stands) and ``data`` (``real`` or ``simulated``, of the patients
            the model was fitted on). A case whose image or cell cannot be read is ``no
            prediction``, and its flags say why.

        Warns
        -----
        CaseWarning
            If the table has a column that is ignored, misspelt perhaps; of `NewCases`, their
            notes say it.

        Raises
        ------
        BenchmarkError
            If the table or the choice of a model is not sound, or a file of the model is not
            what the run wrote.
        """
        kept = self._choose(features, model)
        if isinstance(cases, NewCases):
            new = cases
        else:
            new = self.read(cases)
            for note in new.notes:
                if note.code in IGNORED:
                    warnings.warn(note.text, CaseWarning, stacklevel=2)
        problems = self._problems(new, kept)
        rows = [row for row, case in enumerate(new.cohort.cases) if case not in problems]
        readable = new.cohort.take(rows)
        proba = np.full((new.cohort.n_cases, len(readable.classes)), np.nan)
        flags = [f"not predicted: {problems.get(case, '')}" for case in new.cohort.cases]
        if rows:
            proba[rows] = self._proba(kept, readable)
            found = case_flags(
                readable,
                self._development,
                modalities=kept.modalities,
                absent=new.absent,
                imaging=self._imaging,
                cache=self._cache,
            )
            for row, of_case in zip(rows, found, strict=True):
                flags[row] = SEPARATOR.join(of_case)
        return self._answer(kept, new.cohort, proba, flags)

    @property
    def _models(self) -> dict[str, dict[str, Any]]:
        return self.description.get("models") or {}

    @property
    def _entries(self) -> dict[str, dict[str, Any]]:
        """What ``run.json`` says of the models that can be used, best first."""
        return {key: one for key, one in self._models.items() if one["status"] == "ok"}

    @staticmethod
    def _listed(entries: Mapping[str, Mapping[str, Any]]) -> str:
        return ", ".join(f"{one['model']} on {one['features']}" for one in entries.values())

    def _open(self, key: str) -> _Kept:
        """Check the files of a model and read what it says of itself, once."""
        if key not in self._opened:
            folder, files = self.folder / MODELS_FOLDER / key, self._entries[key]["files"]
            self._opened[key] = _Kept(folder, files, read_metadata(folder, files=files))
        return self._opened[key]

    @cached_property
    def _development(self) -> dict[str, Any]:
        failed = self.description.get("development_failed")
        if failed:
            raise BenchmarkError(
                f"{str(self.folder)!r} does not say how new cases are read, because writing it "
                f"failed ({failed}). Start benchmark run on it again; finished cells are kept."
            )
        if DEVELOPMENT not in self.description.get("development", {}):
            raise BenchmarkError(
                f"{str(self.folder)!r} does not say how new cases are read: the run has not ended, "
                "or another version of sonobench made it. Start benchmark run on it again; "
                "finished cells are kept."
            )
        check_files(self.folder, self.description["development"], alone=False)
        path = self.folder / DEVELOPMENT
        about: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if about.get("schema_version") != DEVELOPMENT_SCHEMA:
            raise BenchmarkError(
                f"{path} says nothing that this sonobench can read (schema version "
                f"{about.get('schema_version')!r}, needed is {DEVELOPMENT_SCHEMA}). Predict with "
                "the sonobench that made the run, or start benchmark run on it again."
            )
        return about

    @cached_property
    def _format(self) -> CaseFormat:
        return CaseFormat.from_dict(self._development["format"])

    @cached_property
    def _imaging(self) -> ImagingOptions:
        stored = self.description["config"]["imaging"]
        return parse_options(ImagingOptions, stored, where=f"{self.folder / 'run.json'}, imaging")

    def _nothing_kept(self) -> str:
        failed = [one for one in self._models.values() if one["status"] != "ok"]
        if failed:
            one = failed[0]
            return (
                f"{str(self.folder)!r} keeps no model: {one['model']!r} on {one['features']!r} "
                f"could not be refitted ({one['reason']}). Start benchmark run on it again."
            )
        wanted = self.description["config"]["final_models"]
        if wanted != "none" and "models" not in self.description:
            return (
                f"{str(self.folder)!r} keeps no model yet: the run has not ended. Start benchmark "
                "run on the same folder again; finished cells are kept."
            )
        why = "it was told to keep none" if wanted == "none" else "it has none that new cases fit"
        return (
            f"{str(self.folder)!r} keeps no model: {why}. Set final_models: leading or all in its "
            "config and start benchmark run on the same folder again; finished cells are kept."
        )

    def _choose(self, features: str | None, model: str | None) -> _Kept:
        """Return the best model of these names."""
        found, where = self._entries, str(self.folder)
        listed = self._listed(found)
        for kind, field, wanted in (
            ("feature set", "features", features),
            ("model", "model", model),
        ):
            if wanted is None:
                continue
            known = list(dict.fromkeys(one[field] for one in found.values()))
            if wanted not in known:
                hint = f"The run has kept: {listed}."
                raise unknown_name(kind, wanted, known, where=where, hint=hint)
            found = {key: one for key, one in found.items() if one[field] == wanted}
            where = f"{self.folder} on {wanted}"
        return self._open(next(iter(found)))

    def _problems(self, new: NewCases, kept: _Kept) -> dict[str, str]:
        """Case -> why the model must not predict it."""
        found: dict[str, list[str]] = {}
        for (case, modality), problem in new.problems.items():
            if modality in kept.modalities:
                found.setdefault(case, []).append(problem)
        for images in new.cohort.images:
            if self._imaging.pixel_mm is None or images.name not in kept.modalities:
                continue
            for case, records in zip(new.cohort.cases, images.records, strict=True):
                if any(record.spacing_mm is None for record in records):
                    problem = f"{images.name} needs a pixel size, to be resampled from"
                    found.setdefault(case, []).append(problem)
        return {case: SEPARATOR.join(problems) for case, problems in found.items()}

    def _proba(self, kept: _Kept, cohort: Cohort) -> NDArray[np.float64]:
        recipes = map(BlockRecipe.from_dict, kept.about["blocks"])
        blocks = rebuild_blocks(
            cohort,
            {recipe.schema.name: recipe for recipe in recipes},
            imaging=self._imaging,
            cache=self._cache,
            random_state=self.description["seed"],
        )
        X = assemble(list(blocks.values()))
        return predict_cases(kept.classifier, X, n_classes=len(cohort.classes))

    def _answer(
        self, kept: _Kept, cohort: Cohort, proba: NDArray[np.float64], flags: Sequence[str]
    ) -> pd.DataFrame:
        point = kept.about["operating_point"]["threshold"]
        threshold = np.nan if point is None else float(point)
        predicted = ~np.isnan(proba).any(axis=1)
        likeliest = np.where(predicted, np.nan_to_num(proba).argmax(axis=1), 0)
        names = np.asarray(cohort.classes, dtype=object)[likeliest]
        risk = proba[:, cohort.positive_index]
        decided = np.where(risk >= threshold, "yes", "no") if point is not None else NO_THRESHOLD
        n_cases = cohort.n_cases
        return pd.DataFrame(
            {
                "case": list(cohort.cases),
                "features": [kept.about["features"]] * n_cases,
                "model": [kept.about["model"]] * n_cases,
                "predicted": np.where(predicted, names, ""),
                **{f"p_{name}": proba[:, place] for place, name in enumerate(cohort.classes)},
                "threshold": np.full(n_cases, threshold),
                "flagged": np.where(predicted, decided, NOT_PREDICTED),
                "flags": list(flags),
                "data": [self._development["simulation"]] * n_cases,
            }
        )
