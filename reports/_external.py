"""What the section of an external cohort is laid out from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["external_sections"]


def external_sections(
    summary: Mapping[str, Any], stamps: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return one entry per external cohort, in the order of the config.

    Parameters
    ----------
    summary : mapping
        Of the run; ``external`` is absent in those of earlier versions.
    stamps : mapping of str to str
        Kind of simulation -> what the page calls it.

    Returns
    -------
    list of dict
        The cohort's own summary as ``board``, and what is looked up in it once.
    """
    metrics = {metric["name"]: metric for metric in summary["metrics"]}
    return [
        _section(number, board, metrics, stamps)
        for number, board in enumerate(summary.get("external", ()), start=1)
    ]


def _section(
    number: int,
    board: Mapping[str, Any],
    metrics: Mapping[str, Mapping[str, Any]],
    stamps: Mapping[str, str],
) -> dict[str, Any]:
    ordered_by = board["ordered_by"]
    leader = None if board["leader"] is None else board["rows"][board["leader"]["rank"] - 1]
    return {
        "anchor": f"external-{number}",
        "board": board,
        "stamp": stamps[board["data"]],
        "metric": metrics[ordered_by],
        "leader": leader,
        "is_worse": leader is not None and _is_worse(leader, metrics[ordered_by]),
        "others": [
            metric
            for name, metric in metrics.items()
            if name != ordered_by and _is_defined(board["rows"], name)
        ],
        "left_out": [
            {"title": metric["title"], "reason": board["rows"][0]["metrics"][name]["reason"]}
            for name, metric in metrics.items()
            if board["rows"] and not _is_defined(board["rows"], name)
        ],
        "n_skipped": sum(row["status"] == "skipped" for row in board["unscored"]),
    }


def _is_defined(rows: Sequence[Mapping[str, Any]], name: str) -> bool:
    # Which classes have a case is the same for every row.
    return bool(rows) and not rows[0]["metrics"][name]["reason"]


def _is_worse(row: Mapping[str, Any], metric: Mapping[str, Any]) -> bool:
    """Return whether the whole interval of the change lies on the bad side of none."""
    change = row["metrics"][metric["name"]]["change"]
    low, high = change["ci_low"], change["ci_high"]
    if low is None or high is None:
        return False
    return bool(high < 0 if metric["greater_is_better"] else low > 0)
