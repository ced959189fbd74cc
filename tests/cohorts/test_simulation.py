"""Simulated tables and images hold what they plant, and nothing else."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2_contingency, norm, rankdata

from cohorts import ColumnKind
from cohorts._simulate_images import SCENE, SIZE_PX, simulate_image, speckle_envelope
from cohorts._simulate_tables import simulate_tables
from cohorts._simulated_lesions import LESION

N_PER_CLASS = 2500
CLASSES = ("normal", "benign", "malignant")

# Recorded limits that a clinician would accept, and a usual range for the middle of the data.
PLAUSIBLE = [
    ("age", 18, 100, 40, 60),
    ("body_mass_index", 14, 60, 23, 30),
    ("waist_circumference", 50, 160, 75, 100),
    ("age_at_menarche", 8, 19, 12, 14),
    ("number_of_births", 0, 12, 1, 3),
    ("breastfeeding_duration", 0, 120, 0, 15),
    ("alcohol_intake", 0, 700, 0, 100),
    ("screening_interval", 0, 240, 12, 36),
    ("resting_heart_rate", 40, 130, 60, 85),
    ("sleep_duration", 2, 12, 6, 8),
    ("ca_15_3", 0.5, 1000, 10, 30),
    ("cea", 0.1, 100, 1, 4),
    ("her2_ecd", 1, 200, 7, 15),
    ("cell_free_dna", 0.1, 500, 3, 15),
    ("c_reactive_protein", 0.05, 300, 0.5, 5),
    ("glucose", 3, 25, 4.5, 6),
    ("leptin", 0.2, 200, 8, 25),
    ("adiponectin", 0.5, 80, 5, 15),
    ("thyrotropin", 0.01, 50, 1, 3),
    ("sodium", 120, 160, 136, 145),
]


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    return np.repeat(CLASSES, N_PER_CLASS)


@pytest.fixture(scope="module")
def drawn(labels):
    case_ids = [f"case-{number}" for number in range(len(labels))]
    return simulate_tables(labels.tolist(), case_ids=case_ids, random_state=11)


@pytest.fixture(scope="module")
def columns(drawn):
    tables, _ = drawn
    return {column.name: column for table in tables for column in table.columns}


@pytest.fixture(scope="module")
def table(drawn) -> pd.DataFrame:
    (clinical, molecular), _ = drawn
    return pd.concat([clinical.table, molecular.table], axis=1)


def _scores(values: pd.Series, column) -> pd.Series:
    """Recorded values as numbers whose order is that of the latent value."""
    orders = {
        "smoking_status": ["never", "former", "current"],
        "physical_activity": ["low", "moderate", "high"],
        "breast_density": ["a", "b", "c", "d"],
    }
    values = values.dropna()
    if column.name == "symptoms":
        return values.map(lambda cell: len(set(cell.split("&")) - {"", "pain"})).astype(float)
    if column.name in orders:
        return values.map(orders[column.name].index).astype(float)
    return values.astype(float)


def _auc(scores: np.ndarray, positive: np.ndarray) -> float:
    ranks = rankdata(scores)
    n = positive.sum()
    return (ranks[positive].sum() - n * (n + 1) / 2) / (n * (len(scores) - n))


def _labels_of(values: pd.Series, labels: np.ndarray) -> np.ndarray:
    return labels[values.notna().to_numpy()]


def test_there_are_25_history_features_and_10_laboratory_values(drawn):
    """The clinical table has 25 columns, the molecular one 10, one row per case."""
    (clinical, molecular), _ = drawn
    assert (clinical.name, clinical.table.shape[1]) == ("clinical", 25)
    assert (molecular.name, molecular.table.shape[1]) == ("molecular", 10)
    assert clinical.table.index.equals(molecular.table.index)
    assert clinical.table.index[0] == "case-0"


def test_columns_are_named_described_and_measured_in_units(columns):
    """Names are snake case, every column is described, every numeric one has its unit.

    All kinds of table columns occur but the ordinal one, whose order a loader must declare.
    """
    for column in columns.values():
        assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", column.name)
        assert column.description
        assert bool(column.unit) == (column.kind is ColumnKind.NUMERIC), column.name
    tabular = set(ColumnKind) - {ColumnKind.IMAGES, ColumnKind.ORDINAL}
    assert tabular == {column.kind for column in columns.values()}


def test_cells_are_encoded_as_their_kind_asks(table, columns):
    """Numeric cells are floats, boolean ones 0.0 or 1.0, the others strings; NaN is missing."""
    for name, column in columns.items():
        values = table[name].dropna()
        if column.kind in {ColumnKind.NUMERIC, ColumnKind.BOOLEAN}:
            assert table[name].dtype == np.float64
        else:
            assert values.map(type).eq(str).all()
        if column.kind is ColumnKind.BOOLEAN:
            assert set(values) == {0.0, 1.0}


@pytest.mark.parametrize(("name", "low", "high", "median_low", "median_high"), PLAUSIBLE)
def test_values_are_plausible(table, name, low, high, median_low, median_high):
    """No value is outside what a clinician would accept, and the middle is usual."""
    assert table[name].between(low, high)[table[name].notna()].all()
    assert median_low <= table[name].median() <= median_high


def test_every_numeric_column_is_checked_for_plausibility(columns):
    """The list above leaves no numeric column out."""
    numeric = {name for name, column in columns.items() if column.kind is ColumnKind.NUMERIC}
    assert numeric == {name for name, *_ in PLAUSIBLE}


def test_breastfeeding_needs_a_birth(table):
    """No one breastfed without having given birth."""
    assert not (table["breastfeeding_duration"] > 0)[table["number_of_births"] == 0].any()


def test_every_feature_is_planted_by_its_modality_and_name(drawn):
    """What drives the class is written down for all 35 features, and several are noise."""
    tables, planted = drawn
    named = [f"{table.name}.{column.name}" for table in tables for column in table.columns]
    assert list(planted) == named
    noise = [name.split(".")[0] for name, effect in planted.items() if effect == 0]
    assert noise.count("clinical") >= 5
    assert noise.count("molecular") >= 2


def test_planted_effects_are_found_in_the_recorded_values(drawn, table, columns, labels):
    """The class difference of a numeric column is as large as planted, and no sign is wrong.

    For normal values d standard deviations apart the area under the ROC curve is
    Phi(d / sqrt(2)); ranks see through any monotone scale.
    """
    _, planted = drawn
    for key, effect in planted.items():
        if effect == 0:
            continue
        name = key.split(".")[1]
        scores = _scores(table[name], columns[name])
        positive = _labels_of(table[name], labels) == "malignant"
        found = np.sqrt(2) * norm.ppf(_auc(scores.to_numpy(), positive))
        assert np.sign(found) == np.sign(effect), key
        if columns[name].kind is ColumnKind.NUMERIC and columns[name].unit != "births":
            assert found == pytest.approx(effect, abs=0.12), key


def test_noise_features_do_not_depend_on_the_class(drawn, table, labels):
    """A feature planted with 0.0 is distributed alike in the three classes."""
    _, planted = drawn
    for key in [key for key, effect in planted.items() if effect == 0]:
        values = table[key.split(".")[1]]
        cells = values.dropna()
        if values.dtype == np.float64 and cells.nunique() > 10:
            cells = pd.qcut(cells, 5, labels=False, duplicates="drop")
        counts = pd.crosstab(cells, _labels_of(values, labels))
        assert chi2_contingency(counts).pvalue > 0.001, key


def test_noise_features_correlate_with_no_informative_one(drawn, table, labels):
    """Noise stays noise next to other features: within a class it is correlated with none."""
    _, planted = drawn
    benign = table[labels == "benign"].select_dtypes("number")
    correlation = benign.corr(method="spearman")
    noise = [
        n for n in benign if 0 in (planted.get(f"clinical.{n}"), planted.get(f"molecular.{n}"))
    ]
    others = correlation.loc[noise].to_numpy()
    assert np.abs(others[others < 1]).max() < 4.5 / np.sqrt(N_PER_CLASS * 0.75)


@pytest.mark.parametrize(
    ("first", "second", "least"),
    [
        ("age", "postmenopausal", 0.6),
        ("number_of_births", "breastfeeding_duration", 0.6),
        ("body_mass_index", "waist_circumference", 0.5),
        ("body_mass_index", "leptin", 0.4),
        ("body_mass_index", "glucose", 0.25),
        ("ca_15_3", "cea", 0.08),
    ],
)
def test_features_that_belong_together_correlate(table, labels, first, second, least):
    """Within a class, related features agree as they do in patients."""
    benign = table[labels == "benign"]
    assert benign[first].corr(benign[second], method="spearman") > least


def test_missing_values_tell_nothing_about_the_class(table, labels):
    """Every column misses 2 to 25 % of its values, and as many in each class."""
    missing = table.isna()
    assert missing.mean().between(0.015, 0.26).all()
    by_class = missing.groupby(labels).mean()
    spread = np.sqrt(2 * missing.mean() * (1 - missing.mean()) / N_PER_CLASS)
    assert ((by_class.max() - by_class.min()) / spread < 4.5).all()


def test_the_laboratory_panel_is_missing_as_a_whole_in_some_cases(drawn):
    """About 8 % of cases have no laboratory value at all."""
    (_, molecular), _ = drawn
    assert molecular.table.isna().all(axis=1).mean() == pytest.approx(0.08, abs=0.015)


def test_a_row_does_not_depend_on_the_other_rows():
    """Leaving cases out, or turning the order round, changes no remaining row."""
    labels, ids = ["benign", "normal", "malignant", "benign"], ["a", "b", "c", "d"]
    whole, _ = simulate_tables(labels, case_ids=ids, random_state=3)
    part, _ = simulate_tables(["benign", "malignant"], case_ids=["d", "c"], random_state=3)
    for all_rows, some in zip(whole, part, strict=True):
        pd.testing.assert_frame_equal(all_rows.table.loc[["d", "c"]], some.table)


def test_seeds_differ():
    """Another seed draws other patients."""
    first, second = (
        simulate_tables(["benign"], case_ids=["a"], random_state=seed)[0] for seed in (0, 1)
    )
    assert not first[1].table.equals(second[1].table)


def test_two_examinations_of_a_patient_agree():
    """A patient's history is the same at her second examination, her blood is alike."""
    n = 400
    ids = [f"case-{number}" for number in range(2 * n)]
    patients = [f"patient-{number % n}" for number in range(2 * n)]
    (clinical, molecular), _ = simulate_tables(
        ["benign"] * (2 * n), case_ids=ids, patients=patients, random_state=5
    )
    ages = clinical.table["age"].to_numpy().reshape(2, n)
    both = ~np.isnan(ages).any(axis=0)
    assert np.array_equal(ages[0, both], ages[1, both])
    sodium = pd.DataFrame(molecular.table["sodium"].to_numpy().reshape(2, n).T)
    assert sodium.corr().iloc[0, 1] == pytest.approx(0.8, abs=0.08)


