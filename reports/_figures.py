"""The figures of the leaderboard page: forest plot and ROC curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import blended_transform_factory

from reports._formatting import estimate, interval, shorten
from reports._svg import drawing_style, inline_svg

__all__ = [
    "BLUE",
    "FAINT",
    "GREY",
    "INK",
    "LineStyle",
    "draw_stamp",
    "forest_plot",
    "group_of",
    "line_style",
    "roc_panel",
]

# Okabe & Ito (2008), safe for colour-blind readers; yellow is too faint on white.
BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
)
GREY, FAINT, INK = "#595959", "#d9dde3", "#1b2330"

# Points; the second number of each style keeps lines apart in black and white.
DASHES: tuple[tuple[float, ...], ...] = ((), (6, 2), (1.5, 1.5), (8, 2, 1.5, 2), (3, 3))


class LineStyle(NamedTuple):
    """Colour and dash pattern (in points, empty for solid) of a curve."""

    colour: str
    dashes: tuple[float, ...]


class Mark(NamedTuple):
    """How a group of rows is drawn in the forest plot."""

    colour: str
    marker: str
    fill: str
    dashes: tuple[float, ...]


MARKS = {
    "classical": Mark(BLUE, "o", BLUE, ()),
    "network": Mark(VERMILLION, "s", VERMILLION, ()),
    "baseline": Mark(GREY, "D", "white", (3, 2)),
}

# Columns of the forest plot as shares of its width.
RANK_X, MODEL_X, FEATURES_X, AXIS_LEFT, AXIS_RIGHT, SCORE_X = 0.025, 0.035, 0.25, 0.44, 0.84, 0.855
FOREST_WIDTH, ROW_HEIGHT, FOREST_MARGIN, FOREST_TOP = 9.4, 0.27, 0.62, 0.12
LONGEST_NAME = 25


def group_of(family: str) -> str:
    """Return which of the three groups a model family belongs to."""
    return {"deep": "network", "baseline": "baseline"}.get(family, "classical")


def line_style(index: int) -> LineStyle:
    """Return the style of the curve at `index`; the first 35 differ from each other."""
    colours = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK)
    return LineStyle(colours[index % len(colours)], DASHES[index % len(DASHES)])


def forest_plot(
    rows: Sequence[Mapping[str, Any]],
    metric: Mapping[str, Any],
    *,
    flagged: Sequence[int],
    stamp: str,
    alt: str,
) -> Markup:
    """Draw one interval per row, best on top, baselines dashed.

    Parameters
    ----------
    rows : sequence of mapping
        Rows of the board, in the order to be drawn.
    metric : mapping
        The metric that is drawn.
    flagged : sequence of int
        Ranks of the rows that carry a warning.
    stamp : str
        Written into the figure where the data are not real; a figure travels without
        its page.
    alt : str
        Text alternative.

    Returns
    -------
    Markup
        An ``svg`` element.
    """
    with drawing_style():
        height = FOREST_TOP + FOREST_MARGIN + ROW_HEIGHT * len(rows)
        figure = Figure(figsize=(FOREST_WIDTH, height))
        axes = figure.add_axes(
            (
                AXIS_LEFT,
                FOREST_MARGIN / height,
                AXIS_RIGHT - AXIS_LEFT,
                1 - (FOREST_MARGIN + FOREST_TOP) / height,
            )
        )
        _forest_axes(axes, rows, metric)
        across = blended_transform_factory(figure.transFigure, axes.transData)
        for y, row in enumerate(rows):
            score = row["metrics"][metric["name"]]
            _forest_mark(axes, y, score, MARKS[group_of(row["family"])])
            for x, text, colour, side in _forest_texts(row, score, flag=row["rank"] in flagged):
                axes.text(
                    x,
                    y,
                    text,
                    transform=across,
                    color=colour,
                    horizontalalignment=side,
                    verticalalignment="center_baseline",
                    parse_math=False,
                )
        draw_stamp(figure, stamp)
        return inline_svg(figure, name="forest", alt=alt)


def _forest_axes(axes: Axes, rows: Sequence[Mapping[str, Any]], metric: Mapping[str, Any]) -> None:
    direction = "higher is better" if metric["greater_is_better"] else "lower is better"
    axes.set_xlabel(f"{shorten(metric['title'], 70)} ({direction})", parse_math=False, color=INK)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(*_limits(rows, metric))
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.set_yticks([])
    axes.spines[["left", "right", "top"]].set_visible(False)
    axes.spines["bottom"].set_color(GREY)
    axes.tick_params(colors=INK, length=3)
    axes.grid(axis="x", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    values = (row["metrics"][metric["name"]]["value"] for row in _baselines(rows))
    for value in [value for value in values if value is not None][:1]:
        axes.axvline(value, color=GREY, linewidth=0.9, dashes=MARKS["baseline"].dashes, zorder=1)


def _baselines(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [row for row in rows if group_of(row["family"]) == "baseline"]


def _limits(rows: Sequence[Mapping[str, Any]], metric: Mapping[str, Any]) -> tuple[float, float]:
    """Room for every interval and a little more, inside what the metric can be."""
    scores = [row["metrics"][metric["name"]] for row in rows]
    drawn = [number for score in scores for number in score.values() if number is not None]
    if not drawn:
        return metric["low"], metric["high"] or metric["low"] + 1
    low, high = min(drawn), max(drawn)
    # Identical scores still need an axis.
    margin = max(0.04 * (high - low), 0.01)
    # A marker on the limit is cut in half without a sliver beyond it.
    sliver = 0.3 * margin
    ceiling = high if metric["high"] is None else min(high, metric["high"] - margin + sliver)
    return max(low - margin, metric["low"] - sliver), ceiling + margin


def _forest_mark(axes: Axes, y: int, score: Mapping[str, Any], mark: Mark) -> None:
    if score["ci_low"] is not None and score["ci_high"] is not None:
        axes.plot(
            [score["ci_low"], score["ci_high"]],
            [y, y],
            color=mark.colour,
            linewidth=1.8,
            linestyle=(0, mark.dashes) if mark.dashes else "solid",
            clip_on=False,
        )
    if score["value"] is not None:
        axes.plot(
            [score["value"]],
            [y],
            color=mark.colour,
            marker=mark.marker,
            markersize=5.5,
            markerfacecolor=mark.fill,
            clip_on=False,
        )


def _forest_texts(
    row: Mapping[str, Any], score: Mapping[str, Any], *, flag: bool
) -> list[tuple[float, str, str, Literal["left", "right"]]]:
    """Place, text, colour and alignment of a row's cells, from left to right."""
    limits = interval(score).replace("interval not estimable", "no interval")
    value = estimate(score)
    return [
        (RANK_X, str(row["rank"]), GREY, "right"),
        (MODEL_X, shorten(row["model"], LONGEST_NAME - 2) + (" †" if flag else ""), INK, "left"),
        (FEATURES_X, shorten(row["features"], LONGEST_NAME), GREY, "left"),
        (SCORE_X, value if score["value"] is None else f"{value} ({limits})", INK, "left"),
    ]


