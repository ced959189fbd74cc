"""Numbers and notes as JSON knows them: what all summaries are made of."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["finite", "loads", "plain_score", "unique_notes"]


def finite(value: float | None) -> float | None:
    """Return a number, or None for what JSON has no number for.

    Examples
    --------
    >>> finite(0.5), finite(float("nan")), finite(None)
    (0.5, None, None)
    """
    return float(value) if value is not None and math.isfinite(value) else None


def plain_score(value: float, ci_low: float, ci_high: float) -> dict[str, float | None]:
    """Return a score with its interval; None where it could not be estimated."""
    return {"value": finite(value), "ci_low": finite(ci_low), "ci_high": finite(ci_high)}


def loads(text: Any) -> list[dict[str, Any]]:
    """Return the list that a cell of a table holds as JSON; skipped rows hold none."""
    found: list[dict[str, Any]] = json.loads(text) if isinstance(text, str) else []
    return found


def unique_notes(notes: Iterable[Mapping[str, str]]) -> list[dict[str, str]]:
    """Return every note once, warnings first."""
    unique = {(note["code"], note["text"]): dict(note) for note in notes}
    return sorted(unique.values(), key=lambda note: note["severity"] != "warning")
