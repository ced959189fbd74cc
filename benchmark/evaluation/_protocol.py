"""How the scores of a run came about, in sentences for the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["describe_protocol", "name_units", "patients_sentence"]

TOO_NARROW = " Patients are not recorded: where one has several cases they are too narrow."


def describe_protocol(config: Mapping[str, Any], cohort: Mapping[str, Any]) -> dict[str, Any]:
    """Say how the scores came about, from the stored config and the cohort's description."""
    outer, inner, evaluation = config["outer"], config["inner"], config["evaluation"]
    repeats = "repeat" if outer["n_repeats"] == 1 else "repeats"
    units = name_units(cohort)
    return {
        "outer": f"{outer['n_splits']} folds, {outer['n_repeats']} {repeats}, stratified by class, "
        f"{units} kept whole",
        "inner": f"{inner['n_splits']} folds of each training part, grouped likewise",
        "n_trials": inner["n_trials"],
        "n_resamples": evaluation["n_resamples"],
        "confidence": evaluation["confidence"],
        "decision": "the most probable class",
        "sentences": [
            "Imputing, encoding, scaling, selecting and tuning see the training part of a fold "
            "only; every score comes from cases that the scored model had not seen.",
            "Parameters were chosen by log loss on the inner folds; the first trial is a "
            f"known-good setting. Trials per fold: {inner['n_trials']}, of stacking and the "
            f"networks {inner['n_trials_expensive']}{_stopping(inner)}. The number of boosting "
            "rounds is chosen with them.",
            "Networks hold out about a fifth of the patients of each training part for early "
            "stopping and calibration, and learn from the others; classical rows learn from all.",
            "Classes are weighted by inverse frequency in training, which shifts probabilities "
            "towards the rarer classes. The shift is taken out again, and overconfidence as far as "
            "it shows, by one slope and one constant per class: of classical rows fitted to the "
            "predictions on the inner folds, of networks to the patients held out.",
            "ROC AUC is computed within each outer fold and averaged; the other scores are pooled "
            "over all folds, each case once, at the most probable class. Repeats are averaged "
            "score by score, never their probabilities.",
            f"Intervals are {evaluation['confidence']:.0%} percentile intervals of "
            f"{evaluation['n_resamples']} bootstrap resamples of {units}, drawn once for "
            "all rows and stratified by class. They hold the fitted models fixed and so leave out "
            "the variation of refitting them." + ("" if cohort["patients_known"] else TOO_NARROW),
            "The first rows of a long board are partly lucky: the best score is an optimistic "
            "estimate of that row's own performance.",
        ],
    }


def _stopping(inner: Mapping[str, Any]) -> str:
    """Say what can end a trial or a search early; runs of earlier versions had neither."""
    text = ""
    if inner.get("pruning") == "median":
        text += "; a trial that is worse than the median of the others is given up"
    if inner.get("time_budget_s") is not None:
        text += f"; no trial is started after {inner['time_budget_s']:g} s in a fold"
    return text


def patients_sentence(cohort: Mapping[str, Any]) -> str:
    """Say what stands for patients where none are recorded; empty where they are."""
    if cohort["patients_known"]:
        return ""
    if cohort["n_patients"] < cohort["n_cases"]:
        return (
            "Patients are not recorded; near-duplicate images are kept together, which makes "
            f"{cohort['n_patients']} groups."
        )
    return "Patients are not recorded, so every case counts as a patient of its own."


def name_units(cohort: Mapping[str, Any]) -> str:
    """Name what folds keep whole and the bootstrap draws, in the plural."""
    if cohort["patients_known"]:
        return "patients"
    if cohort["n_patients"] < cohort["n_cases"]:
        return "groups of near-duplicate images"
    return "cases"
