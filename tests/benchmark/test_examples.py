"""The page shows an image of each class before and after, where it may."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from benchmark import run
from benchmark._examples import LONGEST, OUTLINE_RGB, example_images
from benchmark._run import render
from cohorts import ImageModality, load_cohort
from features import ImagingOptions, decode_image

from support import prepared


def pixels(png: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(png))))


@pytest.fixture(scope="module")
def demo():
    return load_cohort("demo", options={"n_cases": 60})


def test_one_image_of_each_class(demo):
    """The first case of each class as it came, and with the automatic region outlined."""
    shown = example_images(demo, ImagingOptions())["images"]
    assert [one["class"] for one in shown] == list(demo.classes)
    for one in shown:
        k = demo.classes.index(one["class"])
        first = demo.images[0].records[int(np.flatnonzero(demo.labels == k)[0])][0]
        before, after = pixels(one["before"]), pixels(one["after"])
        assert (before[:, :, 0] == decode_image(first.path)).all()
        assert one["size_before"] == [before.shape[1], before.shape[0]]
        outlined = (after == OUTLINE_RGB).all(axis=2).any()
        assert outlined == (one["origin"] == "automatic")
        assert 0 < one["share"] <= 1
    assert {one["origin"] for one in shown} == {"automatic", "whole"}


def test_large_images_are_shrunk_and_carry_no_metadata(demo, tmp_path):
    """Nothing on the page is longer than its place, and a file's own remarks stay behind."""
    path = tmp_path / "secret-name.png"
    large = Image.fromarray(np.random.default_rng(0).integers(0, 255, (900, 600), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x010E] = "Jane Doe"
    large.save(path, exif=exif)
    (record,) = demo.images[0].records[0]
    records = ((replace(record, path=path, masks=()),), *demo.images[0].records[1:])
    changed = replace(demo, images=(ImageModality("ultrasound", records),))
    shown = example_images(changed, ImagingOptions())
    content = base64.b64decode(shown["images"][demo.labels[0]]["before"])
    assert b"Jane" not in content
    assert Image.open(io.BytesIO(content)).size == (round(LONGEST * 2 / 3), LONGEST)
    assert "secret" not in json.dumps(shown)


def test_nothing_is_outlined_that_no_block_was_measured_in(small_cohort, tmp_path):
    """Where radiomics cover the whole image, the page shows no region, and says so."""
    info = replace(small_cohort.info, images_public=True)
    ready = prepared(
        replace(small_cohort, info=info),
        ["radiomics"],
        ["dummy"],
        feature_options={"radiomics": {"region": "whole"}},
    )
    finished = run(ready, out=tmp_path / "run", n_jobs=1)
    shown = page(finished)
    assert "<img" in shown
    assert "Automatic region" not in shown
    assert "An outline is" not in shown
    assert "over all that was scanned in every image" in shown


def test_images_can_be_taken_off_a_finished_page(small_cohort, tmp_path):
    """The same folder again without images: no cell is run again, and none is shown."""
    info = replace(small_cohort.info, images_public=True)
    cohort = replace(small_cohort, info=info)
    shown = run(prepared(cohort, ["radiomics"], ["dummy"]), out=tmp_path / "run", n_jobs=1)
    assert "<img" in page(shown)
    ready = prepared(cohort, ["radiomics"], ["dummy"], show_images=False)
    assert "<img" not in page(run(ready, out=tmp_path / "run", n_jobs=1))


def test_steps_are_said(demo):
    """What was switched on is named in words."""
    assert example_images(demo, ImagingOptions(crop=False, remove_overlays=False))["steps"] == []
    assert "speckle reduced (bilateral)" in ImagingOptions(speckle="bilateral").steps()


def test_images_are_shown_only_where_they_may_be_seen(small_cohort, tmp_path):
    """A cohort that is not published shows none unless asked; a tabular run has none to show."""
    finished = {}
    for name, features, public, wanted in (
        ("private", ["radiomics"], False, None),
        ("asked", ["radiomics"], False, True),
        ("public", ["radiomics"], True, None),
        ("refused", ["radiomics"], True, False),
        ("tables", ["tabular"], True, None),
    ):
        info = replace(small_cohort.info, images_public=public)
        ready = prepared(replace(small_cohort, info=info), features, ["dummy"], show_images=wanted)
        finished[name] = run(ready, out=tmp_path / name, n_jobs=1)
    shown = {name: "<img" in page(one) for name, one in finished.items()}
    expected = ["asked", "public"]
    assert [name for name, is_shown in shown.items() if is_shown] == expected


def page(finished) -> str:
    return (finished.folder / "leaderboard.html").read_text(encoding="utf-8")


def test_a_folder_without_examples_still_renders(small_cohort, tmp_path):
    """A run folder from before there were examples has a page without them."""
    info = replace(small_cohort.info, images_public=True)
    ready = prepared(replace(small_cohort, info=info), ["radiomics"], ["dummy"])
    finished = run(ready, out=tmp_path / "run", n_jobs=1)
    (finished.folder / "examples.json").unlink()
    render(finished.folder)
    assert "<img" not in page(finished)
