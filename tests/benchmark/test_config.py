"""The config says what will be run, and refuses what it does not know."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from benchmark import Config, load_config
from benchmark._listing import commented_config
from benchmark._run import prepare
from benchmark.config import PRESETS
from cohorts import BenchmarkError

EXAMPLES = Path(__file__).parents[2] / "examples"


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_without_anything_the_demo_runs_quickly():
    """No file and no flags: the quick preset on the demo cohort."""
    config = load_config()
    assert (config.cohort.name, config.preset) == ("demo", "quick")
    assert config.outer.n_splits == PRESETS["quick"]["outer"]["n_splits"]


def test_flags_beat_the_file_and_the_file_beats_the_preset(tmp_path):
    """One value from each level, nested values merged key by key."""
    path = write(tmp_path, "preset: standard\nseed: 3\ninner: {n_trials: 7}\n")
    config = load_config(path, {"seed": 4})
    assert config.seed == 4
    assert config.inner.n_trials == 7
    assert config.inner.n_splits == PRESETS["standard"]["inner"]["n_splits"]
    assert config.model_settings.networks.image_size == 160


def test_a_resolved_config_reads_back_to_itself(tmp_path):
    """What ``run.json`` keeps reproduces the run, whatever presets will be later."""
    config = load_config(None, {"preset": "full", "models": ["svm"], "seed": 9})
    again = load_config(write(tmp_path, config.to_yaml()))
    assert again == config


def test_data_is_relative_to_the_config_file(tmp_path, monkeypatch):
    """A config can be started from anywhere."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study").mkdir()
    path = tmp_path / "study" / "run.yaml"
    path.write_text("cohort: {name: manifest, data: table.csv}", encoding="utf-8")
    assert load_config(path).cohort.data == str(Path("study") / "table.csv")
    absolute = write(tmp_path, f"cohort: {{name: manifest, data: {tmp_path / 'a.csv'}}}")
    assert load_config(absolute).cohort.data == str(tmp_path / "a.csv")


