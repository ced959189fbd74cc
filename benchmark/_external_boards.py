"""The boards of external cohorts: scored from what is stored, and written beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.evaluation import (
    Board,
    ExternalBoard,
    ExternalRecord,
    external_csv,
    external_scores,
    score_external,
)
from benchmark.experiment import ExternalStore, RunStore, write_parquet
from cohorts import write_atomically

__all__ = ["read_boards", "write_boards"]


def read_boards(store: RunStore, board: Board) -> tuple[ExternalBoard, ...]:
    """Score the external cohorts of a run from their stored predictions.

    Parameters
    ----------
    store : RunStore
        Of the run; its description lists the cohorts.
    board : Board
        Of the development cohort.

    Raises
    ------
    BenchmarkError
        If the run has not come that far.
    """
    description = store.read_description()
    evaluation = description["config"]["evaluation"]
    boards = []
    for folder in _folders(store):
        record = ExternalRecord(
            folder.read_description(), folder.read_table("plan"), folder.read_table("predictions")
        )
        boards.append(
            score_external(record, board, evaluation=evaluation, seed=description["seed"])
        )
    return tuple(boards)


def write_boards(
    store: RunStore, boards: Sequence[ExternalBoard], summaries: Sequence[Mapping[str, Any]]
) -> None:
    """Write ``scores.parquet`` and ``board.csv`` of each external cohort."""
    for place, board, summary in zip(_folders(store), boards, summaries, strict=True):
        write_parquet(place.folder / "scores.parquet", external_scores(board))
        csv = external_csv(summary).to_csv(index=False).encode("utf-8")
        write_atomically(place.folder / "board.csv", csv)


def _folders(store: RunStore) -> list[ExternalStore]:
    """Return the folders of the cohorts that the run lists, in its order."""
    listed = store.read_description().get("external", ())
    return [ExternalStore(store.folder, one["key"]) for one in listed]
