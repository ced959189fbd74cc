"""The leaderboard page: one self-contained file laid out from a plain summary."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from reports._external import external_sections
from reports._figures import forest_plot, group_of, line_style, roc_panel
from reports._formatting import FILTERS, estimate, interval
from reports._networks import learning_section, names_of_variants

__all__ = ["render_leaderboard"]

SCHEMA_VERSION = 1

# Rows of the forest plot; more would push the answer off the first screen.
N_FOREST = 12

# False-positive rates at which the table behind the ROC curves reads them.
ROC_TABLE_RATES = (0.05, 0.1, 0.2, 0.3, 0.5)

# Steps of grey in a confusion table; the style sheet has one class for each.
N_SHADES = 10

STAMPS = {"real": "", "semi-simulated": "Semi-simulated data", "simulated": "Simulated data"}


def render_leaderboard(summary: Mapping[str, Any]) -> str:
    """Lay out a run's summary as one HTML page.

    Parameters
    ----------
    summary : mapping
        What ``benchmark.evaluation.summarise`` returns, or the same read back from
        ``leaderboard.json``.

    Returns
    -------
    str
        A page that needs no network and reads without JavaScript; the same summary gives
        the same bytes. Every text of the summary is escaped.

    Raises
    ------
    ValueError
        If the summary has another schema than this page knows.

    Examples
    --------
    >>> page = render_leaderboard(summary)  # doctest: +SKIP
    >>> Path("leaderboard.html").write_text(page, encoding="utf-8")  # doctest: +SKIP
    """
    version = summary.get("schema_version")
    if version != SCHEMA_VERSION:
        raise ValueError(
            f"The summary has schema version {version!r}; this page is laid out from version "
            f"{SCHEMA_VERSION}. Make it again with: benchmark report RUN"
        )
    style, script = _asset("page.css"), _asset("board.js")
    notes = _grouped_notes(summary["notes"])
    page = _environment().get_template("leaderboard.html.j2")
    return page.render(
        summary=summary,
        style=style,
        script=script,
        policy=_content_policy(style, script),
        stamp=STAMPS[summary["simulation"]],
        metrics=_primary_first(summary),
        notes=notes,
        anchors={note["code"]: note["anchor"] for note in notes},
        forest=_forest(summary, notes),
        roc=_roc(summary),
        confusions=_confusions(summary),
        # Summaries of earlier versions have none of these.
        gains=summary.get("gains", []),
        variants=summary.get("variants", []),
        fuses="image only" in names_of_variants(summary.get("variants", [])),
        learning=learning_section(summary.get("learning", []), stamp=STAMPS[summary["simulation"]]),
        external=_external(summary),
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= FILTERS
    environment.filters["group_of"] = group_of
    return environment


def _asset(name: str) -> Markup:
    """Return a style sheet or script of the package, to stand in the page as it is."""
    text = files("reports").joinpath("templates", "leaderboard", name).read_text("utf-8")
    return Markup(text)  # noqa: S704  # our own file


def _content_policy(style: str, script: str) -> str:
    """Allow the page's own style and script by their hashes, and nothing else at all."""
    hashes = {
        kind: base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
        for kind, text in (("style-src", style), ("script-src", script))
    }
    allowed = "; ".join(f"{kind} 'sha256-{digest}'" for kind, digest in hashes.items())
    return f"default-src 'none'; {allowed}; img-src data:; base-uri 'none'; form-action 'none'"


