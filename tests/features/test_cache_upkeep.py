"""Pruning takes what is unused, superseded or unfinished, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from features import CacheKey, FeatureCache, list_files, prunable, remove_files

NOW = 2_000_000_000.0
DAY = 86_400.0
HOUR = 3600.0


def put(folder: Path, group: str, number: int, *, age_s: float) -> Path:
    """Store an entry that was last used so long ago."""
    digest = f"{number:064x}"
    FeatureCache(folder).store(CacheKey(group, digest), np.zeros(number))
    path = folder / "features" / group / digest[:2] / f"{digest}.npy"
    os.utime(path, (NOW - age_s, NOW - age_s))
    return path


def leave(path: Path, *, age_s: float = 365 * DAY) -> Path:
    """Write another file of that age."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    os.utime(path, (NOW - age_s, NOW - age_s))
    return path


def going(folder: Path, **options: object) -> dict[Path, str]:
    options = {"versions": {"radiomics": 2}, "now": NOW, **options}
    return {file.path: reason for file, reason in prunable(list_files(folder), **options)}


def test_entries_are_listed_with_owner_and_size(tmp_path):
    """Extractor, version, bytes and the time of their last use."""
    path = put(tmp_path, "radiomics-v2", 1, age_s=DAY)
    (file,) = list_files(tmp_path)
    assert (file.path, file.kind, file.extractor, file.version) == (path, "entry", "radiomics", "2")
    assert file.n_bytes == path.stat().st_size
    assert file.last_used == NOW - DAY
    assert list_files(tmp_path / "nowhere") == []


def test_unused_entries_go(tmp_path):
    """Ninety days by default, or as asked; the version in use stays."""
    put(tmp_path, "radiomics-v2", 1, age_s=89 * DAY)
    old = put(tmp_path, "radiomics-v2", 2, age_s=91 * DAY)
    assert going(tmp_path) == {old: "unused for 90 days"}
    assert len(going(tmp_path, unused_days=0)) == 2
    assert going(tmp_path, unused_days=100) == {}


def test_superseded_versions_go_at_any_age(tmp_path):
    """A lower version than the present one is never read again, so it goes.

    A higher one, or an unknown extractor, belongs to another installation and stays.
    """
    old = put(tmp_path, "radiomics-v1", 1, age_s=0)
    for group in ("radiomics-v2", "radiomics-v3", "somebody-v1", "radiomics-vx"):
        put(tmp_path, group, 2, age_s=0)
    assert going(tmp_path) == {old: "superseded by version 2"}


def test_stale_temporary_files_go(tmp_path):
    """A write that began an hour ago was stopped; one of a minute ago may go on."""
    folder = tmp_path / "features" / "radiomics-v2" / "ab"
    name = "ab" * 32 + "." + "cd" * 16 + ".tmp"
    leave(folder / name, age_s=HOUR / 60)
    assert going(tmp_path) == {}
    stale = leave(folder / name, age_s=HOUR * 1.01)
    assert going(tmp_path) == {stale: "left by a stopped run"}
    assert going(tmp_path, extractor="embedding") == {}


def test_entries_of_an_earlier_layout_go(tmp_path):
    """They lie straight below two letters of their key, and nothing reads them."""
    old = leave(tmp_path / "features" / "ab" / ("ab" * 32 + ".npy"), age_s=0)
    half = leave(tmp_path / "features" / "ab" / "tmpx1_y2.tmp", age_s=0)
    assert set(going(tmp_path)) == {old, half}


@pytest.mark.parametrize(
    "name",
    [
        "features/module.py",
        "features/radiomics-v1/ab/notes.txt",
        "features/ab/scan.npy",
        "data.npy",
    ],
)
def test_files_of_others_are_never_touched(tmp_path, name):
    """A cache that is pointed at somebody's folder lists and prunes its own files alone."""
    leave(tmp_path / name)
    assert list_files(tmp_path) == []


def test_one_extractor_alone(tmp_path):
    """What belongs to others stays, however old it is."""
    mine = put(tmp_path, "radiomics-v2", 1, age_s=365 * DAY)
    put(tmp_path, "embedding-v1", 1, age_s=365 * DAY)
    assert set(going(tmp_path, extractor="radiomics")) == {mine}


def test_removal_leaves_no_empty_folders(tmp_path):
    """Files go with the folders that only they were in; removing twice is harmless."""
    put(tmp_path, "radiomics-v2", 1, age_s=0)
    put(tmp_path, "embedding-v1", 1, age_s=0)
    files = [file for file in list_files(tmp_path) if file.extractor == "radiomics"]
    for _ in range(2):
        remove_files(files)
    assert [path.name for path in (tmp_path / "features").iterdir()] == ["embedding-v1"]
    assert len(list_files(tmp_path)) == 1
