"""Deep models: the fusion network and its storage."""

from models.networks._classifiers import FusionNetworkClassifier
from models.networks._embedder import FinetunedColumns, finetuned_names
from models.networks._persistence import load_network, save_network

__all__ = [
    "FinetunedColumns",
    "FusionNetworkClassifier",
    "finetuned_names",
    "load_network",
    "save_network",
]
