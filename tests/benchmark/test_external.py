"""External cohorts are predicted and nothing else, by rows refitted on all of development."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from benchmark import Run, load_config, prepare, render, run
from benchmark.experiment import _engine, _external
from cohorts import BenchmarkError
from features import TabularEncoder
from models import MODELS
from models.networks import FusionNetworkClassifier

from support import CHEAP_ROWS, external_config, external_entry, summary_of

FEATURES = ["tabular", "radiomics", "radiomics+tabular", "image+tabular"]
ROWS = ["dummy", "logistic_regression", "stacking", "compact_fusion"]


pytestmark = pytest.mark.usefixtures("made")


@pytest.fixture(scope="module")
def finished(made, tmp_path_factory) -> Run:  # noqa: ARG001  # the loader must be there
    """Two external cohorts: one with everything, one without tables."""
    bare = external_entry("bare", seed=2, prefix="y", tables=False)
    config = external_config(external_entry(), bare, features=FEATURES, models=ROWS)
    return run(config, out=tmp_path_factory.mktemp("runs") / "two", n_jobs=1, use_cache=False)


def predictions_of(finished: Run, key="there") -> pd.DataFrame:
    return pd.read_parquet(finished.folder / "external" / key / "predictions.parquet")


def test_the_folder_of_a_cohort_is_complete(finished):
    """Predictions, scores, board, plan, description and cells, below the name of the cohort."""
    for key in ("there", "bare"):
        names = {path.name for path in (finished.folder / "external" / key).iterdir()}
        assert names == {
            "board.csv",
            "cells",
            "external.json",
            "plan.parquet",
            "predictions.parquet",
            "scores.parquet",
        }
    told = finished.description["external"]
    assert [(one["key"], one["n_cases"], len(one["fingerprint"])) for one in told] == [
        ("there", 45, 64),
        ("bare", 45, 64),
    ]


def test_every_row_predicts_every_external_case_once(finished):
    """Deep, stacking and baseline rows included; probabilities sum to one."""
    predictions = predictions_of(finished)
    rows = predictions.groupby(["features", "model"])
    internal = finished.leaderboard
    assert set(rows.groups) == set(zip(internal["features"], internal["model"], strict=True))
    assert {"dummy", "stacking", "compact_fusion"} <= set(predictions["model"])
    for _, part in rows:
        assert part["case"].is_unique
        assert len(part) == 45
    proba = predictions[["p_normal", "p_benign", "p_malignant"]]
    assert np.allclose(proba.sum(axis=1), 1, atol=1e-4)


def test_scores_are_those_of_the_predictions(finished):
    """The external AUC is scikit-learn's, of one model on all cases; the signal carries over."""
    row = predictions_of(finished).query("features == 'tabular' and model == 'logistic_regression'")
    scores = pd.read_parquet(finished.folder / "external" / "there" / "scores.parquet")
    (shown,) = scores.query(
        "features == 'tabular' and model == 'logistic_regression' and metric == 'roc_auc'"
    ).to_dict("records")
    expected = roc_auc_score(row["label"] == "malignant", row["p_malignant"])
    assert shown["value"] == pytest.approx(expected)
    assert shown["value"] > 0.7
    board = finished.leaderboard.set_index(["features", "model"])
    # Every class is there, so that the internal score is that of the board.
    assert shown["internal"] == pytest.approx(
        board.loc[("tabular", "logistic_regression"), "roc_auc"]
    )


def test_rows_without_their_modality_are_skipped_with_the_reason(finished):
    """Classical rows on tables need tables; the fusion network goes on without, marked."""
    (_, bare) = summary_of(finished)["external"]
    scored = {(row["features"], row["model"]): row["notes"] for row in bare["rows"]}
    assert set(scored) == {
        ("radiomics", "dummy"),
        ("radiomics", "logistic_regression"),
        ("image+tabular", "compact_fusion"),
    }
    assert "modality-missing" in scored["image+tabular", "compact_fusion"]
    assert "modality-missing" not in scored["radiomics", "dummy"]
    # Without one of its inputs a row is another model, and does not speak for the others.
    assert bare["rows"][bare["leader"]["rank"] - 1]["features"] == "radiomics"
    reasons = {(row["features"], row["model"]): row["reason"] for row in bare["unscored"]}
    assert reasons["tabular", "dummy"] == (
        "the cohort has no table 'clinical'; the cohort has no table 'molecular'"
    )
    assert all(row["status"] == "skipped" for row in bare["unscored"])


