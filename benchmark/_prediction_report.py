"""What ``benchmark predict`` writes and says."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark._prediction import NOT_PREDICTED, Predictor
from cohorts import BenchmarkError, NewCases, write_atomically

__all__ = ["check_place", "report_lines", "write_answer", "write_template"]

# Cases that the terminal names; the file has all of them.
MAX_SHOWN = 5

RESEARCH_USE = "For research use only, not for clinical decisions."


def write_template(predictor: Predictor, path: Path) -> str:
    """Write an empty table of new cases, and return what to do with it.

    Raises
    ------
    BenchmarkError
        If there is such a file already: it may be filled in.
    """
    if path.exists():
        raise BenchmarkError(f"{str(path)!r} exists already. Give another path as --template.")
    case, *others = predictor.columns
    write_atomically(path, pd.DataFrame(columns=predictor.columns).to_csv(index=False).encode())
    return (
        f"{path}: one row per case. {case} must be filled in; of {', '.join(others)}, what is not "
        "known stays empty. Paths of images are relative to the table."
    )


def check_place(out: Path, *, manifest: Path) -> None:
    """Check that the answer can go to a path, before anything is computed.

    Raises
    ------
    BenchmarkError
        If that would overwrite the cases, or is a folder, or lies below a file.
    """
    if out.resolve() == manifest.resolve():
        raise BenchmarkError(
            f"--out {str(out)!r} is the table of the cases itself. Give another path."
        )
    if out.is_dir():
        raise BenchmarkError(f"--out {str(out)!r} is a folder. Give the path of a CSV in it.")
    nearest = next(one for one in out.resolve().parents if one.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise BenchmarkError(
            f"--out {str(out)!r} cannot be written, because {str(nearest)!r} is not a folder that "
            "takes files. Give another path."
        )


def write_answer(answer: pd.DataFrame, out: Path) -> None:
    """Write the predictions as CSV."""
    write_atomically(out, answer.to_csv(index=False).encode("utf-8"))


def report_lines(
    point: Mapping[str, Any], cases: NewCases, answer: pd.DataFrame, out: Path
) -> list[str]:
    """Return the summary of a batch, a line for each thing that must be known.

    Parameters
    ----------
    point : mapping
        The model's operating point.
    cases : NewCases
        What was predicted.
    answer : DataFrame
        The predictions.
    out : Path
        Where they are.
    """
    first = answer.iloc[0]
    chosen = f"{first['model']} on {first['features']}"
    predicted = answer[answer["flagged"] != NOT_PREDICTED]
    counts = predicted["predicted"].value_counts()
    classes = [f"{counts.get(name, 0)} {name}" for name in cases.cohort.classes]
    lines = [f"{note.severity}: {note.text}" for note in cases.notes]
    if first["data"] != "real":
        lines.append(
            f"*** fitted on {first['data'].upper()} DATA: says nothing of real patients ***"
        )
    lines.append(
        f"{chosen}: {len(predicted)} of {len(answer)} cases predicted ({', '.join(classes)})"
    )
    lines.append(_decisions(point, predicted, cases.cohort.positive_class))
    strange = predicted[predicted["flags"] != ""]
    if len(strange):
        lines.append(f"{len(strange)} lie outside what the model saw, which the column flags says:")
        lines += _some(strange)
    failed = answer[answer["flagged"] == NOT_PREDICTED]
    if len(failed):
        lines.append(f"{len(failed)} without a prediction:")
        lines += _some(failed)
    return [*lines, f"{RESEARCH_USE} Written: {out}"]


def _decisions(point: Mapping[str, Any], predicted: pd.DataFrame, positive_class: str) -> str:
    """Say how many reach the threshold, and what it was chosen for."""
    if point["threshold"] is None:
        return f"No threshold: {point['reason']}."
    n_flagged = int((predicted["flagged"] == "yes").sum())
    return (
        f"{n_flagged} of them flagged, having a risk of {positive_class} of "
        f"{point['threshold']:.3f} or more; the threshold was chosen to keep a sensitivity of "
        f"{point['target_sensitivity']:g}."
    )


def _some(part: pd.DataFrame) -> list[str]:
    shown = [f"  {row.case}: {row.flags}" for row in part.head(MAX_SHOWN).itertuples()]
    n_more = len(part) - len(shown)
    return [*shown, f"  … and {n_more} more"] if n_more > 0 else shown
