"""Heads first, then everything: the two stages and what is kept of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models.networks._callbacks import copy_state
from models.networks._inputs import Inputs, rows_of
from models.networks._modules import FusionNetwork
from models.networks._training import (
    Stage,
    estimate_norm_statistics,
    forward_in_batches,
    train_stage,
)

__all__ = [
    "END_TO_END",
    "WARM_UP",
    "State",
    "TrainingSet",
    "end_to_end_helped",
    "through_backbone",
    "train_two_stages",
]

# Names of the stages in a history.
WARM_UP, END_TO_END = "warm-up", "end to end"

State = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class TrainingSet:
    """The cases that a network learns from, and those that tell when to stop.

    Attributes
    ----------
    inputs : mapping of str to ndarray
        Of all of them.
    labels : ndarray of shape (n_samples,), int
        Classes.
    train : ndarray of int
        Rows that gradients see.
    valid : ndarray of int or None
        Rows held out for early stopping.
    class_weight : ndarray of shape (n_classes,)
        Weights of the loss.
    device : str
        ``cpu`` or ``cuda``.
    """

    inputs: Inputs
    labels: NDArray[np.int64]
    train: NDArray[np.intp]
    valid: NDArray[np.intp] | None
    class_weight: NDArray[np.float64]
    device: str

    def run(self, module: nn.Module, stage: Stage, inputs: Inputs) -> list[dict[str, Any]]:
        """Train a module in one stage and return its history."""
        held_out = None
        if self.valid is not None:
            held_out = rows_of(inputs, self.valid), self.labels[self.valid]
        return train_stage(
            module,
            (rows_of(inputs, self.train), self.labels[self.train]),
            held_out,
            stage,
            class_weight=self.class_weight,
            device=self.device,
        )


def train_two_stages(
    network: FusionNetwork,
    data: TrainingSet,
    *,
    warm_up: Stage,
    end_to_end: Stage,
    new_statistics: bool,
) -> tuple[list[dict[str, Any]], State | None]:
    """Train the heads on the frozen backbone, then all of it; a stage of no epochs is left out.

    Parameters
    ----------
    network : FusionNetwork
        Trained in place. If the held-out patients like the first stage better, it is left
        as that stage left it.
    data : TrainingSet
        What to learn from.
    warm_up, end_to_end : Stage
        Rates and lengths.
    new_statistics : bool
        Whether the frozen backbone gets the batch-norm statistics of the training images
        first; see `estimate_norm_statistics`.

    Returns
    -------
    tuple of (list of dict, mapping or None)
        History of all epochs, and the state between the stages, where there were both.
    """
    history: list[dict[str, Any]] = []
    if warm_up.max_epochs:
        if new_statistics:
            _adapt_statistics(network, data, batch_size=warm_up.batch_size)
        # Nothing before the heads changes in this stage, so every image passes once.
        frozen = through_backbone(network, data.inputs, device=data.device)
        history += data.run(network.heads, warm_up, frozen)
    if not end_to_end.max_epochs:
        return history, None
    before = copy_state(network)
    history += data.run(network, end_to_end, data.inputs)
    if not end_to_end_helped(history):
        network.load_state_dict(before)
    return history, before if warm_up.max_epochs else None


def end_to_end_helped(history: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the held-out patients prefer the second stage; true where nobody was held out.

    Parameters
    ----------
    history : sequence of mapping
        Epochs of both stages.

    Examples
    --------
    >>> losses = [("warm-up", 0.9), ("warm-up", 0.5), ("end to end", 0.6)]
    >>> end_to_end_helped([{"stage": name, "valid_loss": loss} for name, loss in losses])
    False
    """
    best = {
        stage: min(losses)
        for stage in (WARM_UP, END_TO_END)
        if (losses := [epoch["valid_loss"] for epoch in history if epoch["stage"] == stage])
        and None not in losses
    }
    return bool(best.get(END_TO_END, 0.0) < best.get(WARM_UP, math.inf))


def through_backbone(network: FusionNetwork, inputs: Inputs, *, device: str) -> dict[str, Any]:
    """Replace images by the backbone's features, each computed once and only where it is.

    Parameters
    ----------
    network : FusionNetwork
        Its backbone is used as it is, in evaluation mode.
    inputs : mapping of str to ndarray
        With images.
    device : str
        ``cpu`` or ``cuda``.

    Returns
    -------
    dict of str to ndarray
        Inputs for the heads.
    """
    frozen = dict(inputs)
    for name in _image_names(network):
        images = {"images": inputs[name], "present": inputs[f"{name}_present"]}
        frozen[name] = forward_in_batches(_Embedding(network), images, device=device).numpy()
    return frozen


class _Embedding(nn.Module):
    """The lower half of a network as a module of its own."""

    def __init__(self, network: FusionNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """Return pooled features."""
        return self.network.embed(images, present)


def _adapt_statistics(network: FusionNetwork, data: TrainingSet, *, batch_size: int) -> None:
    """Give the backbone the statistics of the training images, those of all modalities at once."""
    inputs = rows_of(data.inputs, data.train)
    names = _image_names(network)
    images = np.concatenate([inputs[name][inputs[f"{name}_present"]] for name in names])
    estimate_norm_statistics(network.backbone, images, device=data.device, batch_size=batch_size)


def _image_names(network: FusionNetwork) -> list[str]:
    return [f"image_{i}" for i in range(len(network.heads.image_branches))]
