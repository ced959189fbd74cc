"""The training loop of both stages, on skorch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skorch import NeuralNetClassifier
from skorch.callbacks import EarlyStopping, GradientNormClipping, LRScheduler
from skorch.dataset import Dataset
from skorch.helper import predefined_split
from torch import nn
from torch.nn import functional
from torch.optim.lr_scheduler import LambdaLR

from features import normalise_grey
from models.networks._callbacks import ValidationScores, WeightAverage
from models.networks._inputs import Inputs
from models.networks._modules import batch_norms

__all__ = [
    "Stage",
    "estimate_norm_statistics",
    "forward_in_batches",
    "train_stage",
]

# Gradients of the first steps on a fresh head can be large; a norm of 1 is what the published
# fine-tuning recipes of EfficientNet clip at or below.
GRADIENT_NORM = 1.0

# Share of the steps in which the rate rises linearly before the cosine takes it down.
RISING_SHARE = 0.1

# Forward passes without gradients: larger batches are slower per image on a CPU.
FORWARD_BATCH = 8


@dataclass(frozen=True)
class Stage:
    """One stage of training.

    Attributes
    ----------
    name : str
        ``warm-up``, ``end to end`` or ``training``; stands in the history.
    max_epochs : int
        Epochs at most.
    learning_rate : float
        Peak rate of the heads.
    backbone_learning_rate : float or None
        Peak rate of the backbone, where it is trained.
    weight_decay : float
        Of AdamW.
    batch_size : int
        Cases in a step.
    patience : int
        Epochs without a better validation loss before stopping.
    label_smoothing : float
        Share of each training label that is spread evenly over the classes (Szegedy et al.
        2016, CVPR).
    ema_decay : float
        Of `WeightAverage`; 0 keeps the weights themselves.
    """

    name: str
    max_epochs: int
    learning_rate: float
    backbone_learning_rate: float | None
    weight_decay: float
    batch_size: int
    patience: int
    label_smoothing: float = 0.0
    ema_decay: float = 0.0


class SmoothedCrossEntropy(nn.CrossEntropyLoss):
    """Cross-entropy that smooths labels in training only.

    Validation losses then mean the same whatever the smoothing, and choose the epoch whose
    probabilities fit best.
    """

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the weighted mean over the cases."""
        smoothing = self.label_smoothing if self.training else 0.0
        return functional.cross_entropy(
            logits, labels, weight=self.weight, label_smoothing=smoothing
        )


