"""What a trained network says beside its prediction: variants, features, calibrated risks."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.metrics import log_loss

from cohorts import BenchmarkError
from features import FeatureCache, assemble, build_blocks
from models import load_model, save_model
from models.networks import FusionNetworkClassifier
from models.networks._inputs import hold_out


@pytest.fixture(scope="module")
def blocks(small_cohort):
    names = ["image", "clinical", "molecular"]
    return build_blocks(small_cohort, names, options={}, cache=FeatureCache(None), random_state=0)


@pytest.fixture(scope="module")
def data(blocks, small_cohort):
    return assemble(list(blocks.values())), small_cohort.labels, np.asarray(small_cohort.patients)


def unfitted(blocks, **changes: Any) -> FusionNetworkClassifier:
    tables = (blocks["clinical"], blocks["molecular"])
    settings = {
        "image_columns": tuple(blocks["image"].schema.column_names),
        "tabular_columns": tuple(c for block in tables for c in block.schema.columns),
        "backbone": "compact",
        "image_size": 32,
        "warmup_epochs": 6,
        "finetune_epochs": 3,
        "batch_size": 8,
    }
    return FusionNetworkClassifier(**settings | changes)


@pytest.fixture(scope="module")
def fusion(blocks, data) -> FusionNetworkClassifier:
    X, y, groups = data
    return unfitted(blocks).fit(X, y, groups=groups)


def emptied(X: pd.DataFrame, columns) -> pd.DataFrame:
    gone = X.copy()
    for name in columns:
        value = () if X[name].map(type).eq(tuple).all() else np.nan
        gone[name] = pd.Series([value] * len(X), index=X.index, dtype=X[name].dtype)
    return gone


def test_variants_are_predictions_of_cases_that_lack_a_side(fusion, blocks, data):
    """Withholding the images says the same as having none, and likewise the tables."""
    X, _, _ = data
    variants = fusion.predict_variants(X)
    assert list(variants) == ["image only", "tables only", "after the warm-up"]
    images = blocks["image"].schema.column_names
    tables = [name for name in X if name not in images]
    for name, columns in (("image only", tables), ("tables only", images)):
        lacking = fusion.predict_proba(emptied(X, columns))
        assert variants[name] == pytest.approx(lacking, abs=1e-6)
        assert not np.allclose(lacking, fusion.predict_proba(X), atol=1e-3)


def test_the_state_after_the_warm_up_is_the_one_without_a_second_stage(fusion, blocks, data):
    """Before calibration it predicts what a network that ends there predicts."""
    X, y, groups = data
    ended = unfitted(blocks, finetune_epochs=0).fit(X, y, groups=groups)
    both = clone(fusion).fit(X, y, groups=groups)
    both.calibrator_ = ended.calibrator_ = None
    variants = both.predict_variants(X)
    assert variants["after the warm-up"] == pytest.approx(ended.predict_proba(X), abs=1e-6)
    assert "after the warm-up" not in ended.predict_variants(X)


def test_a_network_of_one_side_has_nothing_to_withhold(blocks, data):
    """Without tables there is the warm-up alone, without images no variant at all."""
    X, y, groups = data
    image = unfitted(blocks, tabular_columns=(), warmup_epochs=1, finetune_epochs=1)
    assert list(image.fit(X, y, groups=groups).predict_variants(X)) == ["after the warm-up"]
    tables = unfitted(blocks, image_columns=()).fit(X, y, groups=groups)
    assert tables.predict_variants(X) == {}


def test_features_come_from_the_trained_backbone(fusion, blocks, data):
    """One row per case, NaN without an image, changed by the training, the same for all tables."""
    X, _, _ = data
    some = X.head(6).copy()
    (column,) = blocks["image"].schema.column_names
    some[column] = pd.Series([*some[column].iloc[:5], ()], index=some.index, dtype=object)
    features = fusion.embed(some[[column]])
    assert features.shape == (6, 128)
    assert np.isfinite(features[:5]).all()
    assert np.isnan(features[5]).all()
    two = clone(fusion).set_params(image_columns=(column, "second"), finetune_epochs=0)
    both = X.assign(second=X[column])
    two.fit(both, data[1])
    side_by_side = two.embed(both)
    assert side_by_side.shape == (90, 256)
    assert np.array_equal(side_by_side[:, :128], side_by_side[:, 128:])
    assert not np.allclose(side_by_side[:5, :128], features[:5], atol=1e-3)


def test_tables_have_no_features_of_images(blocks, data):
    """The message says which networks have."""
    X, y, _ = data
    network = unfitted(blocks, image_columns=(), warmup_epochs=1).fit(X, y)
    with pytest.raises(BenchmarkError, match=r"reads tables alone .* Use an image_network"):
        network.embed(X)


def test_probabilities_are_calibrated_on_the_held_out_patients(blocks, data):
    """On them calibration lowers the loss and gives the frequent class back what weights took."""
    X, y, groups = data
    # Half of the cases are of one class: inverse frequency pulls the others up.
    kept = np.flatnonzero((y == 0) | (np.arange(90) % 2 == 0))
    X, y, groups = X.iloc[kept], y[kept], groups[kept]
    network = unfitted(blocks, image_columns=(), warmup_epochs=40).fit(X, y, groups=groups)
    _, valid = hold_out(y, groups, share=0.2, random_state=0)
    held_out, labels = X.iloc[valid], y[valid]
    calibrated = network.predict_proba(held_out)
    fitted, network.calibrator_ = network.calibrator_, None
    raw = network.predict_proba(held_out)
    classes = list(range(3))
    assert log_loss(labels, calibrated, labels=classes) < log_loss(labels, raw, labels=classes)
    assert calibrated[:, 0].mean() > raw[:, 0].mean() + 0.03
    assert fitted.shift_.argmax() == 0
    assert calibrated == pytest.approx(fitted.transform(raw))


def test_nobody_held_out_means_no_calibration(blocks, data):
    """The note says so."""
    X, y, _ = data
    few = np.concatenate([np.flatnonzero(y == k)[:4] for k in range(3)])
    network = unfitted(blocks, image_columns=(), warmup_epochs=1).fit(X.iloc[few], y[few])
    assert network.calibrator_ is None
    assert "not calibrated" in network.notes_[-1].text


def test_calibration_is_saved_and_the_warm_up_is_not(fusion, data, tmp_path):
    """A network read back predicts the same to the bit, and has all variants but one."""
    X, _, _ = data
    save_model(fusion, tmp_path, metadata={})
    loaded = load_model(tmp_path)
    assert np.array_equal(loaded.predict_proba(X), fusion.predict_proba(X))
    assert loaded.calibrator_.slope_ == fusion.calibrator_.slope_
    variants, before = loaded.predict_variants(X), fusion.predict_variants(X)
    assert list(variants) == ["image only", "tables only"]
    assert all(np.array_equal(variants[name], before[name]) for name in variants)
    assert np.array_equal(loaded.embed(X), fusion.embed(X))


def test_a_network_of_an_earlier_schema_is_refused(fusion, tmp_path):
    """Its tables are not told apart and its risks are not calibrated."""
    save_model(fusion, tmp_path, metadata={})
    path = tmp_path / "network.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": 2}))
    with pytest.raises(BenchmarkError, match=r"schema version 2, this sonobench reads 3"):
        load_model(tmp_path)


def test_parameters_are_those_of_scikit_learn(blocks):
    """Every argument is a parameter that is kept as it is, copied by clone and changed by name."""
    network = unfitted(blocks, ema_decay=0.99, label_smoothing=0.1, modality_dropout=0.2)
    copied = clone(network)
    assert copied.get_params() == network.get_params()
    assert copied is not network
    copied.set_params(precision="float32", ema_decay=0.5)
    assert (copied.precision, copied.ema_decay) == ("float32", 0.5)
    assert network.ema_decay == 0.99


def test_the_same_seed_gives_the_same_numbers(blocks, data):
    """With every option in use: dropout of modalities, averaging, smoothing and augmentation."""
    X, y, groups = data
    options = {"ema_decay": 0.9, "label_smoothing": 0.1, "modality_dropout": 0.5}
    first = unfitted(blocks, warmup_epochs=1, finetune_epochs=1, **options)
    again = clone(first)
    other = clone(first).set_params(random_state=1)
    proba = [one.fit(X, y, groups=groups).predict_proba(X) for one in (first, again, other)]
    assert np.array_equal(proba[0], proba[1])
    assert not np.allclose(proba[0], proba[2])


def test_a_patient_with_many_cases_is_left_to_the_gradients():
    """About a fifth of the cases is held out, whoever has most of them."""
    patients = np.r_[np.zeros(40), np.arange(1, 121)].astype(int)
    labels = np.r_[np.ones(60), np.zeros(100)].astype(np.int64)
    for seed in range(20):
        train, valid = hold_out(labels, patients, share=0.2, random_state=seed)
        assert 0 not in patients[valid]
        assert 0.1 < len(valid) / 160 < 0.3
        assert set(labels[train]) == set(labels[valid]) == {0, 1}
