"""Fine-tuned embeddings in a run: honest in every fold, and each network trained once."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from benchmark import load_config, run
from benchmark._run import finetuning_estimate_s, plan_table, prepare, total_estimate_s
from benchmark.cli import main
from benchmark.experiment import Cell, RunStore, _engine, _finetuning, n_networks, run_cell
from benchmark.experiment._plan import FINETUNING_IS_OFF, make_plan
from cohorts import BenchmarkError
from features import FeatureCache, build_blocks
from models import load_model
from models.networks import FinetunedColumns, FusionNetworkClassifier

from support import prepared, task_factory, tiny_config

FEATURES = ["embedding_finetuned", "embedding_finetuned+tabular"]
MODELS = ["logistic_regression", "knn"]

# Of three outer folds, each with two inner ones.
N_NETWORKS = 9

FAST = {
    "model_settings": {
        "networks": {
            "backbone": "resnet10t",
            "weights": "random",
            "image_size": 32,
            "warmup_epochs": 2,
            "finetune_epochs": 1,
        }
    }
}


class Watch:
    """Notes down which cases every network is trained on, and which it embeds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.trained: list[list[str]] = []
        self.embedded: list[tuple[list[str], list[str]]] = []
        fit, transform = FusionNetworkClassifier.fit, FinetunedColumns.transform
        fit_columns = FinetunedColumns.fit
        rows: dict[str, list[str]] = {}

        def spy_fit(network, X, y, groups=None):
            self.trained.append(list(X.index))
            return fit(network, X, y, groups=groups)

        def spy_fit_columns(columns, X, y, groups=None):
            fitted = fit_columns(columns, X, y, groups=groups)
            rows[fitted.key_] = list(X.index)
            return fitted

        def spy_transform(columns, X):
            self.embedded.append((rows[columns.key_], list(X.index)))
            return transform(columns, X)

        monkeypatch.setattr(FusionNetworkClassifier, "fit", spy_fit)
        monkeypatch.setattr(FinetunedColumns, "fit", spy_fit_columns)
        monkeypatch.setattr(FinetunedColumns, "transform", spy_transform)


@pytest.fixture(scope="module")
def ready(small_cohort):
    return prepared(small_cohort, FEATURES, MODELS, **FAST)


@pytest.fixture(scope="module")
def finished(ready, tmp_path_factory):
    """A run of four rows, and what its networks saw."""
    with pytest.MonkeyPatch.context() as patch:
        watch = Watch(patch)
        done = run(ready, out=tmp_path_factory.mktemp("runs") / "tiny", n_jobs=1, use_cache=False)
    return done, watch


def test_no_network_sees_a_case_that_it_embeds_as_held_out(small_cohort, ready, finished):
    """Outer and inner: what is not embedded for training is of patients it was not trained on."""
    _, watch = finished
    patients = dict(zip(small_cohort.cases, small_cohort.patients, strict=True))
    held_out: dict[frozenset[str], set[str]] = {}
    for trained, embedded in watch.embedded:
        if set(embedded) == set(trained):
            continue
        assert not {patients[case] for case in trained} & {patients[case] for case in embedded}
        held_out.setdefault(frozenset(trained), set()).update(embedded)
    cases = np.asarray(small_cohort.cases)
    for split in ready.splits:
        outer = frozenset(cases[split.train])
        assert held_out[outer] == set(cases[split.test])
        inner = [rows for trained, rows in held_out.items() if trained < outer and rows <= outer]
        assert len(inner) == 2
        assert set.union(*inner) == outer
        assert not inner[0] & inner[1]


def test_each_network_is_trained_once_however_many_rows_read_it(finished):
    """Nine networks for four rows of three folds, and three for the model that is kept."""
    done, watch = finished
    folds = [rows for rows in watch.trained if len(rows) < 60]
    whole = [rows for rows in watch.trained if len(rows) == 90]
    assert len({frozenset(rows) for rows in watch.trained}) == len(watch.trained)
    assert len(watch.trained) == N_NETWORKS + 3
    assert len(whole) == 1
    assert len(folds) >= 6
    assert (done.leaderboard["status"] == "ok").all()


