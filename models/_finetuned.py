"""Classical models behind a network: its features are learnt with them, on the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sklearn.pipeline import Pipeline

from cohorts import Column, ColumnKind
from features import BlockSchema, count_features
from models._calibration import RecalibratedClassifier
from models._registry import MODELS, ModelSpec
from models._settings import ModelSettings
from models.networks import FinetunedColumns, FusionNetworkClassifier, finetuned_names

__all__ = [
    "EMBEDDING_NETWORK",
    "build_model",
    "finetuned_columns",
    "join_network",
    "split_network",
    "trained_network",
]

# The deep model whose training, at its known-good parameters, the embedding network gets.
EMBEDDING_NETWORK = "image_network"

STEP = "finetune"


def build_model(
    spec: ModelSpec,
    blocks: Sequence[BlockSchema],
    *,
    params: Mapping[str, Any],
    random_state: int,
    settings: ModelSettings,
    network_seed: int = 0,
    memory: str | None = None,
) -> Any:
    """Return the unfitted classifier for a feature set, behind a network if the set asks for one.

    Parameters
    ----------
    spec : ModelSpec
        The model. Of a block of kind ``finetuned`` it is told the features that will be there.
    blocks : sequence of BlockSchema
        Columns of the feature set.
    params, random_state, settings
        As for `ModelSpec.build`.
    network_seed : int, default=0
        Seed of the network: the same for every model, so that it is trained once for all.
    memory : str, optional
        As for `FinetunedColumns`.
    """
    columns = finetuned_columns(blocks, settings, network_seed=network_seed, memory=memory)
    seen = [_embedded(block, settings) if block.kind == "finetuned" else block for block in blocks]
    model = spec.build(seen, params=params, random_state=random_state, settings=settings)
    return model if columns is None else _behind(columns, model)


def finetuned_columns(
    blocks: Sequence[BlockSchema],
    settings: ModelSettings,
    *,
    network_seed: int,
    memory: str | None = None,
) -> FinetunedColumns | None:
    """Return the step that embeds the blocks of kind ``finetuned``; None where there is none.

    Parameters
    ----------
    blocks, settings, network_seed, memory
        As for `build_model`.
    """
    pixels = [replace(block, kind="pixels") for block in blocks if block.kind == "finetuned"]
    if not pixels:
        return None
    spec = MODELS.get(EMBEDDING_NETWORK)
    network = spec.build(pixels, params=spec.defaults, random_state=0, settings=settings)
    return FinetunedColumns(network, random_state=network_seed, memory=memory)


def trained_network(classifier: Any) -> Any:
    """Return the part of a fitted classifier that can have notes and weights of a network."""
    columns, _ = split_network(classifier)
    return classifier if columns is None else columns


def split_network(classifier: Any) -> tuple[FinetunedColumns | None, Any]:
    """Take a fitted classifier apart into the step that embeds, if it has one, and the rest."""
    if isinstance(classifier, RecalibratedClassifier):
        columns, rest = split_network(classifier.estimator)
        return columns, RecalibratedClassifier(rest, classifier.calibrator)
    if isinstance(classifier, Pipeline) and isinstance(classifier[0], FinetunedColumns):
        return classifier[0], Pipeline(classifier.steps[1:])
    return None, classifier


def join_network(network: FusionNetworkClassifier, classifier: Any) -> Any:
    """Put a trained network in front of a fitted classifier: `split_network` undone."""
    if isinstance(classifier, RecalibratedClassifier):
        joined = join_network(network, classifier.estimator)
        return RecalibratedClassifier(joined, classifier.calibrator)
    return _behind(FinetunedColumns.of(network), classifier)


def _behind(columns: FinetunedColumns, model: Any) -> Pipeline:
    steps = model.steps if isinstance(model, Pipeline) else [("classify", model)]
    return Pipeline([(STEP, columns), *steps])


def _embedded(block: BlockSchema, settings: ModelSettings) -> BlockSchema:
    """Return the schema of the features that will stand in the place of a block of images."""
    n_features = count_features(settings.networks.backbone)
    names = [name for column in block.column_names for name in finetuned_names(column, n_features)]
    columns = tuple(Column(name, ColumnKind.NUMERIC) for name in names)
    return BlockSchema(block.name, block.modality, "image_features", columns)
