"""New cases are predicted as the run predicted its own, and what is odd about them is said."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmark import CaseWarning, Predictor, load, run
from benchmark._kept_models import kept_lines
from benchmark.evaluation import build_board
from benchmark.evaluation.operating_points import operating_point_of
from cohorts import BenchmarkError
from features.radiomics import Radiomics
from models import hash_files

from support import prepared

FEATURES = ["tabular", "radiomics", "embedding", "image+tabular"]
ROWS = ["dummy", "logistic_regression", "xgboost", "compact_fusion"]
PROBABILITIES = ["p_normal", "p_benign", "p_malignant"]


@pytest.fixture(scope="module")
def finished(small_cohort, tmp_path_factory) -> Path:
    """A run that has kept every row."""
    ready = prepared(
        small_cohort, FEATURES, ROWS, final_models="all", evaluation={"target_sensitivity": 0.8}
    )
    folder = tmp_path_factory.mktemp("runs") / "kept"
    run(ready, out=folder, n_jobs=1)
    return folder


@pytest.fixture(scope="module")
def predictor(finished) -> Predictor:
    return load(finished)


@pytest.fixture(scope="module")
def recorded(small_cohort) -> pd.DataFrame:
    """The development cases as a plain table, without labels."""
    frame = pd.concat([one.table for one in small_cohort.tables], axis=1).reset_index()
    records = [one[0] for one in small_cohort.images[0].records]
    return frame.assign(
        ultrasound=[str(record.path) for record in records],
        ultrasound_spacing_mm=[record.spacing_mm for record in records],
    )


def key_of(finished: Path, features: str, model: str) -> str:
    models = json.loads((finished / "run.json").read_text())["models"]
    return next(
        key for key, one in models.items() if (one["features"], one["model"]) == (features, model)
    )


def one_case(recorded: pd.DataFrame, row: int, **changes: Any) -> dict[str, Any]:
    return recorded.iloc[row].to_dict() | changes


@pytest.mark.parametrize(
    ("features", "model", "tolerance"),
    [
        ("tabular", "logistic_regression", 0.0),
        ("tabular", "xgboost", 0.0),
        ("radiomics", "logistic_regression", 0.0),
        ("embedding", "logistic_regression", 0.0),
        ("image+tabular", "compact_fusion", 1e-6),
    ],
)
def test_the_same_case_has_the_same_numbers(
    finished, predictor, recorded, tmp_path, features, model, tolerance
):
    """From a CSV, the final model says of the development cases what it said inside the run."""
    recorded.to_csv(tmp_path / "cases.csv", index=False)
    answer = predictor.predict(tmp_path / "cases.csv", features=features, model=model)
    folder = finished / "models" / key_of(finished, features, model)
    fit = pd.read_parquet(folder / "training_fit.parquet")
    assert list(fit.columns) == ["case", *(f"fitted_{name}" for name in PROBABILITIES)]
    assert answer["case"].tolist() == fit["case"].tolist()
    difference = np.abs(answer[PROBABILITIES].to_numpy() - fit.drop(columns="case").to_numpy())
    assert difference.max() <= tolerance
    assert set(answer["model"]) == {model}
    assert set(answer["features"]) == {features}


@pytest.mark.parametrize("features", FEATURES)
def test_one_case_has_the_numbers_it_has_in_a_batch(predictor, recorded, features):
    """Given as a mapping, alone, or among ninety others, and whether or not the cache is used."""
    batch = predictor.predict(recorded, features=features)
    alone = load(predictor.folder, use_cache=False)
    single = alone.predict(one_case(recorded, 40), features=features)
    assert single["case"].tolist() == ["c040"]
    np.testing.assert_allclose(
        single[PROBABILITIES].to_numpy()[0], batch[PROBABILITIES].to_numpy()[40], atol=1e-6
    )


def test_the_best_model_answers_unless_another_is_named(finished, predictor, recorded):
    """Without a name the first row of the board that was kept answers, and says that it does."""
    board = pd.read_csv(finished / "leaderboard.csv", keep_default_na=False)
    best = board[board["model"] != "dummy"].iloc[0]
    answer = predictor.predict(one_case(recorded, 0))
    assert answer.loc[0, ["features", "model"]].tolist() == [best["features"], best["model"]]
    listed = predictor.models[["features", "model"]].to_numpy().tolist()
    assert listed == board.loc[board["model"] != "dummy", ["features", "model"]].to_numpy().tolist()


def test_a_predictor_names_its_run_and_models(predictor, finished):
    """At the end of a notebook's cell, which else would show an address."""
    first = predictor.models.iloc[0]
    shown = repr(predictor)
    assert shown.startswith(f"<Predictor of '{finished}': {first['model']} on {first['features']},")
    assert shown.count(" on ") == len(predictor.models)