def test_notes_and_origin_of_the_network_reach_the_row(finished):
    """Rows on a network with random weights are marked like any other, fold by fold."""
    done, _ = finished
    plan = pd.read_parquet(done.folder / "plan.parquet")
    for notes in plan["notes"]:
        assert "random-weights" in [note["code"] for note in json.loads(notes)]
    cells = [json.loads(path.read_text()) for path in (done.folder / "cells").iterdir()]
    assert [cell["weights"] for cell in cells] == ["random"] * 12


def test_a_run_without_a_memory_gives_the_same_numbers(ready, finished):
    """A cell on its own trains its networks itself, and predicts the same to the bit."""
    done, _ = finished
    cell = Cell("embedding_finetuned+tabular", "knn", 0, 1)
    stored = RunStore(done.folder).read(cell)
    alone = run_cell(task_factory(ready)(cell))
    assert alone.status == "ok", alone.reason
    assert alone.proba == stored.proba
    assert alone.inner_proba == stored.inner_proba
    assert alone.params == stored.params


def test_the_kept_model_reads_images_of_new_cases(small_cohort, finished):
    """The final model holds its network, says what it needs, and leaves no work behind."""
    done, _ = finished
    (key,) = done.description["models"]
    about = done.description["models"][key]
    assert about["status"] == "ok"
    assert {"model.json", "model.skops", "network.json", "network.safetensors"} <= set(
        about["files"]
    )
    described = json.loads((done.folder / "models" / key / "model.json").read_text())
    kinds = {block["name"]: block["kind"] for block in described["blocks"]}
    assert kinds["embedding_finetuned"] == "finetuned"
    assert described["blocks"][0]["imaging"]["crop"] is True
    made = build_blocks(
        small_cohort.take(range(4)), kinds, options={}, cache=FeatureCache(None), random_state=0
    )
    X = pd.concat([block.frame for block in made.values()], axis=1)
    proba = load_model(done.folder / "models" / key).predict_proba(X)
    assert np.allclose(proba.sum(axis=1), 1)
    assert not (done.folder / "work").exists()