def test_rendering_again_changes_no_byte(finished):
    """``benchmark report`` needs the stored predictions alone."""
    folder = finished.folder
    names = ["leaderboard.html", "leaderboard.json"]
    names += [
        f"external/{k}/{n}" for k in ("there", "bare") for n in ("board.csv", "scores.parquet")
    ]
    before = {name: (folder / name).read_bytes() for name in names}
    render(folder)
    assert {name: (folder / name).read_bytes() for name in names} == before


def altered(finished: Run, folder: Path, name: str, change) -> Path:
    """Return a copy of the run of which one JSON file says something else."""
    copy = Path(shutil.copytree(finished.folder, folder / "copy"))
    about = json.loads((copy / name).read_text())
    change(about)
    (copy / name).write_text(json.dumps(about))
    return copy


def test_a_report_stays_inside_the_run_folder(finished, tmp_path):
    """What the files of a run say of names leads nowhere else, to read or to write."""
    outside = tmp_path / "outside"
    outside.mkdir()
    inner = altered(
        finished,
        tmp_path / "a",
        "external/there/external.json",
        lambda about: about.update(key=str(outside)),
    )
    (inner / "external" / "there" / "board.csv").unlink()
    render(inner)
    assert (inner / "external" / "there" / "board.csv").is_file()
    listed = altered(
        finished,
        tmp_path / "b",
        "run.json",
        lambda about: about["external"][0].update(key="../../outside"),
    )
    with pytest.raises(BenchmarkError, match=r"'\.\./\.\./outside' is no name for the folder"):
        render(listed)
    assert list(outside.iterdir()) == []


def test_identifiers_of_patients_are_on_no_page(finished):
    """External cases are named in the tables of the run only."""
    import re

    for name in ("leaderboard.html", "leaderboard.json", "external/there/external.json"):
        assert not re.search(r"\b[xy]?[cp]0\d\d\b", (finished.folder / name).read_text())


SPIED = [
    ("tabular", "logistic_regression"),
    ("radiomics+tabular", "stacking"),
    ("image+tabular", "compact_fusion"),
    ("embedding_finetuned", "logistic_regression"),
]


@pytest.mark.parametrize(("features", "model"), SPIED)
def test_a_spy_never_sees_an_external_case(features, model, monkeypatch, tmp_path):
    """Whatever is fitted, in folds and in the refit, is handed development cases only."""
    seen: set[str] = set()
    spied = (TabularEncoder, SimpleImputer, FusionNetworkClassifier)
    for cls in spied:

        def fit(self, X, *args, _original=cls.fit, **options):
            seen.update(getattr(X, "index", ()))
            return _original(self, X, *args, **options)

        monkeypatch.setattr(cls, "fit", fit)
    ready = prepare(external_config(external_entry(), features=[features], models=[model]))
    run(ready, out=tmp_path, n_jobs=1, use_cache=False)
    assert seen == set(ready.cohort.cases)
    assert not seen & set(ready.external[0].cohort.cases)


def test_external_values_and_labels_change_no_model(tmp_path):
    """Half of the external cases, with their labels turned round: the others' risks stay."""
    config = external_config(external_entry(), features=["tabular"], models=["logistic_regression"])
    ready = prepare(config)
    (external,) = ready.external
    whole = run(ready, out=tmp_path / "a", n_jobs=1, use_cache=False)
    half = external.cohort.take(range(20))
    turned = replace(half, labels=(half.labels + 1) % 3)
    changed = replace(ready, external=(replace(external, cohort=turned),))
    part = run(changed, out=tmp_path / "b", n_jobs=1, use_cache=False)
    risks = [predictions_of(one).set_index("case")["p_malignant"] for one in (whole, part)]
    assert len(risks[1]) == 20
    assert (risks[0].loc[risks[1].index] == risks[1]).all()


def test_the_number_of_jobs_changes_nothing(finished, tmp_path):
    """Two processes give the same predictions to the bit."""
    config = external_config(
        external_entry(), features=["tabular"], models=["dummy", "logistic_regression"]
    )
    other = run(config, out=tmp_path, n_jobs=2, use_cache=False)
    keys = ["features", "model", "case"]
    one = predictions_of(finished).set_index(keys)["p_malignant"]
    two = predictions_of(other).set_index(keys)["p_malignant"]
    assert (one.loc[two.index] == two).all()


