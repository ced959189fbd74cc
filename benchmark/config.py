"""The config: one frozen, validated object that holds every number that shapes a result."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BeforeValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from benchmark._storage_url import check_storage_url, hide_secrets
from benchmark.evaluation.metrics import METRICS
from cohorts import COHORTS, BenchmarkError, parse_options, unknown_name
from features import EXTRACTORS, NAMED_WEIGHTS, ImagingOptions
from models import MODELS, ModelSettings

__all__ = [
    "PRESETS",
    "CohortConfig",
    "Config",
    "EvaluationConfig",
    "ExternalConfig",
    "InnerConfig",
    "OuterConfig",
    "load_config",
]

COMMAND_LINE = "the command line"

# Keys whose values are paths, or names of weights.
PATHS = (
    ("cohort", "data"),
    ("feature_options", "embedding", "weights"),
    ("model_settings", "networks", "weights"),
)

# A label is the name of a folder as well.
LABEL_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"

STRICT = ConfigDict(extra="forbid")

Positive = Annotated[int, Field(ge=1)]
Splits = Annotated[int, Field(ge=2)]


def _quoted(value: Any) -> Any:
    if isinstance(value, bool):
        word = "yes" if value else "no"
        raise ValueError(f'YAML reads an unquoted {word} as {value}; write it in quotes: "{word}"')
    return value


@dataclass(frozen=True, config=STRICT)
class CohortConfig:
    """Which patients.

    Attributes
    ----------
    name : str
        A loader: see ``benchmark list cohorts``.
    data : str or None
        File or folder to read; relative to the config file, or to the working folder
        where it comes from the command line.
    positive_class : str or None
        The class whose miss costs most, where the loader's own choice will not do.
    options : mapping
        The loader's options.
    """

    name: str = "demo"
    data: str | None = None
    positive_class: Annotated[str | None, BeforeValidator(_quoted)] = None
    options: dict[str, Any] = Field(default_factory=dict)


def _as_written(value: Any) -> Any:
    """Read classes that are numbers, such as 0 and 1, as the text that loaders make of them."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else _quoted(value)


ClassName = Annotated[str, BeforeValidator(_as_written)]


@dataclass(frozen=True, config=STRICT)
class ExternalConfig:
    """Patients who are only predicted: never trained, tuned or chosen a threshold on.

    Attributes
    ----------
    name : str
        A loader: see ``benchmark list cohorts``.
    data : str or None
        File or folder to read; relative to the config file.
    options : mapping
        The loader's options.
    classes : mapping of str to (str or None)
        Class of this cohort -> class of the development cohort, or null to leave its cases
        out. Classes of the same name need no entry.
    label : str or None
        What the cohort is called in the run folder; by default the loader's name.
    title : str or None
        A readable name; by default the loader's.
    """

    name: str
    data: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    classes: dict[ClassName, ClassName | None] = Field(default_factory=dict)
    label: Annotated[str, Field(pattern=LABEL_PATTERN)] | None = None
    title: str | None = None

    @property
    def key(self) -> str:
        """Name of the cohort's folder below ``external/``."""
        return self.label or self.name


@dataclass(frozen=True, config=STRICT)
class OuterConfig:
    """Outer folds, on which rows are scored."""

    n_splits: Splits = 5
    n_repeats: Positive = 1


@dataclass(frozen=True, config=STRICT)
class InnerConfig:
    """Inner folds, on which rows are tuned.

    Attributes
    ----------
    n_splits : int
        Inner folds.
    n_trials : int
        Parameter settings tried per cell; the first is the known-good one.
    n_trials_expensive : int
        The same for models whose single fit is long: stacking and the networks.
    time_budget_s : float or None
        Wall seconds after which a cell starts no further trial. Such a cell is no longer the
        same on every machine, and its row says so.
    pruning : {"median", "none"}
        Whether a trial ends early once its loss is worse than the median of the others at the
        same fold or round.
    storage : str or None
        URL of an Optuna storage that any machine which goes on with the run finds the studies
        in, such as ``postgresql://…``; where None, each study is a journal file in the run
        folder. Several machines may share it, each study being one's at a time.
    """

    n_splits: Splits = 3
    n_trials: Positive = 30
    n_trials_expensive: Positive = 1
    time_budget_s: Annotated[float | None, Field(gt=0)] = None
    pruning: Literal["median", "none"] = "median"
    storage: str | None = None


