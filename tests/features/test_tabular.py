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
    Column("grade", ColumnKind.ORDINAL, description="of the core", order=("low", "mid", "high")),
)


@pytest.fixture
def recorded() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "age": [40.0, 50.0, np.nan, 60.0, 45.0, 55.0],
            "palpable": [1.0, 0.0, 1.0, np.nan, 1.0, 1.0],
            "density": ["A", "B", "A", "B", np.nan, "A"],
            "signs": ["redness&warmth", "", "warmth", np.nan, "redness", "warmth"],
            "grade": ["low", "high", "mid", "low", np.nan, "mid"],
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
    assert encoded["grade"].tolist() == [0, 2, 1, 0, 1, 1]
    assert encoded["grade missing"].tolist() == [0, 0, 0, 0, 1, 0]


def test_multi_label_cells_become_one_column_per_label(recorded):
    """``a&b`` sets both labels; no label and a missing cell are different things."""
    encoded = encode(recorded)
    assert encoded["signs: redness"].tolist() == [1, 0, 0, 0, 1, 0]
    assert encoded["signs: warmth"].tolist() == [1, 0, 1, 0, 0, 1]
    assert encoded["signs: missing"].tolist() == [0, 0, 0, 1, 0, 0]


def test_scaling_standardises_numbers_only(recorded):
    """With scaling, age and ranks have mean 0 and variance 1; zero-one columns stay so."""
    encoded = encode(recorded, scale=True)
    for name in ("age", "grade"):
        assert encoded[name].mean() == pytest.approx(0)
        assert encoded[name].std(ddof=0) == pytest.approx(1)
        assert set(encoded[f"{name} missing"]) == {0.0, 1.0}
    assert set(encoded["palpable"]) <= {0.0, 1.0}


def test_ranks_are_evenly_spaced_in_the_declared_order(recorded):
    """Not in that of the alphabet, and by equal steps after scaling."""
    low, mid, high = encode(recorded)["grade"].iloc[[0, 2, 1]]
    assert low < mid < high
    assert high - mid == pytest.approx(mid - low)


def test_trees_get_numbers_as_recorded(recorded):
    """Without scaling a slip stays what it is, and nothing else is changed by it."""
    recorded.loc[0, "age"] = 1e6
    assert encode(recorded, scale=False)["age"].tolist() == [1e6, 50, 55, 60, 45, 55]


def test_a_slip_does_not_ruin_a_column(recorded):
    """With scaling, the other ages are still told apart, and the slip is the greatest."""
    many = pd.concat([recorded.assign(age=recorded["age"] + i) for i in range(20)])
    many = many.reset_index(drop=True)
    many.loc[0, "age"] = 1e6
    encoded = encode(many)["age"]
    assert encoded[1:].std() > 0.6
    assert encoded.idxmax() == 0


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


@pytest.mark.parametrize("scale", [True, False])
def test_what_training_never_saw_is_encoded_in_every_kind(recorded, scale):
    """A far number stays bounded if scaled; a level or truth value out of range is missing."""
    encoder = TabularEncoder(COLUMNS, scale=scale, min_frequency=1)
    encoder.set_output(transform="pandas").fit(recorded)
    new = recorded.head(1).assign(age=1e6, palpable=2.0, density="Z", signs="new", grade="extreme")
    gone = recorded.head(1).assign(palpable=np.nan, grade=np.nan)
    ours, missing = encoder.transform(new), encoder.transform(gone)
    assert np.isfinite(ours.to_numpy()).all()
    for name in ("palpable", "palpable missing", "grade", "grade missing"):
        assert ours[name].equals(missing[name])
    assert ours["grade missing"].tolist() == [1.0]
    assert abs(ours["age"].iloc[0]) < 10 or not scale


def test_an_unseen_level_without_an_indicator_is_imputed(recorded):
    """Where training had no missing level, an unknown one takes the median rank."""
    complete = recorded.assign(grade=["low", "high", "mid", "low", "mid", "mid"])
    encoder = TabularEncoder(COLUMNS, scale=False, min_frequency=1).set_output(transform="pandas")
    encoded = encoder.fit(complete).transform(complete.assign(grade="extreme"))
    assert "grade missing" not in encoded
    assert encoded["grade"].eq(1.0).all()


