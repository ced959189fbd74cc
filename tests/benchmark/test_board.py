"""Rows are aligned case by case, and only complete ones are scored."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from benchmark.evaluation.board import build_board, score_table
from benchmark.evaluation.comparison import Difference, paired_difference
from benchmark.evaluation.curves import confusion_counts, mean_roc_curve
from benchmark.evaluation.intervals import percentile_interval
from benchmark.evaluation.metrics import METRICS, Predictions, evaluate
from benchmark.evaluation.verdict import Contestants, choose_opponent, fusion_verdicts
from benchmark.evaluation.verdict import _decimals as verdict_decimals

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
    rows = board.rows["tabular", "strong"], board.rows["tabular", "weak"]
    auc = METRICS["roc_auc"]

    def compare(first, second, metric):
        return paired_difference(first, second, metric, weights=board.weights, confidence=0.95)

    difference = compare(*rows, auc)
    drawn = [evaluate(auc, row, board.weights) for row in rows]
    unpaired = np.hypot(drawn[0].std(), drawn[1].std())
    assert (drawn[0] - drawn[1]).std() < unpaired
    assert difference.value == pytest.approx(difference.first - difference.second)
    assert difference.verdict == "better"
    assert compare(*rows[::-1], auc).verdict == "worse"
    brier = compare(*rows, METRICS["brier"])
    assert brier.value < 0
    assert brier.verdict == "better"


def test_a_row_against_itself_cannot_be_told():
    """No difference is no win."""
    board = board_of(predictions("a", 1.0))
    row = board.rows["tabular", "a"]
    auc = METRICS["roc_auc"]
    same = paired_difference(row, row, auc, weights=board.weights, confidence=0.95)
    assert (same.value, same.verdict) == (0.0, "cannot tell")


FOLDS = [(repeat, fold) for repeat in range(2) for fold in range(3)]


def contestants(inner, *, notes=None, n_trials=None, reads=None) -> Contestants:
    """Describe rows; an inner score holds for every fold, or is given fold by fold."""
    spread = {
        ("tabular", model): dict(zip(FOLDS, np.broadcast_to(score, 6).tolist(), strict=True))
        for model, score in inner.items()
    }
    families = {"late_fusion": "deep", "dummy": "baseline", "svm": "kernel", "knn": "neighbours"}
    return Contestants(families, spread, notes or {}, n_trials or {}, reads or {})


def verdicts(board, inner, **about):
    return fusion_verdicts(
        board,
        METRICS["roc_auc"],
        contestants(inner, **about),
        title="ROC AUC",
        unit="patients",
        confidence=0.95,
    )


def test_the_opponent_is_chosen_by_inner_scores():
    """The classical row with the best inner scores is compared, though another won outside."""
    board = board_of(
        predictions("late_fusion", 0.2), predictions("svm", 1.0, 1), predictions("knn", 2.0, 2)
    )
    (verdict,) = verdicts(board, {"svm": 0.9, "knn": 0.7})
    assert verdict["classical"]["model"] == "svm"
    assert verdict["answer"] == "no"
    assert verdict["difference"]["ci_high"] < 0
    assert verdict["label"] == "No"
    assert verdict["sentence"].startswith("late_fusion does worse.")
    assert "svm on tabular in 6 of 6 folds" in verdict["sentence"]


@pytest.mark.parametrize("also", [frozenset({"clinical"}), frozenset({"clinical", "reader"})])
def test_inputs_that_only_the_network_had_are_said(also):
    """A win by a modality that no classical row read is no plain yes."""
    board = board_of(predictions("late_fusion", 2.0), predictions("svm", 0.5, 1))
    reads = {
        ("tabular", "late_fusion"): frozenset({"clinical", "reader"}),
        ("tabular", "svm"): also,
    }
    (verdict,) = verdicts(board, {"svm": 0.9}, reads=reads)
    unequal = "reader" not in also
    assert verdict["label"] == ("Yes (more inputs)" if unequal else "Yes")
    said = [text for text in verdict["caveats"] if "The network also read reader" in text]
    assert len(said) == unequal


def test_an_unlucky_choice_is_put_beside_the_best_row_with_hindsight():
    """Where the inner folds chose a poor row, the better one is named with its own difference."""
    board = board_of(
        predictions("late_fusion", 2.0), predictions("svm", 0.3, 1), predictions("knn", 2.0, 2)
    )
    (verdict,) = verdicts(board, {"svm": 0.9, "knn": 0.7})
    assert verdict["label"] == "Yes"
    hindsight = verdict["caveats"][-1]
    best = board.rows["tabular", "knn"]
    assert "known with hindsight (knn on tabular, " in hindsight
    assert f"{evaluate(METRICS['roc_auc'], best)[0]:.2f})" in hindsight


def test_the_opponent_is_chosen_anew_in_every_fold():
    """Each fold's predictions come from the row that was best on that fold's inner folds."""
    board = board_of(predictions("svm", 1.0, 1), predictions("knn", 2.0, 2))
    rows = [("tabular", "svm"), ("tabular", "knn")]
    inner = contestants({"svm": [0.9, 0.1, 0.9, 0.9, 0.1, 0.9], "knn": 0.5})
    opponent = choose_opponent(board, rows, inner, METRICS["roc_auc"])
    assert opponent.chosen == {rows[0]: 4, rows[1]: 2}
    for repeat, fold in FOLDS:
        cases = board.rows[rows[0]].folds[repeat] == fold
        chosen = rows[1] if fold == 1 else rows[0]
        expected = board.rows[chosen].y_proba[repeat, cases]
        assert (opponent.predictions.y_proba[repeat, cases] == expected).all()
    loss = choose_opponent(board, rows, inner, METRICS["log_loss"])
    assert loss.chosen == {rows[1]: 4, rows[0]: 2}


def test_choosing_the_opponent_does_not_flatter_it():
    """Of thirty equally good rows, the one chosen inside each fold scores as each of them does.

    Each row's inner score of a fold is its AUC on the cases of the other folds, luck
    included. Averaged over folds before the choice, as one might do, those scores pick the
    luckiest row on the very cases that it is scored on.
    """
    auc = METRICS["roc_auc"]
    honest, flattered = [], []
    for trial in range(15):
        models = [f"m{i}" for i in range(30)]
        board = board_of(*(predictions(m, 0.5, 100 * trial + i) for i, m in enumerate(models)))
        inner = {row: inner_auc(one) for row, one in board.rows.items()}
        about = Contestants(dict.fromkeys(models, "linear"), inner, {}, {})
        scores = {row: float(evaluate(auc, one)[0]) for row, one in board.rows.items()}
        mean = np.mean(list(scores.values()))
        opponent = choose_opponent(board, list(board.rows), about, auc)
        honest.append(float(evaluate(auc, opponent.predictions)[0]) - mean)
        on_average = max(inner, key=lambda row, inner=inner: np.mean(list(inner[row].values())))
        flattered.append(scores[on_average] - mean)
    assert np.mean(flattered) > 0.04
    assert abs(np.mean(honest)) < 0.02


def inner_auc(row: Predictions) -> dict[tuple[int, int], float]:
    """For each outer fold, the AUC of a row on the cases outside it."""
    found = {}
    for repeat, fold in FOLDS:
        cases = row.folds[repeat] != fold
        risk = row.y_proba[repeat, cases, 1]
        found[repeat, fold] = roc_auc_score(row.y_true[cases] == 1, risk)
    return found


def test_baselines_and_rows_without_inner_scores_do_not_compete():
    """Class frequencies are no opponent, and neither is a row that cannot be chosen inside."""
    board = board_of(
        predictions("late_fusion", 0.2), predictions("dummy", 0.0), predictions("knn", 2.0, 2)
    )
    (verdict,) = verdicts(board, {"dummy": 0.99, "knn": 0.7})
    assert verdict["opponents"] == [{"features": "tabular", "model": "knn", "n_folds": 6}]
    (verdict,) = verdicts(board, {"dummy": 0.99})
    assert verdict["answer"] == "not asked"
    assert "No classical model with inner scores" in verdict["sentence"]


def test_what_was_unequal_is_said():
    """Random weights on either side, masks, and budgets stand in the sentence."""
    board = board_of(predictions("late_fusion", 0.2), predictions("svm", 1.0, 1))
    assert verdicts(board, {"svm": 0.9})[0]["caveats"][:-1] == []
    one_each = {("tabular", "svm"): 1, ("tabular", "late_fusion"): 0}
    assert verdicts(board, {"svm": 0.9}, n_trials=one_each)[0]["caveats"][:-1] == []
    network = {("tabular", "late_fusion"): ["random-weights"]}
    (untrained,) = verdicts(board, {"svm": 0.9}, notes=network)
    assert untrained["label"] == "No (random weights)"
    assert "nothing about a pretrained one" in " ".join(untrained["caveats"])
    classical = {("tabular", "svm"): ["random-weights", "fine-tuned-weights"]}
    said = " ".join(verdicts(board, {"svm": 0.9}, notes=classical)[0]["caveats"])
    assert "1 of 1 classical rows rest on embeddings from random weights" in said
    assert "fine-tuned on the labels of another run's patients" in said
    trials = {("tabular", "svm"): 30, ("tabular", "late_fusion"): 0}
    said = " ".join(verdicts(board, {"svm": 0.9}, n_trials=trials)[0]["caveats"])
    assert "chose among 1 row(s), each of up to 30 setting(s); the network had 1." in said


@pytest.mark.parametrize("code", ["expert-mask", "mask-presence"])
def test_an_experts_mask_does_not_compete(code):
    """A row measured inside masks is no opponent, however good; the verdict says so."""
    board = board_of(
        predictions("late_fusion", 0.2), predictions("svm", 3.0, 1), predictions("knn", 1.0, 2)
    )
    masked = {("tabular", "svm"): [code]}
    (verdict,) = verdicts(board, {"svm": 0.99, "knn": 0.7}, notes=masked)
    assert verdict["opponents"] == [{"features": "tabular", "model": "knn", "n_folds": 6}]
    assert "1 row(s) measured inside masks" in " ".join(verdict["caveats"])


def test_an_interval_that_ends_near_zero_has_three_decimals():
    """«−0.06 to +0.00» leaves open which side of zero the end is on."""
    near = Difference(-0.031, -0.062, 0.002, 0.90, 0.931, "cannot tell")
    assert verdict_decimals(near) == 3
    far = Difference(-0.031, -0.062, -0.012, 0.90, 0.931, "worse")
    assert verdict_decimals(far) == 2


def test_without_a_fusion_row_the_question_stays_open():
    """A run of classical models alone does not answer."""
    (verdict,) = verdicts(board_of(predictions("svm", 1.0)), {"svm": 0.9})
    assert verdict["answer"] == "not asked"
    assert verdict["difference"] is None


def test_intervals_of_a_rare_class_cover():
    """With ten patients of the class in five folds, 95 % intervals of the sensitivity cover."""
    rng = np.random.default_rng(0)
    covered = []
    for trial in range(150):
        cases = [f"c{i:02d}" for i in range(50)]
        malignant = np.arange(50) < 10
        folds = pd.DataFrame({"repeat": 0, "fold": np.arange(50) % 5, "case": cases})
        found = np.where(malignant, rng.random(50) < 0.7, rng.random(50) < 0.2)
        table = folds.assign(
            patient=cases,
            site="",
            features="tabular",
            model="a",
            label=np.where(malignant, "malignant", "benign"),
            p_benign=np.where(found, 0.2, 0.8),
            p_malignant=np.where(found, 0.8, 0.2),
        )
        board = build_board(
            table,
            folds,
            classes=CLASSES,
            positive_class="malignant",
            n_resamples=300,
            random_state=trial,
        )
        drawn = evaluate(METRICS["sensitivity"], board.rows["tabular", "a"], board.weights)
        low, high = percentile_interval(drawn, confidence=0.95)
        covered.append(low <= 0.7 <= high)
    assert np.mean(covered) > 0.88


def test_curves_belong_to_the_scores():
    """The averaged ROC curve has the fold-averaged AUC; the counts add up to the cases."""
    row = board_of(predictions("a", 1.0)).rows["tabular", "a"]
    fpr, tpr = mean_roc_curve(row, 1)
    assert np.trapezoid(tpr, fpr) == pytest.approx(evaluate(METRICS["roc_auc"], row)[0], abs=0.01)
    assert (np.diff(tpr) >= 0).all()
    counts = np.array(confusion_counts(row))
    assert counts.sum() == N_CASES
    assert counts[1, 1] / counts[1].sum() == evaluate(METRICS["sensitivity"], row)[0]
