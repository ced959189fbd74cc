"""The contract of a model on the board, and the registry that finds one by name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal

from optuna.distributions import BaseDistribution
from sklearn.base import BaseEstimator

from cohorts import Cohort, Registry
from features import BlockKind, BlockSchema
from models._growth import GrowthPlan
from models._settings import ModelSettings

__all__ = ["MODELS", "ModelSpec", "register_model"]

Family = Literal[
    "baseline", "linear", "kernel", "neighbours", "forest", "boosting", "neural", "ensemble", "deep"
]


class ModelSpec(ABC):
    """A model: how it is built, what of it is tuned, and what it needs.

    Class attributes
    ----------------
    name : str
        Set by `register_model`.
    title : str
        One line for ``benchmark list models``.
    family : str
        Groups rows on the board.
    search_space : mapping of str to optuna distribution
        What tuning may change.
    defaults : mapping
        Known-good values of the same keys: the first trial, so that tuning is never
        worse on the inner folds than not tuning.
    tolerates_missing_tables : bool
        Whether a model that reads images as well can predict cases of which no table was
        recorded (all columns NaN): it must have learned a stand-in for what is missing.
    expensive : bool
        One fit costs so much that it gets the smaller trial budget.
    recalibrated : bool
        Whether its probabilities are calibrated on the predictions of the inner folds.
    balanced : bool
        Whether it is trained under weights by inverse class frequency, so that its own
        probabilities belong to classes of equal frequency.
    trusted_types : tuple of str
        Full names of the types that a fitted classifier holds and that no model of sonobench
        does, so that it can be read back when it is kept.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    family: ClassVar[Family]
    search_space: ClassVar[Mapping[str, BaseDistribution]] = {}
    defaults: ClassVar[Mapping[str, Any]] = {}
    tolerates_missing_tables: ClassVar[bool] = False
    expensive: ClassVar[bool] = False
    recalibrated: ClassVar[bool] = True
    balanced: ClassVar[bool] = True
    trusted_types: ClassVar[tuple[str, ...]] = ()

    @property
    def is_deep(self) -> bool:
        """Whether the model is trained end to end by gradient descent on raw inputs."""
        return self.family == "deep"

    def accepts(self, kinds: Sequence[BlockKind]) -> bool:
        """Whether a row of this model on blocks of these kinds makes sense; by default, no pixels.

        Parameters
        ----------
        kinds : sequence of {"tabular", "image_features", "pixels", "finetuned"}
            One for each block of a feature set.
        """
        return "pixels" not in kinds

    def refuse(self, kinds: Sequence[BlockKind]) -> str | None:  # noqa: ARG002  # the default refuses nothing
        """Return why there is no row on blocks that would otherwise be accepted, or None."""
        return None

    def skip(self, cohort: Cohort) -> str | None:  # noqa: ARG002  # the default has no need of it
        """Return the reason why no row of this model can exist for the cohort, or None."""
        return None

    def check(self, settings: ModelSettings) -> None:  # noqa: B027  # the default finds nothing wrong
        """Refuse settings that the model cannot follow, before anything is computed.

        Raises
        ------
        BenchmarkError
            If a file or a name that the settings need cannot be had.
        """

    @abstractmethod
    def build(
        self,
        blocks: Sequence[BlockSchema],
        *,
        params: Mapping[str, Any],
        random_state: int,
        settings: ModelSettings,
    ) -> BaseEstimator:
        """Return the unfitted classifier for a feature set.

        Parameters
        ----------
        blocks : sequence of BlockSchema
            Columns of the feature set.
        params : mapping
            Values for the keys of `search_space`, and the number of rounds where `growth`
            chooses one.
        random_state : int
            Seed of everything random in it.
        settings : ModelSettings
            What the config says about all models.

        Returns
        -------
        BaseEstimator
            With ``fit(X, y)``, ``predict_proba`` and ``classes_``; X is the assembled frame of
            the blocks. A `fit` that takes ``groups`` is given the patients, to split its
            training part by. Of a `Pipeline`, tuning fits all steps but the last once for each
            inner fold, as long as `params` leave them unchanged.

            If it has them, a run keeps for the page: ``notes_`` (tuple of `Note`), ``history_``
            (list of dict, one for each epoch), ``weights_`` (str, where a backbone's weights
            came from), and what ``predict_variants(X)`` returns (dict of str to ndarray of shape
            (n_samples, n_classes): probabilities without a part of the inputs). They are looked
            for on the classifier itself, which a `recalibrated` one is wrapped around.
        """

    def growth(self, settings: ModelSettings) -> GrowthPlan | None:  # noqa: ARG002  # the default does not grow
        """Return how the last step grows while it is tuned, or None if it is fitted at once."""
        return None

    @abstractmethod
    def estimate_fit_s(self, n_samples: int, n_columns: int, settings: ModelSettings) -> float:
        """Return the expected seconds of one fit on one core, for the plan; a rough guess."""


MODELS: Registry[ModelSpec] = Registry("model")


def register_model(name: str) -> Callable[[type], type]:
    """Class decorator: file a `ModelSpec` under `name`."""
    return MODELS.register(name)