def test_the_dictionary_describes_every_encoded_column(recorded):
    """Source, kind, unit, description and making of each, in the order of the outputs."""
    encoder = TabularEncoder(COLUMNS, min_frequency=1).fit(recorded)
    dictionary = encoder.dictionary()
    assert dictionary["feature"].tolist() == encoder.get_feature_names_out().tolist()
    assert dictionary["source"].tolist() == encoder.source_columns_
    by_feature = dictionary.set_index("feature").to_dict("index")
    assert by_feature["grade"] == {
        "source": "grade",
        "kind": "ordinal",
        "unit": "",
        "description": "of the core",
        "encoding": "rank in low < mid < high, standardised",
    }
    assert {name: row["encoding"] for name, row in by_feature.items() if name != "grade"} == {
        "age": "straightened where skewed, then standardised",
        "age missing": "1 where it is missing, else 0",
        "palpable": "1 for yes, 0 for no",
        "palpable missing": "1 where it is missing, else 0",
        "grade missing": "1 where it is missing, else 0",
        "density: A": "1 where it is A, else 0",
        "density: B": "1 where it is B, else 0",
        "density: missing": "1 where it is missing, else 0",
        "signs: missing": "1 where it is missing, else 0",
        "signs: redness": "1 where redness is among its labels, else 0",
        "signs: warmth": "1 where warmth is among its labels, else 0",
    }


def test_units_stay_where_values_do(recorded):
    """Raw numbers keep their unit in the dictionary; scaled ones and indicators have none."""
    for scale, unit in ((False, "years"), (True, "")):
        encoder = TabularEncoder(COLUMNS, scale=scale, min_frequency=3).fit(recorded)
        units = encoder.dictionary().set_index("feature")["unit"].to_dict()
        assert units.pop("age") == unit
        assert set(units.values()) == {""}
        assert "one of the rare categories" in str(encoder.dictionary()["encoding"].tolist())


@pytest.mark.parametrize(("shape", "axis"), [((12,), -1), ((4, 12), 1), ((4, 12, 3), 1)])
def test_folding_to_sources_loses_nothing(recorded, shape, axis):
    """Values of encoded columns add up to those of their sources: case by case, class by class."""
    encoder = TabularEncoder(COLUMNS, min_frequency=1).fit(recorded)
    values = np.random.default_rng(0).normal(size=shape)
    folded = encoder.fold_to_sources(values, axis=axis)
    assert folded.shape == tuple(len(COLUMNS) if n == 12 else n for n in shape)
    assert np.allclose(folded.sum(axis=axis), values.sum(axis=axis))
    names = np.asarray(encoder.source_columns_)
    for position, column in enumerate(COLUMNS):
        own = np.take(values, np.flatnonzero(names == column.name), axis=axis).sum(axis=axis)
        assert np.allclose(np.take(folded, position, axis=axis), own)


def test_folding_refuses_another_number_of_values(recorded):
    """Values of another encoder are not summed into the wrong columns."""
    encoder = TabularEncoder(COLUMNS, min_frequency=1).fit(recorded)
    with pytest.raises(ValueError, match="7 values are given along axis -1, but 12 columns"):
        encoder.fold_to_sources(np.zeros(7))


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
    with pytest.raises(ValueError, match="5 columns are declared, but X has 2"):
        TabularEncoder(COLUMNS).fit(np.zeros((5, 2)))


def test_recorded_words_are_not_taken_for_ours():
    """A category really called missing or rare is quoted, and every output has its own name."""
    cells = ["missing", np.nan, "a", "nan", "rare", "seldom", "a", "missing", "nan", "rare"]
    cells += [np.nan]
    X = pd.DataFrame({"s": cells}, dtype=object)
    columns = [Column("s", ColumnKind.CATEGORICAL)]
    encoder = TabularEncoder(columns, min_frequency=2).fit(X)
    names = encoder.get_feature_names_out().tolist()
    assert names == ["s: a", 's: "missing"', "s: nan", 's: "rare"', "s: missing", "s: rare"]
    encoded = pd.DataFrame(encoder.transform(X), columns=names)
    for name, cell in (('s: "missing"', "missing"), ("s: nan", "nan"), ("s: rare", "seldom")):
        assert encoded[name].tolist() == X["s"].eq(cell).astype(float).tolist()
    assert encoded["s: missing"].tolist() == X["s"].isna().astype(float).tolist()
    described = encoder.dictionary().set_index("feature")["encoding"]
    assert described["s: missing"] == "1 where it is missing, else 0"
    assert described['s: "missing"'] == '1 where it is "missing", else 0'
    assert "rare categories" in described["s: rare"]
