"""BUSI is read from the published layout, and twins stay together."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cohorts import BenchmarkError, Cohort, load_cohort

SIZE = (40, 30)


def noise(seed: int, size: tuple[int, int] = SIZE) -> Image.Image:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, size=(6, 8)).astype(np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def box(left: int, size: tuple[int, int] = SIZE) -> Image.Image:
    mask = Image.new("L", size)
    mask.paste(255, (left, 5, left + 8, 15))
    return mask


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Three cases a class; normal masks all black, one malignant case with two masks."""
    for number, label in enumerate(("benign", "malignant", "normal")):
        folder = tmp_path / label
        folder.mkdir()
        for i in (1, 2, 10):
            noise(100 * number + i).save(folder / f"{label} ({i}).png")
            mask = Image.new("L", SIZE) if label == "normal" else box(2)
            mask.save(folder / f"{label} ({i})_mask.png")
    box(20).save(tmp_path / "malignant" / "malignant (2)_mask_1.png")
    return tmp_path


def load(tree: Path, **options: object) -> Cohort:
    return load_cohort("busi", tree, options)


def test_layout_becomes_cases_classes_and_merged_masks(tree):
    """Every image is a case of its folder's class, with all of its masks."""
    cohort = load(tree)
    assert cohort.classes == ("normal", "benign", "malignant")
    assert cohort.class_counts() == {"normal": 3, "benign": 3, "malignant": 3}
    assert cohort.cases[3:6] == ("benign (1)", "benign (2)", "benign (10)")
    records = dict(zip(cohort.cases, cohort.images[0].records, strict=True))
    (two,) = records["malignant (2)"]
    assert [mask.name for mask in two.masks] == [
        "malignant (2)_mask.png",
        "malignant (2)_mask_1.png",
    ]
    assert two.size_px == SIZE
    assert not cohort.info.patients_known


def test_masks_that_outline_nothing_are_no_masks(tree):
    """The all-black mask of a normal image leaves the record without a region."""
    cohort = load(tree)
    assert all(not images[0].masks for images in cohort.images[0].records[:3])


def test_masks_may_be_absent(tree):
    """The images alone are a cohort."""
    for mask in tree.rglob("*_mask*.png"):
        mask.unlink()
    assert load(tree).n_cases == 9


def test_the_folder_above_is_found(tree, tmp_path_factory):
    """The folder that the archive unpacks to may be given by its parent."""
    parent = tmp_path_factory.mktemp("download")
    tree.rename(parent / "Dataset_BUSI_with_GT")
    assert load(parent).n_cases == 9


def test_near_duplicates_count_as_one_patient(tree):
    """A brightened copy shares a patient with its original, across classes too, and is reported."""
    original = tree / "benign" / "benign (1).png"
    copy = Image.open(original).point(lambda value: 0.8 * value + 20)
    copy.save(tree / "malignant" / "malignant (11).png")
    cohort = load(tree)
    patient = dict(zip(cohort.cases, cohort.patients, strict=True))
    assert patient["malignant (11)"] == patient["benign (1)"]
    assert cohort.n_patients == 9
    (note,) = cohort.notes
    assert note.severity == "warning"
    assert "1 groups of near-duplicate images (2 of 10 images; 1 groups hold" in note.text


def test_ungrouped_duplicates_are_warned_about(tree):
    """Without grouping every image is its own patient, and the page says what that means."""
    cohort = load(tree, group_duplicates=False)
    assert cohort.patients == cohort.cases
    assert cohort.notes[0].code == "duplicates-not-grouped"


def test_simulated_tables_mark_the_cohort(tree):
    """Real images with simulated tables are semi-simulated and say so."""
    cohort = load(tree, simulate_tabular=True)
    assert cohort.info.simulation == "semi-simulated"
    assert [(one.name, len(one.columns)) for one in cohort.tables] == [
        ("clinical", 25),
        ("molecular", 10),
    ]
    assert cohort.notes[-1].code == "semi-simulated-data"
    assert load(tree).info.simulation == "real"
    again = load(tree, simulate_tabular=True)
    assert again.fingerprint() == cohort.fingerprint()
    other = load(tree, simulate_tabular=True, simulation_seed=1)
    assert other.fingerprint() != cohort.fingerprint()


def break_layout(tree: Path) -> None:
    (tree / "benign").rename(tree / "Benign tumours")


def break_folder(tree: Path) -> None:
    for path in (tree / "normal").iterdir():
        path.unlink()


def break_image(tree: Path) -> None:
    (tree / "benign" / "benign (2).png").write_bytes(b"")


def truncate_image(tree: Path) -> None:
    path = tree / "benign" / "benign (2).png"
    path.write_bytes(path.read_bytes()[:200])


def break_mask(tree: Path) -> None:
    box(2, (41, 30)).save(tree / "benign" / "benign (2)_mask.png")


def orphan_mask(tree: Path) -> None:
    (tree / "benign" / "benign (2).png").unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (break_layout, r"not laid out as BUSI: .* holds Benign tumours, malignant, normal"),
        (break_folder, r"normal' holds no image\. BUSI has images such as 'normal \(1\)\.png'"),
        (break_image, r"benign \(2\)\.png' is empty \(0 bytes\)\. Copy it again"),
        (truncate_image, r"benign \(2\)\.png' cannot be read as an image"),
        (break_mask, r"\(2\)_mask\.png' has 41 × 30 pixels, but its image .* has 40 × 30"),
        (orphan_mask, r"a mask of 'benign \(2\)' but no such image"),
    ],
)
def test_damage_ends_in_one_sentence(tree, damage, message):
    """The error names the file or folder, what came and what to do."""
    damage(tree)
    with pytest.raises(BenchmarkError, match=message):
        load(tree)


@pytest.mark.skipif("SONOBENCH_DATA" not in os.environ, reason="SONOBENCH_DATA is not set")
def test_published_data():
    """780 images in the published proportions; the exact cross-class pair shares a patient."""
    cohort = load(Path(os.environ["SONOBENCH_DATA"]) / "busi")
    assert cohort.class_counts() == {"normal": 133, "benign": 437, "malignant": 210}
    patient = dict(zip(cohort.cases, cohort.patients, strict=True))
    assert patient["benign (433)"] == patient["malignant (145)"]
    sizes = np.unique(cohort.patients, return_counts=True)[1]
    assert 100 <= (sizes > 1).sum() <= 160
    records = dict(zip(cohort.cases, cohort.images[0].records, strict=True))
    assert all(not images[0].masks for case, images in records.items() if "normal" in case)
    assert all(images[0].masks for case, images in records.items() if "normal" not in case)
