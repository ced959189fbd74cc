"""What the terminal says about external cohorts, line by line."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from benchmark._external import ExternalCohort
from cohorts import Cohort
from features import FeatureSet
from reports import duration, estimate, interval, percent, signed, signed_interval

__all__ = ["announced", "planned", "scored"]


def announced(external: ExternalCohort) -> Iterator[str]:
    """Say who is predicted, and what must be known about them."""
    cohort: Cohort = external.cohort
    counts = ", ".join(f"{count} {name}" for name, count in cohort.class_counts().items())
    yield f"External, only predicted: {cohort.info.title}: {cohort.n_cases} cases ({counts})"
    yield from (f"  WARNING: {one.text}" for one in cohort.notes if one.severity == "warning")


def planned(external: ExternalCohort, sets: tuple[FeatureSet, ...]) -> Iterator[str]:
    """Say which rows are refitted, at what cost, and which cannot be predicted."""
    plan = external.plan
    again = (
        "; rows that final_models keeps are tuned and fitted once more for that"
        if external.is_refitted_again
        else ""
    )
    yield (
        f"external {external.key}: {len(plan.cells)} rows refitted on all development cases, "
        f"about {duration(sum(external.costs.values()))} of one core, plus up to "
        f"{duration(external.extraction_s(sets))} for its image features{again}"
    )
    for row in plan.skipped:
        yield f"external {external.key}: skipped: {row.model} on {row.features}: {row.reason}"


def scored(external: Mapping[str, Any], titles: Mapping[str, str], *, width: int) -> Iterator[str]:
    """Say how the row that leads internally does on an external cohort.

    Parameters
    ----------
    external : mapping
        Of the summary.
    titles : mapping of str to str
        Metric -> what it is called.
    width : int
        Columns to wrap to.
    """
    rows, unscored = external["rows"], external["unscored"]
    stamp = "" if external["data"] == "real" else f" [{external['data'].upper()} DATA]"
    yield (
        f"External: {external['title']}, {external['n_cases']} cases{stamp}: {len(rows)} rows "
        f"scored, {len(unscored)} skipped or failed (see the page)"
    )
    for row in unscored:
        if row["status"] == "failed":
            yield f"  failed: {row['model']} on {row['features']}: {row['reason']}"
    if rows:
        sentence = _sentence(external, titles)
        yield textwrap.fill(sentence, width, initial_indent="  ", subsequent_indent="  ")
        yield f"  {_at_threshold(external)}"


def _leader(external: Mapping[str, Any]) -> Mapping[str, Any]:
    row: Mapping[str, Any] = external["rows"][external["leader"]["rank"] - 1]
    return row


def _sentence(external: Mapping[str, Any], titles: Mapping[str, str]) -> str:
    leader = _leader(external)
    one = leader["metrics"][external["ordered_by"]]
    there, here, change = one["external"], one["internal"], one["change"]
    text = (
        f"{leader['model']} on {leader['features']} ({external['leader']['text']}): "
        f"{titles[external['ordered_by']]} {estimate(there)} ({interval(there)}), internally "
        f"{estimate(here)} ({interval(here)}) on the same classes, change {signed(change)} "
        f"({signed_interval(change)}), some of it because it was chosen as the best internally"
    )
    if external["reversed"]:
        text += ". WARNING: it ranks the wrong way round; are the classes mapped rightly?"
    return text


def _at_threshold(external: Mapping[str, Any]) -> str:
    frozen = _leader(external)["frozen"]
    if frozen["threshold"] is None:
        return f"No frozen threshold: {frozen['reason']}"
    (found, positives), (left, others) = frozen["found"], frozen["left_alone"]
    return (
        f"At the threshold frozen for {percent(frozen['target_sensitivity'])} sensitivity: "
        f"{found} of {positives} {external['positive_class']} found, {left} of {others} others "
        "left alone"
    )
