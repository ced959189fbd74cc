"""External scores are pure functions of stored predictions, and compare like with like."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from benchmark.evaluation import ExternalRecord, build_board, external_scores, score_external
from benchmark.evaluation._external_summary import external_csv, summarise_external
from benchmark.evaluation.intervals import patient_weights, share_interval
from benchmark.evaluation.operating_points import operating_point_of

CLASSES = ["normal", "benign", "malignant"]
KEY = ("tabular", "a")
EVALUATION = {"n_resamples": 400, "confidence": 0.95, "target_sensitivity": 0.9}


def predicted(n: int, truth: np.ndarray, skill: float, seed: int, **about) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    logit = rng.normal(size=(n, 3))
    logit[np.arange(n), truth] += skill
    proba = np.exp(logit) / np.exp(logit).sum(axis=1, keepdims=True)
    cases = [f"{seed}c{i:03d}" for i in range(n)]
    table = pd.DataFrame({"case": cases, "patient": cases, "site": "", "repeat": 0, "fold": 0})
    return table.assign(
        features=KEY[0],
        model=KEY[1],
        label=np.asarray(CLASSES)[truth],
        **{f"p_{name}": proba[:, k] for k, name in enumerate(CLASSES)},
    ).assign(**about)


@pytest.fixture(scope="module")
def internal() -> pd.DataFrame:
    return predicted(300, np.arange(300) % 3, 2.0, 0).assign(fold=np.arange(300) // 3 % 3)


@pytest.fixture(scope="module")
def board(internal):
    return build_board(
        internal,
        internal[["repeat", "fold", "case"]],
        classes=CLASSES,
        positive_class="malignant",
        n_resamples=EVALUATION["n_resamples"],
        random_state=0,
    )


def record(predictions: pd.DataFrame, key: str = "there") -> ExternalRecord:
    labels = predictions.drop_duplicates("case")["label"]
    description = {
        "key": key,
        "title": "There",
        "simulation": "real",
        "n_cases": predictions["case"].nunique(),
        "positive_class": "malignant",
        "classes": [{"name": name, "n_cases": int((labels == name).sum())} for name in CLASSES],
        "notes": [],
    }
    cells = predictions.groupby(["features", "model"], as_index=False).size()
    plan = cells[["features", "model"]].assign(
        status="ok", reason="", notes="[]", tune_time_s=1.0, fit_time_s=0.5
    )
    return ExternalRecord(description, plan, predictions)


def score(predictions: pd.DataFrame, board, **changes):
    evaluation = {**EVALUATION, **changes}
    return score_external(record(predictions), board, evaluation=evaluation, seed=0)


@pytest.fixture(scope="module")
def lesions() -> pd.DataFrame:
    """120 cases without a normal one, half malignant, on which the model is worse."""
    return predicted(120, 1 + np.arange(120) % 2, 1.0, 1)


def test_the_internal_score_is_of_the_same_classes(internal, lesions, board):
    """Without normal cases there, those of development do not count: fold by fold, by sklearn."""
    one = score(lesions, board).rows[KEY].scores["roc_auc"]
    same = internal[internal["label"] != "normal"]
    folds = [
        roc_auc_score(part["label"] == "malignant", part["p_malignant"])
        for _, part in same.groupby("fold")
    ]
    assert one.internal.value == pytest.approx(np.mean(folds))
    expected = roc_auc_score(lesions["label"] == "malignant", lesions["p_malignant"])
    assert one.external.value == pytest.approx(expected)
    assert one.change.value == pytest.approx(expected - np.mean(folds))
    every = [
        roc_auc_score(part["label"] == "malignant", part["p_malignant"])
        for _, part in internal.groupby("fold")
    ]
    assert one.internal.value != pytest.approx(np.mean(every))


def test_the_change_has_the_width_of_two_independent_samples(lesions, board):
    """Variances add: the interval of a change is wider than that of either score."""
    one = score(lesions, board, n_resamples=400).rows[KEY].scores["roc_auc"]

    def width(score):
        return score.ci_high - score.ci_low

    assert one.change.ci_low < one.change.value < one.change.ci_high
    assert width(one.change) == pytest.approx(
        np.hypot(width(one.external), width(one.internal)), rel=0.15
    )


def test_metrics_that_need_every_class_are_left_out(lesions, board):
    """With a reason; the risk of the positive class is not renormalised for the others."""
    scores = score(lesions, board).rows[KEY].scores
    for name in ("roc_auc_macro", "f1_macro", "balanced_accuracy"):
        assert scores[name].reason == "not defined: no normal case"
        assert np.isnan(scores[name].external.value)
    assert scores["brier"].reason == ""
    observed = np.eye(3)[[CLASSES.index(label) for label in lesions["label"]]]
    proba = lesions[[f"p_{name}" for name in CLASSES]].to_numpy()
    assert scores["brier"].external.value == pytest.approx(
        ((proba - observed) ** 2).sum(axis=1).mean()
    )


@pytest.mark.parametrize(
    ("label", "metric", "reason"),
    [
        (1, "roc_auc", "not defined: no malignant case"),
        (1, "sensitivity", "not defined: no malignant case"),
        (2, "roc_auc", "not defined: every case is malignant"),
        (2, "specificity", "not defined: every case is malignant"),
    ],
)
def test_one_class_alone_leaves_what_it_can_tell(board, label, metric, reason):
    """Cancers alone have a sensitivity at the frozen threshold and no AUC, and the reverse."""
    row = score(predicted(40, np.full(40, label), 1.0, 2), board).rows[KEY]
    assert row.scores[metric].reason == reason
    assert np.isnan(row.frozen.specificity.value if label == 2 else row.frozen.sensitivity.value)
    assert np.isfinite(row.frozen.sensitivity.value if label == 2 else row.frozen.specificity.value)


def test_the_threshold_comes_from_development_alone(lesions, board):
    """It is that of the out-of-fold predictions; counts are those of the cases there."""
    frozen = score(lesions, board).rows[KEY].frozen
    point = operating_point_of(board.rows[KEY], target_sensitivity=0.9)
    assert frozen.threshold == point.threshold
    flagged = lesions["p_malignant"] >= point.threshold
    malignant = lesions["label"] == "malignant"
    assert frozen.found == (int((flagged & malignant).sum()), 60)
    assert frozen.left_alone == (int((~flagged & ~malignant).sum()), 60)
    assert frozen.sensitivity.ci_low < frozen.found[0] / 60 < frozen.sensitivity.ci_high


def test_too_few_positives_support_no_threshold(lesions, board):
    """A target that a hundred positives cannot support is no threshold, and says so."""
    frozen = score(lesions, board, target_sensitivity=0.999).rows[KEY].frozen
    assert frozen.threshold is None
    assert frozen.found is None
    assert frozen.reason == "too few malignant cases in development (100) to support a threshold"


def test_risks_that_are_halved_double_observed_to_expected(lesions, board):
    """Observed over expected is the number of positives over the sum of the risks."""
    before = score(lesions, board).rows[KEY].observed_expected
    risk = lesions["p_malignant"]
    assert before.value == pytest.approx(60 / risk.sum())
    halved = lesions.assign(p_malignant=risk / 2, p_benign=lesions["p_benign"] + risk / 2)
    after = score(halved, board).rows[KEY].observed_expected
    assert after.value == pytest.approx(2 * before.value)
    # The observed frequency is uncertain too: 60 of 120 alone has a relative half-width of 0.18.
    assert (before.ci_high - before.ci_low) / (2 * before.value) > 0.1


def test_wilson_where_patients_have_one_case():
    """57 of 60 is 86–98 %, as published tables of the score interval have it."""
    hits = np.arange(60) < 57
    low, high = share_interval(hits, np.arange(60), np.ones((1, 60)), confidence=0.95)
    assert (low, high) == (pytest.approx(0.8630, abs=1e-4), pytest.approx(0.9829, abs=1e-4))


def test_cases_of_a_patient_are_no_independent_trials():
    """Each patient's case five times over: as sure as the patients are many, not the cases."""
    rng = np.random.default_rng(0)
    of_patient = rng.random(40) < 0.7
    hits, patients = np.repeat(of_patient, 5), np.repeat(np.arange(40), 5).astype(object)
    weights = patient_weights(
        patients, np.zeros(200, dtype=np.intp), n_resamples=2000, random_state=0
    )
    low, high = share_interval(hits, patients, weights, confidence=0.95)
    single = share_interval(of_patient, np.arange(40), np.ones((1, 40)), confidence=0.95)
    naive = share_interval(hits, np.arange(200), np.ones((1, 200)), confidence=0.95)
    assert high - low == pytest.approx(single[1] - single[0], rel=0.15)
    assert high - low > 1.5 * (naive[1] - naive[0])


