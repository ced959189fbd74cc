"""``benchmark predict``: what it writes, what it says, and how it fails."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmark import load, load_config, run
from benchmark._run import prepare
from benchmark.cli import main

CONFIG = """
cohort:
  name: manifest
  data: patients.csv
  options:
    case: exam
    patient: who
    label: result
    images: {ultrasound: {image: image, mask: mask}}
    modalities: {clinical: [age, lump, born]}
    columns: {born: {kind: date, since: seen}}
    tables: {lab: {path: lab.csv}}
    exclude: [seen]
models: [logistic_regression]
features: [tabular]
outer: {n_splits: 2}
inner: {n_splits: 2, n_trials: 1}
evaluation: {n_resamples: 100, target_sensitivity: 0.6}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with a manifest of 24 patients, a joined table, images, and a run on them."""
    folder = tmp_path_factory.mktemp("study")
    rng = np.random.default_rng(0)
    rows, lab = [], ["exam,ki67"]
    for i in range(24):
        Image.fromarray(rng.integers(0, 255, (20, 24)).astype(np.uint8)).save(folder / f"i{i}.png")
        Image.new("L", (24, 20), 255).save(folder / f"m{i}.png")
        about = {"exam": f"e{i:02}", "who": f"w{i:02}", "image": f"i{i}.png", "mask": f"m{i}.png"}
        about |= {"age": 40 + i, "lump": ["yes", "no"][i % 2]}
        about |= {"born": f"{i + 1:02}/06/{1980 - i}", "seen": "2020-06-30"}
        rows.append(about | {"result": ["benign", "malignant"][i % 2]})
        lab.append(f"e{i:02},{5 + 10 * (i % 2) + i}")
    pd.DataFrame(rows).to_csv(folder / "patients.csv", index=False)
    (folder / "lab.csv").write_text("\n".join(lab) + "\n")
    (folder / "run.yaml").write_text(CONFIG)
    arguments = [str(folder / "run.yaml"), "--out", str(folder / "run"), "--jobs", "1"]
    assert main(["run", *arguments]) == 0
    return folder


@pytest.fixture
def study(made, tmp_path, monkeypatch) -> Path:
    """The run, in a folder without the development data."""
    shutil.copytree(made / "run", tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    return tmp_path


ROWS = "exam,age,lump,born,seen,ki67\na,50,yes,03/04/1970,2020-06-30,7\nb,55,no,04/05/1965,,30\n"


def predict(text: str, *flags: str) -> int:
    Path("new.csv").write_text(text)
    return main(["predict", "run", "--manifest", "new.csv", "--out", "out.csv", *flags])


def test_a_run_says_what_it_has_kept_and_how_it_is_used(made, capsys):
    """After the board: the model, its threshold, what that did out of fold, and the commands."""
    folder = made / "run"
    assert main(["run", str(made / "run.yaml"), "--out", str(folder), "--jobs", "1"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    point = load(folder).operating_point()
    (found, positives), (left, others) = point["found"], point["left_alone"]
    assert (positives, others) == (12, 12)
    assert (
        "kept for benchmark predict: logistic_regression on tabular; flags from a risk of "
        f"{point['threshold']:.3f} (meant to keep 60% of malignant; out of fold it found {found} "
        f"of 12 and left alone {left} of 12)"
    ) in printed
    assert f"benchmark predict {folder} --manifest new.csv --out answer.csv" in printed


@pytest.mark.usefixtures("study")
def test_a_batch_is_written_and_summed_up(capsys):
    """The file has a row per case; the terminal says how many, what is odd, and what it is for."""
    assert predict(ROWS) == 0
    answer = pd.read_csv("out.csv", keep_default_na=False)
    assert answer["case"].tolist() == ["a", "b"]
    assert set(answer["data"]) == {"real"}
    assert answer["flags"].tolist() == ["", "clinical.born missing, never seen so"]
    printed = " ".join(capsys.readouterr().out.split())
    assert "logistic_regression on tabular: 2 of 2 cases predicted (" in printed
    assert "chosen to keep a sensitivity of 0.6" in printed
    assert "1 lie outside what the model saw" in printed
    assert "For research use only, not for clinical decisions. Written: out.csv" in printed


def test_the_development_table_itself_is_predicted(made, study):
    """With its labels, masks and joined table: read as ever, and the run's numbers to the bit."""
    arguments = ["--manifest", str(made / "patients.csv"), "--out", "out.csv"]
    assert main(["predict", "run", *arguments]) == 0
    answer = pd.read_csv("out.csv")
    (path,) = (study / "run" / "models").glob("*/training_fit.parquet")
    fit = pd.read_parquet(path)
    assert answer["p_malignant"].tolist() == fit["fitted_p_malignant"].tolist()
    assert answer["flags"].isna().all()


