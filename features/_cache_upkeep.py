"""What the feature cache holds, and what of it may go."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from features._cache import FOLDER

__all__ = ["TEMPORARY_S", "UNUSED_DAYS", "CacheFile", "list_files", "prunable", "remove_files"]

# What nobody has asked for in a season is computed again faster than it is worth keeping.
UNUSED_DAYS = 90

# No entry takes this long to write: whoever began a file that old was stopped.
TEMPORARY_S = 3600.0

DAY_S = 86_400.0

# Names that this cache gives, below its folder; nothing else there is ever touched, because
# the user may have pointed the cache at a folder with files of her own.
ENTRY = re.compile(r"(?P<extractor>[^/]+)-v(?P<version>[^/]+)/[0-9a-f]{2}/[0-9a-f]{64}\.npy")
TEMPORARY = re.compile(
    r"(?P<extractor>[^/]+)-v(?P<version>[^/]+)/[0-9a-f]{2}/[0-9a-f]{64}\.[0-9a-f]{32}\.tmp"
)
EARLIER = re.compile(r"[0-9a-f]{2}/(?:[0-9a-f]{64}\.npy|tmp\w+\.tmp)")

FileKind = Literal["entry", "temporary", "earlier"]
PATTERNS: Mapping[FileKind, re.Pattern[str]] = {
    "entry": ENTRY,
    "temporary": TEMPORARY,
    "earlier": EARLIER,
}


@dataclass(frozen=True, slots=True)
class CacheFile:
    """One file of the feature cache.

    Attributes
    ----------
    path : Path
        Where it is.
    kind : {"entry", "temporary", "earlier"}
        The numbers of an image, an unfinished write, or what an earlier sonobench wrote and
        this one does not read.
    extractor, version : str
        Whose numbers they are; "" where unknown.
    n_bytes : int
        Its size.
    last_used : float
        Seconds since the epoch, to the day.
    """

    path: Path
    kind: FileKind
    extractor: str
    version: str
    n_bytes: int
    last_used: float


def list_files(directory: Path) -> list[CacheFile]:
    """Return every file that the feature cache wrote to `directory`, by path.

    Files that vanish meanwhile, because a run replaces them, are left out, and so is what
    others keep there.
    """
    root = directory / FOLDER
    return [
        found
        for path in sorted(root.rglob("*"))
        if not path.is_dir() and (found := _look_at(path, root)) is not None
    ]


def prunable(
    files: Sequence[CacheFile],
    *,
    versions: Mapping[str, int],
    unused_days: float = UNUSED_DAYS,
    extractor: str | None = None,
    now: float | None = None,
) -> Iterator[tuple[CacheFile, str]]:
    """Return the files that may go, each with the reason.

    Parameters
    ----------
    files : sequence of CacheFile
        As `list_files` returns them.
    versions : mapping of str to int
        Extractor -> its present version. Entries of lower ones are never read again.
    unused_days : float, default=90
        Entries not used for so long may go.
    extractor : str, optional
        Only what belongs to this one.
    now : float, optional
        Seconds since the epoch; by default the present.

    Yields
    ------
    file : CacheFile
        To be removed.
    reason : str
        Why.
    """
    now = time.time() if now is None else now
    for file in files:
        if extractor is not None and file.extractor != extractor:
            continue
        reason = _reason(file, now - file.last_used, versions, unused_days)
        if reason:
            yield file, reason


def remove_files(files: Sequence[CacheFile]) -> None:
    """Remove files, and the folders that are empty then.

    A run may go on meanwhile: it computes again what it no longer finds.
    """
    for file in files:
        file.path.unlink(missing_ok=True)
    folders = {parent for file in files for parent in list(file.path.parents)[:2]}
    for folder in sorted(folders, reverse=True):
        # Not empty, or gone already.
        with suppress(OSError):
            folder.rmdir()


def _look_at(path: Path, root: Path) -> CacheFile | None:
    name = path.relative_to(root).as_posix()
    for kind, pattern in PATTERNS.items():
        match = pattern.fullmatch(name)
        if match is None:
            continue
        try:
            status = path.lstat()
        except FileNotFoundError:
            return None
        owner = {key: unquote(value) for key, value in match.groupdict("").items()}
        extractor, version = owner.get("extractor", ""), owner.get("version", "")
        return CacheFile(path, kind, extractor, version, status.st_size, status.st_mtime)
    return None


def _reason(
    file: CacheFile, age_s: float, versions: Mapping[str, int], unused_days: float
) -> str | None:
    if file.kind == "temporary":
        return "left by a stopped run" if age_s > TEMPORARY_S else None
    if file.kind == "earlier":
        return "written by an earlier sonobench"
    current = versions.get(file.extractor)
    if current is not None and file.version.isdecimal() and int(file.version) < current:
        return f"superseded by version {current}"
    if age_s >= unused_days * DAY_S:
        return f"unused for {unused_days:g} days"
    return None
