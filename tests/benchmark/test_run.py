"""A whole run: from patients to pages, and on from where it stopped."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmark import Run, render, run
from benchmark.evaluation import METRICS
from benchmark.experiment import Cell, CellResult, _engine
from benchmark.experiment._engine import without_mixed_weights
from cohorts import BenchmarkError, Note
from models import MODELS, ModelSpec, load_model, register_model

from support import prepared

FEATURES = ["clinical", "tabular", "image+tabular"]
ROWS = ["dummy", "logistic_regression", "late_fusion"]


@pytest.fixture(scope="module")
def ready(small_cohort):
    return prepared(small_cohort, FEATURES, ROWS)


@pytest.fixture(scope="module")
def finished(ready, tmp_path_factory) -> Run:
    return run(ready, out=tmp_path_factory.mktemp("runs") / "tiny", n_jobs=1, use_cache=False)


def test_the_run_folder_is_complete(finished):
    """Every file that the README lists is there."""
    names = {path.name for path in finished.folder.iterdir()}
    assert names == {
        "run.json",
        "cells",
        "plan.parquet",
        "splits.parquet",
        "predictions.parquet",
        "inner_predictions.parquet",
        "scores.parquet",
        "models",
        "development.json",
        "leaderboard.html",
        "leaderboard.csv",
        "leaderboard.json",
        "examples.json",
        "columns.parquet",
        "regions.parquet",
        "trials.parquet",
        "variants.parquet",
    }


def test_blocks_are_recorded(small_cohort, tmp_path):
    """Columns with units, and whose region each image was measured in, of every block."""
    features = ["radiomics", "radiomics_mask", "clinical"]
    ready = prepared(small_cohort, features, ["dummy"], feature_options={})
    run(ready, out=tmp_path, n_jobs=1)
    columns = pd.read_parquet(tmp_path / "columns.parquet").set_index("column")
    assert set(columns["block"]) == {"radiomics", "radiomics_mask", "clinical"}
    assert columns.loc["clinical__age", "unit"] == "years"
    assert columns.loc["radiomics_mask__shape_area", "unit"] == "mm²"
    assert "QCDE" in columns.loc["radiomics__ngtdm_coarseness", "description"]
    regions = pd.read_parquet(tmp_path / "regions.parquet")
    origins = regions.groupby("block")["origin"].agg(set)
    assert origins["radiomics_mask"] == {"expert"}
    assert "expert" not in origins["radiomics"]
    assert regions["block"].value_counts().eq(small_cohort.n_cases).all()


def test_every_case_is_predicted_once_per_row_by_a_model_that_had_not_seen_it(finished):
    """Predictions are out of fold: one per case and row, in the fold that tested the case."""
    splits = pd.read_parquet(finished.folder / "splits.parquet")
    predictions = finished.predictions
    rows = predictions.groupby(["features", "model"])
    assert len(rows) == 5
    for _, part in rows:
        assert part["case"].is_unique
        assert len(part) == 90
        merged = part.merge(splits, on=["repeat", "case"])
        assert (merged["fold_x"] == merged["fold_y"]).all()
    proba = predictions[["p_normal", "p_benign", "p_malignant"]]
    assert np.allclose(proba.sum(axis=1), 1, atol=1e-4)


def test_scores_are_those_of_the_predictions(finished):
    """A number on the board can be recomputed from the stored predictions with scikit-learn."""
    from sklearn.metrics import f1_score, roc_auc_score

    row = finished.predictions.query("features == 'tabular' and model == 'logistic_regression'")
    proba = row[["p_normal", "p_benign", "p_malignant"]].to_numpy()
    truth = row["label"].map({"normal": 0, "benign": 1, "malignant": 2}).to_numpy()
    board = finished.leaderboard.set_index(["features", "model"])
    shown = board.loc[("tabular", "logistic_regression")]
    assert shown["f1_macro"] == pytest.approx(f1_score(truth, proba.argmax(1), average="macro"))
    folds = [
        roc_auc_score(truth[row["fold"] == fold] == 2, proba[row["fold"] == fold, 2])
        for fold in range(3)
    ]
    assert shown["roc_auc"] == pytest.approx(np.mean(folds))


def test_the_csv_is_as_documented(finished):
    """One row per (features, model), best first, each metric with both ends of its interval."""
    board = finished.leaderboard
    expected = ["features", "model", "family", "status", "n_cases"]
    expected += [f"{name}{end}" for name in METRICS for end in ("", "_low", "_high")]
    assert list(board.columns) == [*expected, "data"]
    scored = board[board["status"] == "ok"]
    assert scored["roc_auc"].is_monotonic_decreasing
    assert (scored["f1_macro_low"] <= scored["f1_macro"]).all()
    assert (scored["f1_macro"] <= scored["f1_macro_high"]).all()
    assert set(board["data"]) == {"simulated"}


def test_the_question_is_answered(finished):
    """The fusion row is compared with the classical row that the inner folds chose."""
    summary = json.loads((finished.folder / "leaderboard.json").read_text())
    (verdict,) = summary["verdicts"]
    # The only classical row reads tables alone.
    assert verdict["label"].endswith(" (more inputs, random weights)")
    assert verdict["fusion"] == {"features": "image+tabular", "model": "late_fusion"}
    assert verdict["classical"]["model"] == "logistic_regression"
    assert verdict["sentence"] in (finished.folder / "leaderboard.html").read_text()


def test_signal_is_found(finished):
    """Logistic regression on the tables beats class frequencies by far."""
    board = finished.leaderboard.set_index(["features", "model"])["roc_auc"]
    assert board["tabular", "logistic_regression"] > 0.75
    assert board["tabular", "dummy"] == 0.5


def test_rendering_again_changes_no_byte(finished):
    """``benchmark report`` on an unchanged run writes the same page, board and scores."""
    names = ("leaderboard.html", "leaderboard.csv", "leaderboard.json", "scores.parquet")
    before = {name: (finished.folder / name).read_bytes() for name in names}
    render(finished.folder)
    assert {name: (finished.folder / name).read_bytes() for name in names} == before


def test_final_models_are_kept_with_their_hashes(finished):
    """The best classical and the best deep row are refitted, hashed, and load again."""
    models = finished.description["models"]
    assert len(models) == 2
    for key, about in models.items():
        folder = finished.folder / "models" / key
        assert about["status"] == "ok"
        assert {path.name for path in folder.iterdir()} == set(about["files"])
        for name, digest in about["files"].items():
            assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
        load_model(folder)
        kept = json.loads((folder / "model.json").read_text())
        assert kept["classes"] == ["normal", "benign", "malignant"]
        columns = {column["name"] for block in kept["blocks"] for column in block["columns"]}
        assert "clinical__age" in columns


def test_a_refit_that_fails_loses_nothing(small_cohort, tmp_path, monkeypatch):
    """The board stands; ``run.json`` says why there is no final model."""

    def broken(_):
        raise MemoryError("no memory for the refit")

    monkeypatch.setattr("benchmark._final_models.fit_final", broken)
    ready = prepared(small_cohort, ["tabular"], ["logistic_regression"])
    done = run(ready, out=tmp_path, n_jobs=1, use_cache=False)
    (about,) = done.description["models"].values()
    assert about["status"] == "failed"
    assert about["reason"] == "MemoryError: no memory for the refit"
    assert len(done.leaderboard) == 1


def test_names_survive_the_tables(small_cohort, tmp_path):
    """A modality called 007, and one called NA, are neither a number nor missing."""
    tables = tuple(
        replace(table, name=name)
        for table, name in zip(small_cohort.tables, ("007", "NA"), strict=True)
    )
    named = replace(small_cohort, tables=tables, images=())
    ready = prepared(named, ["007", "NA"], ["logistic_regression"])
    done = run(ready, out=tmp_path, n_jobs=1, use_cache=False)
    assert set(done.leaderboard["features"]) == {"007", "NA"}
    assert done.leaderboard["roc_auc"].notna().all()


def test_a_model_named_twice_is_one_row(small_cohort, tmp_path):
    """Repetition on the command line does not break the alignment of rows."""
    ready = prepared(small_cohort, ["tabular"], ["dummy", "dummy"], final_models="none")
    assert len(run(ready, out=tmp_path, n_jobs=1, use_cache=False).leaderboard) == 1


def test_stored_predictions_that_were_damaged_are_said(finished, tmp_path):
    """A lost prediction takes its row off the board, with the reason on the page."""
    copy = tmp_path / "copy"
    shutil.copytree(finished.folder, copy)
    table = pd.read_parquet(copy / "predictions.parquet")
    lost = table.query("features == 'tabular' and model == 'dummy'").index[0]
    table.drop(index=lost).to_parquet(copy / "predictions.parquet", index=False)
    render(copy)
    (row,) = Run(copy).leaderboard.query("status == 'failed'").to_dict("records")
    assert (row["features"], row["model"]) == ("tabular", "dummy")
    assert "1 predictions are missing" in (copy / "leaderboard.html").read_text()


def test_the_primary_metric_is_declared_before_the_first_fit(ready, finished, tmp_path):
    """A finished board is not reordered by another metric; its intervals may be made finer."""
    copy = tmp_path / "copy"
    shutil.copytree(finished.folder, copy)
    other = prepared(
        ready.cohort, FEATURES, ROWS, evaluation={"primary": "brier", "n_resamples": 200}
    )
    with pytest.raises(BenchmarkError, match=r"\(different: evaluation\.primary\)"):
        run(other, out=copy, n_jobs=1, use_cache=False)
    finer = prepared(ready.cohort, FEATURES, ROWS, evaluation={"n_resamples": 300})
    run(finer, out=copy, n_jobs=1, use_cache=False)


def test_folds_on_different_weights_make_no_row(finished):
    """A row whose folds had pretrained and random weights fails as a whole, with the reason."""
    cells = [Cell("image", "image_network", 0, fold) for fold in range(3)]
    origins = ["hub:a", "random", "hub:a"]
    results = {
        cell: CellResult(cell, "ok", weights=origin)
        for cell, origin in zip(cells, origins, strict=True)
    }
    other = Cell("tabular", "svm", 0, 0)
    checked = without_mixed_weights(results | {other: CellResult(other, "ok")})
    assert [checked[cell].status for cell in cells] == ["failed"] * 3
    assert "different origin (hub:a, random)" in checked[cells[0]].reason
    assert checked[other].status == "ok"
    plan = pd.read_parquet(finished.folder / "plan.parquet")
    assert set(plan.query("model == 'late_fusion'")["status"]) == {"ok"}


def test_a_report_needs_no_model_code(finished, tmp_path, monkeypatch):
    """Stored rows of a model that is no longer installed are still rendered."""
    copy = tmp_path / "copy"
    shutil.copytree(finished.folder, copy)
    monkeypatch.delitem(MODELS._items, "logistic_regression")
    render(copy)
    assert "logistic_regression" in set(Run(copy).leaderboard["model"])


def test_a_folder_without_variants_is_still_rendered(finished, tmp_path):
    """As earlier versions left it: the page has no such section, and every score is the same."""
    copy = tmp_path / "copy"
    shutil.copytree(finished.folder, copy)
    (copy / "variants.parquet").unlink()
    plan = pd.read_parquet(copy / "plan.parquet")
    plan.assign(history="[]").to_parquet(copy / "plan.parquet")
    summary = render(copy)
    assert summary["variants"] == summary["learning"] == []
    page = (copy / "leaderboard.html").read_text(encoding="utf-8")
    assert 'id="variants"' not in page
    assert 'id="learning"' not in page
    assert Run(copy).leaderboard.equals(finished.leaderboard)


def count_cells(monkeypatch) -> list[str]:
    ran: list[str] = []
    original = _engine.run_cell

    def counting(task):
        ran.append(task.cell.key)
        return original(task)

    monkeypatch.setattr(_engine, "run_cell", counting)
    return ran


def test_a_second_start_does_only_what_is_missing(ready, finished, tmp_path, monkeypatch):
    """Nothing when all is done; a lost cell alone when one is lost; new rows alone when added."""
    copy = tmp_path / "copy"
    shutil.copytree(finished.folder, copy)
    ran = count_cells(monkeypatch)
    before = (copy / "scores.parquet").read_bytes()
    run(ready, out=copy, n_jobs=1, use_cache=False)
    assert ran == []
    lost = sorted((copy / "cells").glob("*dummy*"))[0]
    lost.unlink()
    run(ready, out=copy, n_jobs=1, use_cache=False)
    assert len(ran) == 1
    assert (copy / "scores.parquet").read_bytes() == before
    ran.clear()
    more = prepared(ready.cohort, FEATURES, [*ROWS, "knn"])
    run(more, out=copy, n_jobs=1, use_cache=False)
    assert len(ran) == 2 * 3
    assert all("knn" in key for key in ran)


def test_another_seed_is_another_run(small_cohort, tmp_path):
    """The seed reaches the folds and the models."""
    scores = []
    for seed in (0, 1):
        ready = prepared(small_cohort, ["tabular"], ["extra_trees"], seed=seed, final_models="none")
        out = tmp_path / str(seed)
        scores.append(run(ready, out=out, n_jobs=1, use_cache=False).scores["value"])
    assert not np.allclose(*scores)


def test_adding_a_model_changes_no_other_row(small_cohort, tmp_path):
    """Rows that were on the board keep every digit when a model joins them."""
    one = prepared(small_cohort, ["tabular"], ["extra_trees"], final_models="none")
    run(one, out=tmp_path, n_jobs=1, use_cache=False)
    before = pd.read_parquet(tmp_path / "scores.parquet")
    two = prepared(small_cohort, ["tabular"], ["knn", "extra_trees"], final_models="none")
    run(two, out=tmp_path, n_jobs=1, use_cache=False)
    after = pd.read_parquet(tmp_path / "scores.parquet")
    kept = after[after["model"] == "extra_trees"].reset_index(drop=True)
    assert kept.equals(before)
    assert set(after["model"]) == {"knn", "extra_trees"}


@pytest.fixture
def fragile():
    """A model that fails in the second fold only."""
    before = dict(MODELS._items)

    @register_model("fragile")
    class Fragile(ModelSpec):
        """Fails where it is told to."""

        title, family = "fails in the second fold", "linear"
        fails = True

        def build(self, blocks, *, params, random_state, settings):
            spec = MODELS.get("logistic_regression")
            built = spec.build(blocks, params={"C": 0.1}, random_state=0, settings=settings)
            if self.fails and random_state == self.failing_seed:
                raise MemoryError("not enough memory for fold 1")
            return built

        def estimate_fit_s(self, n_samples, n_columns, settings):
            return 0.01

    from benchmark.experiment import Cell
    from benchmark.experiment._plan import cell_seed

    Fragile.failing_seed = cell_seed(Cell("tabular", "fragile", 0, 1), 0)
    yield Fragile
    MODELS._items.clear()
    MODELS._items.update(before)


def test_a_failed_fold_keeps_the_row_on_the_page_and_the_others_go_on(
    small_cohort, tmp_path, fragile
):
    """A row with a failed fold is not scored on the others; it is shown with its reason."""
    ready = prepared(small_cohort, ["tabular"], ["knn", "fragile"], final_models="none")
    done = run(ready, out=tmp_path, n_jobs=1, use_cache=False)
    board = done.leaderboard.set_index("model")
    assert board.loc["knn", "status"] == "ok"
    assert board.loc["fragile", "status"] == "failed"
    assert np.isnan(board.loc["fragile", "roc_auc"])
    assert "not enough memory for fold 1" in (tmp_path / "leaderboard.html").read_text()
    plan = pd.read_parquet(tmp_path / "plan.parquet").query("model == 'fragile'")
    assert plan["status"].tolist() == ["ok", "failed", "ok"]
    # Once the cause is gone, the failed fold alone is run again.
    fragile.fails = False
    again = run(ready, out=tmp_path, n_jobs=1, use_cache=False)
    assert again.leaderboard.set_index("model").loc["fragile", "status"] == "ok"


def test_an_interrupt_keeps_what_was_finished(small_cohort, tmp_path, monkeypatch):
    """Ctrl-C in the third cell leaves two stored; the next start runs the others."""
    ready = prepared(small_cohort, ["tabular"], ["knn", "dummy"], final_models="none")
    original, ran = _engine.run_cell, []

    def interrupted(task):
        if len(ran) == 2:
            raise KeyboardInterrupt
        ran.append(task.cell)
        return original(task)

    monkeypatch.setattr(_engine, "run_cell", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(ready, out=tmp_path, n_jobs=1, use_cache=False)
    with pytest.raises(BenchmarkError, match="the run has not ended"):
        render(tmp_path)
    monkeypatch.setattr(_engine, "run_cell", original)
    counted = count_cells(monkeypatch)
    run(ready, out=tmp_path, n_jobs=1, use_cache=False)
    assert len(counted) == 4


def test_notes_of_a_table_mark_the_rows_that_use_it(small_cohort, tmp_path):
    """What must be said about a modality stands on its rows and at the top, not on the others."""
    note = Note("reader-descriptors", "warning", "Read off the image by an expert.")
    clinical, molecular = small_cohort.tables
    noted = replace(small_cohort, tables=(replace(clinical, notes=(note,)), molecular))
    ready = prepared(noted, ["clinical", "molecular", "tabular"], ["knn"], final_models="none")
    run(ready, out=tmp_path, n_jobs=1, use_cache=False)
    summary = json.loads((tmp_path / "leaderboard.json").read_text())
    marked = {row["features"]: row["notes"] for row in summary["rows"]}
    assert marked == {
        "clinical": ["reader-descriptors"],
        "tabular": ["reader-descriptors"],
        "molecular": [],
    }
    assert summary["notes"][0]["text"] == note.text


def test_a_row_that_predicts_a_constant_is_marked(small_cohort, tmp_path, fragile):
    """If some fold's risks are all the same, the row says so; class frequencies need not."""

    def flat(self, blocks, *, params, random_state, settings):
        assert params == {}
        if random_state == self.failing_seed:
            return MODELS.get("dummy").build(blocks, params={}, random_state=0, settings=settings)
        spec = MODELS.get("logistic_regression")
        return spec.build(blocks, params={"C": 0.1}, random_state=0, settings=settings)

    fragile.build = flat
    ready = prepared(small_cohort, ["tabular"], ["dummy", "knn", "fragile"], final_models="none")
    run(ready, out=tmp_path, n_jobs=1, use_cache=False)
    summary = json.loads((tmp_path / "leaderboard.json").read_text())
    marked = {row["model"]: row["notes"] for row in summary["rows"]}
    assert marked == {"fragile": ["constant-prediction"], "knn": [], "dummy": []}
    assert [note["code"] for note in summary["notes"]] == ["constant-prediction"]


def test_identifiers_of_patients_are_on_no_page(finished):
    """Case and patient ids stand in the tables of the run, never on the shared pages."""
    for name in ("leaderboard.html", "leaderboard.csv", "leaderboard.json", "run.json"):
        text = (finished.folder / name).read_text()
        # Delimited, because a hash can hold the same letters.
        assert not re.search(r"\b[cp]0\d\d\b", text)


def test_skipped_models_stand_on_the_page_with_their_reason(small_cohort, tmp_path):
    """A network without images is skipped, not dropped."""
    tables = replace(small_cohort, images=())
    ready = prepared(tables, ["tabular"], ["dummy", "late_fusion"], final_models="none")
    done = run(ready, out=tmp_path, n_jobs=1, use_cache=False)
    board = done.leaderboard.set_index("model")
    assert board.loc["late_fusion", "status"] == "skipped"
    assert "the cohort has no images" in (tmp_path / "leaderboard.html").read_text()
