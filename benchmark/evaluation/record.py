"""What a finished run stored, read back: all that its summary is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from benchmark.evaluation.board import Board
from benchmark.evaluation.external import ExternalBoard

__all__ = ["NO_EXAMPLES", "RunRecord"]

# Of a run whose page shows no image.
NO_EXAMPLES: Mapping[str, Any] = {"steps": [], "outlined": False, "images": []}


@dataclass(frozen=True)
class RunRecord:
    """What a finished run stored, read back.

    Attributes
    ----------
    name : str
        Name of the run folder.
    description : mapping
        ``run.json``.
    plan : DataFrame
        ``plan.parquet``.
    scores : DataFrame
        ``scores.parquet``.
    board : Board
        Aligned predictions.
    inner : DataFrame
        ``inner_predictions.parquet``: what choices between rows may be made on.
    examples : mapping
        ``examples.json``: an image of each class before and after the imaging pipeline.
    variants : DataFrame or None
        ``variants.parquet``: what networks predicted with less; None in earlier folders.
    external : tuple of ExternalBoard
        Scored external cohorts, in the order of the config.
    """

    name: str
    description: Mapping[str, Any]
    plan: pd.DataFrame
    scores: pd.DataFrame
    board: Board
    inner: pd.DataFrame
    examples: Mapping[str, Any] = field(default_factory=lambda: NO_EXAMPLES)
    variants: pd.DataFrame | None = None
    external: tuple[ExternalBoard, ...] = ()

    @property
    def families(self) -> dict[str, str]:
        """Model -> family."""
        return dict(zip(self.plan["model"], self.plan["family"], strict=True))

    @property
    def evaluation(self) -> Mapping[str, Any]:
        """The evaluation section of the config."""
        section: Mapping[str, Any] = self.description["config"]["evaluation"]
        return section
