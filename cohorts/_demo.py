"""The embedded demo cohort: simulated patients, so that everything runs without any data."""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as pydantic_dataclass
from threadpoolctl import threadpool_limits

from cohorts._cohort import Cohort, CohortInfo, ImageModality, ImageRecord, Note
from cohorts._errors import BenchmarkError
from cohorts._image_files import read_image_record
from cohorts._loading import CohortLoader, register_cohort
from cohorts._simulate_images import SCENE, simulate_image
from cohorts._simulate_tables import (
    case_generator,
    class_latents,
    planted_effects,
    simulate_tables,
)
from cohorts._simulated_features import SIMULATED_CLASSES, Feature
from cohorts._simulated_lesions import LESION
from cohorts._storage import default_cache_dir
from cohorts._version import __version__

__all__ = ["DemoLoader", "DemoOptions"]

logger = logging.getLogger(__name__)

# Raise it when the same seed draws other pixels: stored images are then made again.
_RECIPE = 1

# The proportions of the 780 images of BUSI (Al-Dhabyani et al. 2020, Data in Brief 28).
_PROPORTIONS = {"normal": 133, "benign": 437, "malignant": 210}

_SITES = {"site-a": 0.5, "site-b": 0.3, "site-c": 0.2}
_SECOND_EXAMINATIONS = 0.08

# Two examinations of one patient show much the same breast and lesion, with new speckle.
_IMAGE_AGREEMENT = 0.8

_NOTE = Note(
    "simulated-data",
    "warning",
    "Every patient of this cohort is simulated: its scores show how the benchmark works and "
    "say nothing about real patients.",
)


@pydantic_dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class DemoOptions:
    """What can be set about the simulated cohort.

    Attributes
    ----------
    n_cases : int, default=240
        Number of examinations, at least 60 so that every class fills its folds.
    seed : int, default=0
        The same seed gives the same patients, byte for byte.
    """

    n_cases: Annotated[int, Field(ge=60)] = 240
    seed: Annotated[int, Field(ge=0)] = 0


@dataclass(frozen=True)
class _Roster:
    """Who was examined: one entry per case."""

    cases: tuple[str, ...]
    patients: tuple[str, ...]
    labels: tuple[str, ...]
    sites: tuple[str, ...]


@dataclass(frozen=True)
class _Picture:
    """What one image shows, before any pixel is drawn."""

    case: str
    scene: dict[str, float]
    lesion: dict[str, float] | None


@register_cohort("demo")
class DemoLoader(CohortLoader[DemoOptions]):
    """Simulate patients with an ultrasound image, a history and laboratory values.

    Given the class, images and tables are drawn independently: each tells something about
    the class that the other does not. What drives the class is in `CohortInfo.planted`. For
    ``ultrasound.*`` it is the difference between malignant and benign lesions, since a
    normal image has none.
    """

    title = "Simulated patients with ultrasound, history and laboratory values; needs no data"
    needs_data = False
    options_type = DemoOptions

    def load(self, data: Path | None, options: DemoOptions) -> Cohort:
        """Simulate the cohort; images are kept in the cache folder and used again.

        Raises
        ------
        BenchmarkError
            If a path is given, or the cache folder cannot be written.
        """
        if data is not None:
            raise BenchmarkError(
                f"Cohort 'demo' is simulated and reads no files, but the path {str(data)!r} was "
                "given. Leave the path out, or choose another cohort; see: benchmark list cohorts"
            )
        roster = _draw_roster(options.n_cases, options.seed)
        tables, planted = simulate_tables(
            roster.labels,
            case_ids=roster.cases,
            patients=roster.patients,
            random_state=options.seed,
        )
        planted |= planted_effects("ultrasound", (*LESION, *SCENE))
        records = _stored_images(_draw_pictures(roster, options.seed), options)
        return Cohort(
            info=_describe(planted),
            cases=roster.cases,
            patients=roster.patients,
            classes=SIMULATED_CLASSES,
            labels=np.array([SIMULATED_CLASSES.index(label) for label in roster.labels]),
            images=(ImageModality("ultrasound", records),),
            tables=tables,
            sites=roster.sites,
            notes=(_NOTE,),
        )


def _describe(planted: dict[str, float]) -> CohortInfo:
    return CohortInfo(
        name="demo",
        title="Demo (simulated patients)",
        source="Simulated by sonobench; no real patient is in it.",
        licence="Simulated data, free to use (BSD-3-Clause, as the code that draws it)",
        simulation="simulated",
        images_public=True,
        planted=planted,
    )


def _draw_roster(n_cases: int, seed: int) -> _Roster:
    """Draw patients and their examinations, in an order that tells nothing."""
    rng = case_generator(seed, "roster", str(n_cases))
    persons = [
        (label, n_exams)
        for label, n in _class_sizes(n_cases).items()
        for n_exams in _examinations(n)
    ]
    persons = [persons[position] for position in rng.permutation(len(persons))]
    sites = rng.choice(list(_SITES), size=len(persons), p=list(_SITES.values()))
    rows = [
        (f"patient-{number:04d}", label, str(site))
        for number, ((label, n_exams), site) in enumerate(zip(persons, sites, strict=True), 1)
        for _ in range(n_exams)
    ]
    rows = [rows[position] for position in rng.permutation(len(rows))]
    patients, labels, places = zip(*rows, strict=True)
    cases = tuple(f"demo-{number:04d}" for number in range(1, n_cases + 1))
    return _Roster(cases, patients, labels, places)


