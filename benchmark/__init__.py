"""The conductor: config, experiment, evaluation and the command line.

What the command line does, a notebook does with `load_config`, `run`, `Run` and `load`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmark._prediction import CaseWarning, Predictor, load
    from benchmark._run import Run, prepare, render, run
    from benchmark.config import Config, load_config
    from cohorts import BenchmarkError

__all__ = [
    "BenchmarkError",
    "CaseWarning",
    "Config",
    "Predictor",
    "Run",
    "load",
    "load_config",
    "prepare",
    "render",
    "run",
]

_HOME = {
    "BenchmarkError": "cohorts",
    "CaseWarning": "benchmark._prediction",
    "Config": "benchmark.config",
    "Predictor": "benchmark._prediction",
    "Run": "benchmark._run",
    "load": "benchmark._prediction",
    "load_config": "benchmark.config",
    "prepare": "benchmark._run",
    "render": "benchmark._run",
    "run": "benchmark._run",
}


def __getattr__(name: str) -> Any:
    """Import on first use, so that ``benchmark --help`` does not wait for torch."""
    if name not in _HOME:
        raise AttributeError(f"module 'benchmark' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOME[name]), name)
