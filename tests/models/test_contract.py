"""What every model on the board must do, classical or deep."""

from __future__ import annotations

import subprocess

import numpy as np
import pandas as pd
import pytest
from optuna import create_study
from optuna.samplers import RandomSampler
from sklearn.model_selection import cross_val_predict

from cohorts import BenchmarkError, Cohort
from features import BlockSchema, FeatureCache, assemble, build_blocks
from models import (
    MODELS,
    ModelSettings,
    NetworkSettings,
    ProbabilityCalibrator,
    RecalibratedClassifier,
    fit_with_groups,
    load_model,
    save_model,
)

SETTINGS = ModelSettings(
    n_components=8,
    n_trees=25,
    max_rounds=25,
    networks=NetworkSettings(
        backbone="resnet10t",
        weights="random",
        image_size=32,
        warmup_epochs=20,
        finetune_epochs=1,
        tabular_epochs=25,
        compact_image_size=32,
        compact_epochs=10,
        batch_size=8,
    ),
)


@pytest.fixture(scope="module")
def data(small_cohort: Cohort):
    """The blocks of the small cohort by name."""
    names = ["clinical", "molecular", "radiomics", "image"]
    return build_blocks(small_cohort, names, options={}, cache=FeatureCache(None), random_state=0)


def blocks_for(spec, data) -> list:
    """The widest set of these blocks that the model accepts."""
    for names in (
        ["radiomics", "clinical", "molecular"],
        ["image", "clinical", "molecular"],
        ["clinical", "molecular"],
        ["image"],
    ):
        blocks = [data[name] for name in names]
        if spec.accepts([block.schema.kind for block in blocks]):
            return blocks
    raise AssertionError(f"{spec.name} accepts nothing")


def build(spec, blocks, **params):
    schemas = [block.schema for block in blocks]
    return spec.build(
        schemas, params={**spec.defaults, **params}, random_state=1, settings=SETTINGS
    )


def fit(classifier, X, y, groups):
    return fit_with_groups(classifier, X, y, groups)


@pytest.mark.parametrize("name", MODELS.names())
def test_fits_predicts_and_keeps(small_cohort, data, name, tmp_path):
    """Better than chance on unseen patients, repeatable, and the same after save and load."""
    spec = MODELS.get(name)
    blocks = blocks_for(spec, data)
    X, y = assemble(blocks), small_cohort.labels
    groups = np.asarray(small_cohort.patients, dtype=object)
    test = np.isin(groups, [f"p{i:03}" for i in range(15)])
    classifier = fit(build(spec, blocks), X[~test], y[~test], groups[~test])
    proba = classifier.predict_proba(X[test])
    assert proba.shape == (test.sum(), 3)
    assert np.allclose(proba.sum(axis=1), 1, atol=1e-5)
    again = fit(build(spec, blocks), X[~test], y[~test], groups[~test])
    assert (again.predict_proba(X[test]) == proba).all()
    if name == "dummy":
        assert np.ptp(proba, axis=0).max() == 0
    else:
        assert (proba.argmax(axis=1) == y[test]).mean() > 0.45
    save_model(classifier, tmp_path / "model", metadata={})
    loaded = load_model(tmp_path / "model").predict_proba(X[test])
    assert np.allclose(loaded, proba, atol=1e-9)
    if not spec.is_deep:
        calibrator = ProbabilityCalibrator().fit(proba, np.full(len(proba), 2))
        recalibrated = RecalibratedClassifier(classifier, calibrator)
        save_model(recalibrated, tmp_path / "recalibrated", metadata={})
        kept = load_model(tmp_path / "recalibrated")
        assert (loaded == proba).all()
        assert (kept.predict_proba(X[test]) == recalibrated.predict_proba(X[test])).all()
        assert (kept.predict_proba(X[test]) != proba).any()


@pytest.mark.parametrize("name", MODELS.names())
def test_defaults_lie_in_the_search_space(name):
    """Known-good parameters name the keys of the space, with values inside it."""
    spec = MODELS.get(name)
    assert set(spec.defaults) == set(spec.search_space)
    for key, distribution in spec.search_space.items():
        value = spec.defaults[key]
        assert distribution._contains(distribution.to_internal_repr(value))


@pytest.mark.parametrize("name", [one for one in MODELS.names() if not MODELS.get(one).is_deep])
def test_any_point_of_the_space_can_be_fitted(small_cohort, data, name):
    """Three random points of the search space fit and predict."""
    spec = MODELS.get(name)
    blocks = blocks_for(spec, data)
    X, y = assemble(blocks), small_cohort.labels
    study = create_study(sampler=RandomSampler(seed=0))
    for _ in range(3):
        trial = study.ask(fixed_distributions=dict(spec.search_space))
        classifier = fit(build(spec, blocks, **trial.params), X, y, small_cohort.patients)
        assert np.isfinite(classifier.predict_proba(X)).all()