def test_a_stopped_run_goes_on_from_the_finished_networks(small_cohort, finished, tmp_path):
    """Stopped among the networks, then among the cells: none is trained twice."""
    done, _ = finished
    ready = prepared(small_cohort, FEATURES, MODELS, final_models="none", **FAST)
    with pytest.MonkeyPatch.context() as patch:
        first = Watch(patch)
        train, trained = _finetuning.train_network, []

        def interrupted(task):
            if len(trained) == 5:
                raise KeyboardInterrupt
            trained.append(task)
            return train(task)

        patch.setattr(_finetuning, "train_network", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(ready, out=tmp_path, n_jobs=1, use_cache=False)
    assert len(first.trained) == 5
    with pytest.MonkeyPatch.context() as patch:
        second = Watch(patch)
        patch.setattr(_engine, "run_cell", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(ready, out=tmp_path, n_jobs=1, use_cache=False)
    assert len(second.trained) == N_NETWORKS - 5
    networks = RunStore(tmp_path).networks
    # Of networks whose features are all that is still needed, only those are kept.
    assert not list(networks.rglob("*.safetensors"))
    with pytest.MonkeyPatch.context() as patch:
        third = Watch(patch)
        again = run(ready, out=tmp_path, n_jobs=1, use_cache=False)
    assert not third.trained
    pd.testing.assert_frame_equal(again.predictions, done.predictions, check_exact=True)
    assert not networks.exists()


def _interrupt(_):
    raise KeyboardInterrupt


def test_the_same_numbers_whatever_the_number_of_jobs(small_cohort, finished, tmp_path):
    """Networks are trained side by side in worker processes, with the same result."""
    done, _ = finished
    ready = prepared(small_cohort, FEATURES[:1], ["knn"], final_models="none", **FAST)
    parallel = run(ready, out=tmp_path, n_jobs=2, use_cache=False)
    rows = done.predictions.query("features == 'embedding_finetuned' and model == 'knn'")
    pd.testing.assert_frame_equal(
        parallel.predictions, rows.reset_index(drop=True), check_exact=True
    )


def test_a_network_that_fails_takes_down_its_fold_alone(small_cohort, tmp_path, monkeypatch):
    """Its rows fail with the reason; rows on other features are scored."""
    ready = prepared(small_cohort, ["clinical", FEATURES[0]], ["knn"], **FAST)
    calls = []

    def failing(*arguments, **_):
        calls.append(arguments)
        raise MemoryError("full")

    monkeypatch.setattr(FusionNetworkClassifier, "fit", failing)
    done = run(ready, out=tmp_path, n_jobs=1, use_cache=False)
    status = done.leaderboard.set_index("features")["status"]
    assert status.to_dict() == {"clinical": "ok", "embedding_finetuned": "failed"}
    plan = pd.read_parquet(tmp_path / "plan.parquet").set_index("features")
    reasons = plan.loc["embedding_finetuned", "reason"]
    assert reasons.str.match(r"A network that embeds .* MemoryError: full").all()
    # Once for each network: not again for each row that would have read it.
    assert len(calls) == N_NETWORKS


def test_quick_leaves_them_out_unless_named(small_cohort):
    """Skipped with the reason and what to do; named or switched on, they are run."""
    plan = make_plan(small_cohort, tiny_config(models=["knn"]))
    assert not {name for name, _ in plan.rows} & set(FEATURES)
    reasons = {row.features: row.reason for row in plan.skipped}
    assert reasons["embedding_finetuned"] == FINETUNING_IS_OFF
    assert reasons["embedding_finetuned+tabular"] == FINETUNING_IS_OFF
    assert "set finetuned_embeddings: true" in FINETUNING_IS_OFF
    switched_on = make_plan(small_cohort, tiny_config(models=["knn"], finetuned_embeddings=True))
    named = make_plan(small_cohort, tiny_config(models=["knn"], features=FEATURES))
    for plan in (switched_on, named):
        assert set(FEATURES) <= {name for name, _ in plan.rows}
        assert not [row for row in plan.skipped if row.features in FEATURES]
    assert not load_config(None, {"preset": "quick"}).finetuned_embeddings
    for preset in ("standard", "full"):
        assert load_config(None, {"preset": preset}).finetuned_embeddings


def test_stacking_is_skipped_with_its_reason(small_cohort):
    """On the set that it would otherwise accept, and on no other."""
    config = tiny_config(models=["stacking"], features=["tabular", *FEATURES])
    plan = make_plan(small_cohort, config)
    assert plan.rows == (("tabular", "stacking"),)
    (row,) = plan.skipped
    assert (row.features, row.model) == ("embedding_finetuned+tabular", "stacking")
    assert "folds of its own" in row.reason


def test_the_plan_counts_each_network_once(small_cohort):
    """Costs of networks do not grow with the rows that read them, and count before the cells."""
    few, many = (prepared(small_cohort, FEATURES[:n], MODELS[:n], **FAST) for n in (1, 2))
    for one in (few, many):
        assert n_networks(one.plan, one.config) == N_NETWORKS
    assert finetuning_estimate_s(few) == finetuning_estimate_s(many) > 0
    assert plan_table(many)["core_s"].sum() == pytest.approx(sum(many.costs.values()))
    cells_s = total_estimate_s(many.plan, many.costs, 2)
    with_networks_s = total_estimate_s(many.plan, many.costs, 2, networks_s=10.0)
    assert with_networks_s == pytest.approx(cells_s + 5)
    without = prepared(small_cohort, ["clinical"], ["knn"])
    assert n_networks(without.plan, without.config) == finetuning_estimate_s(without) == 0


def test_the_dry_run_says_how_many_networks(capsys):
    """The plan has them in a line of their own, and in the total."""
    arguments = ["run", "--dry-run", "--features", "embedding_finetuned", "--models", "knn"]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert "fine-tuned embeddings: 9 networks, each trained once for all rows" in shown


def test_what_the_network_needs_is_checked_before_any_work():
    """A backbone that does not exist is refused although no network is among the models."""
    config = tiny_config(
        features=["embedding_finetuned"],
        models=["knn"],
        model_settings={"networks": {"backbone": "efficientnet_b33"}},
    )
    with pytest.raises(BenchmarkError, match="Unknown backbone 'efficientnet_b33'"):
        prepare(config)
