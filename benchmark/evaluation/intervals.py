"""Bootstrap intervals over patients."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

__all__ = ["patient_weights", "percentile_interval", "share_interval"]

Array = NDArray[np.float64]


def patient_weights(
    patients: NDArray[np.object_], strata: NDArray[np.intp], *, n_resamples: int, random_state: int
) -> Array:
    """Draw bootstrap multiplicities of whole patients within strata.

    The same draw serves every row of a board, which makes differences between rows paired.

    Parameters
    ----------
    patients : ndarray of shape (n_cases,)
        Patient of each case.
    strata : ndarray of shape (n_cases,), int
        Stratum of each case; a patient belongs to the largest stratum of their cases.
    n_resamples : int
        Number of resamples.
    random_state : int
        Seed.

    Returns
    -------
    ndarray of shape (n_resamples, n_cases)
        How often each case stands in each resample; all cases of a patient alike.

    References
    ----------
    .. [1] Efron & Tibshirani (1993), An Introduction to the Bootstrap, chapter 8.
    """
    rng = np.random.default_rng(random_state)
    _, owner = np.unique(patients.astype(str), return_inverse=True)
    stratum = np.full(owner.max() + 1, -1, dtype=np.intp)
    np.maximum.at(stratum, owner, strata)
    drawn = np.zeros((n_resamples, len(stratum)))
    for value in np.unique(stratum):
        members = np.flatnonzero(stratum == value)
        even = np.full(len(members), 1 / len(members))
        drawn[:, members] = rng.multinomial(len(members), even, size=n_resamples)
    return np.asarray(drawn[:, owner])


def percentile_interval(values: Array, *, confidence: float) -> tuple[float, float]:
    """Return the central percentile interval of bootstrap values.

    Parameters
    ----------
    values : ndarray of shape (n_resamples,)
        Resampled statistics; NaN resamples are left out.
    confidence : float
        Coverage in (0, 1).

    Returns
    -------
    tuple of (float, float)
        Lower and upper end; NaN where fewer than half of the resamples are defined.
    """
    defined = values[~np.isnan(values)]
    if len(defined) < len(values) / 2:
        return float("nan"), float("nan")
    tail = (1 - confidence) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return float(low), float(high)


def share_interval(
    hits: NDArray[np.bool_],
    patients: NDArray[np.object_],
    weights: Array,
    *,
    confidence: float,
) -> tuple[float, float]:
    """Return the interval of a share of cases, such as a sensitivity.

    Wilson's score interval [1]_ where every patient has one case. Cases of one patient are no
    independent trials: where some have several, patients are drawn anew. If no draw can
    differ, because all cases or none are hits, it is Wilson's interval for as many trials as
    there are patients.

    Parameters
    ----------
    hits : ndarray of shape (n_cases,), bool
        Whether the case counts as found.
    patients : ndarray of shape (n_cases,)
        Patient of each case.
    weights : ndarray of shape (n_resamples, n_cases)
        Bootstrap multiplicities, as `patient_weights` draws them.
    confidence : float
        Coverage in (0, 1).

    Returns
    -------
    tuple of (float, float)
        Lower and upper end, in [0, 1]; NaN without a case.

    References
    ----------
    .. [1] Wilson (1927), Journal of the American Statistical Association 22(158).

    Examples
    --------
    >>> hits = np.arange(60) < 57
    >>> low, high = share_interval(hits, np.arange(60), np.ones((1, 60)), confidence=0.95)
    >>> round(low, 2), round(high, 2)
    (0.86, 0.98)
    """
    if not len(hits):
        return float("nan"), float("nan")
    n_patients = len(np.unique(patients.astype(str)))
    if n_patients == len(hits) or hits.all() or not hits.any():
        n_hits = n_patients if hits.all() else int(hits.sum())
        found = binomtest(n_hits, n_patients).proportion_ci(confidence, method="wilson")
        return float(found.low), float(found.high)
    totals = weights.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = np.where(totals > 0, weights @ hits / totals, np.nan)
    return percentile_interval(drawn, confidence=confidence)
