"""Classical models behind a network that is fine-tuned on their own training rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cohorts import Cohort, ImageModality
from features import FeatureCache, assemble, build_blocks
from models import (
    MODELS,
    ModelSettings,
    NetworkSettings,
    ProbabilityCalibrator,
    RecalibratedClassifier,
    build_model,
    finetuned_columns,
    fit_with_groups,
    load_model,
    save_model,
    trained_network,
)
from models.networks import FusionNetworkClassifier

SETTINGS = ModelSettings(
    n_components=8,
    n_trees=10,
    max_rounds=10,
    networks=NetworkSettings(
        backbone="resnet10t",
        weights="random",
        image_size=32,
        warmup_epochs=2,
        finetune_epochs=1,
        batch_size=8,
    ),
)
CLASSICAL = [spec.name for spec in MODELS if not spec.is_deep and spec.name != "stacking"]


@pytest.fixture(scope="module")
def blocks(small_cohort: Cohort):
    """The images to be embedded and a table."""
    names = ["embedding_finetuned", "clinical"]
    made = build_blocks(small_cohort, names, options={}, cache=FeatureCache(None), random_state=0)
    return list(made.values())


@pytest.fixture(scope="module")
def memory(tmp_path_factory) -> str:
    """One folder for all models of the module: what they share is trained once."""
    return str(tmp_path_factory.mktemp("networks"))


@pytest.fixture
def trainings(monkeypatch) -> list[list[str]]:
    """The cases of every network that is trained from here on."""
    seen: list[list[str]] = []
    fit = FusionNetworkClassifier.fit

    def spy(self, X, y, groups=None):
        seen.append(list(X.index))
        return fit(self, X, y, groups=groups)

    monkeypatch.setattr(FusionNetworkClassifier, "fit", spy)
    return seen


def build(name, blocks, memory=None, *, random_state=1):
    spec = MODELS.get(name)
    return build_model(
        spec,
        [block.schema for block in blocks],
        params=spec.defaults,
        random_state=random_state,
        settings=SETTINGS,
        network_seed=3,
        memory=memory,
    )


def columns_of(blocks, memory=None, *, seed=3):
    schemas = [block.schema for block in blocks]
    return finetuned_columns(schemas, SETTINGS, network_seed=seed, memory=memory)


def training_part(cohort, blocks):
    """Return a part small enough for a network to be trained in a moment, and other cases."""
    X, y = assemble(blocks), cohort.labels
    groups = np.asarray(cohort.patients, dtype=object)
    test = np.isin(groups, [f"p{i:03}" for i in range(15)])
    return (X[~test], y[~test], groups[~test]), X[test]


@pytest.mark.parametrize("name", CLASSICAL)
def test_every_classical_model_reads_them_and_keeps(small_cohort, blocks, memory, tmp_path, name):
    """Probabilities of all cases, also without an image; the same after save and load."""
    spec = MODELS.get(name)
    assert spec.accepts(["finetuned"])
    assert spec.accepts(["finetuned", "tabular"])
    assert spec.refuse(["finetuned", "tabular"]) is None
    part, X = training_part(small_cohort, blocks)
    classifier = fit_with_groups(build(name, blocks, memory), *part)
    X = X.copy()
    X["embedding_finetuned__pixels"] = [(), *X["embedding_finetuned__pixels"].iloc[1:]]
    proba = classifier.predict_proba(X)
    assert proba.shape == (len(X), 3)
    assert np.allclose(proba.sum(axis=1), 1, atol=1e-5)
    save_model(classifier, tmp_path, metadata={"features": "embedding_finetuned+tabular"})
    loaded = load_model(tmp_path)
    assert np.allclose(loaded.predict_proba(X), proba, atol=1e-9)
    assert trained_network(loaded).notes_ == trained_network(classifier).notes_
    suffixes = {path.suffix for path in tmp_path.iterdir()}
    assert suffixes == {".json", ".safetensors", ".skops"}


def test_a_recalibrated_model_is_kept_whole(small_cohort, blocks, memory, tmp_path):
    """The network stands inside the calibration, before and after."""
    part, X = training_part(small_cohort, blocks)
    fitted = fit_with_groups(build("knn", blocks, memory), *part)
    calibrator = ProbabilityCalibrator().fit(fitted.predict_proba(part[0]), part[1])
    classifier = RecalibratedClassifier(fitted, calibrator)
    save_model(classifier, tmp_path, metadata={})
    loaded = load_model(tmp_path)
    assert isinstance(loaded, RecalibratedClassifier)
    assert np.array_equal(loaded.predict_proba(X), classifier.predict_proba(X))
    assert not np.array_equal(loaded.predict_proba(X), fitted.predict_proba(X))
    assert trained_network(loaded).weights_ == "random"


def test_networks_and_stacking_do_not_read_them():
    """Networks read the images themselves; stacking says why it does not."""
    for spec in MODELS:
        if spec.is_deep:
            assert not spec.accepts(["finetuned"])
            assert not spec.accepts(["finetuned", "tabular"])
    reason = MODELS.get("stacking").refuse(["finetuned", "tabular"])
    assert "folds of its own" in reason
    assert MODELS.get("stacking").refuse(["image_features", "tabular"]) is None


def test_images_become_numbers_and_tables_stay(small_cohort, blocks, memory):
    """One column for each feature, NaN without an image; tables go through untouched."""
    part, X = training_part(small_cohort, blocks)
    columns = columns_of(blocks, memory).fit(*part)
    X = X.copy()
    X["embedding_finetuned__pixels"] = [(), *X["embedding_finetuned__pixels"].iloc[1:]]
    numbers = columns.transform(X)
    embedded = [name for name in numbers if name.startswith("embedding_finetuned__")]
    assert embedded == [f"embedding_finetuned__{i}" for i in range(512)]
    assert numbers[embedded].iloc[0].isna().all()
    assert numbers[embedded].iloc[1:].notna().all(axis=None)
    assert np.ptp(numbers[embedded].iloc[1:].to_numpy(), axis=0).max() > 0
    tables = [name for name in X if name.startswith("clinical__")]
    pd.testing.assert_frame_equal(numbers[tables], X[tables])


def test_several_image_modalities_share_one_network(small_cohort, trainings):
    """Each modality has columns of its own, of one network over all of them."""
    (images,) = small_cohort.images
    turned = ImageModality("doppler", images.records[::-1])
    both = replace(small_cohort, images=(images, turned))
    names = ["embedding_finetuned_ultrasound", "embedding_finetuned_doppler"]
    made = build_blocks(both, names, options={}, cache=FeatureCache(None), random_state=0)
    part, X = training_part(both, list(made.values()))
    numbers = columns_of(made.values()).fit(*part).transform(X)
    assert len(trainings) == 1
    stems = {name.rpartition("__")[0] for name in numbers}
    assert stems == set(names)
    assert numbers.shape[1] == 2 * 512
    classifier = fit_with_groups(build("knn", list(made.values())), *part)
    assert np.isfinite(classifier.predict_proba(X)).all()


def test_it_is_the_network_of_the_board(small_cohort, blocks):
    """With the seed of the training rows, `image_network` has the same features to the bit."""
    part, X = training_part(small_cohort, blocks)
    columns = columns_of(blocks).fit(*part)
    seed = columns.network_.random_state
    spec, schema = MODELS.get("image_network"), replace(blocks[0].schema, kind="pixels")
    network = spec.build([schema], params=spec.defaults, random_state=seed, settings=SETTINGS)
    network.fit(part[0], part[1], groups=part[2])
    features = columns.transform(X).filter(like="embedding_finetuned__").to_numpy()
    assert np.array_equal(features, network.embed(X))


def test_the_memory_changes_no_number_and_saves_every_training(
    small_cohort, blocks, tmp_path, trainings
):
    """With and without a memory, filled or empty, models predict the same to the bit."""
    part, X = training_part(small_cohort, blocks)

    def predict(memory):
        return fit_with_groups(build("svm", blocks, memory), *part).predict_proba(X)

    without = predict(None)
    assert len(trainings) == 1
    assert np.array_equal(predict(str(tmp_path)), without)
    assert len(trainings) == 2
    assert np.array_equal(predict(str(tmp_path)), without)
    fit_with_groups(build("knn", blocks, str(tmp_path), random_state=9), *part)
    assert len(trainings) == 2


def test_a_network_belongs_to_its_rows_and_settings(small_cohort, blocks, tmp_path, trainings):
    """Other labels, patients, images, rows or seeds: another network with another seed."""
    (X, y, groups), _ = training_part(small_cohort, blocks)
    other_images = X.assign(embedding_finetuned__pixels=X["embedding_finetuned__pixels"].shift(1))
    other_images.iloc[0, 0] = X.iloc[-1, 0]
    other_ages = X.assign(clinical__age=1.0)
    parts = [
        (X, y, groups),
        (X, np.roll(y, 1), groups),
        (X, y, np.roll(groups, 1)),
        (other_images, y, groups),
        (X.iloc[:-1], y[:-1], groups[:-1]),
    ]
    keys = [columns_of(blocks, str(tmp_path)).fit(*part).key_ for part in parts]
    keys.append(columns_of(blocks, str(tmp_path), seed=4).fit(X, y, groups).key_)
    assert len(set(keys)) == len(trainings) == 6
    # Tables are no business of the network.
    assert columns_of(blocks, str(tmp_path)).fit(other_ages, y, groups).key_ == keys[0]
    assert len(trainings) == 6


def test_what_is_damaged_is_made_again(small_cohort, blocks, tmp_path, trainings):
    """A torn array is computed again, a torn network trained again, with the same numbers."""
    part, X = training_part(small_cohort, blocks)

    def numbers():
        return columns_of(blocks, str(tmp_path)).fit(*part).transform(X)

    first = numbers()
    (stored,) = tmp_path.rglob("*.npy")
    content = stored.read_bytes()
    stored.write_bytes(content[: len(content) // 2])
    pd.testing.assert_frame_equal(numbers(), first, check_exact=True)
    assert len(trainings) == 1
    assert stored.read_bytes() == content
    (tensors,) = tmp_path.rglob("network.safetensors")
    tensors.write_bytes(tensors.read_bytes()[:-4])
    stored.unlink()
    pd.testing.assert_frame_equal(numbers(), first, check_exact=True)
    assert len(trainings) == 2
    (about,) = tmp_path.rglob("about.json")
    about.write_text("{")
    pd.testing.assert_frame_equal(numbers(), first, check_exact=True)
    assert len(trainings) == 3
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_network_that_was_dropped_is_trained_again(small_cohort, blocks, tmp_path, trainings):
    """Features that are kept need no network; cases that are new to it bring it back."""
    part, X = training_part(small_cohort, blocks)
    columns = columns_of(blocks, str(tmp_path)).fit(*part)
    first = columns.transform(X)
    columns.forget_network()
    assert not list(tmp_path.rglob("network.safetensors"))
    again = columns_of(blocks, str(tmp_path)).fit(*part)
    pd.testing.assert_frame_equal(again.transform(X), first, check_exact=True)
    assert len(trainings) == 1
    alone = again.transform(X.iloc[:3])
    assert len(trainings) == 2
    assert np.allclose(
        alone.filter(like="finetuned"), first.iloc[:3].filter(like="finetuned"), atol=1e-5
    )


def test_networks_of_one_run_start_from_weights_of_one_origin(
    small_cohort, blocks, tmp_path, monkeypatch
):
    """A hub that comes within reach on the way must not make a row of two kinds of network."""
    (X, y, groups), _ = training_part(small_cohort, blocks)
    columns_of(blocks, str(tmp_path)).fit(X, y, groups)
    fit = FusionNetworkClassifier.fit

    def from_the_hub(self, *args, **kwargs):
        fitted = fit(self, *args, **kwargs)
        fitted.weights_ = "hub:somewhere"
        return fitted

    monkeypatch.setattr(FusionNetworkClassifier, "fit", from_the_hub)
    with pytest.raises(ValueError, match=r"different origin \(hub:somewhere, random\)"):
        columns_of(blocks, str(tmp_path)).fit(X.iloc[1:], y[1:], groups[1:])


def test_patients_reach_the_network(small_cohort, blocks, monkeypatch):
    """A pipeline hands them to its first step, so that early stopping splits no patient."""
    (X, y, groups), _ = training_part(small_cohort, blocks)
    given = []
    fit = FusionNetworkClassifier.fit

    def spy(self, X, y, groups=None):
        given.append(list(groups))
        return fit(self, X, y, groups=groups)

    monkeypatch.setattr(FusionNetworkClassifier, "fit", spy)
    fit_with_groups(build("dummy", blocks), X, y, groups)
    assert given == [list(groups)]