def counted(monkeypatch) -> list[str]:
    """Names of what is run from here on: folds and refits."""
    ran: list[str] = []
    fold, refit = _engine.run_cell, _external.run_external_cell
    monkeypatch.setattr(
        _engine, "run_cell", lambda task: (ran.append(task.cell.key), fold(task))[1]
    )

    def refitting(task):
        ran.append(f"{task.fit.cell.key} {'+'.join(task.cases)}")
        return refit(task)

    monkeypatch.setattr(_external, "run_external_cell", refitting)
    return ran


def test_cohorts_come_and_go_and_no_fold_runs_again(tmp_path, monkeypatch):
    """Added to a finished run, one costs its refits; taken out and back, nothing."""
    run(external_config(**CHEAP_ROWS), out=tmp_path, n_jobs=1, use_cache=False)
    page = (tmp_path / "leaderboard.html").read_text()
    assert "External cohort" not in page
    scores = (tmp_path / "scores.parquet").read_bytes()
    ran = counted(monkeypatch)
    one = external_config(external_entry(), **CHEAP_ROWS)
    assert (
        "External cohort"
        in Path(
            run(one, out=tmp_path, n_jobs=1, use_cache=False).folder / "leaderboard.html"
        ).read_text()
    )
    assert [key.rsplit(" ", 1)[1] for key in ran] == ["there", "there"]
    ran.clear()
    run(external_config(**CHEAP_ROWS), out=tmp_path, n_jobs=1, use_cache=False)
    assert "External cohort" not in (tmp_path / "leaderboard.html").read_text()
    run(one, out=tmp_path, n_jobs=1, use_cache=False)
    assert ran == []
    assert (tmp_path / "scores.parquet").read_bytes() == scores
    lost = sorted((tmp_path / "external" / "there" / "cells").iterdir())[0]
    lost.unlink()
    run(one, out=tmp_path, n_jobs=1, use_cache=False)
    assert len(ran) == 1


def test_a_row_is_fitted_once_for_all_cohorts(tmp_path, monkeypatch):
    """Two cohorts that lack the predictions of a row share its refit."""
    ran = counted(monkeypatch)
    config = external_config(
        external_entry(), external_entry("more", seed=2), features=["tabular"], models=["dummy"]
    )
    run(config, out=tmp_path, n_jobs=1, use_cache=False)
    assert [key.rsplit(" ", 1)[-1] for key in ran if " " in key] == ["there+more"]


def test_refits_share_one_network(tmp_path, monkeypatch):
    """Rows on fine-tuned embeddings read networks that were trained on all cases once."""
    trained: list[int] = []
    fit = FusionNetworkClassifier.fit

    def counted_fit(self, X, y, groups=None):
        trained.append(len(X))
        return fit(self, X, y, groups=groups)

    monkeypatch.setattr(FusionNetworkClassifier, "fit", counted_fit)
    features = ["embedding_finetuned", "embedding_finetuned+tabular"]
    bare = external_entry("bare", seed=2, prefix="y", tables=False)
    ready = prepare(
        external_config(external_entry(), bare, features=features, models=["knn", "dummy"])
    )
    finished = run(ready, out=tmp_path, n_jobs=1, use_cache=False)
    # Nine in the folds, then that of the refits and one for each of their inner folds.
    assert len(trained) == 12
    assert trained.count(ready.cohort.n_cases) == 1
    assert predictions_of(finished)["features"].nunique() == 2
    assert set(predictions_of(finished, "bare")["features"]) == {"embedding_finetuned"}
    assert not (tmp_path / "work").exists()


def test_other_cases_of_the_same_name_do_not_mix_in(tmp_path):
    """A changed cohort is refused before anything runs, and told how to go on."""
    run(external_config(external_entry(), **CHEAP_ROWS), out=tmp_path, n_jobs=1, use_cache=False)
    changed = external_config(external_entry(n_patients=24), **CHEAP_ROWS)
    with pytest.raises(BenchmarkError, match=r"holds predictions of other cases .* another label"):
        run(changed, out=tmp_path, n_jobs=1, use_cache=False)
    mapped = external_config(external_entry() | {"classes": {"normal": "benign"}}, **CHEAP_ROWS)
    with pytest.raises(BenchmarkError, match=r"holds predictions of other cases"):
        run(mapped, out=tmp_path, n_jobs=1, use_cache=False)