def test_the_answer_holds_decision_and_provenance(finished, predictor, recorded, small_cohort):
    """The threshold is that of the row's out-of-fold risks; risks from there on are flagged."""
    answer = predictor.predict(recorded, features="tabular", model="logistic_regression")
    assert list(answer.columns) == [
        *("case", "features", "model", "predicted", *PROBABILITIES),
        *("threshold", "flagged", "flags", "data"),
    ]
    board = build_board(
        pd.read_parquet(finished / "predictions.parquet"),
        pd.read_parquet(finished / "splits.parquet"),
        classes=small_cohort.classes,
        positive_class="malignant",
        n_resamples=2,
        random_state=0,
    )
    row = board.rows["tabular", "logistic_regression"]
    point = operating_point_of(row, target_sensitivity=0.8, patients=board.patients)
    assert set(answer["threshold"]) == {point.threshold}
    expected = np.where(answer["p_malignant"] >= point.threshold, "yes", "no")
    assert answer["flagged"].tolist() == expected.tolist()
    assert set(expected) == {"yes", "no"}
    likeliest = answer[PROBABILITIES].to_numpy().argmax(axis=1)
    assert answer["predicted"].tolist() == [small_cohort.classes[k] for k in likeliest]
    assert set(answer["data"]) == {"simulated"}
    stored = predictor.operating_point("tabular", "logistic_regression")
    # Twenty patients with thirty cases.
    assert stored["n_positives"] == 20
    positive = row.y_true == row.positive_index
    flagged = row.y_proba[0][:, row.positive_index] >= point.threshold
    assert stored["found"] == [int((flagged & positive).sum()), 30]
    assert stored["left_alone"] == [int((~flagged & ~positive).sum()), 60]


def test_development_cases_lie_inside(predictor, recorded):
    """No flag for what the tables showed, and few for the images the threshold was set on."""
    assert set(predictor.predict(recorded, features="tabular")["flags"]) == {""}
    flagged = predictor.predict(recorded, features="image+tabular")["flags"] != ""
    assert flagged.mean() <= 0.02


def test_what_lies_outside_is_flagged_and_still_predicted(predictor, recorded, tmp_path):
    """Range, category, missing modality and strange image: each named; the prediction stands."""
    ages = recorded["age"]
    Image.fromarray(np.full((32, 32), 250, np.uint8)).save(tmp_path / "blank.png")
    changes = {"age": 140, "side": "both", "ultrasound": str(tmp_path / "blank.png")}
    case = one_case(recorded, 1, **changes, marker=None, noise=None)
    answer = predictor.predict(case, features="image+tabular").iloc[0]
    flags = answer["flags"].split("; ")
    assert flags[0] == f"clinical.age 140 above {ages.max():g}"
    assert flags[1:3] == ["clinical.side 'both' never seen", "molecular missing, never seen so"]
    assert flags[3].startswith("ultrasound unlike the training images (distance ")
    assert answer[PROBABILITIES].sum() == pytest.approx(1)
    assert answer["flagged"] in {"yes", "no"}
    on_tables = predictor.predict(case, features="tabular").iloc[0]
    assert "ultrasound" not in on_tables["flags"]


def test_a_case_that_cannot_be_read_spares_the_others(predictor, recorded, tmp_path):
    """A truncated image is named; models that read no image predict the case all the same."""
    whole = Path(recorded.loc[0, "ultrasound"]).read_bytes()
    (tmp_path / "torn.png").write_bytes(whole[:200])
    cases = recorded.head(3).assign(
        ultrasound=recorded["ultrasound"].where(recorded.index != 1, str(tmp_path / "torn.png"))
    )
    answer = predictor.predict(cases, features="radiomics")
    assert answer["flagged"].tolist()[1] == "no prediction"
    assert answer.loc[1, "predicted"] == ""
    assert "torn.png' cannot be read as an image" in answer.loc[1, "flags"]
    assert answer[PROBABILITIES].notna().all(axis=1).tolist() == [True, False, True]
    untouched = predictor.predict(recorded.head(3), features="radiomics")
    assert answer.drop(index=1).equals(untouched.drop(index=1))
    assert predictor.predict(cases, features="tabular")[PROBABILITIES].notna().all(axis=None)
    nobody = predictor.predict(cases.iloc[[1]], features="radiomics")
    assert nobody["flagged"].tolist() == ["no prediction"]


