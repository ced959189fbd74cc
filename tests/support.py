"""A small cohort and small runs for tests: everything real, nothing large."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, ImageOps
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from benchmark import Config, Run, load_config
from benchmark._run import Preparation
from benchmark.experiment import TaskFactory, estimate_s, make_plan, outer_splits
from cohorts import (
    COHORTS,
    Cohort,
    CohortInfo,
    CohortLoader,
    Column,
    ColumnKind,
    ImageModality,
    ImageRecord,
    TabularModality,
    case_format,
    register_cohort,
)
from features import FeatureBlock, FeatureCache, ImagingOptions, build_blocks

TINY: dict[str, Any] = {
    "outer": {"n_splits": 3},
    "inner": {"n_splits": 2, "n_trials": 2},
    "evaluation": {"n_resamples": 200},
    "feature_options": {
        "radiomics": {"families": ["region", "firstorder", "glcm"]},
        "embedding": {"backbone": "resnet10t", "image_size": 32},
    },
    "model_settings": {
        "n_trees": 20,
        "max_rounds": 15,
        "networks": {
            "backbone": "resnet10t",
            "weights": "random",
            "image_size": 32,
            "warmup_epochs": 3,
            "finetune_epochs": 1,
            "tabular_epochs": 10,
            "compact_image_size": 32,
            "compact_epochs": 2,
        },
    },
}


def tiny_config(**values: Any) -> Config:
    """Return a config that runs in seconds."""
    return load_config(None, {**TINY, **values})


def prepared(
    cohort: Cohort, features: Sequence[str], models: Sequence[str], **values: Any
) -> Preparation:
    """Return what a run starts from, for a cohort that no loader makes."""
    config = tiny_config(features=list(features), models=list(models), **values)
    plan = make_plan(cohort, config)
    sets = {one.name: one for one in plan.sets}
    costs = {cell: estimate_s(cohort, config, cell, sets[cell.features]) for cell in plan.cells}
    form = case_format(cohort, loader=config.cohort.name)
    return Preparation(config, cohort, outer_splits(cohort, config), plan, costs, form)


def task_factory(ready: Preparation) -> TaskFactory:
    """Return the maker of cell tasks, with all blocks computed."""
    names = [name for one in ready.plan.sets for name in one.blocks]
    blocks = build_blocks(
        ready.cohort,
        names,
        options=ready.config.feature_options,
        cache=FeatureCache(None),
        random_state=0,
    )
    return TaskFactory(ready.config, ready.cohort, ready.plan.sets, blocks, ready.splits)


def make_small_cohort(folder: Path, *, n_patients: int = 60, seed: int = 0) -> Cohort:
    """Images are brighter and ``age`` is higher from class to class; ``noise`` knows nothing."""
    rng = np.random.default_rng(seed)
    classes = ("normal", "benign", "malignant")
    patients = [f"p{i:03}" for i in range(n_patients)]
    patients += patients[: n_patients // 2]
    of_patient = np.arange(n_patients) % 3
    labels = np.concatenate([of_patient, of_patient[: n_patients // 2]])
    n_cases = len(labels)
    cases = tuple(f"c{i:03}" for i in range(n_cases))
    records = []
    for case, label in zip(cases, labels, strict=True):
        grey = np.clip(rng.normal(60 + 25 * label, 30, size=(32, 32)), 0, 255)
        Image.fromarray(grey.astype(np.uint8)).save(folder / f"{case}.png")
        mask = np.zeros((32, 32), np.uint8)
        mask[8:24, 6 : 20 + 2 * label] = 255
        Image.fromarray(mask).save(folder / f"{case}_mask.png")
        path = folder / f"{case}.png"
        records.append((ImageRecord(path, (folder / f"{case}_mask.png",), 0.1, (32, 32)),))
    index = pd.Index(cases, name="case")
    age = np.where(rng.random(n_cases) < 0.1, np.nan, 40 + 8 * labels + rng.normal(0, 8, n_cases))
    side = rng.choice(["left", "right"], size=n_cases)
    marker = np.exp(1 + 0.5 * labels + rng.normal(0, 0.7, n_cases))
    noise = rng.normal(size=n_cases)
    return Cohort(
        info=CohortInfo("small", "A small made-up cohort", simulation="simulated"),
        cases=cases,
        patients=tuple(patients),
        classes=classes,
        labels=labels.astype(np.intp),
        images=(ImageModality("ultrasound", tuple(records)),),
        tables=(
            TabularModality(
                "clinical",
                (
                    Column("age", ColumnKind.NUMERIC, "years"),
                    Column("side", ColumnKind.CATEGORICAL),
                ),
                pd.DataFrame({"age": age, "side": side}, index=index),
            ),
            TabularModality(
                "molecular",
                (Column("marker", ColumnKind.NUMERIC, "U/mL"), Column("noise", ColumnKind.NUMERIC)),
                pd.DataFrame({"marker": marker, "noise": noise}, index=index),
            ),
        ),
    )


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class MadeOptions:
    """What can be set for the cohorts of `made_cohorts`."""

    seed: int = 0
    n_patients: int = 60
    prefix: str = ""
    tables: bool = True
    masks: bool = True
    modalities: tuple[str, ...] = ("ultrasound",)


@contextmanager
def made_cohorts(make_folder: Callable[[str], Path]) -> Iterator[None]:
    """Register the loader ``made``: small cohorts, the same bytes for the same options."""
    before = dict(COHORTS._items)

    @register_cohort("made")
    class Made(CohortLoader[MadeOptions]):
        """Makes them anew each time."""

        title, needs_data, options_type = "made for tests", False, MadeOptions

        def load(self, data: Path | None, options: MadeOptions) -> Cohort:
            made = make_small_cohort(
                make_folder("made"), n_patients=options.n_patients, seed=options.seed
            )
            made = made if options.masks else _without_masks(made)
            return _renamed(_with_modalities(made, options.modalities), options)

    yield
    COHORTS._items.clear()
    COHORTS._items.update(before)


def _renamed(cohort: Cohort, options: MadeOptions) -> Cohort:
    """Give cases and patients the prefix, so that two cohorts can be told apart."""
    cases = tuple(options.prefix + case for case in cohort.cases)
    tables = tuple(replace(one, table=one.table.set_axis(list(cases))) for one in cohort.tables)
    return replace(
        cohort,
        cases=cases,
        patients=tuple(options.prefix + one for one in cohort.patients),
        tables=tables if options.tables else (),
    )


def _without_masks(cohort: Cohort) -> Cohort:
    (images,) = cohort.images
    bare = tuple(tuple(replace(one, masks=()) for one in case) for case in images.records)
    return replace(cohort, images=(replace(images, records=bare),))


def _with_modalities(cohort: Cohort, names: Sequence[str]) -> Cohort:
    """Return the cohort with these modalities in this order; all but ultrasound are negatives."""
    (images,) = cohort.images

    def modality(name: str) -> ImageModality:
        if name == images.name:
            return images
        records = tuple(tuple(map(_negative, of_case)) for of_case in images.records)
        return ImageModality(name, records)

    return replace(cohort, images=tuple(modality(name) for name in names))


def _negative(record: ImageRecord) -> ImageRecord:
    path = record.path.with_name(f"{record.path.stem}_negative.png")
    with Image.open(record.path) as image:
        ImageOps.invert(image).save(path)
    return replace(record, path=path)


# A row that costs next to nothing.
CHEAP_ROWS = {"features": ["tabular", "clinical"], "models": ["dummy"]}


def external_entry(label: str = "there", **options: Any) -> dict[str, Any]:
    """Return an entry of ``external:``; cases of another seed and name of the loader ``made``."""
    return {
        "name": "made",
        "label": label,
        "options": {"seed": 1, "n_patients": 30, "prefix": "x", **options},
    }


def external_config(
    *external: dict[str, Any], features: Sequence[str], models: Sequence[str], **values: Any
) -> Config:
    """Return the config of a small run that predicts external cohorts; needs `made_cohorts`."""
    return tiny_config(
        **{"cohort": {"name": "made"}, "final_models": "none", **values},
        external=list(external),
        features=list(features),
        models=list(models),
    )


def summary_of(finished: Run) -> dict[str, Any]:
    """Return what the page of a run was laid out from."""
    summary: dict[str, Any] = json.loads((finished.folder / "leaderboard.json").read_text())
    return summary


SMALL_BACKBONE = {"embedding": {"backbone": "mobilenetv3_small_050", "image_size": 32}}


def build_block(
    cohort: Cohort,
    name: str,
    cache: FeatureCache | None = None,
    imaging: ImagingOptions | None = None,
    **options: Any,
) -> FeatureBlock:
    """Return a block of a cohort under these options; embeddings come from a small backbone."""
    merged = {name: SMALL_BACKBONE.get(name, {}) | options}
    cache = cache or FeatureCache(None)
    return build_blocks(
        cohort, [name], options=merged, imaging=imaging, cache=cache, random_state=0
    )[name]
