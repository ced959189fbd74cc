"""Pages: self-contained HTML laid out from plain summaries."""

from reports._leaderboard import render_leaderboard

__all__ = ["render_leaderboard"]
