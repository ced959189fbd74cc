"""Networks with less are scored on the same cases, folds and resamples as the rows themselves."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest

from benchmark.evaluation.board import Board, build_board
from benchmark.evaluation.learning import learning_curves
from benchmark.evaluation.metrics import METRICS, evaluate
from benchmark.evaluation.variants import compare_variants

CLASSES = ["benign", "malignant"]
N_CASES = 60


def predicted(skill: float, seed: int, **columns: str) -> pd.DataFrame:
    """Two repeats of three folds; the larger the skill, the better the risks."""
    rng = np.random.default_rng(seed)
    number = np.tile(np.arange(N_CASES), 2)
    malignant = number % 2 == 1
    risk = 1 / (1 + np.exp(-(skill * (2 * malignant - 1) + rng.normal(size=2 * N_CASES))))
    return pd.DataFrame(
        {
            "repeat": np.repeat([0, 1], N_CASES),
            "fold": (number // 2) % 3,
            "case": [f"c{i:02d}" for i in number],
            "patient": [f"c{i:02d}" for i in number],
            "features": "image+tabular",
            "model": "late_fusion",
            "label": np.where(malignant, "malignant", "benign"),
            "p_benign": 1 - risk,
            "p_malignant": risk,
        }
    ).assign(**columns)


@pytest.fixture(scope="module")
def board() -> Board:
    rows = predicted(1.0, 0)
    return build_board(
        rows,
        rows[["repeat", "fold", "case"]],
        classes=CLASSES,
        positive_class="malignant",
        n_resamples=300,
        random_state=0,
    )


def compared(variants: pd.DataFrame, board: Board) -> dict:
    return compare_variants(variants, board, METRICS["roc_auc"], classes=CLASSES, confidence=0.95)


def test_a_variant_is_scored_as_a_row_of_its_own(board):
    """Its score and interval are those that the same predictions have on a board."""
    variant = predicted(0.3, 1, variant="image only")
    (found,) = compared(variant.sample(frac=1, random_state=0), board).values()
    alone = build_board(
        variant,
        variant[["repeat", "fold", "case"]],
        classes=CLASSES,
        positive_class="malignant",
        n_resamples=300,
        random_state=0,
    )
    (row,) = alone.rows.values()
    value = float(evaluate(METRICS["roc_auc"], row)[0])
    assert found[0]["variant"] == "image only"
    assert found[0]["score"]["value"] == pytest.approx(value)
    low, high = np.quantile(evaluate(METRICS["roc_auc"], row, board.weights), [0.025, 0.975])
    assert [found[0]["score"][end] for end in ("ci_low", "ci_high")] == pytest.approx([low, high])
    (full,) = board.rows.values()
    full_value = float(evaluate(METRICS["roc_auc"], full)[0])
    assert found[0]["difference"]["value"] == pytest.approx(value - full_value)
    assert found[0]["verdict"] == "worse"


def test_the_same_predictions_differ_by_nothing(board):
    """Differences are paired: no resample tells a network from itself."""
    (found,) = compared(predicted(1.0, 0, variant="after the warm-up"), board).values()
    assert found[0]["difference"] == {"value": 0.0, "ci_low": 0.0, "ci_high": 0.0}
    assert found[0]["verdict"] == "cannot tell"


def test_what_is_incomplete_is_left_out(board):
    """A missing prediction, another fold, or a row that was not scored."""
    whole = predicted(0.3, 1, variant="image only")
    broken = whole.iloc[1:]
    moved = whole.assign(fold=(whole["fold"] + 1) % 3)
    foreign = whole.assign(model="compact_fusion")
    for variants in (broken, moved, foreign, whole.iloc[:0]):
        assert compared(variants, board) == {}


def cells(*histories: str | None) -> pd.DataFrame:
    return pd.DataFrame({"repeat": 0, "fold": range(len(histories)), "history": histories})


def epoch(stage: str, valid_loss: float | None, **scores: float) -> dict:
    return {"stage": stage, "train_loss": 0.512345, "valid_loss": valid_loss, **scores}


def test_curves_are_kept_fold_by_fold_and_stage_by_stage():
    """The kept epoch has the lowest validation loss, or is the last where nobody was held out."""
    history = [
        epoch("warm-up", 0.9, valid_roc_auc=0.7, valid_balanced_accuracy=0.6),
        epoch("warm-up", 0.5, valid_roc_auc=0.8, valid_balanced_accuracy=0.7),
        epoch("end to end", 0.61, valid_roc_auc=0.75, valid_balanced_accuracy=0.7),
        epoch("end to end", 0.7, valid_roc_auc=0.7, valid_balanced_accuracy=0.7),
    ]
    alone = [epoch("training", None), epoch("training", None)]
    first, second = learning_curves(cells(json.dumps(history), "[]", None, json.dumps(alone)))
    assert (first["fold"], second["fold"]) == (0, 3)
    warm_up, end_to_end = first["stages"]
    assert (warm_up["name"], warm_up["kept"]) == ("warm-up", 1)
    assert (end_to_end["name"], end_to_end["kept"]) == ("end to end", 0)
    assert warm_up["valid_roc_auc"] == [0.7, 0.8]
    assert warm_up["train_loss"] == [0.5123, 0.5123]
    (training,) = second["stages"]
    assert training["kept"] == 1
    assert training["valid_loss"] is training["valid_roc_auc"] is None


def test_earlier_folders_have_losses_only():
    """A curve that was not recorded is None, and a loss that ran away is a gap."""
    history = [epoch("training", math.nan), epoch("training", 0.4)]
    (only,) = learning_curves(cells(json.dumps(history)))
    (stage,) = only["stages"]
    assert stage["valid_loss"] == [None, 0.4]
    assert stage["kept"] == 1
    assert stage["valid_roc_auc"] is None
    json.dumps(only, allow_nan=False)
