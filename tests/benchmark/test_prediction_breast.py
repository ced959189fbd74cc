"""Real examinations, from tables of their own, have the numbers of the run."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

import benchmark
from benchmark import load, run
from cohorts import ColumnKind, load_cohort

pytestmark = pytest.mark.skipif(
    "SONOBENCH_DATA" not in os.environ, reason="SONOBENCH_DATA is not set"
)


def test_breast_cases_have_the_numbers_of_the_run(tmp_path):
    """Real examinations from a table of their own: the same numbers to the bit, unseen flagged."""
    data = Path(os.environ["SONOBENCH_DATA"]) / "breast"
    overrides = {
        "cohort": {"name": "breast", "data": str(data)},
        "features": ["clinical"],
        "models": ["logistic_regression"],
        "evaluation": {"n_resamples": 100},
    }
    run(benchmark.load_config(None, overrides), out=tmp_path / "run", n_jobs=1)
    (clinical, _) = load_cohort("breast", data).tables
    frame = clinical.table.reset_index()
    for column in clinical.columns:
        if column.kind is ColumnKind.MULTI_LABEL:
            frame[column.name] = frame[column.name].replace("", "none")
    frame.to_csv(tmp_path / "cases.csv", index=False)
    answer = load(tmp_path / "run").predict(tmp_path / "cases.csv")
    (path,) = (tmp_path / "run" / "models").glob("*/training_fit.parquet")
    fit = pd.read_parquet(path)
    for name in ("benign", "malignant"):
        assert answer[f"p_{name}"].tolist() == fit[f"fitted_p_{name}"].tolist()
    assert set(answer["flags"]) <= {"", "clinical missing, never seen so"}


def test_published_breast_cells_have_the_numbers_of_the_run(tmp_path):
    """The cells of the spreadsheet, copied into the template as they are: the same to the bit."""
    data = Path(os.environ["SONOBENCH_DATA"]) / "breast"
    overrides = {
        "cohort": {"name": "breast", "data": str(data)},
        "features": ["tabular"],
        "models": ["logistic_regression"],
        "evaluation": {"n_resamples": 100},
    }
    run(benchmark.load_config(None, overrides), out=tmp_path / "run", n_jobs=1)
    (sheet,) = data.rglob("*.xlsx")
    published = pd.read_excel(sheet, dtype=str, keep_default_na=False)
    assert published["Margin"].eq("not circumscribed - indistinct").sum() == 52
    predictor = load(tmp_path / "run")
    lesions = published[published["Classification"] != "normal"].rename(columns={"CaseID": "case"})
    names = [name for name in predictor.columns if not name.startswith("ultrasound")]
    lesions[names].to_csv(tmp_path / "cases.csv", index=False)
    answer = predictor.predict(tmp_path / "cases.csv")
    (path,) = (tmp_path / "run" / "models").glob("*/training_fit.parquet")
    fit = pd.read_parquet(path)
    assert answer["case"].tolist() == fit["case"].tolist()
    for name in ("benign", "malignant"):
        assert answer[f"p_{name}"].tolist() == fit[f"fitted_p_{name}"].tolist()
    assert not answer["flags"].str.contains("never seen").any()
