"""Cases that stand in two cohorts are found, whatever they are called."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from cohorts import ImageModality, find_overlap

from support import make_small_cohort


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return make_small_cohort(tmp_path_factory.mktemp("other"), n_patients=8, seed=5)


def with_image(cohort, row, path):
    (modality,) = cohort.images
    records = list(modality.records)
    records[row] = (replace(records[row][0], path=path),)
    return replace(cohort, images=(ImageModality(modality.name, tuple(records)),))


def test_other_patients_do_not_overlap(small_cohort, other):
    """Neither equal case ids nor images of the same kind make two patients one."""
    assert set(other.cases) < set(small_cohort.cases)
    assert not find_overlap(other, small_cohort).shared.any()


def test_a_copied_file_is_found_and_takes_its_patient_along(small_cohort, other, tmp_path):
    """The bytes tell, not the name; other cases of the same patient are left out as well."""
    path = tmp_path / "renamed.png"
    shutil.copy(small_cohort.images[0].records[40][0].path, path)
    overlap = find_overlap(with_image(other, 2, path), small_cohort)
    assert np.flatnonzero(overlap.same_image).tolist() == [2]
    assert not overlap.similar_image.any()
    twins = [i for i, one in enumerate(other.patients) if one == other.patients[2] and i != 2]
    assert len(twins) == 1
    assert np.flatnonzero(overlap.same_patient).tolist() == twins
    assert np.flatnonzero(overlap.shared).tolist() == sorted([2, *twins])


def test_a_copy_at_another_size_is_found(small_cohort, other, tmp_path):
    """Saved anew in another format and twice as large, an image is still the same."""
    path = tmp_path / "larger.bmp"
    with Image.open(small_cohort.images[0].records[7][0].path) as image:
        image.resize((64, 64), Image.Resampling.BICUBIC).save(path)
    overlap = find_overlap(with_image(other, 3, path), small_cohort)
    assert np.flatnonzero(overlap.similar_image).tolist() == [3]
    assert not overlap.same_image.any()


def test_without_images_the_id_and_the_row_tell(small_cohort, other):
    """The same id with the same record is the same case; one of the two alone is not."""
    development, there = replace(small_cohort, images=()), replace(other, images=())
    clinical, molecular = there.tables
    rows = [0, 1]
    tables = []
    for table, known in zip((clinical, molecular), development.tables, strict=True):
        frame = table.table.copy()
        frame.iloc[rows] = known.table.iloc[rows]
        tables.append(replace(table, table=frame))
    # The first stands under its own id, the second under that of somebody else.
    renamed = list(there.cases)
    renamed[1] = "c050"
    tables = tuple(replace(one, table=one.table.set_axis(renamed)) for one in tables)
    copied = replace(there, cases=tuple(renamed), tables=tables)
    assert np.flatnonzero(find_overlap(copied, development).same_row).tolist() == [0]
