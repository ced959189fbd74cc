"""What the cache folder holds, for the command line: sizes, and what may go."""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from benchmark._text_tables import aligned
from cohorts import unknown_name
from features import EXTRACTORS, UNUSED_DAYS, CacheFile, list_files, prunable, remove_files

__all__ = ["cache_report", "prune_cache", "size_text"]

DEMO = "demo"

# Unfinished folders of demo images, and those on their way out.
WORKSHOP = ".making-"
WORKSHOP_S = 3600.0

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class DemoFolder:
    """The images of one simulated cohort, or an unfinished set of them."""

    path: Path
    n_files: int
    n_bytes: int
    last_used: float

    @property
    def is_whole(self) -> bool:
        """Whether a run can use it."""
        return not self.path.name.startswith(WORKSHOP)


def cache_report(root: Path) -> list[str]:
    """Return the lines that say what is in the cache folder.

    Parameters
    ----------
    root : Path
        The cache folder; it need not exist.

    Returns
    -------
    list of str
        The folder; for each extractor and version the number of entries, their size and the
        day of their last use; the demo images; what was left unfinished; the total.
    """
    groups = _grouped(list_files(root))
    demo = _demo_folders(root)
    whole, unfinished = [d for d in demo if d.is_whole], [d for d in demo if not d.is_whole]
    rows = [_row(*owner, [(1, f.n_bytes, f.last_used) for f in of]) for owner, of in groups.items()]
    for title, folders in (("demo images", whole), ("unfinished demo images", unfinished)):
        if folders:
            rows.append(_row(title, "", [(d.n_files, d.n_bytes, d.last_used) for d in folders]))
    if not rows:
        return [f"Cache: {root}", "It is empty."]
    n_bytes = sum(f.n_bytes for of in groups.values() for f in of) + sum(d.n_bytes for d in demo)
    header = ("extractor", "version", "entries", "size", "last used")
    total = ("total", "", "", size_text(n_bytes), "")
    return [f"Cache: {root}", *aligned([header, *rows, total], right={1, 2, 3})]


def prune_cache(
    root: Path,
    *,
    older_than: int | None = None,
    extractor: str | None = None,
    dry_run: bool = False,
    now: float | None = None,
) -> list[str]:
    """Remove what is not worth keeping, and return the lines that say what went.

    Parameters
    ----------
    root : Path
        The cache folder.
    older_than : int, optional
        Entries not used for so many days go; by default 90. Only where it is given do demo
        images go as well.
    extractor : str, optional
        Touch nothing but what belongs to this one.
    dry_run : bool, default=False
        Say what would go, and leave it.
    now : float, optional
        Seconds since the epoch; by default the present.

    Returns
    -------
    list of str
        One line for each extractor, version and reason, then the total.

    Raises
    ------
    BenchmarkError
        If the extractor is neither installed nor in the cache.
    """
    now = time.time() if now is None else now
    files = list_files(root)
    _check_extractor(extractor, files)
    versions = {one.name: one.version for one in EXTRACTORS}
    days = UNUSED_DAYS if older_than is None else older_than
    going = list(prunable(files, versions=versions, unused_days=days, extractor=extractor, now=now))
    demo = [] if extractor is not None else _demo_prunable(root, older_than, now)
    lines = [*_file_lines(going), *_demo_lines(demo)]
    if not lines:
        return ["Nothing to remove."]
    if not dry_run:
        remove_files([file for file, _ in going])
        for folder, _ in demo:
            _remove_folder(folder.path)
    n_bytes = sum(file.n_bytes for file, _ in going) + sum(one.n_bytes for one, _ in demo)
    verb = "Would remove" if dry_run else "Removed"
    return [*(f"{verb} {line}" for line in lines), f"{verb} {size_text(n_bytes)} in all."]


def size_text(n_bytes: float) -> str:
    """Write a size for people, in powers of a thousand.

    Examples
    --------
    >>> size_text(980), size_text(1_234_567)
    ('980 B', '1.2 MB')
    """
    for unit in ("B", "kB", "MB"):
        if n_bytes < 1000:
            return f"{n_bytes:.0f} B" if unit == "B" else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.1f} GB"


