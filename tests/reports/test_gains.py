"""The section that says where a gain comes from."""

from __future__ import annotations

import re

from reports import render_leaderboard

LADDER = (
    ("embedding", "svm", "kernel", 0.6),
    ("embedding_finetuned", "svm", "kernel", 1.4),
    ("image", "image_network", "deep", 1.5),
)


def section(page: str) -> str:
    found = re.search(r'<section id="gains".*?</section>', page, flags=re.DOTALL)
    return "" if found is None else found.group()


def test_steps_stand_with_their_scores_and_differences(make_summary):
    """Three steps, each score with its interval, and two signed differences."""
    summary = make_summary(LADDER, unscored=())
    shown = section(render_leaderboard(summary))
    titles = ["Frozen embedding", "Fine-tuned embedding", "Network"]
    places = [shown.index(f">{title}<") for title in titles]
    assert places == sorted(places)
    assert "Without tables" in shown
    assert "With tables" not in shown
    differences = re.findall(r'<span class="value">([+−]?\d\.\d+)</span>', shown)
    assert len(differences) == 5
    assert sum(text[0] in "+−" for text in differences) == 2
    assert len(re.findall(r'<span class="ci">', shown)) == 5
    assert "in 3 folds" in shown


def test_without_all_steps_there_is_no_section(make_summary, summary):
    """Nor where the summary was made before there was one."""
    assert section(render_leaderboard(summary)) == ""
    old = make_summary(LADDER, unscored=())
    del old["gains"]
    assert section(render_leaderboard(old)) == ""


def test_simulated_data_is_stamped(make_summary):
    """The table says so in its caption."""
    simulated = make_summary(LADDER, unscored=(), simulation="simulated")
    assert "Simulated data" in section(render_leaderboard(simulated))
