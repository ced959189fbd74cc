"""Rows are aligned case by case, and only complete ones are scored."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmark.evaluation.board import build_board, score_table
from benchmark.evaluation.comparison import paired_difference
from benchmark.evaluation.curves import confusion_counts, mean_roc_curve
from benchmark.evaluation.metrics import METRICS, evaluate
from benchmark.evaluation.verdict import fusion_verdicts

CLASSES = ["benign", "malignant"]
N_CASES = 60


def splits() -> pd.DataFrame:
    cases = [f"c{i:02d}" for i in range(N_CASES)]
    return pd.DataFrame(
        {
            "repeat": np.repeat([0, 1], N_CASES),
            "fold": np.tile((np.arange(N_CASES) // 2) % 3, 2),
            "case": cases * 2,
        }
    )


def predictions(model: str, skill: float, seed: int = 0) -> pd.DataFrame:
    table = splits()
    rng = np.random.default_rng(seed)
    malignant = table["case"].str[1:].astype(int) % 2 == 1
    logit = skill * (2 * malignant - 1) + rng.normal(size=len(table))
    risk = 1 / (1 + np.exp(-logit))
    return table.assign(
        patient=table["case"],
        site="",
        features="tabular",
        model=model,
        label=np.where(malignant, "malignant", "benign"),
        p_benign=1 - risk,
        p_malignant=risk,
    )


def board_of(*parts: pd.DataFrame):
    return build_board(
        pd.concat(parts, ignore_index=True),
        splits(),
        classes=CLASSES,
        positive_class="malignant",
        n_resamples=400,
        random_state=0,
    )


def test_order_of_stored_rows_does_not_matter():
    """Shuffled predictions give the same board: alignment is by case, not by position."""
    ordered, shuffled = predictions("a", 1.0), predictions("a", 1.0).sample(frac=1, random_state=3)
    one, other = board_of(ordered), board_of(shuffled)
    assert (one.cases == other.cases).all()
    key = ("tabular", "a")
    assert (one.rows[key].y_proba == other.rows[key].y_proba).all()
    assert (one.weights == other.weights).all()


@pytest.mark.parametrize(
    "damage",
    [
        lambda table: table.iloc[1:],
        lambda table: pd.concat([table, table.iloc[:1]]),
        lambda table: table.assign(fold=(table["fold"] + 1) % 3),
        lambda table: table.assign(p_malignant=table["p_malignant"].where(table.index != 5)),
    ],
    ids=["a case is missing", "a case twice", "another fold", "a probability is missing"],
)
def test_incomplete_rows_are_refused(damage):
    """A row on other cases or folds than planned is not scored beside the others."""
    board = board_of(predictions("a", 1.0), damage(predictions("b", 1.0)))
    assert list(board.rows) == [("tabular", "a")]
    assert list(board.incomplete) == [("tabular", "b")]


def test_score_table_has_an_interval_for_every_pooled_value():
    """Pooled values lie in their intervals; folds have values and no interval."""
    scores = score_table(board_of(predictions("a", 1.0)), confidence=0.95)
    pooled = scores[scores["fold"] == "pooled"]
    assert set(pooled["metric"]) == set(METRICS)
    assert (pooled["ci_low"] < pooled["value"]).all()
    assert (pooled["value"] < pooled["ci_high"]).all()
    folds = scores[scores["fold"] != "pooled"]
    assert set(folds["fold"]) == {f"r{r}f{f}" for r in range(2) for f in range(3)}
    assert folds["ci_low"].isna().all()


def test_paired_difference_sees_what_the_rows_share():
    """Rows that differ little but always the same way are told apart when paired."""
    strong = predictions("strong", 1.2)
    weak = strong.assign(
        model="weak",
        p_malignant=strong["p_malignant"] * 0.3 + 0.7 * predictions("x", 0, 9)["p_malignant"],
    )
    weak["p_benign"] = 1 - weak["p_malignant"]
    board = board_of(strong, weak)
    rows = ("tabular", "strong"), ("tabular", "weak")
    auc = METRICS["roc_auc"]
    difference = paired_difference(board, *rows, auc, confidence=0.95)
    drawn = [evaluate(auc, board.rows[row], board.weights) for row in rows]
    unpaired = np.hypot(drawn[0].std(), drawn[1].std())
    assert (drawn[0] - drawn[1]).std() < unpaired
    assert difference.value == pytest.approx(difference.first - difference.second)
    assert difference.verdict == "better"
    assert paired_difference(board, *rows[::-1], auc, confidence=0.95).verdict == "worse"
    brier = paired_difference(board, *rows, METRICS["brier"], confidence=0.95)
    assert brier.value < 0
    assert brier.verdict == "better"


def test_a_row_against_itself_cannot_be_told():
    """No difference is no win."""
    board = board_of(predictions("a", 1.0))
    key = ("tabular", "a")
    same = paired_difference(board, key, key, METRICS["roc_auc"], confidence=0.95)
    assert (same.value, same.verdict) == (0.0, "cannot tell")


def verdicts(board, inner_scores, notes=None):
    return fusion_verdicts(
        board,
        METRICS["roc_auc"],
        families={"late_fusion": "deep", "svm": "kernel", "knn": "neighbours"},
        inner_scores=inner_scores,
        row_notes=notes or {},
        title="ROC AUC",
        unit="patients",
        confidence=0.95,
    )


def test_the_opponent_is_chosen_by_inner_scores():
    """The classical row with the best inner score is compared, though another won outside."""
    board = board_of(
        predictions("late_fusion", 0.2), predictions("svm", 1.0, 1), predictions("knn", 2.0, 2)
    )
    inner = {("tabular", "svm"): 0.9, ("tabular", "knn"): 0.7}
    (verdict,) = verdicts(board, inner)
    assert verdict["classical"]["model"] == "svm"
    assert verdict["answer"] == "no"
    assert verdict["difference"]["ci_high"] < 0
    assert verdict["sentence"].startswith("No: late_fusion does worse.")


def test_random_weights_are_said_in_the_verdict():
    """A network from random weights must not be read as a verdict on pretrained ones."""
    board = board_of(predictions("late_fusion", 0.2), predictions("svm", 1.0, 1))
    inner = {("tabular", "svm"): 0.9}
    notes = {("tabular", "late_fusion"): ["random-weights"]}
    assert "random weights" in verdicts(board, inner, notes)[0]["sentence"]
    assert "random weights" not in verdicts(board, inner)[0]["sentence"]


def test_without_a_fusion_row_the_question_stays_open():
    """A run of classical models alone does not answer."""
    (verdict,) = verdicts(board_of(predictions("svm", 1.0)), {("tabular", "svm"): 0.9})
    assert verdict["answer"] == "not asked"
    assert verdict["difference"] is None


def test_curves_belong_to_the_scores():
    """The averaged ROC curve has the fold-averaged AUC; the counts add up to the cases."""
    row = board_of(predictions("a", 1.0)).rows["tabular", "a"]
    fpr, tpr = mean_roc_curve(row, 1)
    assert np.trapezoid(tpr, fpr) == pytest.approx(evaluate(METRICS["roc_auc"], row)[0], abs=0.01)
    assert (np.diff(tpr) >= 0).all()
    counts = np.array(confusion_counts(row))
    assert counts.sum() == N_CASES
    assert counts[1, 1] / counts[1].sum() == evaluate(METRICS["sensitivity"], row)[0]