def draw_stamp(figure: Figure, text: str) -> None:
    """Write into a corner of a figure that its data are not real; nothing where they are."""
    if text:
        figure.text(
            0.008, 0.02, text, color=VERMILLION, fontweight="bold", fontsize=8.5, parse_math=False
        )


def roc_panel(
    curves: Sequence[tuple[Sequence[float], Sequence[float]]],
    *,
    title: str,
    name: str,
    stamp: str,
    alt: str,
) -> Markup:
    """Draw the ROC curves of one class versus rest.

    Parameters
    ----------
    curves : sequence of (sequence of float, sequence of float)
        False- and true-positive rates of each row, in the order of `line_style`.
    title : str
        What is told apart.
    name : str
        Prefix of the figure's ids.
    stamp : str
        Written into the figure where the data are not real.
    alt : str
        Text alternative.

    Returns
    -------
    Markup
        An ``svg`` element.
    """
    with drawing_style():
        figure = Figure(figsize=(3.9, 4.1))
        axes = figure.add_axes((0.135, 0.155, 0.83, 0.79))
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, dashes=(1, 2))
        # The leading row is drawn last, so that it lies on top.
        for index, (fpr, tpr) in reversed(list(enumerate(curves))):
            style = line_style(index)
            pattern = (0, style.dashes) if style.dashes else "solid"
            axes.plot(fpr, tpr, color=style.colour, linewidth=1.7, linestyle=pattern)
        _roc_axes(axes, title)
        draw_stamp(figure, stamp)
        return inline_svg(figure, name=name, alt=alt)


def _roc_axes(axes: Axes, title: str) -> None:
    axes.set_title(shorten(title, 44), parse_math=False, fontsize=10, fontweight="bold", color=INK)
    axes.set_xlabel("False-positive rate (1 − specificity)", color=INK)
    axes.set_ylabel("Sensitivity", color=INK)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axes.grid(color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["right", "top"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(colors=INK, length=3)
