"""Probabilities that mean what they say: one temperature and a shift for each class."""

from __future__ import annotations

import math
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

# Overconfidence is learnt from the data alone, but for a hint where there are next to none.
SLOPE_PULL = 1.0

# A slope of e^-5 is as flat as can be. Sharpening has a narrower limit: a classifier whose risks
# hardly differ, such as a network that weight decay has flattened, may rank well in one fit and
# the wrong way round in the next, and must not be made to look like a good one.
SMALLEST_LOG_SLOPE, LARGEST_LOG_SLOPE = -5.0, math.log(4.0)


class ProbabilityCalibrator(BaseEstimator):
    """Bias-corrected temperature scaling of class probabilities.

    Calibrated probabilities are ``softmax(a · log p + b)``: one slope ``a > 0`` for all
    classes, which mends over- and underconfidence, and one shift for each class, which mends
    what weights by inverse class frequency did to the base rates [1]_. Fitted by penalised
    maximum likelihood on predictions of cases that the model had not seen. As the slope is
    positive, a calibration of two classes can never turn a ranking round; of more, the shifts
    can change the order of two cases that differ in the other classes.

    Parameters
    ----------
    base_rates : sequence of float, optional
        Class frequencies, where training was weighted by their inverse: without further
        evidence ``b`` is then what takes the weights back, ``log base_rates``, instead of 0.
    pull : float, default=1.0
        Strength of the pull towards that ``b``: the precision of a normal prior. 1 is next to
        nothing among a hundred cases and something among ten. The pull of ``log a`` towards 0
        is 1 always.

    Attributes
    ----------
    slope_ : float
        ``a``.
        At most 4.
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

    def __init__(self, base_rates: Any = None, *, pull: float = 1.0) -> None:
        self.base_rates = base_rates
        self.pull = pull

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
        n_classes = logits.shape[1]
        observed = np.eye(n_classes)[np.asarray(y, dtype=np.intp)]
        center = np.zeros(1 + n_classes)
        strength = np.array([SLOPE_PULL, *[self.pull] * n_classes])
        if self.base_rates is not None:
            shifts = np.log(np.asarray(self.base_rates, dtype=np.float64))
            center[1:] = shifts - shifts.mean()

        def loss(values: Array) -> tuple[float, Array]:
            log_slope, shift = values[0], values[1:]
            scaled = np.exp(log_slope) * logits
            logs = log_softmax(scaled + shift, axis=1)
            residual = np.exp(logs) - observed
            gradient = np.concatenate([[(residual * scaled).sum()], residual.sum(axis=0)])
            pulled = strength * (values - center)
            penalty = 0.5 * float(pulled @ (values - center))
            return penalty - float((logs * observed).sum()), gradient + pulled

        bounds = [(SMALLEST_LOG_SLOPE, LARGEST_LOG_SLOPE), *[(None, None)] * n_classes]
        found = minimize(loss, center, jac=True, method="L-BFGS-B", bounds=bounds)
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
