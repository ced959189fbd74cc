"""Classical models: importing this package registers them, in the order of the board."""

from models.classical import (  # noqa: I001  # the order of registration is the order of listings
    _baseline,
    _linear,
    _neighbours,
    _forests,
    _boosting,
    _neural,
)
from models.classical._neural import FixedLengthMLP
from models.classical._wrappers import BalancedClassifier, BalancedNeighborsClassifier

__all__ = [
    "BalancedClassifier",
    "BalancedNeighborsClassifier",
    "FixedLengthMLP",
    "_baseline",
    "_boosting",
    "_forests",
    "_linear",
    "_neighbours",
    "_neural",
]
