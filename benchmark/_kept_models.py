"""What the terminal says of the models that a run has kept."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmark._prediction import load
from benchmark.experiment import RunStore
from reports import percent

__all__ = ["kept_lines"]


def kept_lines(folder: Path) -> Iterator[str]:
    """Yield a line for each model that was to be kept, and how to use those that were.

    Parameters
    ----------
    folder : Path
        Of a run that has ended. Of one that was told to keep no model there is nothing to say.
    """
    description = RunStore(folder).read_description()
    models = (description.get("models") or {}).values()
    if description["config"]["final_models"] == "none":
        return
    for one in models:
        if one["status"] != "ok":
            yield f"not kept: {one['model']} on {one['features']}: {one['reason']}"
    if all(one["status"] != "ok" for one in models):
        return
    predictor = load(folder, use_cache=False)
    positive = description["cohort"]["positive_class"]
    for features, model in predictor.models[["features", "model"]].itertuples(index=False):
        point = predictor.operating_point(features, model)
        yield f"kept for benchmark predict: {model} on {features}; {_flags_from(point, positive)}"
    failed = description.get("development_failed")
    if failed:
        yield f"They cannot be used yet: how new cases are read could not be written ({failed})."
    else:
        run = shlex.quote(str(folder))
        yield (
            f"To use them: benchmark predict {run} --template new.csv, fill that in, and "
            f"benchmark predict {run} --manifest new.csv --out answer.csv"
        )


def _flags_from(point: Mapping[str, Any], positive: str) -> str:
    if point["threshold"] is None:
        return f"no threshold: {point['reason']}"
    meant = f"meant to keep {percent(point['target_sensitivity'])} of {positive}"
    # A model that an older start has kept may come without counts.
    if point.get("found"):
        (found, positives), (left, others) = point["found"], point["left_alone"]
        meant += f"; out of fold it found {found} of {positives} and left alone {left} of {others}"
    return f"flags from a risk of {point['threshold']:.3f} ({meant})"
