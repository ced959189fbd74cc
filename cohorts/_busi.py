"""BUSI: Breast Ultrasound Images in the published folder layout."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from cohorts._cohort import Cohort, CohortInfo, ImageModality, ImageRecord, Note
from cohorts._duplicates import duplicate_groups
from cohorts._errors import BenchmarkError
from cohorts._image_files import IMAGE_SUFFIXES, read_image_record
from cohorts._loading import CohortLoader, register_cohort
from cohorts._simulate_tables import simulate_tables

__all__: list[str] = []

CLASSES = ("normal", "benign", "malignant")

MASK_STEM = re.compile(r"(?P<image>.+)_mask(_\d+)?")

INFO = CohortInfo(
    name="busi",
    title="BUSI, breast ultrasound images",
    source="Al-Dhabyani et al. 2020, Data in Brief 28, doi 10.1016/j.dib.2019.104863",
    licence="CC BY 4.0",
    patients_known=False,
    images_public=True,
)


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class BusiOptions:
    """What can be set for BUSI.

    Attributes
    ----------
    simulate_tabular : bool
        Add the demo's 35 clinical and molecular columns, drawn by class. The cohort is then
        semi-simulated.
    simulation_seed : int
        Seed of those columns.
    group_duplicates : bool
        Keep images that are nearly the same in one fold, as if they were one patient's.
    """

    simulate_tabular: bool = False
    simulation_seed: int = 0
    group_duplicates: bool = True


class _Found(NamedTuple):
    """One image of the tree."""

    case: str
    label: str
    record: ImageRecord


@register_cohort("busi")
class Busi(CohortLoader[BusiOptions]):
    """Folders ``benign/``, ``malignant/`` and ``normal/`` with masks beside the images."""

    title = "BUSI: 780 breast ultrasound images, three classes (folder)"
    options_type = BusiOptions

    def load(self, data: Path | None, options: BusiOptions) -> Cohort:
        """Read the tree; masks of a case are merged, and missing masks are fine."""
        root = _find_root(Path(data or "."))
        found = [one for label in CLASSES for one in _read_class(root / label, label)]
        cases = tuple(one.case for one in found)
        labels = np.asarray([CLASSES.index(one.label) for one in found], dtype=np.intp)
        patients, notes = _patients(found, labels, group_duplicates=options.group_duplicates)
        cohort = Cohort(
            info=INFO,
            cases=cases,
            patients=patients,
            classes=CLASSES,
            labels=labels,
            images=(ImageModality("ultrasound", tuple((one.record,) for one in found)),),
            notes=notes,
        )
        return _with_tables(cohort, options) if options.simulate_tabular else cohort


def _find_root(data: Path) -> Path:
    """Return the folder that holds the class folders: `data` or the one folder in it that does."""
    inside = sorted(path for path in data.iterdir() if path.is_dir()) if data.is_dir() else []
    complete = [path for path in (data, *inside) if all((path / name).is_dir() for name in CLASSES)]
    if complete:
        return complete[0]
    present = ", ".join(path.name for path in inside[:5]) or "no folder"
    raise BenchmarkError(
        f"{str(data)!r} is not laid out as BUSI: it needs the folders {', '.join(CLASSES)}, but "
        f"holds {present}. Give the folder that was unpacked (Dataset_BUSI_with_GT)."
    )


def _read_class(folder: Path, label: str) -> list[_Found]:
    files = [path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES]
    masks: dict[str, list[Path]] = {}
    images = []
    for path in sorted(files, key=_natural):
        mask = MASK_STEM.fullmatch(path.stem)
        if mask:
            masks.setdefault(mask["image"], []).append(path)
        else:
            images.append(path)
    _check_masks(folder, images, masks)
    return [
        _Found(path.stem, label, read_image_record(path, masks.get(path.stem, ())))
        for path in images
    ]


def _check_masks(folder: Path, images: Sequence[Path], masks: dict[str, list[Path]]) -> None:
    if not images:
        raise BenchmarkError(
            f"The folder {str(folder)!r} holds no image. BUSI has images such as "
            f"'{folder.name} (1).png' there; unpack the data set again."
        )
    orphans = sorted(masks.keys() - {path.stem for path in images})
    if orphans:
        raise BenchmarkError(
            f"The folder {str(folder)!r} has a mask of {orphans[0]!r} but no such image "
            f"({len(orphans)} mask(s) in all). Copy the image there, or remove the mask."
        )


def _natural(path: Path) -> tuple[str, int, str]:
    """Order ``benign (2)`` before ``benign (10)``."""
    number = re.search(r"\((\d+)\)", path.stem)
    return path.stem.split("(")[0], int(number[1]) if number else 0, path.stem


def _patients(
    found: Sequence[_Found], labels: NDArray[np.intp], *, group_duplicates: bool
) -> tuple[tuple[str, ...], tuple[Note, ...]]:
    """Return a stand-in for the patient of each case, and what must be said about it."""
    if not group_duplicates:
        text = (
            "BUSI records no patient, and near-duplicate images were not grouped: a fold's test "
            "cases have twins in its training part, so every score is too good."
        )
        note = Note("duplicates-not-grouped", "warning", text)
        return tuple(one.case for one in found), (note,)
    groups = duplicate_groups([one.record.path for one in found])
    return tuple(found[first].case for first in _first_of_group(groups)), (
        Note("duplicates-grouped", "warning", _describe_groups(groups, labels)),
    )


def _first_of_group(groups: NDArray[np.intp]) -> NDArray[np.intp]:
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    return np.asarray(first[inverse], dtype=np.intp)


def _describe_groups(groups: NDArray[np.intp], labels: NDArray[np.intp]) -> str:
    several = [rows for g in np.unique(groups) if len(rows := np.flatnonzero(groups == g)) > 1]
    n_conflicting = sum(len(set(labels[rows].tolist())) > 1 for rows in several)
    return (
        f"BUSI records no patient. {len(several)} groups of near-duplicate images "
        f"({sum(map(len, several))} of {len(groups)} images; {n_conflicting} groups hold images of "
        "different classes) are kept whole in the folds as if each were one patient. Different "
        "images of one patient cannot be recognised and may still stand on both sides of a fold."
    )


def _with_tables(cohort: Cohort, options: BusiOptions) -> Cohort:
    labels = [cohort.classes[k] for k in cohort.labels]
    tables, planted = simulate_tables(
        labels, case_ids=cohort.cases, random_state=options.simulation_seed
    )
    text = (
        "The images are real, the clinical and molecular tables are simulated and drawn by class: "
        "what tables add here, and whether fusion helps, says nothing about real patients."
    )
    info = replace(
        cohort.info,
        title=f"{cohort.info.title}, with simulated tables",
        simulation="semi-simulated",
        planted=planted,
    )
    return replace(cohort, info=info, tables=tables).with_notes(
        Note("semi-simulated-data", "warning", text)
    )