def test_all_found_is_as_sure_as_there_are_patients():
    """200 of 200 cases of 40 patients: Wilson's interval of 40 of 40, not one of no width."""
    hits, patients = np.ones(200, dtype=bool), np.repeat(np.arange(40), 5).astype(object)
    interval = share_interval(hits, patients, np.ones((10, 200)), confidence=0.95)
    forty = share_interval(
        np.ones(40, dtype=bool), np.arange(40), np.ones((1, 40)), confidence=0.95
    )
    assert interval == forty
    assert interval[0] < 0.95


def test_order_of_stored_rows_does_not_matter(lesions, board):
    """Shuffled predictions give the same scores and the same intervals."""
    shuffled = lesions.sample(frac=1, random_state=3)
    one, other = (external_scores(score(table, board)) for table in (lesions, shuffled))
    pd.testing.assert_frame_equal(one, other)


def test_two_cohorts_are_drawn_apart(lesions, board):
    """The name of a cohort is in the seed of its draws."""
    tables = [
        external_scores(score_external(record(lesions, key), board, evaluation=EVALUATION, seed=0))
        for key in ("one", "two")
    ]
    assert (tables[0]["value"].dropna() == tables[1]["value"].dropna()).all()
    assert not np.allclose(tables[0]["ci_low"].dropna(), tables[1]["ci_low"].dropna())


