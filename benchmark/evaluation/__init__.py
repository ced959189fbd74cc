"""Pure functions of stored predictions: metrics, intervals, comparisons, the summary."""

from benchmark.evaluation.board import Board, build_board, score_table
from benchmark.evaluation.comparison import Difference, paired_difference
from benchmark.evaluation.metrics import METRICS, Metric, Predictions, evaluate
from benchmark.evaluation.summary import NO_EXAMPLES, RunRecord, summarise

__all__ = [
    "METRICS",
    "NO_EXAMPLES",
    "Board",
    "Difference",
    "Metric",
    "Predictions",
    "RunRecord",
    "build_board",
    "evaluate",
    "paired_difference",
    "score_table",
    "summarise",
]
