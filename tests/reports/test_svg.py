"""Figures stand in a page without style, script, link or trace of the user's settings."""

from __future__ import annotations

from itertools import pairwise

import matplotlib as mpl
import pytest

from reports._figures import forest_plot, line_style, roc_panel

METRIC = {
    "name": "auc",
    "title": "AUC",
    "greater_is_better": True,
    "low": 0.0,
    "high": 1.0,
}


def row(rank, value, low, high, model="svm", family="kernel"):
    """Build a row with one metric."""
    return {
        "rank": rank,
        "model": model,
        "features": "all",
        "family": family,
        "metrics": {"auc": {"value": value, "ci_low": low, "ci_high": high}},
    }


def forest(*rows, flagged=()):
    """Draw a forest plot."""
    return forest_plot(rows, METRIC, flagged=flagged, stamp="", alt="a & b")


def test_figures_ignore_the_users_settings():
    """A user's matplotlibrc changes no byte, and drawing changes no setting of theirs."""
    plain = forest(row(1, 0.8, 0.7, 0.9))
    with mpl.rc_context({"font.size": 20, "svg.fonttype": "path", "axes.grid": True}):
        before = dict(mpl.rcParams)
        assert forest(row(1, 0.8, 0.7, 0.9)) == plain
        assert dict(mpl.rcParams) == before


def test_figures_hold_no_style_and_no_foreign_address():
    """Presentation attributes replace styles, so that a page can forbid all but its own."""
    svg = forest(row(1, 0.8, 0.7, 0.9))
    assert 'stroke="#0072B2"'.lower() in svg.lower()
    for forbidden in ("style", "http", "<metadata", "xlink", "font-family"):
        assert forbidden not in svg


def test_ids_carry_the_figures_name():
    """Two figures on one page share no id, and references follow."""
    svg = roc_panel([([0, 1], [0, 1])], title="t", name="one", stamp="", alt="")
    assert 'id="one-' in svg
    assert 'id="' not in svg.replace('id="one-', "")
    assert "url(#" not in svg.replace("url(#one-", "")
    assert 'href="#' not in svg.replace('href="#one-', "")


def test_a_figure_tells_what_it_shows():
    """The text alternative is an escaped label of an image."""
    assert 'role="img" aria-label="a &amp; b"' in forest(row(1, 0.8, 0.7, 0.9))


def test_baselines_are_dashed_and_warned_rows_marked():
    """Baselines differ by more than colour; a dagger marks rows with a warning."""
    plain = forest(row(1, 0.8, 0.7, 0.9), row(2, 0.7, 0.6, 0.8))
    assert "stroke-dasharray" not in plain
    assert "†" not in plain
    marked = forest(row(1, 0.8, 0.7, 0.9), row(2, 0.5, 0.4, 0.6, family="baseline"), flagged=[1])
    assert "stroke-dasharray" in marked
    assert marked.count("svm †") == 1


@pytest.mark.parametrize(
    "scores",
    [(None, None, None), (0.5, None, None), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)],
    ids=["nothing", "no interval", "at the top", "at the bottom"],
)
def test_odd_scores_can_be_drawn(scores):
    """A row that could not be estimated is still a row of the figure."""
    assert ">svm</text>" in forest(row(1, *scores))


@pytest.mark.parametrize("name", ["$x_{", "a$b$c", "中文 مرحبا", "x\x08y"])
def test_names_are_never_mathematics(name):
    """Dollars, missing glyphs and control characters neither fail nor warn."""
    shown = name.replace("\x08", "\N{REPLACEMENT CHARACTER}")
    assert f">{shown}</text>" in forest(row(1, 0.8, 0.7, 0.9, model=name))


def test_curves_differ_in_more_than_colour():
    """Neighbouring curves have different dashes, and no two of a page look alike."""
    styles = [line_style(index) for index in range(12)]
    assert len(set(styles)) == 12
    assert all(a.dashes != b.dashes for a, b in pairwise(styles))