@dataclass(frozen=True, config=STRICT)
class EvaluationConfig:
    """How predictions become scores.

    Attributes
    ----------
    primary : str
        The metric that orders the board, declared before the first fit.
    n_resamples : int
        Bootstrap resamples of the patients.
    confidence : float
        Coverage of the intervals.
    target_sensitivity : float
        For the positive class; the threshold of a final model is chosen to keep it.
    """

    primary: str = "roc_auc"
    n_resamples: Annotated[int, Field(ge=100)] = 1000
    confidence: Annotated[float, Field(gt=0.5, lt=1.0)] = 0.95
    target_sensitivity: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.95


@dataclass(frozen=True, config=STRICT)
class Config:
    """A whole run.

    Attributes
    ----------
    cohort : CohortConfig
        Which patients.
    external : tuple of ExternalConfig
        Cohorts that are only predicted.
    preset : str
        Where the numbers below come from unless they are given.
    features, models : tuple of str or None
        Feature sets and models by name; all that fit where None.
    finetuned_embeddings : bool
        Whether the sets on embeddings of a backbone that is fine-tuned in every fold are run
        where `features` names none: a network for each outer fold and each of its inner ones.
    imaging : ImagingOptions
        What is done to every image before anything is computed from it.
    feature_options : mapping of str to mapping
        Extractor -> its options.
    model_settings : ModelSettings
        Settings of all models.
    outer, inner : OuterConfig, InnerConfig
        The nested cross-validation.
    evaluation : EvaluationConfig
        Metrics and intervals.
    show_images : bool or None
        Whether the page shows an example image of each class; where None, if the images are
        published or simulated.
    final_models : {"leading", "all", "none"}
        Which rows are refitted on all cases and kept for new ones: the best classical and the
        best deep row, all that are complete and need no mask, or none.
    seed : int
        Seed of everything.
    """

    cohort: CohortConfig = Field(default_factory=CohortConfig)
    external: tuple[ExternalConfig, ...] = ()
    preset: str = "quick"
    features: tuple[str, ...] | None = None
    models: tuple[str, ...] | None = None
    finetuned_embeddings: bool = True
    imaging: ImagingOptions = Field(default_factory=ImagingOptions)
    feature_options: dict[str, dict[str, Any]] = Field(default_factory=dict)
    model_settings: ModelSettings = Field(default_factory=ModelSettings)
    outer: OuterConfig = Field(default_factory=OuterConfig)
    inner: InnerConfig = Field(default_factory=InnerConfig)
    evaluation: EvaluationConfig = Field(default_factory=EvaluationConfig)
    show_images: bool | None = None
    final_models: Literal["leading", "all", "none"] = "leading"
    seed: Annotated[int, Field(ge=0)] = 0

    def to_dict(self) -> dict[str, Any]:
        """Return plain nested dictionaries, ready for YAML or JSON; passwords are left out."""
        plain: dict[str, Any] = asdict(self)
        plain["inner"]["storage"] = hide_secrets(self.inner.storage)
        for key in ("features", "models"):
            plain[key] = None if plain[key] is None else list(plain[key])
        plain["external"] = list(plain["external"])
        return plain

    def to_yaml(self) -> str:
        """Return the resolved config as YAML."""
        return yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True)


# `quick` shows every model family in minutes; `standard` is an evening on two cores; `full`
# is the default protocol with the networks tuned as well.
PRESETS: dict[str, dict[str, Any]] = {
    "quick": {
        # Nine networks, to be trained one after the other on one core.
        "finetuned_embeddings": False,
        "outer": {"n_splits": 3, "n_repeats": 1},
        "inner": {"n_splits": 2, "n_trials": 3, "n_trials_expensive": 1},
        "model_settings": {
            "n_components": 32,
            "n_trees": 100,
            "max_rounds": 80,
            "networks": {
                "image_size": 96,
                "warmup_epochs": 20,
                "finetune_epochs": 2,
                "tabular_epochs": 60,
                "compact_image_size": 64,
                # A hundred and sixty cases make ten steps an epoch.
                "compact_epochs": 40,
                "patience": 10,
            },
        },
    },
    "standard": {
        "outer": {"n_splits": 5, "n_repeats": 1},
        "inner": {"n_splits": 3, "n_trials": 30, "n_trials_expensive": 1},
        "model_settings": {
            "networks": {"image_size": 160, "warmup_epochs": 30, "finetune_epochs": 6}
        },
    },
    "full": {
        "outer": {"n_splits": 5, "n_repeats": 5},
        "inner": {"n_splits": 3, "n_trials": 50, "n_trials_expensive": 8},
    },
}


