"""Probabilities that mean what they say: one temperature and a shift for each class."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

__all__ = ["ProbabilityCalibrator", "RecalibratedClassifier"]

Array = NDArray[np.float64]

# Added to every probability before its logarithm: no class is impossible, and no two risks
# become equal.
SMALLEST = 1e-4

# Strength of the pull towards leaving probabilities alone, in cases: next to nothing among a
# hundred, something among ten.
PULL = 1.0

# Temperatures beyond e^5 in either direction are as good as infinite.
LARGEST_LOG_SLOPE = 5.0


class ProbabilityCalibrator(BaseEstimator):
    """Bias-corrected temperature scaling of class probabilities.

    Calibrated probabilities are ``softmax(a · log p + b)``: one slope ``a > 0`` for all
    classes, which mends over- and underconfidence, and one shift for each class, which mends
    what weights by inverse class frequency did to the base rates [1]_. Fitted by maximum
    likelihood on predictions of cases that the model had not seen, with a weak pull towards
    ``a = 1, b = 0``. As the slope is positive, a calibration can never turn a ranking round.

    Attributes
    ----------
    slope_ : float
        ``a``.
    shift_ : ndarray of shape (n_classes,)
        ``b``, which sums to 0.

    References
    ----------
    .. [1] Alexandari, Kundaje & Shrikumar (2020), Maximum likelihood with bias-corrected
       calibration is hard to beat at label shift adaptation, ICML.

    Examples
    --------
    >>> proba = np.tile([0.5, 0.5], (100, 1))
    >>> calibrated = ProbabilityCalibrator().fit(proba, [0] * 80 + [1] * 20).transform(proba)
    >>> calibrated[0].round(1).tolist()
    [0.8, 0.2]
    """

    def fit(self, proba: Any, y: Any) -> ProbabilityCalibrator:
        """Learn slope and shifts.

        Parameters
        ----------
        proba : array-like of shape (n_samples, n_classes)
            Predicted probabilities.
        y : array-like of shape (n_samples,), int
            Column of the observed class.
        """
        logits = _logits(proba)
        observed = np.eye(logits.shape[1])[np.asarray(y, dtype=np.intp)]

        def loss(values: Array) -> tuple[float, Array]:
            log_slope, shift = values[0], values[1:]
            scaled = np.exp(log_slope) * logits
            logs = log_softmax(scaled + shift, axis=1)
            residual = np.exp(logs) - observed
            gradient = np.concatenate([[(residual * scaled).sum()], residual.sum(axis=0)])
            penalty = 0.5 * PULL * float(values @ values)
            return penalty - float((logs * observed).sum()), gradient + PULL * values

        n_classes = logits.shape[1]
        bounds = [(-LARGEST_LOG_SLOPE, LARGEST_LOG_SLOPE), *[(None, None)] * n_classes]
        start = np.zeros(1 + n_classes)
        found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
        self.slope_ = float(np.exp(found.x[0]))
        self.shift_ = np.asarray(found.x[1:] - found.x[1:].mean())
        return self

    def transform(self, proba: Any) -> Array:
        """Return calibrated probabilities of shape (n_samples, n_classes), rows summing to 1."""
        check_is_fitted(self)
        return np.asarray(softmax(self.slope_ * _logits(proba) + self.shift_, axis=1))


class RecalibratedClassifier(ClassifierMixin, BaseEstimator):
    """A fitted classifier whose probabilities go through a fitted calibrator.

    Parameters
    ----------
    estimator : classifier
        Fitted.
    calibrator : ProbabilityCalibrator
        Fitted to out-of-fold predictions of the same kind of classifier.

    Attributes
    ----------
    classes_ : ndarray
        Of the classifier.
    """

    def __init__(self, estimator: Any, calibrator: ProbabilityCalibrator) -> None:
        self.estimator = estimator
        self.calibrator = calibrator

    @property
    def classes_(self) -> NDArray[Any]:
        """Class labels, sorted."""
        return np.asarray(self.estimator.classes_)

    def predict_proba(self, X: Any) -> Array:
        """Return calibrated class probabilities of shape (n_samples, n_classes)."""
        return self.calibrator.transform(self.estimator.predict_proba(X))

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most probable class of each row."""
        best = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def __sklearn_is_fitted__(self) -> bool:
        """Both parts came fitted."""
        return True


def _logits(proba: Any) -> Array:
    values = np.asarray(proba, dtype=np.float64)
    logits: Array = np.log((values + SMALLEST) / (1 + values.shape[1] * SMALLEST))
    return logits
