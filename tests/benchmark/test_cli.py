"""The command line: what it prints, and how it fails."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmark.cli import main
from features import CacheWarning

ROOT = Path(__file__).parents[2]


def command(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the installed command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "benchmark", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def study(tmp_path: Path, monkeypatch) -> Path:
    """A folder with a table of 24 patients, their images and masks, and a config."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    rows = []
    for i in range(24):
        Image.fromarray(rng.integers(0, 255, (20, 24)).astype(np.uint8)).save(f"image{i}.png")
        Image.new("L", (24, 20), 255).save(f"mask{i}.png")
        rows.append(
            {
                "exam": f"e{i:02}",
                "who": f"w{i:02}",
                "image": f"image{i}.png",
                "mask": f"mask{i}.png",
                "age": 40 + i,
                "lump": ["yes", "no"][i % 2],
                "result": ["benign", "malignant"][i % 2],
            }
        )
    pd.DataFrame(rows).to_csv("patients.csv", index=False)
    (tmp_path / "run.yaml").write_text(
        "cohort:\n"
        "  name: manifest\n"
        "  data: patients.csv\n"
        "  options:\n"
        "    case: exam\n"
        "    patient: who\n"
        "    label: result\n"
        "    images: {ultrasound: {image: image, mask: mask}}\n"
        "    modalities: {clinical: [age, lump]}\n"
        "models: [dummy, logistic_regression]\n"
        "features: [clinical]\n"
        "final_models: none\n"
    )
    return tmp_path


def test_a_run_goes_on_without_a_cache_that_can_be_written(study, monkeypatch, capsys):
    """One sentence on stderr says so, and the run ends as it would have."""
    monkeypatch.setenv("SONOBENCH_CACHE", str(study / "patients.csv" / "cache"))
    flags = ["--features", "radiomics", "--models", "dummy", "--jobs", "1", "--out", "out"]
    with warnings.catch_warnings():
        warnings.simplefilter("default", CacheWarning)
        assert main(["run", "run.yaml", *flags]) == 0
    assert capsys.readouterr().err.count("benchmark: WARNING: The feature cache") == 1
    assert (study / "out" / "leaderboard.html").is_file()


def edit(study: Path, column: str, row: int, value: object) -> None:
    table = pd.read_csv(study / "patients.csv", dtype=str)
    table.loc[row, column] = value
    table.to_csv(study / "patients.csv", index=False)


def test_a_run_prints_its_board_and_writes_its_page(study, capsys):
    """Who was run, the best rows, the answer and where the page is."""
    assert main(["run", "run.yaml", "--jobs", "1", "--out", "out"]) == 0
    printed = capsys.readouterr().out
    assert "24 cases of 24 patients (12 benign, 12 malignant)" in printed
    assert "logistic_regression" in printed
    assert "Does fusion beat the best classical model here?" in printed
    assert "Page: out/leaderboard.html" in printed
    assert (study / "out" / "leaderboard.html").is_file()
    assert main(["report", "out"]) == 0


