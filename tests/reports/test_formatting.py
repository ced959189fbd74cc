"""Numbers say as much as they know."""

from __future__ import annotations

import pytest

from reports._formatting import (
    duration,
    estimate,
    interval,
    percent,
    printable,
    shorten,
    signed,
    signed_interval,
)


def score(value, low, high):
    """Build a score as a summary holds it."""
    return {"value": value, "ci_low": low, "ci_high": high}


@pytest.mark.parametrize(
    ("given", "value", "limits"),
    [
        (score(0.8712, 0.82, 0.9149), "0.87", "0.82–0.91"),
        (score(0.8712, 0.8661, 0.8809), "0.871", "0.866–0.881"),
        (score(-0.041, -0.093, 0.012), "−0.04", "−0.09 to 0.01"),
        (score(0.5, None, None), "0.50", "interval not estimable"),
        (score(1.0, 1.0, 1.0), "1.00", "interval not estimable"),
        (score(0.667, 0.667, 0.667 + 1e-15), "0.67", "interval not estimable"),
        (score(None, None, None), "not estimable", "interval not estimable"),
        (score(0.1, 0.0, 0.3), "0.10", "0.00–0.30"),
    ],
    ids=[
        "usual",
        "narrow",
        "negative",
        "no interval",
        "no width",
        "rounding",
        "nothing",
        "zero end",
    ],
)
def test_decimals_follow_the_interval(given, value, limits):
    """Two decimals, three where the interval is narrower than 0.02, words where there is none."""
    assert (estimate(given), interval(given)) == (value, limits)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0.0 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (3599.7, "1 h 00 min"),
        (7199.0, "2 h 00 min"),
        (None, "not recorded"),
    ],
)
def test_durations_carry_over(seconds, words):
    """Rounding up reaches the next unit instead of 60 of the last."""
    assert duration(seconds) == words


def test_what_rounds_to_zero_has_no_sign():
    """Neither a value nor an end of an interval is minus nothing."""
    near = score(-0.002, -0.004, 0.1)
    assert (estimate(near), interval(near)) == ("0.00", "0.00–0.10")
    assert (signed(near), signed_interval(near)) == ("0.00", "0.00 to +0.10")


@pytest.mark.parametrize(
    ("share", "words"), [(0.0, "0%"), (0.004, "<1%"), (0.996, ">99%"), (1.0, "100%")]
)
def test_one_missed_case_does_not_round_away(share, words):
    """All and none are said only when they are true."""
    assert percent(share) == words


def test_names_lose_only_what_cannot_be_shown():
    """Control characters are replaced, letters of any script are kept, long names are cut."""
    assert printable("a\x00\tb\ud800é中") == "a\ufffd\ufffdb\ufffdé中"
    assert shorten("abcdef", 6) == "abcdef"
    assert shorten("abcdefg", 6) == "abcde…"
