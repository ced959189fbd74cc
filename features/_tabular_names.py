"""What encoded columns are called, and how each was made, in words."""

from __future__ import annotations

from cohorts import Column, ColumnKind

__all__ = ["MISSING_SUFFIX", "RARE_SUFFIX", "describe_output", "value_suffix"]

# An indicator beside a number, and a category or label of its own.
MISSING_SUFFIX = " missing"
MISSING = "missing"
RARE = "rare"

RARE_SUFFIX = f": {RARE}"


def value_suffix(value: str | None) -> str:
    """Return what follows the source in the name of the column of a category or label.

    Parameters
    ----------
    value : str or None
        As recorded; None, and the empty label, are missing. A recorded ``missing`` or ``rare``
        is quoted, so that it is not taken for what we call so.

    Examples
    --------
    >>> value_suffix("left"), value_suffix(None), value_suffix("missing")
    (': left', ': missing', ': "missing"')
    """
    if not value:
        return f": {MISSING}"
    return f': "{value}"' if value in {MISSING, RARE} else f": {value}"


def describe_output(
    kind: ColumnKind, suffix: str, *, column: Column | None, scale: bool
) -> dict[str, str]:
    """Return the unit of an encoded column and how it was made.

    Parameters
    ----------
    kind : ColumnKind
        Of its source.
    suffix : str
        What follows the source in its name.
    column : Column or None
        Its source, where it was declared.
    scale : bool
        Whether numbers and ranks are standardised.

    Returns
    -------
    dict of str to str
        ``unit``, empty where the values have none any more, and ``encoding``.
    """
    unit = column.unit if column is not None and kind is ColumnKind.NUMERIC else ""
    if suffix:
        return {"unit": "", "encoding": _indicator(kind, suffix)}
    if kind is ColumnKind.NUMERIC:
        scaled = "straightened where skewed, then standardised"
        return {"unit": "" if scale else unit, "encoding": scaled if scale else "as recorded"}
    if kind is ColumnKind.ORDINAL:
        order = " < ".join(column.order) if column is not None else ""
        return {"unit": "", "encoding": f"rank in {order}" + (", standardised" if scale else "")}
    return {"unit": "", "encoding": "1 for yes, 0 for no"}


def _indicator(kind: ColumnKind, suffix: str) -> str:
    value = suffix.removeprefix(": ")
    if suffix == MISSING_SUFFIX or value == MISSING:
        return "1 where it is missing, else 0"
    if kind is ColumnKind.MULTI_LABEL:
        return f"1 where {value} is among its labels, else 0"
    if value == RARE:
        return "1 where it is one of the rare categories, else 0"
    return f"1 where it is {value}, else 0"
