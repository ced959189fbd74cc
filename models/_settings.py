"""What the config says about models as a whole."""

from __future__ import annotations

from typing import Annotated, Literal

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
    modality_dropout : float
        In [0, 1]; chance of a training case to lose an image, a table, all images or all
        tables, in each step anew. A case never loses all that it has.
    label_smoothing : float
        In [0, 1); share of each training label that is spread evenly over the classes.
    ema_decay : float
        In [0, 1); if above 0, an exponential moving average of the weights with this decay
        per step is validated, kept and used in their place.
    augment : AugmentOptions
        How training images are changed at random while the backbone is trained. In the
        warm-up of a pretrained one they are not, so that each passes it once.
    precision : {"auto", "float32", "bfloat16"}
        Of the backbone in training steps; ``auto`` takes bfloat16 on a GPU that has it.
        Predictions are computed in float32 always.
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
    modality_dropout: Annotated[float, Field(ge=0, le=1)] = 0.1
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.0
    augment: AugmentOptions = Field(default_factory=AugmentOptions)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
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
