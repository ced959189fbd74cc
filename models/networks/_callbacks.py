"""What happens during training besides gradient steps: averaged weights, validation scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from scipy.stats import rankdata
from skorch.callbacks import Callback

__all__ = ["ValidationScores", "WeightAverage", "balanced_accuracy", "copy_state", "macro_auc"]

Array = NDArray[np.float64]


class WeightAverage(Callback):
    """An exponential moving average of the weights, which is validated, kept and used.

    After each step ``average = decay * average + (1 - decay) * weights``, of parameters and
    of batch-norm statistics alike, starting from the weights before the first step [1]_.
    From the first validation batch of an epoch to its end the module holds the average, so
    that whoever looks at the module then, such as early stopping, sees and keeps that.

    Parameters
    ----------
    decay : float
        In (0, 1).

    References
    ----------
    .. [1] Tarvainen & Valpola (2017), Mean teachers are better role models, NeurIPS.
    """

    def __init__(self, decay: float) -> None:
        self.decay = decay

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:  # noqa: ARG002  # skorch's signature
        """Start from the weights as they are."""
        self.average_ = copy_state(net.module_)
        self.weights_: dict[str, torch.Tensor] | None = None

    def on_batch_begin(self, net: Any, training: bool = False, **kwargs: Any) -> None:  # noqa: ARG002  # skorch's signature
        """Put the weights in place for steps, their average for validation."""
        if training:
            self._restore(net)
        elif self.weights_ is None:
            self._exchange(net)

    def on_batch_end(self, net: Any, training: bool = False, **kwargs: Any) -> None:  # noqa: ARG002  # skorch's signature
        """Follow the weights after each step."""
        if not training:
            return
        for name, value in net.module_.state_dict().items():
            if value.is_floating_point():
                self.average_[name].lerp_(value, 1 - self.decay)
            else:  # counters
                self.average_[name].copy_(value)

    def on_train_end(self, net: Any, **kwargs: Any) -> None:  # noqa: ARG002  # skorch's signature
        """Leave the average in place, also where nobody was held out."""
        if self.weights_ is None:
            self._exchange(net)
        self.weights_ = None

    def _exchange(self, net: Any) -> None:
        self.weights_ = copy_state(net.module_)
        net.module_.load_state_dict(self.average_)

    def _restore(self, net: Any) -> None:
        if self.weights_ is not None:
            net.module_.load_state_dict(self.weights_)
            self.weights_ = None


class ValidationScores(Callback):
    """Records how well each epoch ranks and names the cases that are held out."""

    def on_epoch_begin(self, net: Any, **kwargs: Any) -> None:  # noqa: ARG002  # skorch's signature
        """Forget the epoch before."""
        self.logits_: list[Array] = []
        self.labels_: list[NDArray[np.intp]] = []

    def on_batch_end(
        self,
        net: Any,  # noqa: ARG002  # skorch's signature
        batch: Any = None,
        training: bool = False,
        y_pred: Any = None,
        **kwargs: Any,  # noqa: ARG002  # as above
    ) -> None:
        """Keep the outputs of a validation batch."""
        if not training:
            self.logits_.append(y_pred.detach().cpu().double().numpy())
            self.labels_.append(np.asarray(batch[1].cpu()))

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:  # noqa: ARG002  # skorch's signature
        """Add both scores to the history, where there were validation batches."""
        if self.labels_:
            proba = softmax(np.concatenate(self.logits_), axis=1)
            labels = np.concatenate(self.labels_)
            net.history.record("valid_roc_auc", macro_auc(labels, proba))
            net.history.record("valid_balanced_accuracy", balanced_accuracy(labels, proba))


def macro_auc(labels: NDArray[np.intp], proba: Array) -> float | None:
    """Return the area under the ROC curve of each class versus rest, averaged over classes.

    Of two classes it is the area of either. From rank sums (Hanley & McNeil 1982, Radiology
    143), ties counted half.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,), int
        Columns of the observed classes.
    proba : ndarray of shape (n_samples, n_classes)
        Predicted probabilities.

    Returns
    -------
    float or None
        In [0, 1]; None where a class is absent or alone.

    Examples
    --------
    >>> macro_auc(np.array([0, 1, 1]), np.array([[0.8, 0.2], [0.9, 0.1], [0.3, 0.7]]))
    0.5
    """
    values = []
    for k in range(proba.shape[1]):
        is_class = labels == k
        n, m = int(is_class.sum()), int((~is_class).sum())
        if n == 0 or m == 0:
            return None
        ranks = rankdata(proba[:, k])[is_class].sum()
        values.append((ranks - n * (n + 1) / 2) / (n * m))
    return float(np.mean(values))


def balanced_accuracy(labels: NDArray[np.intp], proba: Array) -> float:
    """Return the recall at the most probable class, averaged over the classes there are."""
    hits = proba.argmax(axis=1) == labels
    return float(np.mean([hits[labels == k].mean() for k in np.unique(labels)]))


def copy_state(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return copies of all weights and statistics of a module."""
    return {name: value.detach().clone() for name, value in module.state_dict().items()}
