"""Pure functions of stored predictions: metrics, intervals, comparisons, the summary."""

from benchmark.evaluation._external_summary import external_csv, external_scores
from benchmark.evaluation.board import Board, build_board, score_table
from benchmark.evaluation.comparison import Difference, paired_difference
from benchmark.evaluation.external import ExternalBoard, ExternalRecord, score_external
from benchmark.evaluation.metrics import METRICS, Metric, Predictions, evaluate
from benchmark.evaluation.record import NO_EXAMPLES, RunRecord
from benchmark.evaluation.summary import summarise

__all__ = [
    "METRICS",
    "NO_EXAMPLES",
    "Board",
    "Difference",
    "ExternalBoard",
    "ExternalRecord",
    "Metric",
    "Predictions",
    "RunRecord",
    "build_board",
    "evaluate",
    "external_csv",
    "external_scores",
    "paired_difference",
    "score_external",
    "score_table",
    "summarise",
]
