"""Fixtures that every room uses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cohorts import (
    Cohort,
    CohortInfo,
    Column,
    ColumnKind,
    ImageModality,
    ImageRecord,
    TabularModality,
)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tests out of the user's cache; the simulated cohort is made once a session."""
    folder = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("SONOBENCH_CACHE", str(folder))


@pytest.fixture(scope="session")
def small_cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """90 cases of 60 patients, three classes, 32-pixel images and two tables with signal."""
    return make_small_cohort(tmp_path_factory.mktemp("small"))


def make_small_cohort(folder: Path, *, n_patients: int = 60, seed: int = 0) -> Cohort:
    """Images are brighter and ``age`` is higher from class to class; ``noise`` knows nothing."""
    rng = np.random.default_rng(seed)
    classes = ("normal", "benign", "malignant")
    patients = [f"p{i:03}" for i in range(n_patients)]
    patients += patients[: n_patients // 2]
    of_patient = np.arange(n_patients) % 3
    labels = np.concatenate([of_patient, of_patient[: n_patients // 2]])
    n_cases = len(labels)
    cases = tuple(f"c{i:03}" for i in range(n_cases))
    records = []
    for case, label in zip(cases, labels, strict=True):
        grey = np.clip(rng.normal(60 + 25 * label, 30, size=(32, 32)), 0, 255)
        Image.fromarray(grey.astype(np.uint8)).save(folder / f"{case}.png")
        mask = np.zeros((32, 32), np.uint8)
        mask[8:24, 6 : 20 + 2 * label] = 255
        Image.fromarray(mask).save(folder / f"{case}_mask.png")
        path = folder / f"{case}.png"
        records.append((ImageRecord(path, (folder / f"{case}_mask.png",), 0.1, (32, 32)),))
    index = pd.Index(cases, name="case")
    age = np.where(rng.random(n_cases) < 0.1, np.nan, 40 + 8 * labels + rng.normal(0, 8, n_cases))
    side = rng.choice(["left", "right"], size=n_cases)
    marker = np.exp(1 + 0.5 * labels + rng.normal(0, 0.7, n_cases))
    noise = rng.normal(size=n_cases)
    return Cohort(
        info=CohortInfo("small", "A small made-up cohort", simulation="simulated"),
        cases=cases,
        patients=tuple(patients),
        classes=classes,
        labels=labels.astype(np.intp),
        images=(ImageModality("ultrasound", tuple(records)),),
        tables=(
            TabularModality(
                "clinical",
                (
                    Column("age", ColumnKind.NUMERIC, "years"),
                    Column("side", ColumnKind.CATEGORICAL),
                ),
                pd.DataFrame({"age": age, "side": side}, index=index),
            ),
            TabularModality(
                "molecular",
                (Column("marker", ColumnKind.NUMERIC, "U/mL"), Column("noise", ColumnKind.NUMERIC)),
                pd.DataFrame({"marker": marker, "noise": noise}, index=index),
            ),
        ),
    )
