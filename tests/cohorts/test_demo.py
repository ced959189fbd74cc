"""The demo cohort: simulated, the same everywhere, and never half-made."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cohorts import BenchmarkError, Cohort, _demo, load_cohort

FINGERPRINT = (
    "from cohorts import _demo, load_cohort;"
    "print(load_cohort('demo', options={'n_cases': 60, 'seed': 4}).fingerprint())"
)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Cohort:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SONOBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        return load_cohort("demo")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SONOBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _small(seed: int = 4) -> Cohort:
    return load_cohort("demo", options={"n_cases": 60, "seed": seed})


def test_it_says_that_it_is_simulated(cohort):
    """Title, source, licence, status and a warning say so."""
    for text in (cohort.info.title, cohort.info.source, cohort.info.licence, cohort.notes[0].text):
        assert "simulated" in text.lower()
    assert cohort.info.simulation == "simulated"
    assert [(note.code, note.severity) for note in cohort.notes] == [("simulated-data", "warning")]


def test_it_has_the_usual_classes_and_modalities(cohort):
    """240 cases of three classes with ultrasound, history and laboratory values."""
    assert cohort.n_cases == 240
    assert cohort.classes == ("normal", "benign", "malignant")
    assert cohort.positive_class == "malignant"
    assert cohort.modalities == ("ultrasound", "clinical", "molecular")
    assert len(set(cohort.sites)) == 3


@pytest.mark.parametrize(
    ("n_cases", "expected"),
    [(780, (133, 437, 210)), (240, (41, 134, 65)), (60, (10, 34, 16)), (61, (10, 34, 17))],
)
def test_class_sizes_are_the_largest_remainders_of_133_437_210(n_cases, expected):
    """The proportions of BUSI hold at any size, and no case is lost to rounding."""
    assert tuple(_demo._class_sizes(n_cases).values()) == expected


def test_the_cohort_has_those_class_sizes(cohort):
    """What was shared out is what is loaded."""
    assert cohort.class_counts() == {"normal": 41, "benign": 134, "malignant": 65}


def test_some_patients_come_twice_with_the_same_class_and_site(cohort):
    """About 8 % of patients have a second examination, none has more."""
    seen = pd.DataFrame({"patient": cohort.patients, "label": cohort.labels, "site": cohort.sites})
    by_patient = seen.groupby("patient")
    assert by_patient.size().isin([1, 2]).all()
    assert (by_patient.size() == 2).mean() == pytest.approx(0.08, abs=0.01)
    assert (by_patient[["label", "site"]].nunique() == 1).all(axis=None)


def test_ids_and_sites_tell_nothing_about_the_class(cohort):
    """Neither the order of cases nor patient numbers nor the site follow the class."""
    malignant = cohort.labels == 2
    numbers = [int(patient.split("-")[1]) for patient in cohort.patients]
    for order in (
        np.arange(cohort.n_cases),
        numbers,
        np.unique(cohort.sites, return_inverse=True)[1],
    ):
        assert 0.4 < roc_auc_score(malignant, order) < 0.6


def test_images_are_grey_and_every_one_has_a_mask(cohort):
    """224 x 224 pixels of 8 bits, a mask of 0 and 255 in every class, spacing known."""
    for records in cohort.images[0].records:
        (record,) = records
        assert record.size_px == (224, 224)
        assert 0.1 < record.spacing_mm < 0.25
        assert len(record.masks) == 1
    with Image.open(record.path) as image:
        assert image.mode == "L"
    with Image.open(record.masks[0]) as mask:
        assert mask.mode == "L"
        assert set(np.unique(np.asarray(mask))) == {0, 255}


def test_spacing_and_brightness_tell_nothing_about_the_class(cohort):
    """A classifier of settings alone is at chance."""
    lesions = cohort.labels != 0
    records = [records[0] for records in cohort.images[0].records]
    spacing = np.array([record.spacing_mm for record in records])
    brightness = np.array([_pixels(record.path).mean() for record in records])
    for nuisance in (spacing, brightness):
        assert 0.35 < roc_auc_score(cohort.labels[lesions] == 2, nuisance[lesions]) < 0.65


def test_planted_effects_cover_every_modality(cohort):
    """What drives the class is written down for images and tables."""
    modalities = {name.split(".")[0] for name in cohort.info.planted}
    assert modalities == set(cohort.modalities)
    assert cohort.info.planted["ultrasound.posterior_shadowing"] > 0
    assert cohort.info.planted["ultrasound.gain"] == 0


def test_images_and_tables_carry_separate_signal(cohort):
    """On lesions, each beats chance, neither is perfect, and together they are better."""
    lesions = cohort.labels != 0
    y = cohort.labels[lesions] == 2
    tables = pd.concat([table.table for table in cohort.tables], axis=1).select_dtypes("number")
    tables = tables.fillna(tables.median()).to_numpy()[lesions]
    images = np.array([_signs(records[0]) for records in cohort.images[0].records])[lesions]
    from_tables, from_images = _cross_validated_auc(tables, y), _cross_validated_auc(images, y)
    together = _cross_validated_auc(np.hstack([tables, images]), y)
    assert 0.7 < from_tables < 0.95
    assert 0.65 < from_images < 0.95
    assert together > max(from_tables, from_images) + 0.02


def _pixels(path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image).astype(float)


def _signs(record) -> list[float]:
    """Orientation, roughness, size and what lies behind a lesion."""
    image, mask = _pixels(record.path), _pixels(record.masks[0]) > 0
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    outline = sum(np.abs(np.diff(mask, axis=axis)).sum() for axis in (0, 1))
    behind = image[rows.max() + 2 : rows.max() + 25]
    apart = np.setdiff1d(np.arange(image.shape[1]), columns)
    shadow = behind[:, columns].mean() - behind[:, apart].mean()
    return [len(rows) / len(columns), outline / np.sqrt(mask.sum()), np.log(mask.sum()), shadow]


def _cross_validated_auc(X, y) -> float:
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1))
    scores = cross_val_predict(model, X, y, cv=5, method="decision_function")
    return roc_auc_score(y, scores)


def test_two_fresh_processes_at_once_make_the_same_bytes(cache, tmp_path, monkeypatch):
    """The same seed gives the same tables and image bytes in any process, alone or not."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "7"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", FINGERPRINT], env=environment, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    printed = {process.communicate()[0].strip() for process in processes}
    assert len(list((cache / "demo").iterdir())) == 1
    monkeypatch.setenv("SONOBENCH_CACHE", str(tmp_path / "elsewhere"))
    assert printed == {_small().fingerprint()}


