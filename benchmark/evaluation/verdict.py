"""The sentence that answers the question the toolkit exists for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmark.evaluation.board import Board, RowKey
from benchmark.evaluation.comparison import Difference, paired_difference
from benchmark.evaluation.metrics import Metric, Predictions, evaluate

__all__ = [
    "MASK_NOTES",
    "QUESTION",
    "Contestants",
    "FoldKey",
    "Opponent",
    "choose_opponent",
    "fusion_verdicts",
]

QUESTION = "Does fusion beat the best classical model here?"

# Rows that fuse image and tables end to end, the published set-up first.
FUSION_MODELS = ("late_fusion", "compact_fusion")

NOT_COMPETING = ("baseline", "deep")

# Notes on rows that were measured inside an expert's masks.
MASK_NOTES = frozenset({"expert-mask", "mask-presence"})

LABELS = {"better": "Yes", "worse": "No", "cannot tell": "Cannot tell"}

# Chosen rows that the sentence names; a board of many folds can have a dozen.
N_NAMED = 3

NO_FUSION = "This run scored no fusion network, so the question stays open."
NO_OPPONENT = (
    "No classical model with inner scores in every fold was scored, so the question stays open."
)

FoldKey = tuple[int, int]


@dataclass(frozen=True)
class Contestants:
    """What the sentence needs to know about the rows besides their predictions.

    Attributes
    ----------
    families : mapping of str to str
        Model -> family.
    inner_scores : mapping of row to mapping of (repeat, fold) to float
        The metric on the inner folds of each outer fold.
    notes : mapping of row to sequence of str
        Codes of the notes on each row.
    n_trials : mapping of row to int
        Parameter settings tried per fold.
    reads : mapping of row to set of str
        Modalities that each row is made of.
    """

    families: Mapping[str, str]
    inner_scores: Mapping[RowKey, Mapping[FoldKey, float]]
    notes: Mapping[RowKey, Sequence[str]]
    n_trials: Mapping[RowKey, int]
    reads: Mapping[RowKey, frozenset[str]] = field(default_factory=dict)

    def only_in(self, fusion: RowKey, classical: Sequence[RowKey]) -> list[str]:
        """Return the modalities that the network read and no classical row did."""
        known = frozenset[str]().union(*(self.reads.get(row, frozenset()) for row in classical))
        return sorted(self.reads.get(fusion, frozenset()) - known)

    def classical(self, board: Board) -> list[RowKey]:
        """Return the scored classical rows that the inner folds can choose between."""
        return [
            row
            for row in board.rows
            if self.families[row[1]] not in NOT_COMPETING
            and row in self.inner_scores
            # An expert's outline is an advantage that no network and no new patient has.
            and not MASK_NOTES & set(self.notes.get(row, ()))
        ]


@dataclass(frozen=True)
class Opponent:
    """The best classical model, chosen anew in every outer fold.

    Attributes
    ----------
    predictions : Predictions
        In each fold those of the row that was chosen there.
    chosen : mapping of row to int
        In how many folds each row was chosen, most often first.
    """

    predictions: Predictions
    chosen: Mapping[RowKey, int]


def choose_opponent(
    board: Board, rows: Sequence[RowKey], contestants: Contestants, metric: Metric
) -> Opponent | None:
    """Choose a row inside each outer fold by its inner score there, and join the predictions.

    "The best of forty rows", chosen on scores of the very cases that it is then scored on,
    is too good, whether those scores are outer ones or inner ones averaged over folds:
    together the training parts hold every case. Inside a fold, the choice sees the training
    part alone; it is one more step of tuning.

    Parameters
    ----------
    board : Board
        With all of `rows`.
    rows : sequence of (features, model)
        To choose between.
    contestants : Contestants
        Their inner scores.
    metric : Metric
        What is compared.

    Returns
    -------
    Opponent or None
        None where a fold has no row with an inner score.
    """
    if not rows:
        return None
    template = board.rows[rows[0]]
    proba = np.empty_like(template.y_proba)
    chosen: Counter[RowKey] = Counter()
    best_of = max if metric.greater_is_better else min
    for repeat, folds in enumerate(template.folds):
        for fold in np.unique(folds).tolist():
            scores = {
                row: found[repeat, fold]
                for row in rows
                if (repeat, fold) in (found := contestants.inner_scores[row])
            }
            if not scores:
                return None
            best = best_of(scores, key=lambda row, scores=scores: scores[row])  # type: ignore[misc]  # the default binds the loop's value
            cases = folds == fold
            proba[repeat, cases] = board.rows[best].y_proba[repeat, cases]
            chosen[best] += 1
    joined = Predictions(template.y_true, proba, template.folds, template.positive_index)
    return Opponent(joined, dict(chosen.most_common()))


def fusion_verdicts(
    board: Board,
    metric: Metric,
    contestants: Contestants,
    *,
    title: str,
    unit: str,
    confidence: float,
) -> list[dict[str, Any]]:
    """Compare each fusion network with the classical model that the inner folds choose.

    Parameters
    ----------
    board : Board
        Scored rows.
    metric : Metric
        The primary one.
    contestants : Contestants
        About the rows.
    title : str
        The metric with the positive class filled in.
    unit : str
        What the bootstrap draws, in the plural: ``patients`` where they are known.
    confidence : float
        Coverage of the interval.

    Returns
    -------
    list of dict
        One for each fusion row, or one that says why there is none.
    """
    fusions = [row for model in FUSION_MODELS for row in board.rows if row[1] == model]
    classical = contestants.classical(board)
    opponent = choose_opponent(board, classical, contestants, metric)
    if opponent is None:
        return [_unanswered(NO_OPPONENT)]
    if not fusions:
        return [_unanswered(NO_FUSION)]
    found = []
    for row in fusions:
        difference = paired_difference(
            board.rows[row],
            opponent.predictions,
            metric,
            weights=board.weights,
            confidence=confidence,
        )
        drawn = f"{len(set(board.patients))} {unit}"
        sentence = _comparison(row, opponent, difference, title, drawn, confidence)
        caveats = _caveats(row, opponent, classical, contestants)
        caveats.append(_with_hindsight(board, row, classical, metric, confidence))
        label = LABELS[difference.verdict] + _qualified(row, classical, contestants)
        about = {"label": label, "sentence": sentence, "caveats": caveats}
        found.append(_verdict(row, opponent, difference) | about)
    return found


def _unanswered(sentence: str) -> dict[str, Any]:
    return {
        "question": QUESTION,
        "answer": "not asked",
        "label": "Open",
        "sentence": sentence,
        "caveats": [],
        "difference": None,
        "fusion": None,
        "classical": None,
        "opponents": [],
    }


def _verdict(fusion: RowKey, opponent: Opponent, difference: Difference) -> dict[str, Any]:
    opponents = [
        {"features": features, "model": model, "n_folds": n_folds}
        for (features, model), n_folds in opponent.chosen.items()
    ]
    return {
        "question": QUESTION,
        "answer": LABELS[difference.verdict].lower(),
        "difference": {
            "value": difference.value,
            "ci_low": difference.ci_low,
            "ci_high": difference.ci_high,
        },
        "fusion": {"features": fusion[0], "model": fusion[1]},
        # The row that was chosen most often stands for the opponent in the figures.
        "classical": {key: opponents[0][key] for key in ("features", "model")},
        "opponents": opponents,
    }


def _comparison(
    fusion: RowKey,
    opponent: Opponent,
    difference: Difference,
    title: str,
    drawn: str,
    confidence: float,
) -> str:
    opening = {
        "better": f"{fusion[1]} beats it.",
        "worse": f"{fusion[1]} does worse.",
        "cannot tell": f"It cannot be told for {fusion[1]} on these {drawn}.",
    }[difference.verdict]
    value, low, high = _written(difference)
    return (
        f"{opening} {title}: {difference.first:.2f} for {fusion[1]} ({fusion[0]}) against "
        f"{difference.second:.2f} for the best classical model, chosen anew inside each fold by "
        f"its inner folds ({_name_chosen(opponent)}); a difference of {value} ({confidence:.0%} "
        f"interval {low} to {high}), paired on the same {drawn}."
    )


def _name_chosen(opponent: Opponent) -> str:
    total = sum(opponent.chosen.values())
    named = [
        f"{model} on {features} in {n_folds} of {total} folds"
        for (features, model), n_folds in list(opponent.chosen.items())[:N_NAMED]
    ]
    n_others = len(opponent.chosen) - len(named)
    return ", ".join(named) + (f", and {n_others} other row(s)" if n_others else "")


def _qualified(fusion: RowKey, classical: Sequence[RowKey], contestants: Contestants) -> str:
    """Return what must stand beside a yes or no, in brackets."""
    reasons = ["more inputs"] if contestants.only_in(fusion, classical) else []
    if "random-weights" in contestants.notes.get(fusion, ()):
        reasons.append("random weights")
    return f" ({', '.join(reasons)})" if reasons else ""


def _caveats(
    fusion: RowKey, opponent: Opponent, classical: Sequence[RowKey], contestants: Contestants
) -> list[str]:
    """Say in what the two sides were not equal."""
    notes = contestants.notes
    caveats = []
    if more := contestants.only_in(fusion, classical):
        caveats.append(
            f"The network also read {', '.join(more)}, which no classical row of this run did: the "
            "difference may be theirs. Run classical models on the same inputs, such as all or "
            "radiomics+tabular, to tell."
        )
    if "random-weights" in notes.get(fusion, ()):
        caveats.append(
            "The network started from random weights, so this says nothing about a pretrained one."
        )
    n_random = sum("random-weights" in notes.get(row, ()) for row in classical)
    if n_random:
        caveats.append(
            f"{n_random} of {len(classical)} classical rows rest on embeddings from random "
            "weights, so the classical side had no pretrained ones."
        )
    n_masked = sum(bool(MASK_NOTES & set(codes)) for codes in notes.values())
    if n_masked:
        caveats.append(
            f"{n_masked} row(s) measured inside masks that came with the data were left out of "
            "this comparison: a network sees no mask, and a new patient has none."
        )
    if any("fine-tuned-weights" in notes.get(row, ()) for row in (fusion, *opponent.chosen)):
        caveats.append(
            "A side rests on a backbone that was fine-tuned on the labels of another run's "
            "patients; if any of them are here, it is too good."
        )
    most = max(contestants.n_trials.get(row, 1) for row in opponent.chosen)
    # A network that is not tuned is one setting, as is a row with one trial.
    own = max(1, contestants.n_trials.get(fusion, 1))
    if most != own or len(classical) > 1:
        caveats.append(
            f"Per fold the classical side chose among {len(classical)} row(s), each of up to "
            f"{most} setting(s); the network had {own}."
        )
    return caveats


def _with_hindsight(
    board: Board, fusion: RowKey, classical: Sequence[RowKey], metric: Metric, confidence: float
) -> str:
    """Compare with the classical row that did best on these very cases.

    A choice by inner folds can be an unlucky one, which flatters the network; a choice with
    hindsight is a lucky one, which flatters the row. The reader is owed both.
    """
    best_of = max if metric.greater_is_better else min
    best = best_of(classical, key=lambda row: float(evaluate(metric, board.rows[row])[0]))
    difference = paired_difference(
        board.rows[fusion],
        board.rows[best],
        metric,
        weights=board.weights,
        confidence=confidence,
    )
    value, low, high = _written(difference)
    return (
        f"Against the classical row that did best here, known with hindsight ({best[1]} on "
        f"{best[0]}, {difference.second:.2f}), the difference is {value} ({low} to {high}): "
        "hindsight flatters that row, as an unlucky choice by inner folds flatters the network."
    )


def _written(difference: Difference) -> tuple[str, str, str]:
    """Return the difference and both ends of its interval, with signs and equal decimals."""
    decimals = _decimals(difference)
    numbers = (difference.value, difference.ci_low, difference.ci_high)
    value, low, high = (_signed(number, decimals) for number in numbers)
    return value, low, high


def _decimals(difference: Difference) -> int:
    """Two, or three where an end of the interval would round to zero."""
    ends = (difference.ci_low, difference.ci_high)
    return 3 if any(round(abs(end), 2) == 0 for end in ends) else 2


def _signed(value: float, decimals: int) -> str:
    """Format with a sign, and a real minus."""
    return f"{value:+.{decimals}f}".replace("-", "−")