def test_a_class_that_is_not_simulated_is_refused():
    """Only the three classes have patients to draw."""
    with pytest.raises(ValueError, match="No simulated class 'unknown'"):
        simulate_tables(["unknown"], case_ids=["a"], random_state=0)


def test_lengths_must_agree():
    """One id per label."""
    with pytest.raises(ValueError, match="differ in length"):
        simulate_tables(["benign"], case_ids=["a", "b"], random_state=0)


def _middle(features) -> dict[str, float]:
    zero, none = np.zeros(1), np.empty((1, 0))
    return {feature.name: float(feature.scale.record(zero, none)[0]) for feature in features}


def test_speckle_of_even_tissue_is_rayleigh():
    """The envelope is Rayleigh: mean over standard deviation 1.913, skewness 0.631."""
    rng = np.random.default_rng(0)
    envelope = np.stack([speckle_envelope(np.zeros((256, 256)), rng) for _ in range(4)])
    centred = envelope - envelope.mean()
    assert envelope.mean() / envelope.std() == pytest.approx(np.sqrt(np.pi / (4 - np.pi)), rel=0.02)
    assert (centred**3).mean() / envelope.std() ** 3 == pytest.approx(0.631, abs=0.06)


def test_echo_power_follows_the_backscatter():
    """Ten decibels more backscatter are ten times the mean power."""
    powers = [
        (speckle_envelope(np.full((128, 128), level), np.random.default_rng(1)) ** 2).mean()
        for level in (0.0, 10.0)
    ]
    assert powers[1] / powers[0] == pytest.approx(10)