def train_stage(
    module: nn.Module,
    train: tuple[Inputs, NDArray[np.int64]],
    valid: tuple[Inputs, NDArray[np.int64]] | None,
    stage: Stage,
    *,
    class_weight: NDArray[np.float64],
    device: str,
) -> list[dict[str, Any]]:
    """Train a module in place and leave it with the weights of its best epoch.

    Parameters
    ----------
    module : nn.Module
        Keyword inputs to logits.
    train, valid : tuple of (inputs, labels)
        `valid` decides when to stop and which epoch is best; without it all epochs run.
    stage : Stage
        Rates and lengths.
    class_weight : ndarray of shape (n_classes,)
        Weights of the cross-entropy.
    device : str
        ``cpu`` or ``cuda``.

    Returns
    -------
    list of dict
        One entry per epoch: stage, epoch, train_loss, valid_loss, valid_roc_auc (see
        `macro_auc`), valid_balanced_accuracy, learning_rate. What asks for held-out patients
        is None without any.
    """
    n_train = len(train[1])
    # Batch norm cannot train on a single case.
    drop_last = n_train % stage.batch_size == 1
    n_steps = max(1, n_train // stage.batch_size if drop_last else -(-n_train // stage.batch_size))
    total = n_steps * stage.max_epochs
    # The average comes before what looks at the module, and at the end before what restores it.
    averaging = [("average", WeightAverage(stage.ema_decay))] if stage.ema_decay else []
    callbacks: list[Any] = [
        *averaging,
        ("scores", ValidationScores()),
        ("clip", GradientNormClipping(GRADIENT_NORM)),
        ("rate", LRScheduler(LambdaLR, lr_lambda=_rise_and_cosine(total), step_every="batch")),
    ]
    if valid is not None:
        # Any lower loss is better, so that the kept epoch is the lowest one of the history.
        stopping = EarlyStopping(
            patience=stage.patience, threshold=0.0, load_best=True, sink=_silent
        )
        callbacks.append(("stop", stopping))
    net = NeuralNetClassifier(
        module,
        criterion=SmoothedCrossEntropy,
        criterion__label_smoothing=stage.label_smoothing,
        criterion__weight=torch.as_tensor(class_weight, dtype=torch.float32),
        optimizer=torch.optim.AdamW,
        optimizer__param_groups=_groups(stage),
        lr=stage.learning_rate,
        optimizer__weight_decay=stage.weight_decay,
        max_epochs=stage.max_epochs,
        batch_size=stage.batch_size,
        iterator_train__shuffle=True,
        iterator_train__drop_last=drop_last,
        train_split=None if valid is None else predefined_split(Dataset(dict(valid[0]), valid[1])),
        classes=list(range(len(class_weight))),
        callbacks=callbacks,
        callbacks__valid_acc=None,
        callbacks__print_log=None,
        verbose=0,
        device=device,
    )
    net.fit(dict(train[0]), train[1])
    module.eval()
    return [_epoch(stage.name, row) for row in net.history]


def forward_in_batches(
    module: nn.Module, inputs: Inputs, *, device: str, batch_size: int = FORWARD_BATCH
) -> torch.Tensor:
    """Run a module in evaluation mode, without gradients, a few rows at a time.

    Parameters
    ----------
    module : nn.Module
        Takes keyword tensors.
    inputs : mapping of str to ndarray
        Equal first dimensions.
    device : str
        ``cpu`` or ``cuda``.
    batch_size : int
        Rows at a time.

    Returns
    -------
    Tensor
        On the CPU, float32.
    """
    module.eval()
    n_rows = len(next(iter(inputs.values())))
    parts = []
    with torch.inference_mode():
        for start in range(0, n_rows, batch_size):
            batch = {
                name: torch.as_tensor(values[start : start + batch_size]).to(device)
                for name, values in inputs.items()
            }
            parts.append(module(**batch).float().cpu())
    return torch.cat(parts)


def estimate_norm_statistics(
    backbone: nn.Module, images: NDArray[np.uint8], *, device: str, batch_size: int
) -> None:
    """Replace batch-norm statistics by those of these images, in place.

    A backbone with random weights carries statistics of nothing: in evaluation mode its
    output shrinks to about 1e-5. One pass over the training images gives it those of its
    own activations (as a cumulative mean), so that its features have a usable scale. Without
    two images it is left as it is.
    """
    # A single image has no variance.
    if len(images) < 2:
        return
    norms = batch_norms(backbone)
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    backbone.train()
    with torch.no_grad():
        for start in range(0, len(images), batch_size):
            batch = torch.as_tensor(images[start : start + batch_size])
            if len(batch) > 1:
                backbone(normalise_grey(batch.to(device)))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    backbone.eval()


def _groups(stage: Stage) -> list[tuple[str, dict[str, float]]]:
    if stage.backbone_learning_rate is None:
        return []
    return [("backbone.*", {"lr": stage.backbone_learning_rate})]


def _rise_and_cosine(total: int) -> Any:
    """Factor on the rate: a linear rise, then half a cosine down to zero."""
    rising = max(1, round(RISING_SHARE * total))

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / rising
        share = (step - rising) / max(1, total - rising)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, share)))

    return factor


def _epoch(stage: str, row: Mapping[str, Any]) -> dict[str, Any]:
    valid_loss = row.get("valid_loss")
    # Validation batches have no rate, and come last.
    rates = [batch["event_lr"] for batch in row["batches"] if "event_lr" in batch]
    return {
        "stage": stage,
        "epoch": int(row["epoch"]),
        "train_loss": float(row["train_loss"]),
        "valid_loss": None if valid_loss is None else float(valid_loss),
        "valid_roc_auc": row.get("valid_roc_auc"),
        "valid_balanced_accuracy": row.get("valid_balanced_accuracy"),
        "learning_rate": float(rates[-1]),
    }


def _silent(_: str) -> None:
    """Say nothing when a stage stops early: the history tells."""
