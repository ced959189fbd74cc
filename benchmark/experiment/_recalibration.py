"""Probabilities of a tuned classifier, calibrated on the predictions of its inner folds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from benchmark.experiment._inner import InnerPredictions, TrainingPart
from benchmark.experiment._tuning import TuningResult
from models import ProbabilityCalibrator, RecalibratedClassifier

__all__ = ["recalibrated"]


def recalibrated(
    tuning: TuningResult, inner: InnerPredictions, classifier: Any, part: TrainingPart
) -> tuple[TuningResult, Any]:
    """Calibrate the classifier on all inner folds, and each inner fold on the others.

    Parameters
    ----------
    tuning : TuningResult
        Of the classifier.
    inner : InnerPredictions
        Its predictions of the training rows, each by a fit without the row's fold.
    classifier : estimator
        Fitted on all training rows.
    part : TrainingPart
        The training rows.

    Returns
    -------
    TuningResult, RecalibratedClassifier
        With inner predictions and probabilities that are calibrated.
    """
    proba = np.empty_like(inner.proba)
    for fold in np.unique(inner.fold):
        held_out = inner.fold == fold
        calibrator = ProbabilityCalibrator().fit(inner.proba[~held_out], part.y[~held_out])
        proba[held_out] = calibrator.transform(inner.proba[held_out])
    # A class that no training case has keeps its column out of the classifier's own.
    calibrator = ProbabilityCalibrator().fit(
        inner.proba[:, classifier.classes_],
        np.searchsorted(classifier.classes_, part.y),
    )
    return (
        replace(tuning, inner=InnerPredictions(inner.fold, proba)),
        RecalibratedClassifier(classifier, calibrator),
    )
