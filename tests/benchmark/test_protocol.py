"""What the page says about how scores came about is what the config asked for."""

from __future__ import annotations

import pytest

from benchmark import load_config
from benchmark.evaluation._protocol import describe_protocol

COHORT = {"patients_known": True, "n_patients": 10, "n_cases": 12}


def said(**inner) -> str:
    config = load_config(None, {"inner": inner}).to_dict()
    return " ".join(describe_protocol(config, COHORT)["sentences"])


@pytest.mark.parametrize("pruning", ["median", "none"])
def test_pruning_is_said_only_where_it_was_on(pruning):
    """Trials that all ran to their end are not said to have been given up."""
    assert ("is given up" in said(pruning=pruning)) is (pruning == "median")


def test_a_time_budget_stands_beside_the_trials_that_it_can_cut():
    """And nothing does where there was none."""
    assert "no trial is started after 30 s" in said(time_budget_s=30.0)
    assert "no trial is started" not in said()


def test_trials_are_those_of_the_config():
    """Of cheap and of expensive models."""
    text = said(n_trials=17, n_trials_expensive=4)
    assert "Trials per fold: 17, of stacking and the networks 4" in text


def test_runs_of_earlier_versions_are_described_without_either():
    """Their stored config has neither key."""
    config = load_config(None).to_dict()
    for key in ("pruning", "time_budget_s"):
        del config["inner"][key]
    text = " ".join(describe_protocol(config, COHORT)["sentences"])
    assert "given up" not in text
    assert "is started" not in text
