"""Fixtures that every room uses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cohorts import Cohort

from support import made_cohorts, make_small_cohort


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tests out of the user's cache; the simulated cohort is made once a session."""
    folder = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("SONOBENCH_CACHE", str(folder))


@pytest.fixture(scope="session")
def small_cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """90 cases of 60 patients, three classes, 32-pixel images and two tables with signal."""
    return make_small_cohort(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Register a loader of small cohorts with images and tables."""
    with made_cohorts(tmp_path_factory.mktemp):
        yield