@pytest.mark.parametrize(("posterior", "sign"), [(1.0, -1), (-1.0, 1)])
def test_attenuation_darkens_and_its_lack_brightens_what_lies_behind(posterior, sign):
    """Behind a lesion that attenuates there is a shadow; behind a fluid one, enhancement."""
    scene, lesion = _middle(SCENE), _middle(LESION)
    changes = []
    for seed in range(5):
        pictures = [
            simulate_image(
                scene, lesion | {"posterior_shadowing": value}, np.random.default_rng(seed)
            )
            for value in (0.0, posterior)
        ]
        mask = pictures[0][1] > 0
        columns = mask.any(axis=0)
        last = np.flatnonzero(mask.any(axis=1)).max()
        before, after = (image[last + 3 : last + 20, columns].mean() for image, _ in pictures)
        changes.append(after - before)
    assert all(sign * change > 2 for change in changes)


@pytest.mark.parametrize("latent", [-4.0, 0.0, 4.0])
@pytest.mark.parametrize("depth", [-4.0, 4.0])
def test_every_lesion_lies_in_its_image(latent, depth):
    """Whatever the properties and the layers, the mask has its lesion, off the skin."""
    none = np.empty((1, 0))
    lesion = {f.name: float(f.scale.record(np.array([latent]), none)[0]) for f in LESION}
    scene = {f.name: float(f.scale.record(np.array([depth]), none)[0]) for f in SCENE}
    for seed in range(3):
        image, mask = simulate_image(scene, lesion, np.random.default_rng(seed))
        assert image.shape == mask.shape == (SIZE_PX, SIZE_PX)
        assert image.dtype == mask.dtype == np.uint8
        assert set(np.unique(mask)) == {0, 255}
        assert not mask[0].any()


def test_a_breast_without_lesion_is_outlined_as_a_benign_one_would_be():
    """Normal breasts have a spot of interest too, of the sizes that benign lesions have."""
    scene, lesion = _middle(SCENE), _middle(LESION)
    areas = [
        (simulate_image(scene, None, np.random.default_rng(seed))[1] > 0).sum()
        for seed in range(40)
    ]
    benign = (simulate_image(scene, lesion, np.random.default_rng(0))[1] > 0).sum()
    assert min(areas) > 0
    assert 0.7 < np.median(areas) / benign < 1.4


def test_the_scene_tells_nothing_and_every_lesion_property_something():
    """Gain, layers and spacing are the same in every class; lesions differ in every property."""
    assert all(feature.effect == 0 for feature in SCENE)
    assert all(feature.effect != 0 for feature in LESION)