def test_simulated_data_is_said_in_the_terminal(tmp_path, monkeypatch, capsys):
    """The demo's board stands under a line that no one can miss."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo.yaml").write_text("cohort: {name: demo, options: {n_cases: 60}}")
    arguments = ["run", "demo.yaml", "--features", "clinical", "--models", "dummy", "--jobs", "1"]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "*** SIMULATED DATA" in printed
    assert (tmp_path / "runs" / "demo-quick" / "leaderboard.html").is_file()


def test_a_dry_run_writes_nothing(study, capsys):
    """The plan and its cost are printed, and no folder is made."""
    assert main(["run", "run.yaml", "--dry-run", "--out", "out"]) == 0
    printed = capsys.readouterr().out
    assert "2 rows, 6 cells, about" in printed
    assert "24 cases of 24 patients" in printed
    assert not (study / "out").exists()


def empty_image(study: Path) -> None:
    (study / "image3.png").write_bytes(b"")


def corrupt_image(study: Path) -> None:
    (study / "image3.png").write_bytes(b"\x89PNG and nothing else")


def other_mask(study: Path) -> None:
    Image.new("L", (10, 10), 255).save(study / "mask3.png")


def no_image(study: Path) -> None:
    (study / "image3.png").unlink()


def one_class(study: Path) -> None:
    table = pd.read_csv(study / "patients.csv", dtype=str)
    table.assign(result="benign").to_csv(study / "patients.csv", index=False)


def tiny_class(study: Path) -> None:
    for row in range(24):
        edit(study, "result", row, "malignant" if row < 2 else "benign")


def twice(study: Path) -> None:
    edit(study, "exam", 3, "e02")


def no_label(study: Path) -> None:
    table = pd.read_csv(study / "patients.csv", dtype=str)
    table.rename(columns={"result": "results"}).to_csv(study / "patients.csv", index=False)


def empty_column(study: Path) -> None:
    (study / "patients.csv").write_text("")


BAD_FLAGS = [
    (["--models", "svm,random_forrest"], r"'random_forrest'.* Did you mean 'random_forest'\?"),
    (["--features", "clinicl"], r"Unknown feature set 'clinicl' .*Did you mean 'clinical'\?"),
    (["--models", ""], r"the command line: models names none"),
    (["--preset", "fast"], r"Unknown preset 'fast'"),
    (["--cohort", "brest"], r"Unknown cohort 'brest' .* Did you mean 'breast'\?"),
    (["--data", "nowhere"], r"the path 'nowhere' does not exist"),
    (["--simulate-tabular"], r"Unknown key 'simulate_tabular'"),
]


@pytest.mark.parametrize(("flags", "message"), BAD_FLAGS)
def test_bad_flags_exit_with_2(study, capsys, flags, message):
    """One sentence on standard error, before any work."""
    import re

    assert main(["run", "run.yaml", "--out", "out", *flags]) == 2
    captured = capsys.readouterr()
    assert re.search(message, captured.err)
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert not (study / "out").exists()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (empty_image, r"image3\.png' is empty \(0 bytes\)"),
        (corrupt_image, r"image3\.png' cannot be read as an image"),
        (other_mask, r"mask3\.png' has 10 × 10 pixels, but its image .* has 24 × 20"),
        (no_image, r"image3\.png"),
        (one_class, r"one class, 'benign'"),
        (tiny_class, r"class 'malignant' has 2 patient\(s\), too few for 3 outer"),
        (twice, r"'e02'"),
        (no_label, r"Unknown .*'result'.* Did you mean 'results'\?"),
        (empty_column, r"patients\.csv' .*empty"),
    ],
)
def test_bad_data_exit_with_2(study, capsys, damage, message):
    """One sentence that names the input, before any long work starts."""
    import re

    damage(study)
    assert main(["run", "run.yaml", "--out", "out"]) == 2
    captured = capsys.readouterr()
    assert re.search(message, captured.err), captured.err
    assert captured.err.count("\n") == 1
    assert not (study / "out").exists()


def test_a_folder_that_is_no_run(tmp_path, capsys):
    """`report` on anything else ends in a sentence."""
    assert main(["report", str(tmp_path)]) == 2
    assert "is not a run folder" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written(study, capsys):
    """An output path at or below a file ends in a sentence, not in a traceback."""
    for out in (study / "patients.csv", study / "patients.csv" / "out"):
        assert main(["run", "run.yaml", "--jobs", "1", "--out", str(out)]) == 2
        error = capsys.readouterr().err
        assert f"The run folder '{out}' cannot be made" in error
        assert "Choose another with --out" in error


def test_usage_errors_exit_with_2(capsys):
    """Argparse's own errors have the same code."""
    with pytest.raises(SystemExit, match="2"):
        main(["run", "--jobs", "0"])
    assert "'0' is no whole number from 1 up" in capsys.readouterr().err


@pytest.mark.parametrize("what", ["cohorts", "features", "models", "metrics", "presets"])
def test_listings(what, capsys):
    """Each listing has a line for every registered name."""
    from cohorts import COHORTS
    from features import EXTRACTORS
    from models import MODELS

    assert main(["list", what]) == 0
    printed = capsys.readouterr().out
    names = {
        "cohorts": COHORTS.names(),
        "features": EXTRACTORS.names(),
        "models": MODELS.names(),
        "metrics": ("roc_auc", "f1_macro", "brier"),
        "presets": ("quick", "standard", "full"),
    }[what]
    assert all(any(line.startswith(name) for line in printed.splitlines()) for name in names)


