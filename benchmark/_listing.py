"""What there is to choose from: the listings and the commented config."""

from __future__ import annotations

import json
from dataclasses import asdict

import yaml

from benchmark.config import PRESETS, Config, load_config
from benchmark.evaluation import METRICS
from cohorts import COHORTS
from features import EXTRACTORS, FINETUNED
from models import MODELS

__all__ = ["cohorts", "commented_config", "features", "metrics", "models", "presets"]

Listing = list[tuple[str, str]]


def cohorts() -> Listing:
    """Return loader names and titles."""
    return [(loader.name, loader.title) for loader in COHORTS]


def features() -> Listing:
    """Return the feature sets that a cohort can have."""
    tables: Listing = [
        ("<modality>", "one tabular modality by its name, such as clinical or molecular"),
        ("tabular", "all tabular modalities"),
    ]
    extracted: Listing = []
    for extractor in EXTRACTORS:
        extracted.append((extractor.name, extractor.title))
        extracted.append((f"{extractor.name}+tabular", f"{extractor.name} and all tables"))
    finetuned: Listing = [
        (
            FINETUNED,
            "a backbone's pooled features, fine-tuned inside each fold, for classical models",
        ),
        (f"{FINETUNED}+tabular", f"{FINETUNED} and all tables"),
    ]
    pixels: Listing = [
        ("all", "every extractor that needs no mask, and all tabular modalities"),
        ("image", "the image itself, for networks"),
        ("image+tabular", "the image itself and all tabular modalities, for networks"),
    ]
    return [*tables, *extracted, *finetuned, *pixels]


def models() -> Listing:
    """Return model names with family and title."""
    return [(spec.name, f"{spec.family:11} {spec.title}") for spec in MODELS]


def metrics() -> Listing:
    """Return metric names and titles."""
    return [
        (metric.name, metric.title.replace("{positive}", "positive class"))
        for metric in METRICS.values()
    ]


def presets() -> Listing:
    """Return what each preset spends."""
    return [(name, _spending(load_config(None, {"preset": name}))) for name in PRESETS]


def commented_config() -> str:
    """Return a YAML config with every key of the quick preset explained."""
    resolved = load_config(None, {"preset": "quick"})
    lines = [
        "# sonobench config. Every key may be left out; the preset fills it in.",
        "# Run it with: benchmark run THIS_FILE",
        "# Flags beat this file, this file beats the preset.",
        "#",
        "# cohort.name      benchmark list cohorts; options are the loader's own",
        "# cohort.data      file or folder, relative to this file",
        "# external         cohorts that are only predicted: a list of {name, data, options,",
        "#                  classes: {theirs: ours}, label, title}; null leaves a class out",
        "# preset           quick (minutes), standard (an evening), full (the whole grid)",
        "# features         feature sets to run; null runs all that the cohort has",
        "# models           models to run; null runs all",
        "# finetuned_embeddings  whether the embedding_finetuned sets are run without being named:",
        "#                  a network for every outer fold and each of its inner ones",
        "# imaging          steps that every image goes through first",
        "# feature_options  extractor: {option: value}",
        "# model_settings   size of models and training of the networks: modality_dropout is the",
        "#                  share of training cases that lose a modality, label_smoothing and",
        "#                  ema_decay are off at 0, precision is auto, float32 or bfloat16",
        "# outer            folds on which rows are scored",
        "# inner            folds on which rows are tuned; trials per fold; time_budget_s per fold",
        "#                  (such rows depend on the machine); pruning: median or none; storage:",
        "#                  URL of an Optuna storage, null for journal files in the run folder",
        "# evaluation       primary metric, bootstrap resamples, coverage of the intervals, the",
        "#                  sensitivity that a final model's threshold is to keep",
        "# show_images      example images on the page; null shows published or simulated ones",
        "# final_models     rows refitted on all cases and kept, for benchmark predict:",
        "#                  leading (the best classical and the best deep one), all, or none",
        "# seed             seed of everything",
        "",
    ]
    return "\n".join(lines) + resolved.to_yaml() + _commented_options()


def _commented_options() -> str:
    """Return every option of every extractor with its default, commented out."""
    lines = ["#", "# feature_options may hold, with these defaults:", "# feature_options:"]
    for extractor in EXTRACTORS:
        defaults = yaml.safe_dump(
            json.loads(json.dumps(asdict(extractor.options_type()))), sort_keys=False
        )
        lines.append(f"#   {extractor.name}:")
        lines += [f"#     {line}" for line in defaults.splitlines()]
    return "\n".join(lines) + "\n"


def _spending(config: Config) -> str:
    outer, inner = config.outer, config.inner
    networks = config.model_settings.networks
    return (
        f"{outer.n_splits} outer folds × {outer.n_repeats}, {inner.n_splits} inner folds, "
        f"{inner.n_trials} trials ({inner.n_trials_expensive} for stacking and networks), "
        f"network images of {networks.image_size} px"
    )