def test_paths_are_relative_to_the_table_or_the_working_folder(
    predictor, recorded, tmp_path, monkeypatch
):
    """A case in memory, and a table elsewhere, find the image beside them."""
    shutil.copy(recorded.loc[0, "ultrasound"], tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    case = one_case(recorded, 0, ultrasound="a.png")
    expected = predictor.predict(one_case(recorded, 0), features="radiomics")
    assert predictor.predict(case, features="radiomics").equals(expected)
    pd.DataFrame([case]).to_csv(tmp_path / "one.csv", index=False)
    monkeypatch.chdir("/")
    assert predictor.predict(tmp_path / "one.csv", features="radiomics").equals(expected)


def test_columns_that_are_ignored_are_warned_of(predictor, recorded):
    """In a notebook as on the command line; not again for cases whose notes can be read."""
    misspelt = recorded.head(2).rename(columns={"marker": "markr"})
    with pytest.warns(CaseWarning, match="'markr' .* is ignored. Did you mean 'marker'") as seen:
        predictor.predict(misspelt, features="tabular")
    assert [Path(one.filename).name for one in seen] == [Path(__file__).name]
    with pytest.warns(CaseWarning, match="being unknown to the models: height"):
        predictor.predict(one_case(recorded, 0, height=170), features="tabular")
    predictor.predict(predictor.read(misspelt), features="tabular")


@pytest.mark.parametrize("given", [{"Age": 50}, pd.DataFrame({"Age": [50, 60]})])
def test_cases_need_ids(predictor, given):
    """Whatever column is the most like it: an id is asked for."""
    message = "The table of the given cases has no column 'case'; every row needs an id of its own"
    with pytest.raises(BenchmarkError, match=message):
        predictor.predict(given)


def test_unknown_names_list_what_was_kept(predictor, recorded):
    """Of feature sets, and of models on one of them."""
    kept = "The run has kept: .*logistic_regression on tabular"
    with pytest.raises(BenchmarkError, match=rf"feature set 'tabulr'.* 'tabular'\?.*{kept}"):
        predictor.predict(recorded, features="tabulr")
    with pytest.raises(BenchmarkError, match=rf"model 'svm' in .*kept on radiomics\..*{kept}"):
        predictor.predict(recorded, features="radiomics", model="svm")


def copied(finished: Path, folder: Path) -> Path:
    return Path(shutil.copytree(finished, folder / "copy"))


def test_a_changed_model_is_refused_and_the_others_still_answer(finished, recorded, tmp_path):
    """One byte in one file: that model says so, another one predicts."""
    folder = copied(finished, tmp_path)
    path = folder / "models" / key_of(finished, "tabular", "xgboost") / "model.skops"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    changed = load(folder)
    with pytest.raises(BenchmarkError, match=r"model\.skops' is not the file that the run wrote"):
        changed.predict(recorded, features="tabular", model="xgboost")
    changed.predict(recorded.head(1), features="tabular", model="logistic_regression")


def test_a_changed_description_of_the_cases_is_refused(finished, recorded, tmp_path):
    """What the models saw is checked as the models are."""
    folder = copied(finished, tmp_path)
    path = folder / "development.json"
    path.write_text(path.read_text().replace('"high"', '"hugh"', 1))
    with pytest.raises(BenchmarkError, match=r"development\.json' is not the file"):
        load(folder).predict(recorded)


@pytest.mark.parametrize(
    ("change", "why"),
    [({"version": -1}, "another version of sonobench"), ({"threshold": None}, "are too few")],
)
def test_images_that_cannot_be_compared_are_said(finished, recorded, tmp_path, change, why):
    """No flag can mean that nothing was looked at; then a note says so, and why."""
    folder = copied(finished, tmp_path)
    path = folder / "development.json"
    about = json.loads(path.read_text())
    about["novelty"]["ultrasound"] |= change
    path.write_text(json.dumps(about))
    description = json.loads((folder / "run.json").read_text())
    description["development"] = hash_files(folder, ["development.json"])
    (folder / "run.json").write_text(json.dumps(description))
    new = load(folder).read(recorded.head(1))
    (note,) = (note for note in new.notes if note.code == "images-not-compared")
    assert note.text.startswith("No ultrasound image is compared with the training images: ")
    assert why in note.text
    assert "images-not-compared" not in {one.code for one in load(finished).read(recorded).notes}


def test_a_run_of_an_earlier_version_is_refused(finished, tmp_path):
    """One that kept models, but not how new cases are read, or says it in another way."""
    folder = copied(finished, tmp_path)
    path = folder / "run.json"
    description = json.loads(path.read_text())
    development = folder / "development.json"
    about = json.loads(development.read_text()) | {"schema_version": 0}
    development.write_text(json.dumps(about))
    description["development"] = hash_files(folder, ["development.json"])
    path.write_text(json.dumps(description))
    with pytest.raises(BenchmarkError, match=r"schema version 0, needed is 1"):
        _ = load(folder).columns
    del description["development"]
    path.write_text(json.dumps(description))
    with pytest.raises(BenchmarkError, match="has not ended, or another version of sonobench"):
        _ = load(folder).columns


def test_a_run_that_was_stopped_is_to_be_started_again(small_cohort, tmp_path, monkeypatch):
    """Before its first refit it has no model yet, which is not for want of being told."""

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    ready = prepared(small_cohort, ["tabular"], ["logistic_regression"], final_models="leading")
    for place in ("_run.run_cells", "_final_models.fit_final"):
        with monkeypatch.context() as patch:
            patch.setattr(f"benchmark.{place}", lambda *_, **__: stop())
            with pytest.raises(KeyboardInterrupt):
                run(ready, out=tmp_path, n_jobs=1)
        with pytest.raises(BenchmarkError, match=r"the run has not ended. Start benchmark run"):
            load(tmp_path)
    run(ready, out=tmp_path, n_jobs=1)
    assert len(load(tmp_path).models) == 1


def test_features_made_otherwise_are_refused(predictor, recorded, monkeypatch):
    """Another version of an extractor would give other numbers under the same names."""
    monkeypatch.setattr(Radiomics, "version", 99)
    with pytest.raises(BenchmarkError, match=r"features 'radiomics' .*different: version"):
        predictor.predict(recorded.head(1), features="radiomics")


def test_folders_that_cannot_predict(small_cohort, tmp_path):
    """No run; a run that was told to keep nothing; one whose rows need masks: one sentence each."""
    with pytest.raises(BenchmarkError, match="is not a run folder"):
        load(tmp_path)
    none = prepared(small_cohort, ["tabular"], ["logistic_regression"], final_models="none")
    run(none, out=tmp_path / "none", n_jobs=1)
    with pytest.raises(
        BenchmarkError, match=r"keeps no model: it was told to keep none. Set final"
    ):
        load(tmp_path / "none")
    masks = prepared(
        small_cohort,
        ["radiomics_mask"],
        ["logistic_regression"],
        feature_options={},
        final_models="all",
    )
    run(masks, out=tmp_path / "masks", n_jobs=1)
    with pytest.raises(BenchmarkError, match="it has none that new cases fit"):
        load(tmp_path / "masks")


def test_a_refit_that_failed_is_said(finished, tmp_path):
    """With its reason, beside those that were kept; a run that keeps none has nothing to say."""
    folder = copied(finished, tmp_path)
    path = folder / "run.json"
    description = json.loads(path.read_text())
    key = key_of(finished, "tabular", "xgboost")
    description["models"][key] |= {"status": "failed", "reason": "MemoryError: 8 GB"}
    path.write_text(json.dumps(description))
    lines = list(kept_lines(folder))
    assert lines[0] == "not kept: xgboost on tabular: MemoryError: 8 GB"
    assert len(lines) == len(description["models"]) + 1
    description["config"]["final_models"] = "none"
    path.write_text(json.dumps(description))
    assert list(kept_lines(folder)) == []


def test_images_that_are_resampled_need_a_pixel_size(small_cohort, recorded, tmp_path):
    """A case without one has no prediction; the others have theirs, and tables need none."""
    rows = ["radiomics", "tabular"]
    ready = prepared(
        small_cohort,
        rows,
        ["logistic_regression"],
        imaging={"pixel_mm": 0.1},
        final_models="all",
    )
    run(ready, out=tmp_path, n_jobs=1)
    cases = recorded.head(2).assign(ultrasound_spacing_mm=[0.1, None])
    on_tables = load(tmp_path).predict(cases, features="tabular")
    assert on_tables["predicted"].ne("").all()
    answer = load(tmp_path).predict(cases, features="radiomics")
    assert answer["flagged"].tolist()[1] == "no prediction"
    assert "ultrasound needs a pixel size" in answer.loc[1, "flags"]
    assert answer.loc[0, "predicted"] != ""
