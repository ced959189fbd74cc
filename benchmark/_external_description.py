"""What is said about an external cohort: its classes as mapped, and how it differs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from benchmark.config import ExternalConfig
from benchmark.experiment import describe_cohort
from cohorts import Cohort, ImageRecord

__all__ = ["describe_external"]


def describe_external(
    entry: ExternalConfig,
    loaded: Cohort,
    conformed: Cohort,
    development: Cohort,
    gaps: Mapping[str, str],
) -> dict[str, Any]:
    """Return what ``external.json`` says: counts, never values.

    Parameters
    ----------
    entry : ExternalConfig
        Its place in the config.
    loaded : Cohort
        As it was read.
    conformed : Cohort
        As it is predicted: mapped classes, the modalities of the development cohort, without
        cases that stand in both.
    development : Cohort
        What models are trained on.
    gaps : mapping of str to str
        Modality of the development cohort -> why the external cohort does not have it.

    Returns
    -------
    dict
        Plain values; the fingerprint is that of `conformed`.
    """
    return {
        **describe_cohort(conformed),
        "key": entry.key,
        "fingerprint": conformed.fingerprint(),
        "mapping": _mapping(entry, loaded),
        "gaps": dict(gaps),
        "notes": [asdict(note) for note in conformed.notes],
        "differences": _differences(loaded, conformed, development, gaps),
    }


def _mapping(entry: ExternalConfig, loaded: Cohort) -> list[dict[str, Any]]:
    """Return every class as it was read, what became of it, and its cases."""
    return [
        {"from": name, "to": entry.classes.get(name, name), "n_cases": count}
        for name, count in loaded.class_counts().items()
    ]


def _differences(
    loaded: Cohort, conformed: Cohort, development: Cohort, gaps: Mapping[str, str]
) -> list[str]:
    """Return sentences on what is not as in the development cohort."""
    absent = [name for name, count in conformed.class_counts().items() if not count]
    found = [_prevalence(conformed, development)]
    if absent:
        found.append(f"It has no {' and no '.join(absent)} case.")
    if gaps:
        reasons = "; ".join(dict.fromkeys(gaps.values()))
        found.append(f"Not every modality of the development cohort can be had: {reasons}.")
    unused = [name for name in loaded.modalities if name not in development.modalities]
    if unused:
        found.append(f"Not used, because the development cohort lacks it: {', '.join(unused)}.")
    found += _image_differences(conformed, development)
    if loaded.info.simulation != development.info.simulation:
        found.append(
            f"Its patients are {loaded.info.simulation}, those of the development cohort "
            f"{development.info.simulation}."
        )
    return found


def _prevalence(conformed: Cohort, development: Cohort) -> str:
    positive = development.positive_class
    here, there = (
        f"{one.class_counts()[positive]} of {one.n_cases} cases" for one in (conformed, development)
    )
    return f"{here} are {positive}; in development {there}."


def _image_differences(conformed: Cohort, development: Cohort) -> list[str]:
    found = []
    for ours, theirs in zip(conformed.images, development.images, strict=True):
        here = [record for records in ours.records for record in records]
        there = [record for records in theirs.records for record in records]
        if here and there:
            found.append(
                f"Images ({ours.name}) are {_usual_size(here)} pixels in the middle, in "
                f"development {_usual_size(there)}; a pixel size is known of {_known(here)}, in "
                f"development of {_known(there)}."
            )
    return found


def _usual_size(records: list[ImageRecord]) -> str:
    width, height = np.median([record.size_px for record in records], axis=0)
    return f"{width:.0f} × {height:.0f}"


def _known(records: list[ImageRecord]) -> str:
    n_known = sum(record.spacing_mm is not None for record in records)
    return {0: "none", len(records): "all"}.get(n_known, f"{n_known} of {len(records)}")
