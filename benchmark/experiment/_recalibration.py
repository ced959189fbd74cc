"""Probabilities of a tuned classifier, calibrated on the predictions of its inner folds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.experiment._inner import InnerPredictions, TrainingPart
from benchmark.experiment._tuning import TuningResult
from models import ProbabilityCalibrator, RecalibratedClassifier

__all__ = ["recalibrated"]


def recalibrated(
    tuning: TuningResult,
    inner: InnerPredictions,
    classifier: Any,
    part: TrainingPart,
    *,
    balanced: bool,
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
    balanced : bool
        Whether it was trained under weights by inverse class frequency, which a calibration
        on few cases then takes back as the frequencies say.

    Returns
    -------
    TuningResult, RecalibratedClassifier
        With inner predictions and probabilities that are calibrated.
    """
    # A class that no training case has is none of the classifier's, and keeps probability 0.
    seen = classifier.classes_
    raw, codes = inner.proba[:, seen], np.searchsorted(seen, part.y)

    def fit(rows: NDArray[np.bool_]) -> ProbabilityCalibrator:
        counts = np.bincount(codes[rows], minlength=len(seen))
        # A class that is missing from these rows counts as one case.
        rates = np.maximum(counts, 1) / np.maximum(counts, 1).sum() if balanced else None
        return ProbabilityCalibrator(rates).fit(raw[rows], codes[rows])

    proba = np.zeros_like(inner.proba)
    for fold in np.unique(inner.fold):
        held_out = inner.fold == fold
        proba[np.ix_(held_out, seen)] = fit(~held_out).transform(raw[held_out])
    calibrator = fit(np.ones(len(codes), dtype=bool))
    return (
        replace(tuning, inner=InnerPredictions(inner.fold, proba)),
        RecalibratedClassifier(classifier, calibrator),
    )
