"""Where sonobench keeps what it can make again, and how it writes files."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

__all__ = ["default_cache_dir", "write_atomically"]


def default_cache_dir() -> Path:
    """Return ``$SONOBENCH_CACHE``, or ``sonobench`` in the user's cache folder."""
    named = os.environ.get("SONOBENCH_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "sonobench"


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a stop at any moment leaves the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        # mkstemp makes files private to the user; results are as readable as any other file.
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
