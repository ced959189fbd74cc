"""Models on disk keep what their columns mean."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from cohorts import BenchmarkError, Column, ColumnKind
from features import BlockSchema
from models import (
    MODELS,
    ModelSettings,
    NetworkSettings,
    hash_files,
    load_model,
    save_model,
)

COLUMNS = (
    Column("age", ColumnKind.NUMERIC, "years"),
    Column("marker", ColumnKind.NUMERIC, "U/mL", "skewed"),
    Column("grade", ColumnKind.ORDINAL, description="of the core", order=("low", "mid", "high")),
    Column("palpable", ColumnKind.BOOLEAN),
    Column("side", ColumnKind.CATEGORICAL),
    Column("signs", ColumnKind.MULTI_LABEL, separator="/"),
)


STORED = Path(__file__).parent / "stored"


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
    with pytest.raises(BenchmarkError, match=r"schema version 1, this sonobench reads 3"):
        load_model(tmp_path)


@pytest.mark.parametrize("folder", sorted(STORED.iterdir()), ids=lambda path: path.name)
def test_folders_of_past_schemas_are_refused_whole(folder):
    """Models that earlier versions wrote are refused by their schema, before a file is parsed."""
    schema = folder.name.removeprefix("schema_")
    with pytest.raises(BenchmarkError, match=f"schema version {schema}, this sonobench reads 3"):
        load_model(folder, files=hash_files(folder))


def fitted(name: str, recorded: pd.DataFrame):
    settings = ModelSettings(max_rounds=3, networks=NetworkSettings(tabular_epochs=1))
    block = BlockSchema("clinical", "clinical", "tabular", COLUMNS)
    spec = MODELS.get(name)
    model = spec.build([block], params=dict(spec.defaults), random_state=0, settings=settings)
    return model.fit(recorded, np.arange(60) % 2)


class OwnClassifier(LogisticRegression):
    """A classifier of another package."""


class OwnSpec(type(MODELS.get("dummy"))):  # type: ignore[misc]  # whichever class that is
    """The model of another package that builds it."""

    trusted_types = (f"{OwnClassifier.__module__}.{OwnClassifier.__qualname__}",)


def test_a_model_of_another_package_is_read_back_where_it_is_installed(tmp_path, monkeypatch):
    """The types come from the installed model that the file is of, and from no file."""
    X, y = np.arange(20.0).reshape(10, 2), np.arange(10) % 2
    own = OwnClassifier().fit(X, y)
    about = {"model": "own", "trusted_types": list(OwnSpec.trusted_types)}
    save_model(own, tmp_path, metadata=about)
    with pytest.raises(BenchmarkError, match=r"model\.skops is refused: .*OwnClassifier"):
        load_model(tmp_path)
    monkeypatch.setitem(MODELS._items, "own", OwnSpec())
    assert (load_model(tmp_path).predict_proba(X) == own.predict_proba(X)).all()


class TestFiles:
    @pytest.fixture(params=["logistic_regression", "tabular_network"])
    def kept(self, request, recorded, tmp_path) -> tuple[Path, dict[str, str]]:
        """A classical model or a network on disk, and the hashes a run would note."""
        save_model(fitted(request.param, recorded), tmp_path / "m", metadata={})
        return tmp_path / "m", hash_files(tmp_path / "m")

    def test_untouched_files_load(self, kept):
        """Hidden files that a system leaves behind are no reason to refuse."""
        folder, files = kept
        (folder / ".DS_Store").write_bytes(b"x")
        assert load_model(folder, files=files).classes_.tolist() == [0, 1]

    def test_one_changed_byte_anywhere_is_refused(self, kept):
        """Every file is named when its last byte differs, before anything is parsed."""
        folder, files = kept
        for name in files:
            path = folder / name
            whole = path.read_bytes()
            path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
            with pytest.raises(BenchmarkError, match=f"{name}' is not the file that the run wrote"):
                load_model(folder, files=files)
            path.write_bytes(whole)
        load_model(folder, files=files)

    def test_truncated_missing_and_foreign_files_are_refused(self, kept):
        """One sentence each names the file and says what to do."""
        folder, files = kept
        name = max(files, key=lambda one: (folder / one).stat().st_size)
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(BenchmarkError, match="SHA-256 differs"):
            load_model(folder, files=files)
        (folder / name).unlink()
        with pytest.raises(BenchmarkError, match=f"{name} is missing in .* Copy the run folder"):
            load_model(folder, files=files)
        (folder / name).write_bytes(whole)
        (folder / "extra.pkl").write_bytes(b"x")
        with pytest.raises(BenchmarkError, match=r"extra\.pkl' is no file of the run"):
            load_model(folder, files=files)
        with pytest.raises(BenchmarkError, match=r"is missing in .*nowhere"):
            load_model(folder.parent / "nowhere", files=files)

    def test_a_damaged_description_without_hashes_is_refused(self, kept):
        """Where nobody knows the hashes, broken JSON is still one sentence."""
        folder, _ = kept
        path = folder / "model.json"
        path.write_bytes(path.read_bytes()[:-20])
        with pytest.raises(BenchmarkError, match=r"model\.json is damaged"):
            load_model(folder)


@pytest.mark.parametrize(
    ("name", "packages"),
    [
        ("logistic_regression", ["scikit-learn"]),
        ("xgboost", ["scikit-learn", "xgboost"]),
        ("lightgbm", ["scikit-learn", "lightgbm"]),
        ("tabular_network", ["torch", "scikit-learn"]),
    ],
)
def test_models_of_other_versions_are_refused(tmp_path, recorded, name, packages):
    """What a model stands on is noted, and another version says what to install."""
    save_model(fitted(name, recorded), tmp_path / "m", metadata={})
    path = tmp_path / "m" / "model.json"
    about = json.loads(path.read_text())
    assert list(about["versions"]) == packages
    for package in packages:
        shutil.copytree(tmp_path / "m", tmp_path / package)
        versions = about["versions"] | {package: "0.1.2"}
        (tmp_path / package / "model.json").write_text(json.dumps(about | {"versions": versions}))
        with pytest.raises(BenchmarkError, match=rf"To use it: pip install {package}==0\.1\.2"):
            load_model(tmp_path / package)


def test_patch_releases_of_torch_will_do(tmp_path, recorded):
    """Tensors are plain: only the first two numbers of torch's version count."""
    save_model(fitted("tabular_network", recorded), tmp_path, metadata={})
    path = tmp_path / "model.json"
    about = json.loads(path.read_text())
    patched = ".".join([*about["versions"]["torch"].split(".")[:2], "99"])
    versions = about["versions"] | {"torch": patched}
    path.write_text(json.dumps(about | {"versions": versions}))
    load_model(tmp_path)
