"""Frozen, fine-tuned, network: each step against the one before, from stored predictions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmark.evaluation import METRICS, Predictions, build_board, evaluate, paired_difference
from benchmark.evaluation.board import Board
from benchmark.evaluation.gains import gain_ladders
from benchmark.evaluation.verdict import Contestants

AUC = METRICS["roc_auc"]
N_CASES, N_FOLDS = 120, 3
FAMILIES = {
    "svm": "kernel",
    "knn": "neighbours",
    "dummy": "baseline",
    "image_network": "deep",
    "late_fusion": "deep",
}

# Skill of each row, and its inner score.
ROWS = {
    ("embedding", "svm"): (0.4, 0.7),
    ("embedding", "knn"): (2.0, 0.6),
    ("embedding_finetuned", "svm"): (1.6, 0.8),
    ("embedding_finetuned", "dummy"): (0.0, 0.99),
    ("image", "image_network"): (1.7, None),
}


def make_board(rows) -> Board:
    rng = np.random.default_rng(0)
    cases = [f"c{i:03}" for i in range(N_CASES)]
    malignant = np.arange(N_CASES) % 2
    splits = pd.DataFrame({"repeat": 0, "fold": np.arange(N_CASES) // 2 % N_FOLDS, "case": cases})
    parts = []
    for (features, model), (skill, _) in rows.items():
        risk = 1 / (1 + np.exp(-(skill * (2 * malignant - 1) + rng.normal(size=N_CASES))))
        parts.append(
            splits.assign(
                patient=cases,
                site="",
                features=features,
                model=model,
                label=np.where(malignant, "malignant", "benign"),
                p_benign=1 - risk,
                p_malignant=risk,
            )
        )
    return build_board(
        pd.concat(parts),
        splits,
        classes=["benign", "malignant"],
        positive_class="malignant",
        n_resamples=200,
        random_state=0,
    )


def make_contestants(rows, *, notes=None) -> Contestants:
    inner = {
        row: {(0, fold): score for fold in range(N_FOLDS)}
        for row, (_, score) in rows.items()
        if score is not None
    }
    return Contestants(FAMILIES, inner, notes or {}, {})


def ladders(rows, **about):
    board, contestants = make_board(rows), make_contestants(rows, **about)
    return board, gain_ladders(board, AUC, contestants, confidence=0.95)


def test_each_step_is_compared_with_the_one_before():
    """Scores and differences are those of the rows, the classical ones chosen by inner scores."""
    board, (ladder,) = ladders(ROWS)
    assert ladder["title"] == "Without tables"
    frozen, tuned, network = ladder["steps"]
    # The best on the outer folds would be knn, which no inner fold prefers.
    assert frozen["rows"] == [{"features": "embedding", "model": "svm", "n_folds": 3}]
    assert tuned["rows"][0]["model"] == "svm"
    assert network["rows"] == [{"features": "image", "model": "image_network", "n_folds": None}]
    rows: list[Predictions] = [
        board.rows[one["rows"][0]["features"], one["rows"][0]["model"]] for one in ladder["steps"]
    ]
    for step, predictions in zip(ladder["steps"], rows, strict=True):
        assert step["score"]["value"] == pytest.approx(evaluate(AUC, predictions)[0])
        assert step["score"]["ci_low"] < step["score"]["value"] < step["score"]["ci_high"]
    assert frozen["difference"] is None
    assert frozen["verdict"] is None
    for step, before, after in ((tuned, rows[0], rows[1]), (network, rows[1], rows[2])):
        expected = paired_difference(after, before, AUC, weights=board.weights, confidence=0.95)
        assert step["difference"]["value"] == pytest.approx(expected.value)
        assert step["difference"]["ci_low"] == pytest.approx(expected.ci_low)
        assert step["verdict"] == expected.verdict
    assert tuned["verdict"] == "better"


@pytest.mark.parametrize(
    "missing",
    [
        [("embedding", "svm"), ("embedding", "knn")],
        [("embedding_finetuned", "svm")],
        [("image", "image_network")],
    ],
    ids=["frozen", "fine-tuned", "network"],
)
def test_a_ladder_without_all_of_its_steps_is_left_out(missing):
    """A baseline is no step either."""
    _, found = ladders({row: about for row, about in ROWS.items() if row not in missing})
    assert found == []


def test_with_tables_stands_late_fusion():
    """Both ladders stand where both are complete, each with rows of its own input."""
    with_tables = {
        ("embedding+tabular", "knn"): (1.0, 0.7),
        ("embedding_finetuned+tabular", "knn"): (1.2, 0.8),
        ("image+tabular", "late_fusion"): (1.1, None),
    }
    _, found = ladders(ROWS | with_tables)
    assert [ladder["title"] for ladder in found] == ["Without tables", "With tables"]
    features = [step["rows"][0]["features"] for step in found[1]["steps"]]
    assert features == ["embedding+tabular", "embedding_finetuned+tabular", "image+tabular"]


def test_a_loss_is_better_when_it_falls():
    """With a metric that is to be small, the lowest is chosen, and less of it is better."""
    rows = ROWS | {("embedding", "knn"): (0.3, 0.6)}
    (ladder,) = gain_ladders(
        make_board(rows), METRICS["brier"], make_contestants(rows), confidence=0.95
    )
    frozen, tuned, _ = ladder["steps"]
    assert frozen["rows"][0]["model"] == "knn"
    assert tuned["difference"]["value"] < 0
    assert tuned["verdict"] == "better"
