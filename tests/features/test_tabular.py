"""The tabular encoder keeps what was recorded and says where it came from."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from cohorts import Column, ColumnKind
from features._tabular import TabularEncoder


@parametrize_with_checks(
    [TabularEncoder(), TabularEncoder(scale=False), TabularEncoder(min_frequency=1)]
)
def test_scikit_learn_contract(estimator, check):
    """The encoder is a scikit-learn transformer in every respect that scikit-learn checks."""
    check(estimator)


COLUMNS = (
    Column("age", ColumnKind.NUMERIC, "years"),
    Column("palpable", ColumnKind.BOOLEAN),
    Column("density", ColumnKind.CATEGORICAL),
    Column("signs", ColumnKind.MULTI_LABEL),
)


@pytest.fixture
def recorded() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "age": [40.0, 50.0, np.nan, 60.0, 45.0, 55.0],
            "palpable": [1.0, 0.0, 1.0, np.nan, 1.0, 1.0],
            "density": ["A", "B", "A", "B", np.nan, "A"],
            "signs": ["redness&warmth", "", "warmth", np.nan, "redness", "warmth"],
        }
    )


def encode(recorded: pd.DataFrame, **options: object) -> pd.DataFrame:
    encoder = TabularEncoder(COLUMNS, min_frequency=1, **options).set_output(transform="pandas")
    return encoder.fit_transform(recorded)


def test_missing_values_are_imputed_and_flagged(recorded):
    """A missing number becomes the training median and raises its flag, and only its flag."""
    encoded = encode(recorded, scale=False)
    assert encoded["age"].tolist() == [40, 50, 50, 60, 45, 55]
    assert encoded["age missing"].tolist() == [0, 0, 1, 0, 0, 0]
    assert encoded["palpable"].tolist() == [1, 0, 1, 1, 1, 1]
    assert encoded["palpable missing"].tolist() == [0, 0, 0, 1, 0, 0]
    assert encoded["density: missing"].tolist() == [0, 0, 0, 0, 1, 0]


def test_multi_label_cells_become_one_column_per_label(recorded):
    """``a&b`` sets both labels; no label and a missing cell are different things."""
    encoded = encode(recorded)
    assert encoded["signs: redness"].tolist() == [1, 0, 0, 0, 1, 0]
    assert encoded["signs: warmth"].tolist() == [1, 0, 1, 0, 0, 1]
    assert encoded["signs: missing"].tolist() == [0, 0, 0, 1, 0, 0]


def test_scaling_standardises_numbers_only(recorded):
    """With scaling, age has mean 0 and variance 1; zero-one columns stay zero and one."""
    encoded = encode(recorded, scale=True)
    assert encoded["age"].mean() == pytest.approx(0)
    assert encoded["age"].std(ddof=0) == pytest.approx(1)
    assert set(encoded["palpable"]) <= {0.0, 1.0}


def test_every_output_knows_its_source(recorded):
    """Each encoded column names the recorded column it came from, even with odd categories."""
    recorded["density"] = ["A_B", "_x", "A_B", "1_2", np.nan, "_x"]
    encoder = TabularEncoder(COLUMNS, min_frequency=1).fit(recorded)
    names, sources = encoder.get_feature_names_out(), encoder.source_columns_
    assert len(names) == len(sources) == encoder.transform(recorded).shape[1]
    assert all(name.startswith(source) for name, source in zip(names, sources, strict=True))
    assert {"density: A_B", "density: _x", "density: 1_2"} <= set(names)


def test_unseen_categories_and_labels_do_not_fail(recorded):
    """A category or label that training never saw is encoded as none of the known ones."""
    encoder = TabularEncoder(COLUMNS, min_frequency=1).set_output(transform="pandas").fit(recorded)
    new = recorded.head(1).assign(density="Z", signs="peau d'orange")
    encoded = encoder.transform(new).filter(regex="density|signs")
    assert encoded.to_numpy().sum() == 0


def test_rare_categories_are_pooled(recorded):
    """Categories rarer than the threshold share one column, rare labels none."""
    encoder = TabularEncoder(COLUMNS, min_frequency=3).fit(recorded)
    names = encoder.get_feature_names_out().tolist()
    assert "density: A" in names
    assert "density: rare" in names
    assert "density: B" not in names
    assert [name for name in names if name.startswith("signs")] == ["signs: warmth"]


def test_a_column_that_is_empty_in_training_is_harmless(recorded):
    """A column without a single training value yields finite numbers."""
    recorded["age"] = np.nan
    assert np.isfinite(encode(recorded).to_numpy()).all()
    assert encode(recorded)["age"].eq(0).all()


def test_declared_columns_must_match():
    """Declaring another number of columns than X has is refused."""
    with pytest.raises(ValueError, match="4 columns are declared, but X has 2"):
        TabularEncoder(COLUMNS).fit(np.zeros((5, 2)))