@pytest.mark.parametrize("name", MODELS.names())
def test_missing_cells_and_images_are_no_error(small_cohort, data, name):
    """A case that lacks a whole modality is still predicted."""
    spec = MODELS.get(name)
    blocks = blocks_for(spec, data)
    X, y = assemble(blocks), small_cohort.labels
    classifier = fit(build(spec, blocks), X, y, small_cohort.patients)
    for block in blocks:
        gone = X.head(4).copy()
        empty = () if block.schema.kind == "pixels" else np.nan
        for column in block.schema.column_names:
            gone[column] = pd.Series([empty] * 4, index=gone.index, dtype=gone[column].dtype)
        assert np.isfinite(classifier.predict_proba(gone)).all()


@pytest.mark.parametrize("name", MODELS.names())
def test_titles_and_estimates(name):
    """Every model has a title for the listing and a positive expected cost."""
    spec = MODELS.get(name)
    assert spec.title
    assert spec.family
    assert spec.estimate_fit_s(200, 50, SETTINGS) > 0


def test_classes_weigh_by_inverse_frequency(data, small_cohort):
    """With a rare class, every classical model gives it far more than its share."""
    y = (small_cohort.labels == 2).astype(int)
    rng = np.random.default_rng(0)
    rare = np.flatnonzero((y == 0) | (rng.random(len(y)) < 0.4))
    blocks = [data["clinical"], data["molecular"]]
    X = assemble(blocks).iloc[rare]
    share = y[rare].mean()
    assert share < 0.2
    for name in ("logistic_regression", "knn", "random_forest", "extra_trees", "xgboost", "mlp"):
        spec = MODELS.get(name)
        proba = cross_val_predict(build(spec, blocks), X, y[rare], cv=5, method="predict_proba")
        assert proba[:, 1].mean() > 1.4 * share, name


def test_networks_take_exactly_their_inputs():
    """Image networks need pixels, tabular ones tables, fusion both; classical models no pixels."""
    inputs = (["pixels"], ["tabular"], ["pixels", "tabular"])
    accepted = {one.name: tuple(one.accepts(kinds) for kinds in inputs) for one in MODELS}
    assert accepted["image_network"] == accepted["compact_network"] == (True, False, False)
    assert accepted["tabular_network"] == (False, True, False)
    assert accepted["late_fusion"] == accepted["compact_fusion"] == (False, False, True)
    assert accepted["svm"] == (False, True, False)


def test_stacking_needs_two_blocks():
    """Late fusion of one block is no fusion."""
    assert not MODELS.get("stacking").accepts(["tabular"])
    assert MODELS.get("stacking").accepts(["tabular", "image_features"])
    assert not MODELS.get("stacking").accepts(["tabular", "pixels"])


def test_a_model_file_that_names_foreign_code_is_refused(tmp_path, data, small_cohort):
    """A type that no model of ours holds is not loaded."""
    import skops.io
    from sklearn.preprocessing import FunctionTransformer

    spec = MODELS.get("logistic_regression")
    blocks = [data["clinical"]]
    fitted = build(spec, blocks).fit(assemble(blocks), small_cohort.labels)
    save_model(fitted, tmp_path / "m", metadata={})
    skops.io.dump(FunctionTransformer(subprocess.getoutput), tmp_path / "m" / "model.skops")
    with pytest.raises(BenchmarkError, match=r"model\.skops is refused: .*getoutput"):
        load_model(tmp_path / "m")
    network = MODELS.get("tabular_network")
    fitted = build(network, blocks).fit(assemble(blocks), small_cohort.labels)
    save_model(fitted, tmp_path / "n", metadata={})
    skops.io.dump(FunctionTransformer(subprocess.getoutput), tmp_path / "n" / "encoder.skops")
    with pytest.raises(BenchmarkError, match=r"encoder\.skops is refused: .*getoutput"):
        load_model(tmp_path / "n")


def test_a_model_of_another_schema_is_refused(tmp_path):
    """The message has both versions."""
    (tmp_path / "model.json").write_text('{"schema_version": 99, "sonobench": "9.9"}')
    with pytest.raises(BenchmarkError, match=r"schema version 99.*reads 3.*sonobench 9\.9"):
        load_model(tmp_path)
    with pytest.raises(BenchmarkError, match="holds no model"):
        load_model(tmp_path / "nowhere")


def test_no_file_of_a_model_is_a_pickle(tmp_path, data, small_cohort):
    """Saved networks are tensors and JSON, saved pipelines are skops archives."""
    for name in ("late_fusion", "svm"):
        spec = MODELS.get(name)
        blocks = blocks_for(spec, data)
        X, y = assemble(blocks), small_cohort.labels
        fitted = fit(build(spec, blocks), X, y, small_cohort.patients)
        save_model(fitted, tmp_path / name, metadata={})
    suffixes = {path.suffix for path in tmp_path.rglob("*") if path.is_file()}
    assert suffixes == {".json", ".safetensors", ".skops"}


def test_blocks_of_pixels_have_no_classical_encoding(data):
    """A pipeline on pixels is a programming error, not a silent drop of the column."""
    schema: BlockSchema = data["image"].schema
    with pytest.raises(ValueError, match="holds pixels"):
        build(MODELS.get("svm"), [data["image"]])
    assert schema.kind == "pixels"
