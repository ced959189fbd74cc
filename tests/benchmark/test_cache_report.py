"""The cache on the command line: what it holds, what goes, and what is said about it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from benchmark._cache_report import cache_report, prune_cache
from benchmark.cli import main
from cohorts import BenchmarkError
from features import EXTRACTORS, CacheKey, FeatureCache

DAY = 86_400.0
NOW = 1_700_000_000.0  # 14 November 2023


def aged(path: Path, days: float) -> Path:
    os.utime(path, (NOW - days * DAY, NOW - days * DAY))
    return path


@pytest.fixture(autouse=True)
def _first_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what is superseded the same, whatever the extractors' versions have grown to."""
    for extractor in EXTRACTORS:
        monkeypatch.setattr(type(extractor), "version", 1)


@pytest.fixture
def root(tmp_path) -> Path:
    """Two versions of one extractor, one of another, and the demo images of two seeds."""
    cache = FeatureCache(tmp_path)
    for group, number, days in (
        ("radiomics-v0", 1, 5),
        ("radiomics-v1", 2, 3),
        ("radiomics-v1", 3, 200),
        ("embedding-v1", 4, 1),
    ):
        digest = f"{number:064x}"
        cache.store(CacheKey(group, digest), np.zeros(100))
        aged(tmp_path / "features" / group / digest[:2] / f"{digest}.npy", days)
    for name, days in (("0123456789abcdef", 100), ("fedcba9876543210", 2), (".making-x", 1)):
        folder = tmp_path / "demo" / name
        folder.mkdir(parents=True)
        for image in ("a.png", "b.png"):
            (folder / image).write_bytes(b"x" * 500)
            aged(folder / image, days)
        aged(folder, days)
    return tmp_path


def left(root: Path) -> set[str]:
    """Return the folders that hold files."""
    return {str(path.parent.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def test_the_report_adds_up(root):
    """Each extractor and version with entries, size and last use; the total is that on disk."""
    lines = cache_report(root)
    assert lines[0] == f"Cache: {root}"
    cells = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines[1:]]
    assert cells[0] == ["extractor", "version", "entries", "size", "last used"]
    assert cells[1] == ["embedding", "1", "1", "948 B", "2023-11-13"]
    assert cells[2][:3] == ["radiomics", "0", "1"]
    assert cells[3] == ["radiomics", "1", "2", "1.9 kB", "2023-11-11"]
    assert cells[4] == ["demo images", "4", "2.0 kB", "2023-11-12"]
    assert cells[5][:2] == ["unfinished demo images", "2"]
    n_bytes = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    assert cells[6] == ["total", f"{n_bytes / 1000:.1f} kB"]


def test_an_empty_cache_is_said_to_be_empty(tmp_path):
    """A folder that does not exist yet is no error, and is not made."""
    root = tmp_path / "none"
    assert cache_report(root) == [f"Cache: {root}", "It is empty."]
    assert prune_cache(root) == ["Nothing to remove."]
    assert not root.exists()


def test_pruning_says_what_it_removed(root):
    """Superseded, unused and unfinished go, each with its reason; finished demo images stay."""
    lines = prune_cache(root, now=NOW)
    assert lines == [
        "Removed 1 of radiomics version 0, superseded by version 1: 948 B",
        "Removed 1 of radiomics version 1, unused for 90 days: 948 B",
        "Removed 2 demo images, left by a stopped run: 1.0 kB",
        "Removed 2.9 kB in all.",
    ]
    assert left(root) == {
        "demo/0123456789abcdef",
        "demo/fedcba9876543210",
        "features/embedding-v1/00",
        "features/radiomics-v1/00",
    }
    assert prune_cache(root, now=NOW) == ["Nothing to remove."]


def test_a_dry_run_removes_nothing(root):
    """It says what would go, in the same words."""
    before = left(root)
    dry = prune_cache(root, dry_run=True, now=NOW)
    assert left(root) == before
    assert [line.replace("Would remove", "Removed") for line in dry] == prune_cache(root, now=NOW)


def test_demo_images_go_only_where_an_age_is_given(root):
    """Those not used for so long; the others stay."""
    lines = prune_cache(root, older_than=50, now=NOW)
    assert "Removed 2 demo images, unused for 50 days: 1.0 kB" in lines
    assert "demo/0123456789abcdef" not in left(root)
    assert "demo/fedcba9876543210" in left(root)


def test_one_extractor_alone_is_pruned(root):
    """With an age of nothing, all of it, and nothing of the others."""
    prune_cache(root, older_than=0, extractor="radiomics", now=NOW)
    assert left(root) == {
        "demo/.making-x",
        "demo/0123456789abcdef",
        "demo/fedcba9876543210",
        "features/embedding-v1/00",
    }


def test_an_unknown_extractor_offers_the_nearest(root):
    """A slip does not silently prune nothing."""
    with pytest.raises(BenchmarkError, match=r"Unknown extractor 'radiomic'.*'radiomics'\?"):
        prune_cache(root, extractor="radiomic")


def test_the_command_reports_and_prunes(root, monkeypatch, capsys):
    """`benchmark cache` shows the folder in use; with --prune it tidies it."""
    monkeypatch.setenv("SONOBENCH_CACHE", str(root))
    assert main(["cache"]) == 0
    assert f"Cache: {root}" in capsys.readouterr().out
    assert main(["cache", "--prune", "--older-than", "0", "--dry-run"]) == 0
    assert "Would remove" in capsys.readouterr().out
    assert main(["cache", "--prune", "--older-than", "0"]) == 0
    assert left(root) == set()
    assert main(["cache"]) == 0
    assert "It is empty." in capsys.readouterr().out


@pytest.mark.parametrize(
    "flags", [["--dry-run"], ["--older-than", "0"], ["--extractor", "radiomics"]]
)
def test_flags_of_pruning_need_it(flags, capsys):
    """What only pruning understands is refused without it, not ignored."""
    assert main(["cache", *flags]) == 2
    assert "go with --prune" in capsys.readouterr().err