def load_config(
    path: str | Path | None = None, overrides: Mapping[str, Any] | None = None
) -> Config:
    """Read and validate a config: overrides beat the file, the file beats the preset.

    Parameters
    ----------
    path : path, optional
        A YAML file; without it, the presets' defaults on the `demo` cohort.
    overrides : mapping, optional
        Nested values from the command line or a notebook.

    Returns
    -------
    Config
        Every name in it is known, every number within its range.

    Raises
    ------
    BenchmarkError
        One sentence that names the file, the key and what works.
    """
    given = dict(overrides or {})
    values = {} if path is None else _read_yaml(Path(path))
    if path is not None:
        _anchor_paths(values, Path(path))

    def where(*keys: str) -> str:
        return COMMAND_LINE if path is None or _holds(given, keys) else str(path)

    merged = _merged(values, given)
    preset = merged.get("preset", "quick")
    if not isinstance(preset, str) or preset not in PRESETS:
        raise unknown_name("preset", str(preset), PRESETS, where=where("preset"))
    # The overrides alone first, so that what is wrong with them is not blamed on the file.
    parse_options(Config, given, where=COMMAND_LINE)
    config = parse_options(
        Config, _merged(PRESETS[preset], merged), where=COMMAND_LINE if path is None else str(path)
    )
    for key, listed in (("models", config.models), ("features", config.features)):
        if listed is not None and not listed:
            raise BenchmarkError(
                f"{where(key)}: {key} names none. Name at least one, or leave the key out for all."
            )
    _check_names(config, where)
    return config


def _read_yaml(path: Path) -> dict[str, Any]:
    if path.is_dir():
        raise BenchmarkError(
            f"The config {str(path)!r} is a folder. Give a YAML file (see: benchmark init), or the "
            "folder of a data set with --cohort NAME --data PATH."
        )
    if not path.is_file():
        raise BenchmarkError(f"The config file {str(path)!r} does not exist. See: benchmark init")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise BenchmarkError(f"{path} is not UTF-8 text. Save it as UTF-8.") from None
    except yaml.YAMLError as error:
        summary = " ".join(str(error).replace('in "<unicode string>", ', "at ").split())
        raise BenchmarkError(f"{path} is not readable as YAML: {summary}.") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise BenchmarkError(
            f"{path} must hold keys and values, but it holds a {type(values).__name__}. See: "
            "benchmark init; a table of patients is named in a config, as cohort.data"
        )
    return values


def _anchor_paths(values: dict[str, Any], path: Path) -> None:
    """Make paths relative to the working folder instead of the config file."""
    for *sections, key in PATHS:
        section: Any = values
        for name in sections:
            section = section.get(name) if isinstance(section, dict) else None
        _anchor(section, key, path)
    external = values.get("external")
    for entry in external if isinstance(external, list) else ():
        _anchor(entry, "data", path)


def _anchor(section: Any, key: str, path: Path) -> None:
    value = section.get(key) if isinstance(section, dict) else None
    if not isinstance(value, str) or value in NAMED_WEIGHTS:
        return
    if not Path(value).expanduser().is_absolute():
        section[key] = os.path.relpath(path.parent / value)


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        merged[key] = _merged(below, value) if both else value  # type: ignore[arg-type]  # both are mappings here
    return merged


def _holds(values: Mapping[str, Any], keys: Sequence[str]) -> bool:
    """Whether nested mappings have a value under this path of keys."""
    found: Any = values
    for key in keys:
        if not isinstance(found, Mapping) or key not in found:
            return False
        found = found[key]
    return True


def _check_names(config: Config, where: Callable[..., str]) -> None:
    COHORTS.get(config.cohort.name, where=where("cohort", "name"))
    _check_external(config, where("external"))
    for name in config.models or ():
        MODELS.get(name, where=where("models"))
    for name, options in config.feature_options.items():
        place = f"{where('feature_options', name)}, under feature_options"
        options_type = EXTRACTORS.get(name, where=place).options_type
        parse_options(options_type, options, where=f"{place}.{name}")
    if config.inner.storage is not None:
        check_storage_url(config.inner.storage, where=where("inner", "storage"))
    if config.evaluation.primary not in METRICS:
        raise unknown_name(
            "metric",
            config.evaluation.primary,
            METRICS,
            where=where("evaluation", "primary"),
            hint="See: benchmark list metrics",
        )


def _check_external(config: Config, where: str) -> None:
    """Check that loaders are known and that every cohort has a name of its own."""
    seen: set[str] = set()
    for entry in config.external:
        loader = COHORTS.get(entry.name, where=f"{where}, under external")
        if loader.needs_data and entry.data is None:
            raise BenchmarkError(
                f"{where}: the external cohort {entry.key!r} is read from disk; give its path as "
                "data: beside its name."
            )
        # Some file systems do not tell upper from lower case.
        if entry.key.lower() in seen:
            raise BenchmarkError(
                f"{where}: two external cohorts are called {entry.key!r}. Give each a label: of "
                "its own."
            )
        seen.add(entry.key.lower())
