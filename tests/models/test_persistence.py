"""Models on disk keep what their columns mean."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from cohorts import BenchmarkError, Column, ColumnKind
from features import BlockSchema
from models import MODELS, ModelSettings, NetworkSettings, load_model, save_model

COLUMNS = (
    Column("age", ColumnKind.NUMERIC, "years"),
    Column("marker", ColumnKind.NUMERIC, "U/mL", "skewed"),
    Column("grade", ColumnKind.ORDINAL, description="of the core", order=("low", "mid", "high")),
    Column("palpable", ColumnKind.BOOLEAN),
    Column("side", ColumnKind.CATEGORICAL),
    Column("signs", ColumnKind.MULTI_LABEL, separator="/"),
)


@pytest.fixture
def recorded() -> pd.DataFrame:
    """60 cases with every kind of column and missing values in each."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": rng.normal(55, 9, 60),
            "marker": np.exp(rng.normal(size=60)),
            "grade": rng.choice(["low", "mid", "high"], 60),
            "palpable": rng.integers(0, 2, 60).astype(float),
            "side": rng.choice(["left", "right"], 60),
            "signs": rng.choice(["", "lump", "lump/pain"], 60),
        }
    )
    return frame.mask(rng.random(frame.shape) < 0.1)


@pytest.mark.parametrize("name", ["logistic_regression", "random_forest", "tabular_network"])
def test_every_kind_of_column_is_kept(tmp_path, recorded, name):
    """Scaled, raw or in a network: what is loaded predicts the same, and knows its columns."""
    settings = ModelSettings(n_trees=5, networks=NetworkSettings(tabular_epochs=2))
    block = BlockSchema("clinical", "clinical", "tabular", COLUMNS)
    spec = MODELS.get(name)
    model = spec.build([block], params=dict(spec.defaults), random_state=0, settings=settings)
    y = (recorded["grade"] == "high").to_numpy().astype(int)
    fitted = model.fit(recorded, y)
    save_model(fitted, tmp_path, metadata={})
    loaded = load_model(tmp_path)
    assert np.array_equal(loaded.predict_proba(recorded), fitted.predict_proba(recorded))
    unseen = recorded.assign(grade="extreme", side="both", signs="new")
    assert np.isfinite(loaded.predict_proba(unseen)).all()
    if name == "tabular_network":
        assert loaded.tabular_columns == COLUMNS


@pytest.mark.parametrize("name", ["logistic_regression", "tabular_network"])
def test_a_model_of_an_earlier_schema_is_refused(tmp_path, recorded, name):
    """Its encoder and its images were made otherwise: one sentence, and no wrong prediction."""
    settings = ModelSettings(networks=NetworkSettings(tabular_epochs=2))
    block = BlockSchema("clinical", "clinical", "tabular", COLUMNS)
    spec = MODELS.get(name)
    model = spec.build([block], params=dict(spec.defaults), random_state=0, settings=settings)
    save_model(model.fit(recorded, np.arange(60) % 2), tmp_path, metadata={})
    path = tmp_path / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": 1}))
    with pytest.raises(BenchmarkError, match=r"schema version 1, this sonobench reads 2"):
        load_model(tmp_path)
