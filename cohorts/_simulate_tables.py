"""Simulated clinical and laboratory tables, drawn by class for any sequence of labels."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohorts._cohort import TabularModality
from cohorts._simulated_features import (
    CLINICAL,
    FACTORS,
    MOLECULAR,
    N_OWN,
    SIMULATED_CLASSES,
    Feature,
)

__all__ = ["case_generator", "class_latents", "planted_effects", "simulate_tables"]

# Two examinations of one patient: her history is the same, her blood is measured again.
_CLINICAL_AGREEMENT = 1.0
_MOLECULAR_AGREEMENT = 0.8

# Share of cases from which no blood was taken at all.
_PANEL_MISSING = 0.08


def simulate_tables(
    labels: Sequence[str],
    *,
    case_ids: Sequence[str],
    random_state: int,
    patients: Sequence[str] | None = None,
) -> tuple[tuple[TabularModality, TabularModality], dict[str, float]]:
    """Draw a clinical and a molecular table that belong to the given labels.

    A row depends on its case id, patient, label and `random_state` alone: leaving out or
    adding cases changes no other row. Values are missing completely at random; given the
    class, nothing here is related to any image.

    Parameters
    ----------
    labels : sequence of {"normal", "benign", "malignant"}
        Class of each case.
    case_ids : sequence of str
        Case ids, unique; they become the index of both tables.
    random_state : int
        Non-negative seed.
    patients : sequence of str, optional
        Patient of each case: cases of one patient share their history and, in part, their
        laboratory values. By default every case is a patient of her own.

    Returns
    -------
    tables : tuple of (TabularModality, TabularModality)
        ``clinical`` with 25 columns and ``molecular`` with 10.
    planted : dict of str to float
        ``"<modality>.<feature>"`` -> signed effect: the latent mean of malignant minus the
        mean of the other two classes, in within-class standard deviations. For normal
        values of equal variance this is the change in the log-odds per standard
        deviation of that feature alone; 0.0 marks a feature that is noise.

    Raises
    ------
    ValueError
        If a label is none of the three, or the sequences differ in length.

    Examples
    --------
    >>> (clinical, molecular), planted = simulate_tables(
    ...     ["benign", "malignant"], case_ids=["a", "b"], random_state=0
    ... )
    >>> clinical.table.shape, molecular.table.shape, planted["clinical.blood_group"]
    ((2, 25), (2, 10), 0.0)
    """
    persons = list(case_ids) if patients is None else list(patients)
    features = (*CLINICAL, *MOLECULAR)
    agreement = np.repeat(
        [_CLINICAL_AGREEMENT, _MOLECULAR_AGREEMENT], [len(CLINICAL), len(MOLECULAR)]
    )
    latents = class_latents(
        features,
        labels,
        case_ids=case_ids,
        patients=persons,
        agreement=agreement,
        purpose="tables",
        random_state=random_state,
    )
    missing = _missing(case_ids, random_state)
    split = len(CLINICAL)
    clinical = _record("clinical", CLINICAL, latents[:, :split], case_ids, random_state)
    # The copula makes the two agree by and large; no one breastfed without a birth.
    clinical.table.loc[clinical.table["number_of_births"] == 0, "breastfeeding_duration"] = 0.0
    molecular = _record("molecular", MOLECULAR, latents[:, split:], case_ids, random_state)
    tables = (_hide(clinical, missing[:, :split]), _hide(molecular, missing[:, split:]))
    planted = planted_effects("clinical", CLINICAL) | planted_effects("molecular", MOLECULAR)
    return tables, planted


def planted_effects(modality: str, features: Sequence[Feature]) -> dict[str, float]:
    """Return ``"<modality>.<feature>"`` -> signed effect for every feature."""
    return {f"{modality}.{feature.name}": feature.effect for feature in features}


def case_generator(random_state: int, purpose: str, identifier: str) -> np.random.Generator:
    """Return a generator that depends on nothing but the three arguments.

    Parameters
    ----------
    random_state : int
        Non-negative seed.
    purpose : str
        What is drawn, so that two purposes never share numbers.
    identifier : str
        The case or patient.
    """
    digest = hashlib.sha256(f"{purpose}\n{identifier}".encode()).digest()
    words = np.frombuffer(digest[:16], dtype="<u4").tolist()
    return np.random.default_rng([random_state, *words])


def class_latents(
    features: Sequence[Feature],
    labels: Sequence[str],
    *,
    case_ids: Sequence[str],
    patients: Sequence[str],
    agreement: NDArray[np.float64] | float,
    purpose: str,
    random_state: int,
) -> NDArray[np.float64]:
    """Draw the latent value of every feature in every case.

    Within a class each feature is standard normal around its shift, and two features
    correlate by the product of their loadings on common factors.

    Parameters
    ----------
    features : sequence of Feature
        What is drawn.
    labels, case_ids, patients : sequence of str
        Class, id and patient of each case.
    agreement : float or ndarray of shape (n_features,)
        Correlation in [0, 1] between two cases of one patient.
    purpose : str
        What is drawn: two purposes share no numbers and are independent given the class.
    random_state : int
        Non-negative seed.

    Returns
    -------
    ndarray of shape (n_cases, n_features)
        In within-class standard deviations.

    Raises
    ------
    ValueError
        If a label is unknown or the sequences differ in length.
    """
    unknown = sorted(set(labels) - set(SIMULATED_CLASSES))
    if unknown:
        raise ValueError(f"No simulated class {unknown[0]!r}; known: {SIMULATED_CLASSES}.")
    if not len(labels) == len(case_ids) == len(patients):
        raise ValueError("labels, case_ids and patients differ in length.")
    stable = _correlated(features, patients, f"{purpose} of patient", random_state)
    fresh = _correlated(features, case_ids, f"{purpose} of case", random_state)
    shifts = np.array([feature.shifts for feature in features])
    classes = [SIMULATED_CLASSES.index(label) for label in labels]
    mixed = np.sqrt(agreement) * stable + np.sqrt(1 - np.asarray(agreement)) * fresh
    latents: NDArray[np.float64] = shifts.T[classes] + mixed
    return latents


def _correlated(
    features: Sequence[Feature], identifiers: Sequence[str], purpose: str, random_state: int
) -> NDArray[np.float64]:
    """Draw standard normals of shape (n_identifiers, n_features), correlated by the factors."""
    loads = np.array([[feature.loads.get(name, 0.0) for name in FACTORS] for feature in features])
    own = np.sqrt(1 - (loads**2).sum(axis=1))
    n_factors, n_draws = len(FACTORS), len(FACTORS) + len(features)
    draws = np.array(
        [
            case_generator(random_state, purpose, identifier).standard_normal(n_draws)
            for identifier in identifiers
        ]
    ).reshape(len(identifiers), n_draws)
    latents: NDArray[np.float64] = draws[:, :n_factors] @ loads.T + own * draws[:, n_factors:]
    return latents


def _record(
    name: str,
    features: Sequence[Feature],
    latents: NDArray[np.float64],
    case_ids: Sequence[str],
    random_state: int,
) -> TabularModality:
    """Latent values to recorded ones, every feature on its scale."""
    own = np.array(
        [case_generator(random_state, name, case).standard_normal(N_OWN) for case in case_ids]
    ).reshape(len(case_ids), N_OWN)
    recorded = {
        feature.name: feature.scale.record(latent, own)
        for feature, latent in zip(features, latents.T, strict=True)
    }
    index = pd.Index(list(case_ids))
    return TabularModality(
        name, tuple(f.column for f in features), pd.DataFrame(recorded, index=index)
    )


def _missing(case_ids: Sequence[str], random_state: int) -> NDArray[np.bool_]:
    """Which cells are not recorded, by a draw that knows neither class nor value."""
    rates = np.array([feature.missing for feature in (*CLINICAL, *MOLECULAR)])
    draws = np.array(
        [case_generator(random_state, "missing", case).random(len(rates) + 1) for case in case_ids]
    ).reshape(len(case_ids), len(rates) + 1)
    missing = draws[:, 1:] < rates
    missing[:, len(CLINICAL) :] |= draws[:, :1] < _PANEL_MISSING
    return missing


def _hide(modality: TabularModality, missing: NDArray[np.bool_]) -> TabularModality:
    return TabularModality(modality.name, modality.columns, modality.table.mask(missing))