def test_external_data_are_relative_to_the_config_file_too(tmp_path, monkeypatch):
    """The path of a cohort that is only predicted; classes that are numbers are their texts."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study").mkdir()
    path = tmp_path / "study" / "run.yaml"
    path.write_text(
        "external: [{name: manifest, data: b.csv, label: b, classes: {0: benign, 1: null}}]"
    )
    (entry,) = load_config(path).external
    assert entry.data == str(Path("study") / "b.csv")
    assert entry.classes == {"0": "benign", "1": None}
    assert entry.key == "b"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sed: 1", r"Unknown key 'sed' in .*run\.yaml\. Did you mean 'seed'\?"),
        ("outer: {n_split: 3}", r"'n_split' in .*run\.yaml, under outer:.* 'n_splits'\?"),
        ("model_settings: {networks: {epochs: 3}}", r"under model_settings\.networks:.*'warmup_e"),
        ("outer: {n_splits: 1}", r"outer\.n_splits = 1 will not do: .* greater than or equal to 2"),
        ("outer: {n_splits: many}", r"outer\.n_splits = 'many' will not do: .*integer"),
        ("preset: quik", r"Unknown preset 'quik' in .*run\.yaml\. Did you mean 'quick'\?"),
        ("models: [svn]", r"Unknown model 'svn' in .*run\.yaml\. Did you mean 'svm'\?"),
        ("cohort: {name: breats}", r"Unknown cohort 'breats' in .*Did you mean 'breast'\?"),
        ("feature_options: {radiomic: {}}", r"Unknown feature 'radiomic'.*mean 'radiomics'"),
        ("feature_options: {radiomics: {levels: 3}}", r"Unknown key 'levels'.*'n_levels'"),
        ("evaluation: {primary: auc}", r"Unknown metric 'auc' in .*Did you mean 'roc_auc'\?"),
        ("cohort: {positive_class: yes}", r'unquoted yes as True; write it in quotes: "yes"'),
        ("external: [{name: breats}]", r"'breats' in .*, under external\. Did you mean 'breast'"),
        ("external: [{name: busi}]", r"external cohort 'busi' is read from disk; give its path"),
        ("external: [{name: demo}, {name: demo}]", r"two external cohorts are called 'demo'\. Giv"),
        ("external: [{name: demo, label: ../x}]", r"external\.0\.label = '\.\./x' will not do"),
        ("external: [{name: demo, clases: {}}]", r"Unknown key 'clases' .*under external\.0:"),
        ("external: [{name: demo, classes: {yes: a}}]", r'yes as True; write it in quotes: "yes"'),
        ("models: []", r"run\.yaml: models names none\. Name at least one"),
        ("outer: 3", r"outer = 3 will not do: it takes keys .* its keys are n_splits, n_repeats"),
        ("a: [", r"run\.yaml is not readable as YAML: .*line 1"),
        ("- a\n- b", r"must hold keys and values, but it holds a list"),
        ("seed: !!python/object/apply:os.getcwd []", r"is not readable as YAML: .*could not"),
    ],
)  # fmt: skip
def test_what_is_not_known_is_refused(tmp_path, text, message):
    """The error names the file, the key, what came and the nearest thing that works."""
    with pytest.raises(BenchmarkError, match=message):
        load_config(write(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "flags", "message"),
    [
        ("cohort: {name: bussi}", {"cohort": {"data": "x"}}, r"'bussi' in .*run\.yaml\."),
        ("cohort: {name: busi}", {"cohort": {"name": "bussi"}}, r"'bussi' in the command line\."),
        ("preset: quick", {"models": ["svn"]}, r"'svn' in the command line\."),
        ("models: [svn]", {"seed": 1}, r"'svn' in .*run\.yaml\."),
        ("seed: 1", {"preset": "fast"}, r"'fast' in the command line\."),
        ("preset: [quick]", {}, r"preset .* in .*run\.yaml\."),
        ("evaluation: {primary: auc}", {"evaluation": {"n_resamples": 100}}, r"in .*run\.yaml\."),
    ],
)
def test_the_place_that_is_wrong_is_named(tmp_path, text, flags, message):
    """What the file says is not blamed on a flag, nor the reverse."""
    with pytest.raises(BenchmarkError, match=message):
        load_config(write(tmp_path, text), flags)


def test_a_missing_file_is_named():
    """The message says how to get a config."""
    with pytest.raises(BenchmarkError, match=r"'nowhere\.yaml' does not exist\. See: benchm"):
        load_config("nowhere.yaml")


def test_a_folder_or_foreign_bytes_are_no_config(tmp_path):
    """The message says what to give instead."""
    with pytest.raises(BenchmarkError, match=r"is a folder\. Give a YAML file .* --cohort NAME"):
        load_config(tmp_path)
    path = tmp_path / "run.yaml"
    path.write_bytes(b"seed: 1 # \xff")
    with pytest.raises(BenchmarkError, match=r"run\.yaml is not UTF-8 text\. Save it as UTF-8"):
        load_config(path)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_examples_are_valid(path):
    """Every example in the repository loads."""
    assert isinstance(load_config(path), Config)


def test_presets_are_complete_configs():
    """Each preset differs from the others in what it spends, and none has an unknown key."""
    spent = [load_config(None, {"preset": name}) for name in PRESETS]
    folds = [one.outer.n_splits * one.outer.n_repeats for one in spent]
    trials = [one.inner.n_trials for one in spent]
    assert folds == sorted(set(folds))
    assert trials == sorted(set(trials))


def test_the_printed_config_is_a_config(tmp_path):
    """What ``benchmark init`` prints can be run as it is."""
    from benchmark._listing import commented_config

    path = write(tmp_path, commented_config())
    assert load_config(path) == load_config()
    assert set(yaml.safe_load(commented_config())) == set(load_config().to_dict())


def test_paths_of_weights_are_relative_to_the_config(tmp_path):
    """A file beside the config is found from anywhere; names of weights are no paths."""
    path = tmp_path / "run.yaml"
    path.write_text(
        "feature_options: {embedding: {weights: b3.pth}}\n"
        "model_settings: {networks: {weights: random}}\n"
    )
    config = load_config(path)
    assert Path(config.feature_options["embedding"]["weights"]).resolve() == tmp_path / "b3.pth"
    assert config.model_settings.networks.weights == "random"


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"feature_options": {"embedding": {"weights": "no.pth"}}}, r"'no\.pth' .* does not exist"),
        ({"feature_options": {"embedding": {"backbone": "b33"}}}, "Unknown backbone 'b33'"),
        ({"feature_options": {"radiomics": {"families": ["glmc"]}}}, "radiomics family 'glmc'"),
        ({"model_settings": {"networks": {"weights": "no.pth"}}}, r"'no\.pth' .* does not exist"),
    ],
)
def test_what_cannot_be_followed_is_refused_before_the_plan(values, match):
    """A typo in an extractor's option or a missing file is found by a dry run."""
    config = load_config(None, {"cohort": {"options": {"n_cases": 60}}, **values})
    with pytest.raises(BenchmarkError, match=match):
        prepare(config)


def test_the_commented_config_names_every_option():
    """`benchmark init` shows what each extractor takes, and is a config that loads."""
    text = commented_config()
    for option in ("n_levels", "flip_average", "region_crop", "aggregation"):
        assert f"{option}: " in text
