"""One scale for all columns, that neither skew nor a slip can distort."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import skew, yeojohnson, yeojohnson_normmax
from sklearn.utils.estimator_checks import parametrize_with_checks

from features import SteadyScaler
from features._scaling import BOUND, yeo_johnson


@parametrize_with_checks([SteadyScaler()])
def test_scikit_learn_contract(estimator, check):
    """The scaler is a scikit-learn transformer in every respect that scikit-learn checks."""
    check(estimator)


def scaled(values: np.ndarray, new: np.ndarray | None = None) -> np.ndarray:
    """Scale one column, or new values by it."""
    scaler = SteadyScaler().fit(values[:, None])
    return scaler.transform((values if new is None else new)[:, None]).ravel()


def normal(n: int = 200, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(50, 12, size=n)


@pytest.mark.parametrize("power", [-3.0, -0.5, 0.0, 0.25, 1.0, 1.5, 2.0, 5.0])
def test_the_transform_is_that_of_yeo_and_johnson(power):
    """It agrees with scipy's on both sides of zero, and at the powers 0 and 2."""
    values = np.linspace(-4, 6, 41)
    ours = yeo_johnson(values[:, None], np.asarray([power])).ravel()
    assert np.allclose(ours, yeojohnson(values, lmbda=power), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("sigma", [0.5, 0.8, 1.2])
def test_the_power_is_that_of_the_greatest_likelihood(sigma):
    """It lies within half a step of the grid of scipy's maximum, on the same values."""
    values = np.exp(np.random.default_rng(1).normal(scale=sigma, size=400))
    scaler = SteadyScaler().fit(values[:, None])
    low, high = np.sort(values)[[8, -9]]
    middle = (np.clip(values, low, high) - scaler.offset_[0]) / scaler.spread_[0]
    best = yeojohnson_normmax(middle)
    assert scaler.powers_[0] == pytest.approx(best, abs=0.13)


def test_mean_and_variance_are_those_of_a_standard_normal():
    """Of the training values, whatever their shape."""
    for values in (normal(), np.exp(normal() / 12), np.round(normal() / 20)):
        assert scaled(values).mean() == pytest.approx(0, abs=1e-9)
        assert scaled(values).std() == pytest.approx(1)


def test_a_skewed_column_is_straightened():
    """Concentrations lose their skew; a column without is bent by nothing but the bound."""
    values = np.exp(np.random.default_rng(0).normal(1, 0.9, size=300))
    assert skew(values) > 2
    assert abs(skew(scaled(values))) < 0.2
    plain = SteadyScaler().fit(normal()[:, None])
    assert plain.powers_.tolist() == [1.0]


@pytest.mark.parametrize("n", [20, 60, 200])
@pytest.mark.parametrize("slip", [1e6, -1e6, 1e300])
def test_a_slip_does_not_ruin_the_other_values(n, slip):
    """With one value a million off, the others keep most of the scale that they had without.

    Plain standardising leaves them less than a thousandth of it.
    """
    values = normal(n)
    clean, marred = scaled(values), scaled(np.append(values, slip))
    others = marred[:-1]
    assert np.corrcoef(clean, others)[0, 1] > 0.99
    assert 0.6 < others.std() / clean.std() < 1.1
    assert np.abs(marred[-1]) < 2 * BOUND
    assert np.isfinite(marred).all()


def test_a_slip_at_prediction_stays_within_bounds():
    """What training never saw cannot run away with a linear model."""
    far = scaled(normal(), np.asarray([1e6, -1e6, 1e300]))
    assert (np.abs(far) < 2 * BOUND).all()


def test_rare_counts_keep_their_scale():
    """A column that is mostly zero is scaled by what is not, and a slip does not change that."""
    values = np.zeros(200)
    values[:3] = [1, 2, 3]
    clean, marred = scaled(values), scaled(np.append(values, 1e6))
    assert clean[2] > clean[1] > clean[0] > clean[3]
    steps = [column[1] - column[3] for column in (clean, marred)]
    assert steps[1] > 0.3 * steps[0]


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 1000), min_size=5, max_size=60, unique=True),
    st.floats(1e-3, 1e3),
    st.integers(-100, 100),
)
def test_order_stays_and_units_do_not_matter(values, unit, origin):
    """Every step is increasing, and another unit or origin gives the same numbers."""
    column = np.asarray(values, dtype=float)
    ours = scaled(column)
    assert (np.argsort(ours) == np.argsort(column)).all()
    assert np.allclose(scaled(column * unit + origin), ours, atol=1e-4)


@pytest.mark.parametrize("values", [[5.0] * 4, [1e9] * 4, [0.1] * 7, [3.0], [1.0, 2.0]])
def test_columns_with_little_to_learn_from_are_harmless(values):
    """Constant or tiny columns yield finite numbers, a constant one zero."""
    column = np.asarray(values)
    assert np.isfinite(scaled(column)).all()
    if len(set(values)) == 1:
        assert (scaled(column) == 0).all()
