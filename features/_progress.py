"""Progress bars that do not flood a log."""

from __future__ import annotations

import sys
from typing import Any

from tqdm.auto import tqdm

__all__ = ["progress_bar"]

# Seconds between two states of a bar on a terminal, and where every one is kept, as in a file.
LIVE_INTERVAL_S, LOG_INTERVAL_S = 0.1, 30.0


def progress_bar(total: int, *, done: int, title: str, shown: bool) -> Any:
    """Return a bar: alive on a terminal, a line every half minute elsewhere.

    Parameters
    ----------
    total : int
        Steps in all.
    done : int
        Steps that need no doing.
    title : str
        What goes on.
    shown : bool
        Whether there is a bar at all.
    """
    interval = LIVE_INTERVAL_S if sys.stderr.isatty() else LOG_INTERVAL_S
    return tqdm(total=total, initial=done, desc=title, disable=not shown, mininterval=interval)