def test_help_imports_nothing_heavy():
    """`benchmark --help` answers without pandas, scikit-learn or torch."""
    code = (
        "import sys, benchmark.cli\n"
        "try: benchmark.cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'pandas', 'sklearn', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_same_seed_in_fresh_processes_gives_the_same_bytes(tmp_path):
    """Two processes, one and two workers: ``scores.parquet`` is the same file."""
    (tmp_path / "run.yaml").write_text(
        "cohort: {name: demo, options: {n_cases: 60}}\n"
        "features: [radiomics+tabular, image+tabular]\n"
        "models: [logistic_regression, extra_trees, lightgbm, xgboost, mlp, compact_fusion]\n"
        "outer: {n_splits: 2}\n"
        "model_settings: {networks: {compact_image_size: 32, compact_epochs: 2}}\n"
        "feature_options: {radiomics: {families: [firstorder, glcm, shape]}}\n"
        "final_models: none\n"
    )
    for out, jobs in (("one", "1"), ("two", "2")):
        done = command("run", "run.yaml", "--out", out, "--jobs", jobs, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    one, two = (tmp_path / out / "scores.parquet" for out in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_the_manifest_example_runs_on_a_table_like_it(tmp_path, capsys):
    """A table with the columns of the example config is planned without a change."""
    example = (ROOT / "examples" / "manifest.yaml").read_text()
    (tmp_path / "run.yaml").write_text(example)
    rng = np.random.default_rng(0)
    rows = []
    for i in range(60):
        Image.fromarray(rng.integers(0, 255, (16, 16)).astype(np.uint8)).save(tmp_path / f"{i}.png")
        rows.append(
            {
                "exam_id": f"x{i}",
                "patient_id": f"p{i // 2}",
                "hospital": "AB"[i % 2],
                "diagnosis": ["normal", "benign", "malignant"][(i // 2) % 3],
                "image_file": f"{i}.png",
                "mask_file": "" if i % 5 else f"{i}.png",
                "pixel_mm": 0.1,
                "age": 40 + i if i % 7 else "not available",
                "palpable": "yes" if i % 3 else "no",
                "symptoms": ["pain&lump", "pain", "?"][i % 3],
                "ca_15_3": 10.5 + i,
                "cea": 2.5,
                "free_text": f"note {i}",
                "birads": "4a",
                "histology": "ductal",
            }
        )
    pd.DataFrame(rows).to_csv(tmp_path / "patients.csv", index=False)
    assert main(["run", str(tmp_path / "run.yaml"), "--dry-run"]) == 0
    assert "late_fusion" in capsys.readouterr().out


def test_the_summary_is_json(study):
    """The same dictionary that the page was laid out from."""
    assert main(["run", "run.yaml", "--jobs", "1", "--out", "out"]) == 0
    summary = json.loads((study / "out" / "leaderboard.json").read_text())
    assert [row["model"] for row in summary["rows"]][-1] == "dummy"


def test_external_cohorts_are_announced_planned_and_scored(study, capsys):
    """A dry run shows cases, refits and reasons; a run ends with how the leader does there."""
    table = pd.read_csv("patients.csv")
    table["exam"] = "x" + table["exam"]
    table["age"] += 2
    table["who"] = "x" + table["who"]
    table.drop(columns="lump").to_csv("others.csv", index=False)
    table.to_csv("full.csv", index=False)
    config = (study / "run.yaml").read_text()
    options = "options: {case: exam, patient: who, label: result, exclude: [image, mask],"
    (study / "run.yaml").write_text(
        f"{config}"
        "evaluation: {target_sensitivity: 0.7}\n"
        "external:\n"
        f"  - {{name: manifest, label: full, title: All of it, data: full.csv, {options} "
        "modalities: {clinical: [age, lump]}}}\n"
        f"  - {{name: manifest, label: less, data: others.csv, {options} "
        "modalities: {clinical: [age]}}}\n"
    )
    assert main(["run", "run.yaml", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "External, only predicted: All of it: 24 cases (12 benign, 12 malignant)" in shown
    assert "external full: 2 rows refitted on all development cases, about" in shown
    assert (
        "external less: skipped: dummy on clinical: its table 'clinical' has no column 'lump'"
        in shown
    )
    assert main(["run", "run.yaml", "--out", "out", "--jobs", "1"]) == 0
    shown = capsys.readouterr().out
    assert "External: All of it, 24 cases: 2 rows scored, 0 skipped or failed" in shown
    assert "logistic_regression on clinical (first on the internal board): AUC malignant" in shown
    assert "At the threshold frozen for 70% sensitivity: 12 of 12 malignant found" in shown
    assert "0 rows scored, 2 skipped or failed" in shown
    assert main(["report", "out"]) == 0
    assert "External: All of it" in capsys.readouterr().out
