"""Classifiers that grow by steps, such as boosting rounds, and can be watched while they do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Growth", "GrowthPlan"]


class Growth(ABC):
    """One classifier that grows on training rows and predicts held-out rows.

    Attributes
    ----------
    classes_ : ndarray
        Labels of the columns of the probabilities.
    """

    classes_: NDArray[np.intp]

    @abstractmethod
    def grow(self, n: int) -> NDArray[np.float64]:
        """Add `n` rounds or trees.

        Returns
        -------
        ndarray of shape (n_held_out, n_classes)
            Probabilities of the held-out rows after them.
        """


@dataclass(frozen=True)
class GrowthPlan:
    """How a model grows while it is tuned.

    Attributes
    ----------
    start : callable
        Begins with nothing: (unfitted last step of a built pipeline, encoded training rows,
        their labels, encoded rows to predict) -> `Growth`.
    step : int
        Rounds or trees between two looks at the held-out cases.
    limit : int
        Rounds or trees at most while tuning.
    warm_up : int
        Rounds or trees before a poor candidate may be given up: fewer say little about a slow
        learner.
    patience : int or None
        Rounds without a better loss after which growing ends; None where more is never worse.
    param : str or None
        Parameter of `ModelSpec.build` that takes the best number of rounds; None where it is
        not chosen.
    """

    start: Callable[[Any, Any, Any, Any], Growth]
    step: int
    limit: int
    warm_up: int = 0
    patience: int | None = None
    param: str | None = None
