"""External cohorts are checked before any long work: overlap, masks, pixel sizes, classes."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmark import prepare, run
from benchmark._external_text import planned
from benchmark.experiment import Cell
from cohorts import BenchmarkError, load_cohort
from models import MODELS

from manifests import write
from support import CHEAP_ROWS, external_config, external_entry, summary_of, tiny_config

pytestmark = pytest.mark.usefixtures("made")


def test_expert_masks_are_needed_of_every_image():
    """Rows inside masks are skipped where an external image has none, and marked where all have."""
    entries = (external_entry(), external_entry("bare", masks=False))
    ready = prepare(external_config(*entries, features=["radiomics_mask"], models=["dummy"]))
    with_masks, bare = ready.external
    assert len(with_masks.plan.cells) == 1
    assert bare.plan.cells == ()
    assert bare.plan.skipped[0].reason == (
        "45 of its 45 images have no mask, and radiomics_mask needs one of each"
    )


@pytest.mark.parametrize("tolerant", [False, True])
def test_only_models_with_stand_ins_go_without_tables(tolerant, monkeypatch):
    """To be deep is not enough: a model must say that it can do without."""
    spec = MODELS.get("compact_fusion")

    class Other(type(spec)):
        tolerates_missing_tables = tolerant

    monkeypatch.setitem(MODELS._items, "compact_fusion", Other())
    entry = external_entry(tables=False)
    ready = prepare(external_config(entry, features=["image+tabular"], models=["compact_fusion"]))
    (external,) = ready.external
    assert bool(external.plan.cells) is tolerant
    reasons = [row.reason for row in external.plan.skipped]
    missing = "the cohort has no table 'clinical'; the cohort has no table 'molecular'"
    assert reasons == ([] if tolerant else [missing])


def manifest_entry(folder: Path, *, n: int = 6, positive: str = "malignant") -> dict:
    """Cases of a table with an image each, no two alike, every other one positive."""
    rng = np.random.default_rng(0)
    table = "id,image,y\n"
    for i in range(n):
        grey = rng.integers(0, 255, size=(24, 24 + i), dtype=np.uint8)
        Image.fromarray(grey).save(folder / f"{i}.png")
        table += f"m{i},{i}.png,{positive if i % 2 else 'benign'}\n"
    return {
        "name": "manifest",
        "data": str(write(folder, table)),
        "options": {"case": "id", "label": "y", "images": {"ultrasound": {"image": "image"}}},
        "classes": {} if positive == "malignant" else {positive: "malignant"},
    }


def test_shared_cases_are_left_out_and_said(tmp_path):
    """A copy of a development image costs the case; a whole copy is no external cohort."""
    development = load_cohort("made")
    entry = manifest_entry(tmp_path, positive="cancer")
    shutil.copy(development.images[0].records[0][0].path, tmp_path / "5.png")
    ready = prepare(external_config(entry, features=["radiomics"], models=["dummy"]))
    (external,) = ready.external
    assert external.cohort.n_cases == 5
    assert external.cohort.class_counts() == {"normal": 0, "benign": 3, "malignant": 2}
    (note,) = (note for note in external.cohort.notes if note.code == "shared-cases")
    assert "1 of 6 cases were left out" in note.text
    assert "1 with the same image file" in note.text
    with pytest.raises(BenchmarkError, match=r"external\.there: all 90 cases stand in the devel"):
        prepare(external_config({"name": "made", "label": "there"}, **CHEAP_ROWS))


def test_equal_patient_ids_are_a_warning():
    """They may be numbers given twice; only the user can know."""
    (external,) = prepare(external_config(external_entry(prefix=""), **CHEAP_ROWS)).external
    (note,) = (note for note in external.cohort.notes if note.code == "shared-patient-ids")
    assert note.text.startswith("30 patient ids stand in the development cohort as well")


def numbered_entry(folder: Path, *, answers: str) -> dict:
    """Thirty cases counted from 1, with one column of yes and no."""
    folder.mkdir()
    rows = [f"{i + 1},{answers[i % len(answers)]},{'ab'[i % 2]}" for i in range(30)]
    table = write(folder, "id,flag,y\n" + "\n".join(rows) + "\n")
    return {"name": "manifest", "data": str(table), "options": {"case": "id", "label": "y"}}


def test_cases_that_only_look_the_same_are_kept_with_a_warning(tmp_path):
    """Both cohorts are counted from 1, and every third patient has the same answer by chance."""
    here = numbered_entry(tmp_path / "here", answers=("yes", "yes", "no"))
    there = numbered_entry(tmp_path / "there", answers=("no", "no", "no"))
    ready = prepare(tiny_config(cohort=here, external=[there], models=["dummy"]))
    (external,) = ready.external
    assert external.cohort.n_cases == 30
    (note,) = (note for note in external.cohort.notes if note.code == "alike-cases")
    assert note.text.startswith("10 of 30 cases have the id and the recorded values of a case")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            external_entry() | {"classes": {"normal": "healthy"}},
            r"'healthy' in external\.there\.classes",
        ),
        (external_entry(seeed=1), r"Unknown key 'seeed' in external\.there\.options"),
        ({"name": "manifest", "data": "nowhere.csv"}, r"'nowhere\.csv' does not exist"),
    ],
)
def test_what_is_wrong_is_said_before_any_long_work(entry, message):
    """Preparing a run, as a dry run does, loads and checks external cohorts."""
    with pytest.raises(BenchmarkError, match=message):
        prepare(external_config(entry, **CHEAP_ROWS))


def test_pixel_sizes_that_imaging_needs_are_needed_there_too(tmp_path):
    """The message names the external cohort."""
    entry = manifest_entry(tmp_path)
    config = external_config(
        entry, features=["radiomics"], models=["dummy"], imaging={"pixel_mm": 0.1}
    )
    with pytest.raises(BenchmarkError, match=r"external\.manifest: imaging\.pixel_mm = 0\.1 needs"):
        prepare(config)


def test_columns_that_no_case_there_has_are_said(tmp_path):
    """Lengths in mm without any pixel size are imputed, and the row says so."""
    entry = manifest_entry(tmp_path)
    options = {"radiomics": {"families": ["firstorder", "shape"]}}
    config = external_config(
        entry, features=["radiomics"], models=["dummy"], feature_options=options
    )
    done = run(config, out=tmp_path / "run", n_jobs=1, use_cache=False)
    (board,) = summary_of(done)["external"]
    assert "columns-without-values" in board["rows"][0]["notes"]
    (text,) = (one["text"] for one in board["notes"] if one["code"] == "columns-without-values")
    assert "shape_area" in text


def test_two_image_modalities_are_told_apart_by_name(tmp_path):
    """Their order there is no matter; rows that read both need both."""
    both = ["ultrasound", "negative"]
    config = external_config(
        external_entry("straight", modalities=both),
        external_entry("turned", modalities=both[::-1]),
        external_entry("half", seed=2, prefix="y", modalities=both[:1]),
        cohort={"name": "made", "options": {"modalities": both}},
        features=["radiomics", "tabular"],
        models=["logistic_regression"],
    )
    ready = prepare(config)
    assert [len(one.plan.cells) for one in ready.external] == [2, 2, 1]
    half = ready.external[2]
    assert half.plan.cells == (Cell.final("tabular", "logistic_regression"),)
    assert half.plan.skipped[0].reason == "the cohort has no images 'negative' (it has ultrasound)"
    run(ready, out=tmp_path, n_jobs=1, use_cache=False)
    straight, turned = (
        pd.read_parquet(tmp_path / "external" / key / "predictions.parquet")
        for key in ("straight", "turned")
    )
    pd.testing.assert_frame_equal(straight, turned)
    blocks = {block for one in ready.plan.sets for block in one.blocks}
    assert {"radiomics_ultrasound", "radiomics_negative"} <= blocks


def test_the_plan_says_that_kept_models_are_fitted_apart():
    """A refit for external cohorts and one that is kept are both paid for."""
    for which, told in (("none", False), ("leading", True)):
        ready = prepare(external_config(external_entry(), **CHEAP_ROWS, final_models=which))
        (line, *_) = planned(ready.external[0], ready.plan.sets)
        assert line.startswith("external there: 2 rows refitted on all development cases")
        assert ("final_models" in line) is told