def _primary_first(summary: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return sorted(summary["metrics"], key=lambda metric: metric["name"] != summary["primary"])


def _external(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the sections of external cohorts, each with places of its own for its notes."""
    sections = external_sections(summary, STAMPS)
    for one in sections:
        one["notes"] = _grouped_notes(one["board"]["notes"], prefix=f"{one['anchor']}-")
        one["anchors"] = {note["code"]: note["anchor"] for note in one["notes"]}
    return sections


def _grouped_notes(notes: Iterable[Mapping[str, str]], *, prefix: str = "") -> list[dict[str, Any]]:
    """One entry per code with all its texts, so that a code is one place on the page."""
    grouped: dict[str, dict[str, Any]] = {}
    for note in notes:
        entry = grouped.setdefault(
            note["code"],
            {
                "code": note["code"],
                "severity": note["severity"],
                "anchor": f"{prefix}note-{len(grouped) + 1}",
                "texts": [],
            },
        )
        entry["texts"].append(note["text"])
    return list(grouped.values())


def _forest(
    summary: Mapping[str, Any], notes: Sequence[Mapping[str, Any]]
) -> dict[str, Any] | None:
    rows = _forest_rows(summary)
    if not rows:
        return None
    metric = _primary_first(summary)[0]
    warned = {note["code"] for note in notes if note["severity"] == "warning"}
    flagged = {row["rank"]: [code for code in row["notes"] if code in warned] for row in rows}
    ranks = [rank for rank, codes in flagged.items() if codes]
    stamp = STAMPS[summary["simulation"]]
    alt = _forest_alt(rows, metric, stamp)
    return {
        "svg": forest_plot(rows, metric, flagged=ranks, stamp=stamp, alt=alt),
        "metric": metric,
        "n_rows": len(rows),
        "groups": sorted({group_of(row["family"]) for row in rows}),
        "codes": list(dict.fromkeys(code for codes in flagged.values() for code in codes)),
    }


def _forest_rows(summary: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the best rows, with room kept for those that the answer compares and a baseline."""
    rows = summary["rows"]
    compared = [
        verdict[side] for verdict in summary["verdicts"] for side in ("fusion", "classical")
    ]
    keys = {(one["features"], one["model"]) for one in compared if one is not None}
    kept = [row for row in rows if (row["features"], row["model"]) in keys][: N_FOREST - 1]
    kept += [row for row in rows if row["family"] == "baseline"][:1]
    ranks = {row["rank"] for row in kept}
    best = [row for row in rows if row["rank"] not in ranks][: N_FOREST - len(ranks)]
    ranks |= {row["rank"] for row in best}
    return [row for row in rows if row["rank"] in ranks]


def _forest_alt(rows: Sequence[Mapping[str, Any]], metric: Mapping[str, Any], stamp: str) -> str:
    scores = (
        f"{row['model']} on {row['features']} {estimate(row['metrics'][metric['name']])} "
        f"({interval(row['metrics'][metric['name']])})"
        for row in rows
    )
    opening = f"{stamp}. " if stamp else ""
    return f"{opening}Forest plot of {metric['title']}: {'; '.join(scores)}."


def _drawn(summary: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [row for row in summary["rows"] if row["roc"] is not None]


def _roc(summary: Mapping[str, Any]) -> dict[str, Any] | None:
    rows, stamp = _drawn(summary), STAMPS[summary["simulation"]]
    if not rows:
        return None
    panels = []
    for k, name in enumerate(_positive_first(summary)):
        curves = [_curve(row, name) for row in rows]
        title = f"{name} versus rest"
        alt = (
            f"{stamp + '. ' if stamp else ''}ROC curves of {len(rows)} rows, {title}. "
            "The numbers are in the table below."
        )
        svg = roc_panel(curves, title=title, name=f"roc{k}", stamp=stamp, alt=alt)
        readings = [_readings(*curve) for curve in curves]
        panels.append({"class": name, "svg": svg, "readings": readings})
    return {
        "panels": panels,
        "rows": rows,
        "styles": [line_style(index) for index in range(len(rows))],
        "rates": ROC_TABLE_RATES,
    }


def _positive_first(summary: Mapping[str, Any]) -> list[str]:
    names = [one["name"] for one in summary["cohort"]["classes"]]
    return sorted(names, key=lambda name: name != summary["cohort"]["positive_class"])


def _curve(row: Mapping[str, Any], name: str) -> tuple[list[float], list[float]]:
    (curve,) = (one for one in row["roc"] if one["class"] == name)
    return curve["fpr"], curve["tpr"]


def _readings(fpr: Sequence[float], tpr: Sequence[float]) -> list[float]:
    """Sensitivity at the grid point nearest to each rate of the table."""
    nearest = (min(range(len(fpr)), key=lambda i: abs(fpr[i] - rate)) for rate in ROC_TABLE_RATES)
    return [tpr[i] for i in nearest]


def _confusions(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return counts with their share of the observed class, and how many were missed."""
    names = [one["name"] for one in summary["cohort"]["classes"]]
    positive = names.index(summary["cohort"]["positive_class"])
    tables = []
    for row in summary["rows"]:
        if row["confusion"] is None:
            continue
        observed = row["confusion"][positive]
        tables.append(
            {
                "row": row,
                "lines": [
                    {"class": name, "total": sum(counts), "cells": _shares(counts)}
                    for name, counts in zip(names, row["confusion"], strict=True)
                ],
                "n_missed": sum(observed) - observed[positive],
                "n_positive": sum(observed),
            }
        )
    return tables


def _shares(counts: Sequence[float]) -> list[dict[str, Any]]:
    total = sum(counts)
    shares = [count / total if total else 0.0 for count in counts]
    return [
        {"count": count, "share": share, "shade": round(share * N_SHADES)}
        for count, share in zip(counts, shares, strict=True)
    ]
