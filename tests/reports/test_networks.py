"""What the page says about networks: taken apart, and how they learned."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest

from reports import render_leaderboard

VARIANTS = {
    "image only": (0.62, -0.25, "worse"),
    "tables only": (0.88, 0.01, "cannot tell"),
    "after the warm-up": (0.8, -0.07, "worse"),
}


def stage(name: str, n_epochs: int, *, ranked: bool = True, held_out: bool = True) -> dict:
    falling = [1.0 - 0.1 * i for i in range(n_epochs)]
    return {
        "name": name,
        "kept": n_epochs - 1,
        "train_loss": falling,
        "valid_loss": falling if held_out else None,
        "valid_roc_auc": [0.5 + 0.05 * i for i in range(n_epochs)] if ranked else None,
        "valid_balanced_accuracy": [0.4 + 0.05 * i for i in range(n_epochs)] if ranked else None,
    }


def folds(*stages: dict) -> list[dict[str, Any]]:
    return [{"repeat": 0, "fold": fold, "stages": list(stages)} for fold in range(3)]


@pytest.fixture
def networks(summary) -> dict[str, Any]:
    """Give the summary with its fusion row taken apart and its learning curves."""
    row = next(one for one in summary["rows"] if one["model"] == "late_fusion")
    about = {name: row[name] for name in ("rank", "features", "model")}
    variants = [
        {
            "variant": name,
            "score": {"value": value, "ci_low": value - 0.05, "ci_high": value + 0.05},
            "difference": {"value": apart, "ci_low": apart - 0.03, "ci_high": apart + 0.03},
            "verdict": verdict,
        }
        for name, (value, apart, verdict) in VARIANTS.items()
    ]
    summary["variants"] = [{**about, "score": row["metrics"]["roc_auc"], "variants": variants}]
    summary["learning"] = [{**about, "folds": folds(stage("warm-up", 4), stage("end to end", 6))}]
    return summary


def section(page: str, name: str) -> str:
    found = re.search(rf'<section id="{name}".*?</section>', page, flags=re.DOTALL)
    assert found, f"no section {name}"
    return found[0]


def text(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_every_variant_has_its_score_and_its_difference_with_intervals(networks):
    """As trained, then each variant with a signed difference and a verdict in words."""
    found = section(render_leaderboard(networks), "variants")
    assert "The fusion network taken apart" in found
    lines = [text(line) for line in re.findall(r"<tr>.*?</tr>", found, flags=re.DOTALL)[1:]]
    assert "as trained" in lines[0]
    assert lines[1:] == [
        "image only 0.62 (0.57–0.67) −0.25 (−0.28 to −0.22) worse",
        "tables only 0.88 (0.83–0.93) +0.01 (−0.02 to +0.04) cannot tell",
        "after the warm-up 0.80 (0.75–0.85) −0.07 (−0.10 to −0.04) worse",
    ]


def test_without_fusion_the_title_is_another(networks):
    """An image network can only go back to its warm-up."""
    networks["variants"][0]["variants"] = networks["variants"][0]["variants"][2:]
    found = section(render_leaderboard(networks), "variants")
    assert "The networks taken apart" in found
    assert "withheld" not in found


def test_curves_stand_in_a_figure_and_in_a_table(networks):
    """One figure per row with a text alternative, and one line per fold and stage below."""
    found = section(render_leaderboard(networks), "learning")
    (figure,) = re.findall(r"<figure>.*?</figure>", found, flags=re.DOTALL)
    assert 'role="img"' in figure
    assert "late_fusion on image+tabular: loss and validation AUC by epoch in 3 folds" in figure
    assert "warm-up and end to end" in figure
    assert {">warm-up<", ">end to end<", ">Validation AUC<", ">Loss<"} <= set(
        re.findall(r">[^<>]+<", figure)
    )
    lines = [text(line) for line in re.findall(r"<tr>.*?</tr>", found, flags=re.DOTALL)[1:]]
    assert len(lines) == 6
    assert lines[0] == "late_fusion on image+tabular 1 1 warm-up 4 4 0.70 0.70 0.65 0.55"
    assert lines[5] == "late_fusion on image+tabular 1 3 end to end 6 6 0.50 0.50 0.75 0.65"


def test_more_folds_are_more_lines(networks):
    """Each fold is drawn: three curves in either stage, for each of three more folds."""

    def n_lines() -> int:
        found = section(render_leaderboard(networks), "learning")
        return len(re.findall(r'<path d="[^"]*" [^>]*stroke-width="0.8"', found))

    before = n_lines()
    networks["learning"][0]["folds"] *= 2
    assert n_lines() - before == 3 * 2 * 3


def test_earlier_runs_and_runs_without_held_out_patients_have_losses_alone(networks):
    """No panel, legend or number stands for what was not recorded."""
    networks["learning"][0]["folds"] = folds(stage("training", 3, ranked=False))
    found = section(render_leaderboard(networks), "learning")
    assert ">Validation AUC<" not in re.findall(r"<svg viewBox.*?</svg>", found, re.DOTALL)[-1]
    networks["learning"][0]["folds"] = folds(stage("training", 3, ranked=False, held_out=False))
    found = section(render_leaderboard(networks), "learning")
    assert "</svg> validation" not in found
    assert "a dot marks" not in found


def test_a_page_without_networks_has_neither_section(summary):
    """Nor has the page of a summary that an earlier version wrote."""
    earlier = {key: value for key, value in summary.items() if key not in ("variants", "learning")}
    for one in (summary | {"variants": [], "learning": []}, earlier):
        page = render_leaderboard(one)
        assert 'id="variants"' not in page
        assert 'id="learning"' not in page


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "$x_{", "a&b"])
def test_names_of_networks_are_text(networks, name):
    """Whatever a row is called, it is shown and never run."""
    hostile = copy.deepcopy(networks)
    for one in (*hostile["variants"], *hostile["learning"]):
        one["model"] = name
    hostile["learning"][0]["folds"] = folds(stage(name, 2))
    page = render_leaderboard(hostile)
    assert "<script>alert" not in page
    assert section(page, "learning").count("<script") == 0


def test_simulated_data_stand_in_the_figure(networks):
    """A figure travels without its page."""
    networks["simulation"] = "simulated"
    found = section(render_leaderboard(networks), "learning")
    assert ">Simulated data<" in found
    assert 'aria-label="Simulated data. Learning curves' in found
    assert "Simulated data" in section(render_leaderboard(networks), "variants")
