"""Numbers and names as the pages show them: two decimals, real dashes, nothing invisible."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup, escape

__all__ = [
    "FILTERS",
    "breakable",
    "count",
    "duration",
    "estimate",
    "interval",
    "number",
    "percent",
    "printable",
    "shorten",
    "signed",
    "signed_interval",
]

NOT_ESTIMABLE = "not estimable"

# A third decimal means something only where the interval is narrower than this.
NARROW = 0.02

# Equal resamples differ by the rounding of their sums.
NO_WIDTH = 1e-9

SECONDS_IN_MINUTE, SECONDS_IN_HOUR = 60, 3600


def estimate(score: Mapping[str, float | None]) -> str:
    """Return the value of a score, with as many decimals as its interval supports.

    Parameters
    ----------
    score : mapping
        ``value``, ``ci_low`` and ``ci_high``; None where it could not be estimated.

    Examples
    --------
    >>> estimate({"value": 0.8712, "ci_low": 0.82, "ci_high": 0.91})
    '0.87'
    >>> estimate({"value": None, "ci_low": None, "ci_high": None})
    'not estimable'
    """
    value = score["value"]
    return NOT_ESTIMABLE if value is None else _fixed(value, _decimals(score))


def interval(score: Mapping[str, float | None]) -> str:
    """Return the interval of a score, or say that there is none.

    An interval without width is what the bootstrap gives where no resample can differ
    (a perfect AUC, a constant prediction); it is no statement about precision.

    Parameters
    ----------
    score : mapping
        ``value``, ``ci_low`` and ``ci_high``.

    Examples
    --------
    >>> interval({"value": 0.8712, "ci_low": 0.82, "ci_high": 0.91})
    '0.82–0.91'
    >>> interval({"value": 1.0, "ci_low": 1.0, "ci_high": 1.0})
    'interval not estimable'
    """
    if _width(score) is None:
        return f"interval {NOT_ESTIMABLE}"
    decimals = _decimals(score)
    low, high = (_fixed(float(score[end] or 0.0), decimals) for end in ("ci_low", "ci_high"))
    # A dash after a number and before a minus sign would read as one operator.
    return f"{low} to {high}" if low.startswith("−") else f"{low}–{high}"


def signed(score: Mapping[str, float | None]) -> str:
    """Return the value of a difference with its sign.

    Parameters
    ----------
    score : mapping
        ``value``, ``ci_low`` and ``ci_high``.

    Examples
    --------
    >>> [signed({"value": v, "ci_low": -0.2, "ci_high": 0.2}) for v in (0.041, -0.118, 0.001)]
    ['+0.04', '−0.12', '0.00']
    """
    value = score["value"]
    return NOT_ESTIMABLE if value is None else _with_sign(value, _decimals(score))


def signed_interval(score: Mapping[str, float | None]) -> str:
    """Return the interval of a difference, both ends with their sign.

    Parameters
    ----------
    score : mapping
        ``value``, ``ci_low`` and ``ci_high``.

    Examples
    --------
    >>> signed_interval({"value": -0.1, "ci_low": -0.15, "ci_high": 0.02})
    '−0.15 to +0.02'
    """
    if _width(score) is None:
        return f"interval {NOT_ESTIMABLE}"
    decimals = _decimals(score)
    ends = (float(score[end] or 0.0) for end in ("ci_low", "ci_high"))
    return " to ".join(_with_sign(end, decimals) for end in ends)


def duration(seconds: float | None) -> str:
    """Return seconds as a person says them.

    Parameters
    ----------
    seconds : float or None
        None where the time was not recorded.

    Examples
    --------
    >>> [duration(s) for s in (0.42, 12.3, 200, 7500, None)]
    ['0.4 s', '12 s', '3 min 20 s', '2 h 05 min', 'not recorded']
    """
    if seconds is None:
        return "not recorded"
    if seconds < 9.95:  # one decimal below ten seconds
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < SECONDS_IN_MINUTE:
        return f"{whole} s"
    if whole < SECONDS_IN_HOUR:
        return f"{whole // SECONDS_IN_MINUTE} min {whole % SECONDS_IN_MINUTE:02d} s"
    minutes = round(seconds / SECONDS_IN_MINUTE)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def number(value: float | None) -> str:
    """Return a value that has no interval, with two decimals; nothing where there is none.

    Examples
    --------
    >>> number(0.456), number(-0.001), number(None)
    ('0.46', '0.00', '')
    """
    return "" if value is None else _fixed(value, 2)


def percent(share: float) -> str:
    """Return a share in [0, 1] as a whole percentage.

    Never 0% or 100% for a share that is not: one missed case must not round away.

    Examples
    --------
    >>> [percent(share) for share in (0.0, 0.001, 0.25, 0.999, 1.0)]
    ['0%', '<1%', '25%', '>99%', '100%']
    """
    if 0 < share < 0.005:  # would round to zero
        return "<1%"
    if 0.995 <= share < 1:  # would round to all
        return ">99%"
    return f"{share:.0%}"


def count(cases: float) -> str:
    """Return a number of cases; a mean over repeats has one decimal.

    Examples
    --------
    >>> [count(cases) for cases in (12.0, 1234, 8.4)]
    ['12', '1,234', '8.4']
    """
    return f"{cases:,.0f}" if float(cases).is_integer() else f"{cases:,.1f}"


def printable(text: str) -> str:
    r"""Return the text without control characters, which no page can hold.

    Examples
    --------
    >>> printable("a\x08b") == "a\N{REPLACEMENT CHARACTER}b"
    True
    """
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(letter) in ("Cc", "Cs") else letter
        for letter in text
    )


def breakable(text: str) -> Markup:
    """Return the escaped text with places where a narrow column may break it.

    Examples
    --------
    >>> breakable("late_fusion")
    Markup('late_<wbr>fusion')
    """
    broken = escape(text)
    for joint in "_+":
        broken = broken.replace(joint, Markup(joint + "<wbr>"))  # noqa: S704  # two constants
    return broken


def shorten(text: str, limit: int) -> str:
    """Return a printable text of at most `limit` characters, cut with an ellipsis.

    Examples
    --------
    >>> shorten("hist_gradient_boosting", 12)
    'hist_gradie…'
    """
    text = printable(text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _fixed(value: float, decimals: int) -> str:
    text = f"{value:.{decimals}f}"
    # What rounds to zero has no sign.
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


def _with_sign(value: float, decimals: int) -> str:
    text = _fixed(value, decimals)
    return text if text.startswith("−") or float(text) == 0 else f"+{text}"


def _width(score: Mapping[str, float | None]) -> float | None:
    low, high = score["ci_low"], score["ci_high"]
    return None if low is None or high is None or high - low < NO_WIDTH else high - low


def _decimals(score: Mapping[str, float | None]) -> int:
    width = _width(score)
    return 3 if width is not None and width < NARROW else 2


FILTERS: dict[str, Any] = {
    "breakable": breakable,
    "estimate": estimate,
    "interval": interval,
    "count": count,
    "duration": duration,
    "number": number,
    "percent": percent,
    "signed": signed,
    "signed_interval": signed_interval,
}
