"""Learning curves: loss above, validation AUC below, a column for each stage."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reports._figures import BLUE, FAINT, GREY, INK, LineStyle, draw_stamp
from reports._svg import drawing_style, inline_svg

__all__ = ["TRAINING", "VALIDATION", "learning_figure"]

TRAINING, VALIDATION = LineStyle(GREY, (2.0, 1.5)), LineStyle(BLUE, ())

WIDTH, HEIGHT, HEIGHT_OF_LOSS_ALONE = 5.2, 4.4, 2.7


def learning_figure(
    folds: Sequence[Mapping[str, Any]], *, name: str, stamp: str, alt: str
) -> Markup:
    """Draw the curves of one row, one thin line per fold, the kept epoch marked.

    Parameters
    ----------
    folds : sequence of mapping
        ``stages`` of each fold, as ``learning`` of the summary holds them.
    name : str
        Prefix of the figure's ids.
    stamp : str
        Written into the figure where the data are not real.
    alt : str
        Text alternative.

    Returns
    -------
    Markup
        An ``svg`` element. Without validation AUC, as in earlier runs and where nobody was
        held out, losses alone.
    """
    stages = [stage for fold in folds for stage in fold["stages"]]
    names = list(dict.fromkeys(stage["name"] for stage in stages))
    ranked = any(stage["valid_roc_auc"] is not None for stage in stages)
    with drawing_style():
        figure, grid = _panels(len(names), ranked=ranked)
        for column, stage_name in zip(grid.T, names, strict=True):
            members = [stage for stage in stages if stage["name"] == stage_name]
            _draw(column[0], members, {"train_loss": TRAINING, "valid_loss": VALIDATION})
            column[0].set_title(
                stage_name, parse_math=False, fontsize=9.5, fontweight="bold", color=INK
            )
            if ranked:
                _draw(column[1], members, {"valid_roc_auc": VALIDATION})
            column[-1].set_xlabel("Epoch", color=INK)
        draw_stamp(figure, stamp)
        return inline_svg(figure, name=name, alt=alt)


def _panels(n_stages: int, *, ranked: bool) -> tuple[Figure, Any]:
    figure = Figure(figsize=(WIDTH, HEIGHT if ranked else HEIGHT_OF_LOSS_ALONE))
    grid = figure.subplots(1 + ranked, n_stages, sharex="col", sharey="row", squeeze=False)
    bottom = 0.14 if ranked else 0.22
    figure.subplots_adjust(
        left=0.11, right=0.985, top=0.93, bottom=bottom, hspace=0.12, wspace=0.08
    )
    for axes, label in zip(grid[:, 0], ("Loss", "Validation AUC"), strict=False):
        axes.set_ylabel(label, color=INK)
    return figure, grid


def _draw(axes: Axes, stages: Sequence[Mapping[str, Any]], styles: Mapping[str, LineStyle]) -> None:
    for stage in stages:
        for curve, style in styles.items():
            values = [math.nan if value is None else value for value in stage[curve] or ()]
            pattern = (0, style.dashes) if style.dashes else "solid"
            epochs = range(1, len(values) + 1)
            axes.plot(epochs, values, color=style.colour, linewidth=0.8, linestyle=pattern)
            if values and curve != "train_loss":
                kept = stage["kept"]
                axes.plot([kept + 1], [values[kept]], "o", color=style.colour, markersize=3.2)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.grid(color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["right", "top"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(colors=INK, length=3)