def _class_sizes(n_cases: int) -> dict[str, int]:
    """Share out the cases by the largest remainder."""
    exact = {
        name: n_cases * weight / sum(_PROPORTIONS.values()) for name, weight in _PROPORTIONS.items()
    }
    sizes = {name: int(share) for name, share in exact.items()}
    by_remainder = sorted(exact, key=lambda name: sizes[name] - exact[name])
    for name in by_remainder[: n_cases - sum(sizes.values())]:
        sizes[name] += 1
    return sizes


def _examinations(n_cases: int) -> list[int]:
    """Return the number of examinations of each patient, `n_cases` in all."""
    n_second = round(n_cases * _SECOND_EXAMINATIONS / (1 + _SECOND_EXAMINATIONS))
    return [2] * n_second + [1] * (n_cases - 2 * n_second)


def _draw_pictures(roster: _Roster, seed: int) -> list[_Picture]:
    scenes = _draw_properties(SCENE, roster, "scene", seed)
    lesions = _draw_properties(LESION, roster, "lesion", seed)
    return [
        _Picture(case, scene, None if label == "normal" else lesion)
        for case, label, scene, lesion in zip(
            roster.cases, roster.labels, scenes, lesions, strict=True
        )
    ]


def _draw_properties(
    features: Sequence[Feature], roster: _Roster, purpose: str, seed: int
) -> list[dict[str, float]]:
    latents = class_latents(
        features,
        roster.labels,
        case_ids=roster.cases,
        patients=roster.patients,
        agreement=_IMAGE_AGREEMENT,
        purpose=purpose,
        random_state=seed,
    )
    no_labels = np.empty((len(roster.cases), 0))
    values = [
        feature.scale.record(latent, no_labels).tolist()
        for feature, latent in zip(features, latents.T, strict=True)
    ]
    names = [feature.name for feature in features]
    return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]


def _stored_images(
    pictures: Sequence[_Picture], options: DemoOptions
) -> tuple[tuple[ImageRecord, ...], ...]:
    """Return the records of the stored images, which are made first if need be."""
    recipe = f"{__version__} {_RECIPE} {options.seed} {options.n_cases}"
    digest = hashlib.sha256(recipe.encode()).hexdigest()[:16]
    folder = default_cache_dir() / "demo" / digest
    if not _is_sound(folder, pictures):
        # Not made yet, or damaged since: either way the seed makes them again.
        _make_folder(folder, pictures, options.seed)
    return _read_records(folder, pictures)


def _read_records(
    folder: Path, pictures: Sequence[_Picture]
) -> tuple[tuple[ImageRecord, ...], ...]:
    return tuple(
        (
            read_image_record(
                _image_path(folder, picture),
                (_mask_path(folder, picture),),
                spacing_mm=picture.scene["spacing"],
            ),
        )
        for picture in pictures
    )


def _make_folder(folder: Path, pictures: Sequence[_Picture], seed: int) -> None:
    """Draw all images beside `folder` and move them there at once.

    A process that is stopped leaves no `folder`, and of two at work the first to finish wins.
    """
    logger.info("demo_images n_images=%d folder=%s", len(pictures), folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".making-") as workshop:
            made = Path(workshop) / "made"
            made.mkdir()
            # One thread: the products are small, and more threads would change their rounding.
            with threadpool_limits(limits=1):
                for picture in pictures:
                    _write_picture(made, picture, case_generator(seed, "pixels", picture.case))
            _move(made, folder, aside=Path(workshop) / "damaged", pictures=pictures)
    except OSError as error:
        raise BenchmarkError(
            f"The demo images cannot be written to {str(folder)!r} ({error.strerror or error}). "
            "Set the environment variable SONOBENCH_CACHE to a folder that can be written."
        ) from None


def _write_picture(folder: Path, picture: _Picture, rng: np.random.Generator) -> None:
    image, mask = simulate_image(picture.scene, picture.lesion, rng)
    _write_png(_image_path(folder, picture), image)
    _write_png(_mask_path(folder, picture), mask)


def _move(made: Path, folder: Path, *, aside: Path, pictures: Sequence[_Picture]) -> None:
    """Put `made` in the place of `folder`, unless someone put a sound one there meanwhile."""
    if _is_sound(folder, pictures):
        return
    if folder.exists():
        folder.rename(aside)
    try:
        made.rename(folder)
    except OSError:
        # Another process may have moved its own there a moment ago: theirs is as good.
        if not _is_sound(folder, pictures):
            raise


def _is_sound(folder: Path, pictures: Sequence[_Picture]) -> bool:
    try:
        _read_records(folder, pictures)
    except BenchmarkError:
        return False
    return True


def _write_png(path: Path, pixels: NDArray[np.uint8]) -> None:
    Image.fromarray(pixels).save(path, compress_level=1)


def _image_path(folder: Path, picture: _Picture) -> Path:
    return folder / f"{picture.case}.png"


def _mask_path(folder: Path, picture: _Picture) -> Path:
    return folder / f"{picture.case}_mask.png"