def test_a_run_that_stopped_before_the_end_says_so(tmp_path, monkeypatch):
    """A report of a run whose external cells were not reached is refused in a sentence."""

    def interrupted(_):
        raise KeyboardInterrupt

    config = external_config(external_entry(), **CHEAP_ROWS)
    with monkeypatch.context() as patch:
        patch.setattr(_external, "run_external_cell", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(config, out=tmp_path, n_jobs=1, use_cache=False)
    with pytest.raises(BenchmarkError, match=r"has no plan\.parquet: the run has not ended"):
        render(tmp_path)
    assert len(summary_of(run(config, out=tmp_path, n_jobs=1, use_cache=False))["external"]) == 1


def test_a_refit_that_fails_is_a_row_with_its_reason(tmp_path, monkeypatch):
    """The other rows are scored, and the next start tries the failed one again."""
    fit = LogisticRegression.fit

    def failing(self, X, *args, **options):
        if len(X) == n_cases:  # no fold is as large
            raise MemoryError("no memory for the refit")
        return fit(self, X, *args, **options)

    config = external_config(
        external_entry(), features=["tabular"], models=["dummy", "logistic_regression"]
    )
    ready = prepare(config)
    n_cases = ready.cohort.n_cases
    with monkeypatch.context() as patch:
        patch.setattr(LogisticRegression, "fit", failing)
        broken = run(ready, out=tmp_path, n_jobs=1, use_cache=False)
    (board,) = summary_of(broken)["external"]
    assert [row["model"] for row in board["rows"]] == ["dummy"]
    (failed,) = board["unscored"]
    assert failed["status"] == "failed"
    assert "no memory for the refit" in failed["reason"]
    assert "no memory for the refit" in (tmp_path / "leaderboard.html").read_text()
    (board,) = summary_of(run(config, out=tmp_path, n_jobs=1, use_cache=False))["external"]
    assert len(board["rows"]) == 2


def test_rows_that_failed_internally_are_not_refitted(tmp_path, monkeypatch):
    """There is nothing that they could be compared with."""
    spec = type(MODELS.get("logistic_regression"))

    def broken(*_, **__):
        raise ValueError("never")

    monkeypatch.setattr(spec, "build", broken)
    ran = counted(monkeypatch)
    config = external_config(
        external_entry(), features=["tabular"], models=["dummy", "logistic_regression"]
    )
    done = run(config, out=tmp_path, n_jobs=1, use_cache=False)
    assert [key for key in ran if " " in key and "logistic" in key] == []
    (board,) = summary_of(done)["external"]
    (skipped,) = board["unscored"]
    assert (skipped["model"], skipped["status"]) == ("logistic_regression", "skipped")
    assert "did not end well in every internal fold" in skipped["reason"]


DATA = os.environ.get("SONOBENCH_DATA")


@pytest.mark.skipif(DATA is None, reason="SONOBENCH_DATA does not name the folder of real data")
def test_radiomics_carry_over_from_busi_to_breast(tmp_path):
    """Trained on one published data set and tested on the other, radiomics keep an AUC near 0.75.

    Those of an automatic region with all families: first-order statistics, co-occurrence and
    runs alone come to 0.54 to 0.61, whatever the penalty.
    """
    config = load_config(
        None,
        {
            "cohort": {"name": "busi", "data": f"{DATA}/busi"},
            "external": [{"name": "breast", "data": f"{DATA}/breast"}],
            "features": ["radiomics"],
            "models": ["logistic_regression"],
            "inner": {"n_trials": 2},
            "evaluation": {"n_resamples": 200},
            "final_models": "none",
        },
    )
    (board,) = summary_of(run(config, out=tmp_path, n_jobs=1))["external"]
    assert [one["n_cases"] for one in board["classes"]] == [0, 154, 98]
    one = board["rows"][0]["metrics"]["roc_auc"]
    assert 0.65 < one["external"]["value"] < 0.82
    assert one["change"]["ci_high"] < 0
