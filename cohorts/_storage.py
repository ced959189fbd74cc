"""Where sonobench keeps what it can make again."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["default_cache_dir"]


def default_cache_dir() -> Path:
    """Return ``$SONOBENCH_CACHE``, or ``sonobench`` in the user's cache folder."""
    named = os.environ.get("SONOBENCH_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "sonobench"
