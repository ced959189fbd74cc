"""Cases that stand in two cohorts are found, whatever they are called."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from cohorts import Column, ColumnKind, ImageModality, find_overlap
from cohorts._overlap import _n_digits

from manifests import load_plain, write
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


def tables_only(cohort, seed):
    """Without images, and with three measurements more."""
    rng = np.random.default_rng(seed)
    clinical, molecular = cohort.tables
    names = ["length", "width", "depth"]
    table = clinical.table.assign(**{one: rng.normal(20, 5, cohort.n_cases) for one in names})
    columns = tuple(Column(one, ColumnKind.NUMERIC, "mm") for one in names)
    wide = replace(clinical, columns=(*clinical.columns, *columns), table=table)
    return replace(cohort, images=(), tables=(wide, molecular))


def test_without_images_the_id_and_the_row_tell(small_cohort, other):
    """The same id with the same record is the same case; one of the two alone is not."""
    development, there = tables_only(small_cohort, 1), tables_only(other, 2)
    rows = [0, 1]
    tables = []
    for table, known in zip(there.tables, development.tables, strict=True):
        frame = table.table.copy()
        frame.iloc[rows] = known.table.iloc[rows]
        tables.append(replace(table, table=frame))
    # The first stands under its own id, the second under that of somebody else.
    renamed = list(there.cases)
    renamed[1] = "c050"
    tables = tuple(replace(one, table=one.table.set_axis(renamed)) for one in tables)
    copied = replace(there, cases=tuple(renamed), tables=tables)
    overlap = find_overlap(copied, development)
    assert np.flatnonzero(overlap.same_row).tolist() == [0]
    assert not overlap.alike_row.any()


def manifest(folder, seed, *, n_flags, age=False):
    """A hundred cases counted from 1, with columns of yes and no."""
    rng = np.random.default_rng(seed)
    flags = [f"f{i}" for i in range(n_flags)]
    lines = [",".join(["id", *flags, *(["age"] if age else []), "y"])]
    for i in range(100):
        values = [str(rng.choice(["yes", "no"])) for _ in flags]
        values += [str(rng.integers(45, 48))] if age else []
        lines.append(",".join([str(i + 1), *values, "b" if i % 2 else "a"]))
    folder.mkdir()
    return load_plain(write(folder, "\n".join(lines) + "\n"))


@pytest.mark.parametrize("columns", [{"n_flags": 2}, {"n_flags": 4, "age": True}])
def test_equal_numbers_and_coarse_values_are_no_proof(tmp_path, columns):
    """Patients of two hospitals, both counted from 1, are not left out for what is common."""
    here, there = (manifest(tmp_path / str(seed), seed, **columns) for seed in (0, 1))
    overlap = find_overlap(there, here)
    assert not overlap.shared.any()
    # Chance alone makes one in four alike, or one in 48.
    assert 0 < overlap.alike_row.sum() < 50


@pytest.mark.parametrize(("value", "n"), [(45.0, 2), (12.5, 3), (0.5, 1), (2000.0, 1), (-1e-7, 1)])
def test_digits_are_those_that_say_something(value, n):
    """Zeros that only place the point are none."""
    assert _n_digits(value) == n
