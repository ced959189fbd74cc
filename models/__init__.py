"""Numbers to risks: the registry of models, classical and deep."""

# Importing registers the models, in the order of listings
# isort: off
from models import classical
from models import _stacking
from models import _deep

# isort: on
from models._calibration import ProbabilityCalibrator, RecalibratedClassifier
from models._finetuned import EMBEDDING_NETWORK, build_model, finetuned_columns, trained_network
from models._groups import fit_with_groups, group_params
from models._growth import Growth, GrowthPlan
from models._persistence import (
    check_files,
    hash_files,
    load_model,
    read_metadata,
    save_model,
)
from models._registry import MODELS, ModelSpec, register_model
from models._settings import ModelSettings, NetworkSettings
from models._stacking import BlockStackingClassifier
from models.classical import BalancedClassifier, BalancedNeighborsClassifier

__all__ = [
    "EMBEDDING_NETWORK",
    "MODELS",
    "BalancedClassifier",
    "BalancedNeighborsClassifier",
    "BlockStackingClassifier",
    "Growth",
    "GrowthPlan",
    "ModelSettings",
    "ModelSpec",
    "NetworkSettings",
    "ProbabilityCalibrator",
    "RecalibratedClassifier",
    "_deep",
    "_stacking",
    "build_model",
    "check_files",
    "classical",
    "finetuned_columns",
    "fit_with_groups",
    "group_params",
    "hash_files",
    "load_model",
    "read_metadata",
    "register_model",
    "save_model",
    "trained_network",
]
