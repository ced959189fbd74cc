"""Time the quick preset on the demo cohort, as a new user starts it.

Usage: python benchmarks/quick.py [RUNS]

Prints the wall time of each run in a fresh process, their median, and where the time of the
last one went by model family. Image features are computed anew in every run.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

STEPS = ["tune_time_s", "fit_time_s", "predict_time_s"]


def time_run(out: Path) -> float:
    """Return the wall seconds of ``benchmark run`` into `out`."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "benchmark", "run", "--out", str(out), "--no-cache"]
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


def print_families(out: Path) -> None:
    """Print the seconds of one core that each family took."""
    plan = pd.read_parquet(out / "plan.parquet")
    spent = plan[STEPS].sum(axis=1).groupby(plan["family"]).agg(["sum", "count"])
    for name, row in spent.sort_values("sum", ascending=False).iterrows():
        print(f"{name:12} {row['sum']:7.1f} s in {int(row['count']):3} cells")


def main() -> None:
    """Run, and print what it took."""
    n_runs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with tempfile.TemporaryDirectory() as folder:
        outs = [Path(folder) / str(i) for i in range(n_runs)]
        walls = [time_run(out) for out in outs]
        print("wall seconds:", ", ".join(f"{wall:.0f}" for wall in walls))
        print(f"median: {statistics.median(walls):.0f} s")
        print_families(outs[-1])


if __name__ == "__main__":
    main()
