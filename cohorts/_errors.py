"""The errors that a user can cause, and the sentence that helps them on."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["BenchmarkError", "unknown_name"]


class BenchmarkError(Exception):
    """A problem with what the user gave: one sentence, then exit code 2.

    The message names the input, what came, what works and what to do next.
    """


def unknown_name(
    kind: str, name: str, known: Iterable[str], *, where: str = "", hint: str = ""
) -> BenchmarkError:
    """Build the error for a name that nothing answers to.

    Parameters
    ----------
    kind : str
        What was looked for, such as ``"model"``.
    name : str
        What came.
    known : iterable of str
        The names that work.
    where : str, default=""
        Where the name stood, such as ``"run.yaml"``.
    hint : str, default=""
        What to do next, such as ``"See: benchmark list models"``.

    Returns
    -------
    BenchmarkError
        Ready to be raised.

    Examples
    --------
    >>> str(unknown_name("model", "forest", ["random_forest", "svm"]))
    "Unknown model 'forest'. Did you mean 'random_forest'? Known: random_forest, svm."
    """
    known = list(known)
    by_folded = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(name.lower(), by_folded, n=1, cutoff=0.5)
    parts = [f"Unknown {kind} {name!r}" + (f" in {where}" if where else "") + "."]
    if near:
        parts.append(f"Did you mean {by_folded[near[0]]!r}?")
    parts.append(f"Known: {', '.join(known)}." if known else f"No {kind} is known here.")
    if hint:
        parts.append(hint)
    return BenchmarkError(" ".join(parts))