@pytest.mark.parametrize(
    "damage",
    [
        lambda table: table.iloc[1:],
        lambda table: pd.concat([table, table.iloc[:1]]),
        lambda table: table.assign(p_malignant=table["p_malignant"].where(table.index != 5)),
    ],
    ids=["a case is missing", "a case twice", "a probability is missing"],
)
def test_a_row_that_lacks_a_prediction_is_not_scored(lesions, board, damage):
    """It stands among the unscored, with the reason; the others are scored."""
    other = damage(lesions.assign(model="b"))
    scored = score_external(
        record(pd.concat([lesions, other])), board, evaluation=EVALUATION, seed=0
    )
    assert list(scored.rows) == [KEY]
    assert "missing or stand twice" in scored.unscored["tabular", "b"]


def summary_of(predictions, board, primary="roc_auc", simulation="real"):
    return summarise_external(
        score(predictions, board),
        ranks={KEY: 3},
        families={"a": "linear"},
        primary=primary,
        simulation=simulation,
        confidence=0.95,
    )


def test_the_summary_is_plain_and_keeps_the_internal_rank(lesions, board):
    """It survives JSON unchanged, and the CSV has one row per row of the board."""
    summary = summary_of(lesions, board)
    assert json.loads(json.dumps(summary)) == summary
    (row,) = summary["rows"]
    assert (row["rank"], row["internal_rank"]) == (1, 3)
    assert "no normal case here" in summary["comparison"]
    table = external_csv(summary)
    assert table.loc[0, "n_positives"] == 60
    assert table.loc[0, "roc_auc_change"] == row["metrics"]["roc_auc"]["change"]["value"]
    assert table.loc[0, "data"] == "real"


def test_a_primary_metric_that_means_nothing_there_does_not_order(lesions, board):
    """The AUC of the positive class does instead."""
    assert summary_of(lesions, board, primary="f1_macro")["ordered_by"] == "roc_auc"
    assert summary_of(lesions, board, primary="brier")["ordered_by"] == "brier"


def test_simulated_development_makes_simulated_external_scores(lesions, board):
    """Real patients predicted by a model of made-up ones: the table says so."""
    assert external_csv(summary_of(lesions, board, simulation="simulated"))["data"].tolist() == [
        "simulated"
    ]
