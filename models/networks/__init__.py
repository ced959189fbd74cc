"""Deep models: the fusion network and its storage."""

from models.networks._classifiers import FusionNetworkClassifier
from models.networks._persistence import load_network, save_network

__all__ = ["FusionNetworkClassifier", "load_network", "save_network"]
