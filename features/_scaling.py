"""Numbers of any unit and shape to a common scale, whatever a few of them are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

__all__ = ["SteadyScaler"]

# What lies beyond has no say in the scale: one slip among fifty values.
TAIL_PERCENT = 2.0

# From here on a distribution is bent to be symmetric. Concentrations in blood have 1 to 3,
# a person's age or height next to nothing.
SKEWED = 0.5

# Powers tried on skewed columns; 1 changes nothing, 0 is the logarithm. A grid, because steps
# of a quarter are as good as the exact maximum and cost a hundredth.
POWERS = np.arange(-3.0, 5.01, 0.25)

# Values are kept within so many standard deviations, smoothly: two count as 1.9, five as 3.5.
BOUND = 5.0

# Beyond this a square could overflow, and the bound is reached long before.
FARTHEST = 1e6


class SteadyScaler(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Standardise columns so that neither skew nor a slip of the pen rules their scale.

    Each column goes through three steps, all learnt from its values between the 2nd and
    the 98th percentile: if they are skewed, the Yeo-Johnson transform [1]_ of the greatest
    likelihood makes them as normal as it can; they are standardised; and the result is bent
    to stay within five standard deviations, ``z / sqrt(1 + (z / 5)²)``. At last mean and
    variance are set to 0 and 1. Every step is increasing, so that the order of values stays,
    and indifferent to the unit and origin of the values.

    Attributes
    ----------
    offset_, spread_ : ndarray of shape (n_features,)
        The 2nd percentile, and the standard deviation between the two percentiles.
    powers_ : ndarray of shape (n_features,)
        Of the Yeo-Johnson transform; 1, the identity, where a column is not skewed.
    center_, scale_ : ndarray of shape (n_features,)
        Mean and standard deviation between the percentiles, after the transform.
    mean_, deviation_ : ndarray of shape (n_features,)
        Mean and standard deviation of the bent values.

    References
    ----------
    .. [1] Yeo & Johnson (2000), Biometrika 87(4).

    Examples
    --------
    >>> import numpy as np
    >>> ages = np.arange(30.0, 80.0)[:, None]
    >>> slip = np.vstack([ages, [[1e6]]])
    >>> scaled = SteadyScaler().fit(slip).transform([[40.0], [70.0]]).ravel()
    >>> bool(scaled[1] - scaled[0] > 1)
    True
    """

    def fit(self, X: Any, y: Any = None) -> SteadyScaler:  # noqa: ARG002  # scikit-learn's signature
        """Learn shapes and scales from an array of shape (n_samples, n_features)."""
        X = validate_data(self, X, dtype=np.float64)
        low, high = _fences(X)
        middle = np.clip(X, low, high)
        self.offset_ = low
        self.spread_ = _not_zero(middle.std(axis=0), of=np.abs(middle).max(axis=0))
        self.powers_ = _fit_powers((middle - self.offset_) / self.spread_)
        straight = self._straighten(middle)
        self.center_, self.scale_ = straight.mean(axis=0), _not_zero(straight.std(axis=0))
        bent = self._bend(self._straighten(X))
        self.mean_, self.deviation_ = bent.mean(axis=0), _not_zero(bent.std(axis=0))
        return self

    def transform(self, X: Any) -> NDArray[np.float64]:
        """Scale an array of shape (n_samples, n_features)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        scaled: NDArray[np.float64] = self._bend(self._straighten(X)) - self.mean_
        return scaled / self.deviation_

    def _straighten(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        units = np.clip((X - self.offset_) / self.spread_, -FARTHEST, FARTHEST)
        return yeo_johnson(units, self.powers_)

    def _bend(self, straight: NDArray[np.float64]) -> NDArray[np.float64]:
        z = np.clip((straight - self.center_) / self.scale_, -FARTHEST, FARTHEST)
        bent: NDArray[np.float64] = z / np.sqrt(1 + (z / BOUND) ** 2)
        return bent


def yeo_johnson(X: NDArray[np.float64], powers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Yeo-Johnson transform of each column [1]_.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Values of any sign.
    powers : ndarray of shape (n_features,)
        One for each column.

    Returns
    -------
    ndarray of shape (n_samples, n_features)
        Increasing in each column.

    References
    ----------
    .. [1] Yeo & Johnson (2000), Biometrika 87(4), equation 2.1.

    Examples
    --------
    >>> import numpy as np
    >>> yeo_johnson(np.array([[1.0, -3.0]]), np.array([1.0, 1.0])).tolist()
    [[1.0, -3.0]]
    """
    # Below zero the power is mirrored about 1.
    exponents = np.where(X >= 0, powers, 2 - powers)
    logarithms = np.log1p(np.abs(X))
    safe = np.where(exponents == 0, 1.0, exponents)
    grown = np.where(exponents == 0, logarithms, np.expm1(safe * logarithms) / safe)
    return np.sign(X) * grown


def _fit_powers(X: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the power of each column, of values that are not negative."""
    z = (X - X.mean(axis=0)) / _not_zero(X.std(axis=0))
    skewed = np.flatnonzero(np.abs((z**3).mean(axis=0)) > SKEWED)
    powers = np.ones(X.shape[1])
    if len(skewed):
        likelihoods = [_log_likelihood(X[:, skewed], power) for power in POWERS]
        powers[skewed] = POWERS[np.argmax(likelihoods, axis=0)]
    return powers


def _log_likelihood(X: NDArray[np.float64], power: float) -> NDArray[np.float64]:
    """Per case, up to a constant; of values that are not negative (ibid., equation 3.1)."""
    variance = yeo_johnson(X, np.full(X.shape[1], power)).var(axis=0)
    likelihood: NDArray[np.float64] = (power - 1) * np.log1p(X).mean(axis=0)
    return likelihood - 0.5 * np.log(_not_zero(variance))


def _fences(X: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what a column's values lie between, but for its tails.

    Percentiles are taken inwards, so that one value on either side has no say however few
    there are. Of a column that is constant but for its tails, such as counts that are mostly
    zero, the typical other value on either side is the fence.
    """
    low = np.percentile(X, TAIL_PERCENT, axis=0, method="higher")
    high = np.percentile(X, 100 - TAIL_PERCENT, axis=0, method="lower")
    for column in np.flatnonzero(low >= high):
        values, usual = X[:, column], np.median(X[:, column])
        below, above = values[values < usual], values[values > usual]
        low[column] = np.median(below) if len(below) else usual
        high[column] = np.median(above) if len(above) else usual
    return low, high


def _not_zero(
    scale: NDArray[np.float64], *, of: NDArray[np.float64] | float = 1.0
) -> NDArray[np.float64]:
    # What rounding leaves of a constant column, of values so large, is no spread.
    return np.where(scale > 1e-12 * of, scale, 1.0)
