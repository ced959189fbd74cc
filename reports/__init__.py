"""Pages: self-contained HTML laid out from plain summaries."""

from reports._formatting import (
    duration,
    estimate,
    interval,
    percent,
    signed,
    signed_interval,
)
from reports._leaderboard import render_leaderboard

__all__ = [
    "duration",
    "estimate",
    "interval",
    "percent",
    "render_leaderboard",
    "signed",
    "signed_interval",
]
