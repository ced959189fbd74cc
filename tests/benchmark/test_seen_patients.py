"""Weights that were trained on the patients at hand are refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark import run
from benchmark._final_models import _leading
from benchmark._seen_patients import check_weights
from cohorts import BenchmarkError, Cohort

from support import prepared, tiny_config


@pytest.fixture(scope="module")
def network(small_cohort, tmp_path_factory) -> Path:
    """The folder of a compact network that a run has kept."""
    ready = prepared(small_cohort, ["image"], ["compact_network"])
    finished = run(ready, out=tmp_path_factory.mktemp("runs") / "first", n_jobs=1)
    (folder,) = (finished.folder / "models").iterdir()
    return folder


def check(cohort: Cohort, weights: Path, place: str) -> None:
    if place == "embedding":
        chosen = {
            "feature_options": {"embedding": {"backbone": "compact", "weights": str(weights)}}
        }
    else:
        chosen = {"model_settings": {"networks": {"weights": str(weights)}}}
    check_weights(tiny_config(**chosen), cohort)


@pytest.mark.parametrize("place", ["embedding", "networks"])
def test_the_same_patients_are_refused(small_cohort, network, place):
    """A network refitted on all cases has seen every label: no fold would be held out."""
    with pytest.raises(BenchmarkError, match=r"labels of 90 of the 90 cases .*run 'first'"):
        check(small_cohort, network, place)
    # A file in the folder is no way around, nor is a part of the cohort.
    with pytest.raises(BenchmarkError, match="labels of 90"):
        check(small_cohort, network / "network.safetensors", place)
    some = small_cohort.take(np.arange(7))
    with pytest.raises(BenchmarkError, match="labels of 7 of the 7 cases"):
        check(some, network, place)


def test_other_patients_and_other_files_are_none_of_this(small_cohort, network, tmp_path):
    """Another cohort may use it, with the warning on its rows; so may weights of no run."""
    other = replace(
        small_cohort.take(np.arange(30)), info=replace(small_cohort.info, name="elsewhere")
    )
    check(other, network, "embedding")
    check(small_cohort, tmp_path / "models" / "some.pth", "networks")
    check_weights(tiny_config(), small_cohort)


def test_a_run_is_known_by_its_data_whatever_it_is_called(small_cohort, network):
    """The same images and labels under another name are the same patients."""
    run_json = network.parents[1] / "run.json"
    before = run_json.read_text(encoding="utf-8")
    description = json.loads(before)
    description["cohort"]["name"] = "renamed"
    run_json.write_text(json.dumps(description), encoding="utf-8")
    try:
        with pytest.raises(BenchmarkError, match="labels of 90 of the 90"):
            check(small_cohort, network, "embedding")
    finally:
        run_json.write_text(before, encoding="utf-8")


def test_a_model_that_needs_masks_is_not_kept():
    """The kept classical model is the best that a new patient, without a mask, can be given to."""
    rows = [
        {
            "features": "radiomics_mask",
            "model": "svm",
            "family": "kernel",
            "notes": ["expert-mask"],
        },
        {"features": "tabular", "model": "knn", "family": "neighbours", "notes": []},
    ]
    assert [(cell.features, cell.model) for cell in _leading(rows)] == [("tabular", "knn")]