def test_a_run_needs_its_tables_no_more_when_it_ends(made, tmp_path):
    """How dates are read is known before the first cell: the tables may be moved meanwhile."""
    for path in made.iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path)
    ready = prepare(load_config(tmp_path / "run.yaml", {}))
    for name in ("patients.csv", "lab.csv"):
        (tmp_path / name).unlink()
    done = run(ready, out=tmp_path / "run", n_jobs=1)
    case = {"exam": "a", "age": 50, "born": "03/04/1970", "seen": "2020-06-30"}
    new = load(done.folder).read(case)
    (clinical, _) = new.cohort.tables
    assert clinical.table.loc["a", "born"] == pytest.approx(50.2, abs=0.05)


@pytest.mark.usefixtures("study")
def test_a_case_without_prediction_makes_the_exit_code_1(capsys):
    """The others are written; the case is named with the reason."""
    assert predict(ROWS + "c,57 y,no,04/05/1965,2020-06-30,1\n") == 1
    answer = pd.read_csv("out.csv", keep_default_na=False)
    assert answer["flagged"].tolist()[2] == "no prediction"
    printed = " ".join(capsys.readouterr().out.split())
    assert "1 without a prediction: c: not predicted: age '57 y' cannot be read" in printed


@pytest.mark.usefixtures("study")
def test_a_template_says_what_to_fill_in(capsys):
    """It has the manifest's own columns, both ends of the interval, no label and no mask."""
    assert main(["predict", "run", "--template", "new.csv"]) == 0
    header = Path("new.csv").read_text().strip()
    assert header == "exam,image,age,lump,born,seen,ki67"
    assert "exam must be filled in" in capsys.readouterr().out
    Path("new.csv").write_text(f"{header}\nx,,50,yes,,,7\n")
    assert main(["predict", "run", "--manifest", "new.csv", "--out", "out.csv"]) == 0
    assert main(["predict", "run", "--template", "new.csv"]) == 2
    assert "exists already" in capsys.readouterr().err


@pytest.mark.usefixtures("study")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--manifest", "new.csv", "--out", "new.csv"], "is the table of the cases itself"),
        (["run", "--manifest", "new.csv", "--out", "./run/../new.csv"], "the cases itself"),
        (["run", "--manifest", "no.csv", "--out", "no.csv"], "is the table of the cases itself"),
        (["run", "--manifest", "no.csv", "--out", "run"], "--out 'run' is a folder"),
        (["run", "--manifest", "no.csv", "--out", "new.csv/o.csv"], "new.csv' is not a folder"),
        (["run", "--manifest", "nowhere.csv", "--out", "o.csv"], "'nowhere.csv' does not exist"),
        (
            ["nowhere", "--manifest", "new.csv", "--out", "o.csv"],
            "run folder 'nowhere' does not exist",
        ),
        (["run", "--manifest", "new.csv"], "needs the cases and a place for the answer"),
        (["run", "--out", "o.csv"], "needs the cases and a place for the answer"),
        (
            ["run", "--manifest", "new.csv", "--out", "o.csv", "--features", "clinical"],
            "Unknown feature set 'clinical' in run. Known: tabular. The run has kept: logistic_",
        ),
        (
            ["run", "--manifest", "new.csv", "--out", "o.csv", "--model", "logistic"],
            "Did you mean 'logistic_regression'?",
        ),
    ],
)
def test_what_the_user_can_get_wrong_is_one_sentence(capsys, arguments, message):
    """Exit code 2, nothing written, and the cases as they were."""
    Path("new.csv").write_text(ROWS)
    assert main(["predict", *arguments]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert len(captured.err.splitlines()) == 1
    assert Path("new.csv").read_text() == ROWS
    assert not Path("o.csv").exists()


@pytest.mark.usefixtures("study")
@pytest.mark.parametrize("stop", [OSError("No space left on device"), KeyboardInterrupt()])
def test_only_a_run_keeps_cells(capsys, monkeypatch, stop):
    """A full disk or a stop during a prediction says nothing of cells, of which there are none."""

    def stopped(*_: Any, **__: Any) -> None:
        raise stop

    monkeypatch.setattr("benchmark._prediction_report.write_atomically", stopped)
    assert predict(ROWS) == (1 if isinstance(stop, OSError) else 130)
    assert "cells" not in capsys.readouterr().err
    monkeypatch.setattr("benchmark._run.prepare", stopped)
    assert main(["run"]) in {1, 130}
    assert "Finished cells are kept" in capsys.readouterr().err


@pytest.mark.usefixtures("study")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("exam,age\n", "has a header but no rows"),
        ("exam,age\na,1\na,2\n", "The case id 'a' stands in rows 2 and 3"),
        (
            "age,lump\n50,no\n",
            "new.csv has no column 'exam'; every row needs an id of its own. Add ",
        ),
        ("exams,age\na,1\n", "every row needs an id of its own. Is it 'exams'? Rename that"),
    ],
)
def test_tables_that_will_not_do(capsys, text, message):
    """No row, a case twice, no case column."""
    assert predict(text) == 2
    assert message in capsys.readouterr().err
    assert not Path("out.csv").exists()