def _grouped(files: Iterable[CacheFile]) -> dict[tuple[str, str], list[CacheFile]]:
    """Group by what the report calls the files, and their version."""
    groups: dict[tuple[str, str], list[CacheFile]] = {}
    for file in files:
        groups.setdefault(_owner(file), []).append(file)
    return dict(sorted(groups.items()))


def _owner(file: CacheFile) -> tuple[str, str]:
    if file.kind == "entry":
        return file.extractor, file.version
    title = "temporary files" if file.kind == "temporary" else "of an earlier sonobench"
    return title, ""


def _row(
    title: str, version: str, parts: Sequence[tuple[int, int, float]]
) -> tuple[str, str, str, str, str]:
    """Sum (entries, bytes, last used) into the cells of one line."""
    counts, sizes, times = zip(*parts, strict=True)
    last_used = date.fromtimestamp(max(times)).isoformat()
    return title, version, str(sum(counts)), size_text(sum(sizes)), last_used


def _file_lines(going: Sequence[tuple[CacheFile, str]]) -> list[str]:
    by_reason: dict[tuple[str, str, str], list[int]] = {}
    for file, reason in going:
        title, version = _owner(file)
        by_reason.setdefault((title, version, reason), []).append(file.n_bytes)
    return [
        f"{len(sizes)} {_what(title, version)}, {reason}: {size_text(sum(sizes))}"
        for (title, version, reason), sizes in sorted(by_reason.items())
    ]


def _what(title: str, version: str) -> str:
    if version:
        return f"of {title} version {version}"
    return title if title.startswith("temporary") else "files"


def _check_extractor(name: str | None, files: Iterable[CacheFile]) -> None:
    known = dict.fromkeys([*EXTRACTORS.names(), *(f.extractor for f in files if f.extractor)])
    if name is not None and name not in known:
        raise unknown_name(
            "extractor", name, known, where="--extractor", hint="See: benchmark cache"
        )


def _demo_folders(root: Path) -> list[DemoFolder]:
    found = sorted((root / DEMO).glob("*"))
    return [_measured(path) for path in found if path.is_dir() and _is_ours(path)]


def _is_ours(path: Path) -> bool:
    """Tell whether a folder has a name that the demo cohort gives."""
    is_digest = len(path.name) == 16 and set(path.name) <= set("0123456789abcdef")
    return is_digest or path.name.startswith(WORKSHOP)


def _measured(path: Path) -> DemoFolder:
    sizes, times = [0], [path.stat().st_mtime]
    for file in path.rglob("*"):
        with suppress(FileNotFoundError):
            status = file.lstat()
            if file.is_file():
                sizes.append(status.st_size)
                # Images are only read, so the time of reading tells their use.
                times.append(max(status.st_atime, status.st_mtime))
    return DemoFolder(path, len(sizes) - 1, sum(sizes), max(times))


def _demo_prunable(root: Path, older_than: int | None, now: float) -> list[tuple[DemoFolder, str]]:
    going = []
    for folder in _demo_folders(root):
        age_s = now - folder.last_used
        if not folder.is_whole and age_s > WORKSHOP_S:
            going.append((folder, "left by a stopped run"))
        elif folder.is_whole and older_than is not None and age_s >= older_than * DAY_S:
            going.append((folder, f"unused for {older_than} days"))
    return going


def _demo_lines(demo: Sequence[tuple[DemoFolder, str]]) -> list[str]:
    return [
        f"{folder.n_files} demo images, {reason}: {size_text(folder.n_bytes)}"
        for folder, reason in demo
    ]


def _remove_folder(path: Path) -> None:
    """Rename, then remove: a stop in between leaves no half folder under a good name."""
    doomed = path.with_name(f"{WORKSHOP}{uuid.uuid4().hex}")
    path.rename(doomed)
    shutil.rmtree(doomed)