@pytest.mark.usefixtures("cache")
def test_another_seed_draws_another_cohort():
    """Seeds do not share images or tables."""
    first, second = _small(1), _small(2)
    assert first.images[0].records[0][0].path.read_bytes() != (
        second.images[0].records[0][0].path.read_bytes()
    )
    assert not first.tables[0].table.equals(second.tables[0].table)


@pytest.mark.usefixtures("cache")
def test_images_are_made_once(monkeypatch):
    """A second load draws no pixel."""
    first = _small()
    monkeypatch.delattr(_demo, "simulate_image")
    assert _small().fingerprint() == first.fingerprint()


def test_an_interrupted_start_leaves_nothing(cache, monkeypatch):
    """Stopped half-way, no folder is there that could be taken for a finished one."""
    draw, drawn = _demo.simulate_image, []

    def stop_at_the_tenth(*arguments):
        drawn.append(arguments)
        if len(drawn) == 10:
            raise KeyboardInterrupt
        return draw(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(_demo, "simulate_image", stop_at_the_tenth)
        with pytest.raises(KeyboardInterrupt):
            _small()
    assert list((cache / "demo").iterdir()) == []
    assert _small().n_cases == 60


@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_damaged_images_are_made_again(cache, damage):
    """A file that was cleaned away or cut short does not stop the demo."""
    before = _small()
    expected, path = before.fingerprint(), before.images[0].records[7][0].path
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:300])
    assert _small().fingerprint() == expected
    assert len(list((cache / "demo").iterdir())) == 1


def test_a_cache_that_cannot_be_written_names_the_variable(tmp_path, monkeypatch):
    """The message says which folder failed, why, and what to set."""
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("SONOBENCH_CACHE", str(blocked))
    with pytest.raises(BenchmarkError, match=r"cannot be written to '.*file.*SONOBENCH_CACHE"):
        _small()


def test_a_path_is_refused(tmp_path):
    """Data given to a cohort that reads none are a mistake worth a word."""
    with pytest.raises(BenchmarkError, match="simulated and reads no files"):
        load_cohort("demo", tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_cases": 59}, "n_cases = 59 will not do: .*greater than or equal to 60"),
        ({"seed": -1}, "seed = -1 will not do"),
        ({"cases": 80}, "Unknown key 'cases'.*Did you mean 'n_cases'"),
    ],
)
def test_options_are_checked(options, message):
    """Too few cases, a negative seed and an unknown key are named."""
    with pytest.raises(BenchmarkError, match=message):
        load_cohort("demo", options=options)
