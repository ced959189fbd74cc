"""The command line: parses, builds the config, and calls what a notebook would call."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import textwrap
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from benchmark._run import Preparation

__all__ = ["main"]

EXIT_OK, EXIT_FAILED, EXIT_USAGE = 0, 1, 2
EXIT_INTERRUPTED = 130

# Rows of the board that the terminal shows at the end.
N_SHOWN = 10

# Columns of a terminal that sentences are wrapped to.
WIDTH = 100

SHOWN_METRICS = ("roc_auc", "f1_macro", "sensitivity", "specificity", "brier")

LISTINGS = ("cohorts", "features", "models", "metrics", "presets")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0 when all went well, 1 when cells failed, 2 when the input is not sound.
    """
    arguments = _parser().parse_args(argv)
    level = logging.INFO if getattr(arguments, "verbose", False) else logging.ERROR
    logging.basicConfig(level=level, format="%(levelname)s %(name)s %(message)s")
    from cohorts import BenchmarkError

    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            code: int = arguments.command(arguments)
        sys.stdout.flush()
    except BenchmarkError as error:
        print(f"benchmark: {error}", file=sys.stderr)
        return EXIT_USAGE
    except BrokenPipeError:
        # Whoever read, such as `head`, has enough; the interpreter must not try to flush more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except OSError as error:
        # A full disk, a folder that cannot be written: nothing that a traceback would explain.
        kept = " Finished cells are kept." if arguments.command is _run else ""
        print(f"benchmark: {error}.{kept}", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        goes_on = " Finished cells are kept; the same command goes on from here."
        kept = goes_on if arguments.command is _run else ""
        print(f"benchmark: stopped.{kept}", file=sys.stderr)
        return EXIT_INTERRUPTED
    return code


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Show what we have to say as a sentence, and what libraries have to say as they do."""
    from features import CacheWarning

    if issubclass(category, CacheWarning):
        text = f"benchmark: WARNING: {message}\n"
    else:
        text = warnings.formatwarning(message, category, filename, lineno, line)
    (file or sys.stderr).write(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="benchmark",
        description="Benchmark classical and deep models for multimodal breast-cancer diagnosis.",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_run(commands)
    report = commands.add_parser("report", help="render again from what is stored")
    report.add_argument("run", metavar="RUN", help="a run folder")
    report.set_defaults(command=_report)
    _add_predict(commands)
    _add_cache(commands)
    listing = commands.add_parser("list", help="what there is to choose from")
    listing.add_argument("what", choices=LISTINGS)
    listing.add_argument(
        "--describe", action="store_true", help="with features: the table of every feature"
    )
    listing.set_defaults(command=_list)
    init = commands.add_parser("init", help="print a commented config")
    init.set_defaults(command=_init)
    return parser


def _add_run(commands: Any) -> None:
    parser = commands.add_parser(
        "run", help="run a benchmark and write its page; the demo cohort by default"
    )
    add = parser.add_argument
    add("config", nargs="?", metavar="CONFIG", help="a YAML file; see: benchmark init")
    add("--cohort", metavar="NAME", help="a cohort; see: benchmark list cohorts")
    add("--data", metavar="PATH", help="file or folder of the cohort")
    add("--simulate-tabular", action="store_true", help="with busi: add simulated tables")
    add("--preset", metavar="NAME", help="quick (default), standard or full")
    add("--features", metavar="A,B", help="feature sets; see: benchmark list features")
    add("--models", metavar="A,B", help="models; see: benchmark list models")
    add("--out", metavar="DIR", help="run folder (default: runs/COHORT-PRESET)")
    add("--jobs", type=_at_least(1), metavar="N", help="worker processes (default: one per core)")
    add("--seed", type=_at_least(0), metavar="N", help="seed of everything (default: 0)")
    add("--no-images", action="store_true", help="show no image on the page")
    add("--no-cache", action="store_true", help="compute every image feature anew")
    add("--dry-run", action="store_true", help="print the plan and its expected cost, and stop")
    add("--verbose", action="store_true", help="log what happens")
    parser.set_defaults(command=_run)


def _add_predict(commands: Any) -> None:
    parser = commands.add_parser(
        "predict", help="predict new cases with a model that a run has kept"
    )
    add = parser.add_argument
    add("run", metavar="RUN", help="a run folder")
    add("--features", metavar="NAME", help="feature set of the model (default: of the best one)")
    add("--model", metavar="NAME", help="which model (default: the best one)")
    add("--manifest", metavar="TABLE", help="the cases: CSV, Parquet or XLSX, one row per case")
    add("--out", metavar="CSV", help="where the predictions go")
    add("--template", metavar="CSV", help="write an empty table with the right header, and stop")
    add("--no-cache", action="store_true", help="compute every image feature anew")
    parser.set_defaults(command=_predict)


def _add_cache(commands: Any) -> None:
    parser = commands.add_parser("cache", help="what the cache folder holds; with --prune, tidy it")
    add = parser.add_argument
    add("--prune", action="store_true", help="remove what is unused, superseded or unfinished")
    add(
        "--older-than",
        type=_at_least(0),
        metavar="DAYS",
        help="with --prune: entries unused for so long (default: 90), demo images included",
    )
    add("--extractor", metavar="NAME", help="with --prune: only the entries of this extractor")
    add("--dry-run", action="store_true", help="with --prune: say what would go, and leave it")
    parser.set_defaults(command=_cache)


def _at_least(low: int) -> Any:
    def whole_number(text: str) -> int:
        if not text.isdigit() or int(text) < low:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {low} up")
        return int(text)

    return whole_number


def _run(arguments: argparse.Namespace) -> int:
    from benchmark._kept_models import kept_lines
    from benchmark._run import default_folder, prepare, run
    from benchmark.config import load_config
    from benchmark.experiment import default_jobs

    config = load_config(arguments.config, _overrides(arguments))
    ready = prepare(config)
    n_jobs = arguments.jobs or default_jobs()
    if arguments.dry_run:
        _announce(ready)
        _print_plan(ready, n_jobs)
        return EXIT_OK
    out = Path(arguments.out) if arguments.out else default_folder(config)
    _announce(ready)
    print(f"{len(ready.plan.rows)} rows, {len(ready.plan.cells)} cells -> {out}", flush=True)
    finished = run(ready, out=out, n_jobs=n_jobs, use_cache=not arguments.no_cache, progress=True)
    code = _print_board(finished.folder)
    for line in kept_lines(finished.folder):
        print(textwrap.fill(line, WIDTH, subsequent_indent="  ", break_on_hyphens=False))
    return code


def _overrides(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the nested config values that the flags set."""
    cohort: dict[str, Any] = {}
    if arguments.cohort:
        cohort["name"] = arguments.cohort
    if arguments.data:
        cohort["data"] = arguments.data
    if arguments.simulate_tabular:
        cohort["options"] = {"simulate_tabular": True}
    values: dict[str, Any] = {"cohort": cohort} if cohort else {}
    if arguments.no_images:
        values["show_images"] = False
    for key in ("preset", "seed"):
        if getattr(arguments, key) is not None:
            values[key] = getattr(arguments, key)
    for key in ("features", "models"):
        listed = getattr(arguments, key)
        if listed is not None:
            values[key] = [name.strip() for name in listed.split(",") if name.strip()]
    return values


def _announce(ready: Preparation) -> None:
    from benchmark._external_text import announced

    cohort = ready.cohort
    counts = ", ".join(f"{count} {name}" for name, count in cohort.class_counts().items())
    known = f" of {cohort.n_patients} patients" if cohort.info.patients_known else ""
    print(f"{cohort.info.title}: {cohort.n_cases} cases{known} ({counts})")
    for note in cohort.notes:
        print(f"  {'WARNING' if note.severity == 'warning' else 'note'}: {note.text}")
    for external in ready.external:
        print("\n".join(announced(external)))


def _print_plan(ready: Preparation, n_jobs: int) -> None:
    from benchmark._external_text import planned
    from benchmark._run import (
        extraction_estimate_s,
        finetuning_estimate_s,
        plan_table,
        total_estimate_s,
    )
    from benchmark.experiment import n_networks
    from reports import duration

    table = plan_table(ready)
    print(table.to_string(index=False, formatters={"core_s": "{:.0f}".format}))
    for row in ready.plan.skipped:
        print(f"skipped: {row.model} on {row.features}: {row.reason}")
    networks_s = finetuning_estimate_s(ready)
    if networks_s:
        print(
            f"fine-tuned embeddings: {n_networks(ready.plan, ready.config)} networks, each trained "
            f"once for all rows, about {duration(networks_s)} of one core"
        )
    core_s = sum(ready.costs.values()) + networks_s
    wall = total_estimate_s(ready.plan, ready.costs, n_jobs, networks_s=networks_s)
    print(
        f"{len(ready.plan.rows)} rows, {len(ready.plan.cells)} cells, about "
        f"{duration(core_s)} of one core, {duration(wall)} with {n_jobs} "
        f"job(s), plus up to {duration(extraction_estimate_s(ready))} for image features, less "
        "what the cache holds. A rough guess: machines differ by a factor."
    )
    for external in ready.external:
        print("\n".join(planned(external, ready.plan.sets)))


def _print_board(folder: Path) -> int:
    import json

    from benchmark._external_text import scored
    from benchmark._text_tables import aligned
    from reports import estimate, interval

    def shown_score(row: dict[str, Any], name: str) -> str:
        score = row["metrics"][name]
        return f"{estimate(score)} ({interval(score)})"

    summary = json.loads((folder / "leaderboard.json").read_text(encoding="utf-8"))
    if summary["simulation"] != "real":
        print(f"\n*** {summary['simulation'].upper()} DATA: says nothing about real patients ***")
    shown = list(dict.fromkeys([summary["primary"], *SHOWN_METRICS]))
    titles = {metric["name"]: metric["short"] for metric in summary["metrics"]}
    header = ["#", "features", "model", *(titles[name] for name in shown)]
    rows = [header]
    asked = [verdict["fusion"] for verdict in summary["verdicts"]]
    kept = [
        row
        for row in summary["rows"]
        if row["rank"] <= N_SHOWN or {"features": row["features"], "model": row["model"]} in asked
    ]
    rows += [
        [str(row["rank"]), row["features"], row["model"], *(shown_score(row, n) for n in shown)]
        for row in kept
    ]
    print("\n" + "\n".join(aligned(rows)))
    n_more = len(summary["rows"]) - len(kept)
    if n_more > 0:
        print(f"… and {n_more} more rows on the page")
    for verdict in summary["verdicts"]:
        print(f"\n{verdict['question']} {verdict['label']}")
        for sentence in (verdict["sentence"], *verdict["caveats"]):
            print(textwrap.fill(sentence, WIDTH, initial_indent="  ", subsequent_indent="  "))
    for external in summary["external"]:
        print("\n" + "\n".join(scored(external, titles, width=WIDTH)))
    print()
    for note in summary["notes"]:
        if note["severity"] == "warning":
            print(textwrap.fill(f"WARNING: {note['text']}", WIDTH, subsequent_indent="  "))
    unscored = [*summary["unscored"], *(r for e in summary["external"] for r in e["unscored"])]
    failed = [row for row in unscored if row["status"] == "failed"]
    for row in summary["unscored"]:
        print(f"{row['status']}: {row['model']} on {row['features']}: {row['reason']}")
    print(f"\nPage: {folder / 'leaderboard.html'}")
    return EXIT_FAILED if failed else EXIT_OK


def _report(arguments: argparse.Namespace) -> int:
    from benchmark._run import render

    render(arguments.run)
    return _print_board(Path(arguments.run))


def _predict(arguments: argparse.Namespace) -> int:
    from benchmark._prediction import load
    from benchmark._prediction_report import (
        check_place,
        report_lines,
        write_answer,
        write_template,
    )
    from cohorts import BenchmarkError

    predictor = load(arguments.run, use_cache=not arguments.no_cache)
    if arguments.template:
        print(write_template(predictor, Path(arguments.template)))
        return EXIT_OK
    if not arguments.manifest or not arguments.out:
        raise BenchmarkError(
            "benchmark predict needs the cases and a place for the answer: --manifest TABLE --out "
            "CSV. For an empty table to fill in: --template CSV"
        )
    manifest, out = Path(arguments.manifest), Path(arguments.out)
    check_place(out, manifest=manifest)
    point = predictor.operating_point(arguments.features, arguments.model)
    cases = predictor.read(manifest)
    answer = predictor.predict(cases, features=arguments.features, model=arguments.model)
    write_answer(answer, out)
    for line in report_lines(point, cases, answer, out):
        print(textwrap.fill(line, WIDTH, subsequent_indent="  "))
    return EXIT_OK if answer["predicted"].ne("").all() else EXIT_FAILED


def _cache(arguments: argparse.Namespace) -> int:
    from benchmark._cache_report import cache_report, prune_cache
    from cohorts import BenchmarkError, default_cache_dir

    root = default_cache_dir()
    tidying = {
        "older_than": arguments.older_than,
        "extractor": arguments.extractor,
        "dry_run": arguments.dry_run,
    }
    if arguments.prune:
        lines = prune_cache(root, **tidying)
    elif any(value is not None and value is not False for value in tidying.values()):
        raise BenchmarkError(
            "benchmark cache alone only reports; --older-than, --extractor and --dry-run go with "
            "--prune. Add it to remove something."
        )
    else:
        lines = cache_report(root)
    print("\n".join(lines))
    return EXIT_OK


def _list(arguments: argparse.Namespace) -> int:
    from benchmark import _listing

    if arguments.describe:
        return _describe_features(arguments.what)
    for name, text in getattr(_listing, arguments.what)():
        print(f"{name:24} {text}".rstrip())
    return EXIT_OK


def _describe_features(what: str) -> int:
    from benchmark._feature_table import feature_table
    from benchmark._text_tables import aligned
    from cohorts import BenchmarkError

    if what != "features":
        raise BenchmarkError(
            f"--describe has no table of {what}; there is one of features: "
            "benchmark list features --describe"
        )
    table = feature_table()
    print("\n".join(aligned([list(table.columns), *table.to_numpy().tolist()])))
    return EXIT_OK


def _init(_: argparse.Namespace) -> int:
    from benchmark._listing import commented_config

    print(commented_config(), end="")
    return EXIT_OK
