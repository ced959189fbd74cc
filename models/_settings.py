"""What the config says about models as a whole."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from features import AugmentOptions

__all__ = ["ModelSettings", "NetworkSettings"]

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class NetworkSettings:
    """Training of `image_network`, `tabular_network` and `late_fusion`, and the compact pair.

    Attributes
    ----------
    backbone : str
        Any timm model; ``efficientnet_b3`` is the published set-up.
    weights : str
        ``auto`` (timm's hub, else random with a warning), ``pretrained``, ``random``, or
        the path of a safetensors or pth file.
    image_size : int
        Edge of the square input in pixels.
    warmup_epochs, finetune_epochs : int
        Epochs at most with the backbone frozen, and end to end.
    tabular_epochs : int
        Epochs at most of a network without images, all with one rate.
    compact_image_size, compact_epochs : int
        The same for the compact backbone, which is trained from scratch.
    batch_size : int
        Cases in a gradient step.
    patience : int
        Epochs without a better validation loss before a stage stops.
    augment : AugmentOptions
        How the training images of the compact networks are changed at random.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    """

    backbone: str = "efficientnet_b3"
    weights: str = "auto"
    image_size: Annotated[int, Field(ge=32)] = 224
    warmup_epochs: Count = 30
    finetune_epochs: Count = 15
    tabular_epochs: Positive = 100
    compact_image_size: Annotated[int, Field(ge=32)] = 96
    compact_epochs: Positive = 30
    batch_size: Annotated[int, Field(ge=2)] = 16
    patience: Positive = 8
    augment: AugmentOptions = Field(default_factory=AugmentOptions)
    device: str = "auto"


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ModelSettings:
    """Settings that every model spec is handed.

    Attributes
    ----------
    n_components : int
        Principal components kept of a feature block wider than 256 columns.
    n_trees : int
        Trees of a forest.
    max_rounds : int
        Boosting rounds at most.
    stacking_splits : int
        Inner folds from which stacking takes its out-of-fold predictions.
    networks : NetworkSettings
        Training of the deep models.
    """

    n_components: Positive = 64
    n_trees: Positive = 300
    max_rounds: Positive = 300
    stacking_splits: Annotated[int, Field(ge=2)] = 3
    networks: NetworkSettings = Field(default_factory=NetworkSettings)
