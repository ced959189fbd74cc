"""Feature blocks: what one extractor makes of one modality, and how extractors are found."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, TypeVar

import pandas as pd

from cohorts import Cohort, Column, Note, Registry
from features._cache import FeatureCache

__all__ = [
    "EXTRACTORS",
    "BlockKind",
    "BlockSchema",
    "FeatureBlock",
    "FeatureExtractor",
    "register_extractor",
]

BlockKind = Literal["tabular", "image_features", "pixels"]
Options = TypeVar("Options")


@dataclass(frozen=True)
class BlockSchema:
    """The columns of a block, without their values: all that a model needs to be built.

    Attributes
    ----------
    name : str
        Block name, such as ``"clinical"`` or ``"radiomics"``.
    modality : str
        The cohort modality it was made from.
    kind : {"tabular", "image_features", "pixels"}
        ``tabular``: recorded columns, still to be encoded inside the fold.
        ``image_features``: numbers computed from one image at a time.
        ``pixels``: one object column of `ImageRecord` tuples, for networks only.
    columns : tuple of Column
        Their names are ``"<block>__<column>"``, unique in a cohort.
    """

    name: str
    modality: str
    kind: BlockKind
    columns: tuple[Column, ...]

    @property
    def column_names(self) -> list[str]:
        """Names of the columns, in order."""
        return [column.name for column in self.columns]


@dataclass(frozen=True)
class FeatureBlock:
    """A schema with its values, one row per case.

    Attributes
    ----------
    schema : BlockSchema
        What the columns are.
    frame : DataFrame of shape (n_cases, n_columns)
        Indexed by case id, in cohort order; NaN where a case lacks the modality.
    notes : tuple of Note
        What the page must say, such as random weights.
    """

    schema: BlockSchema
    frame: pd.DataFrame
    notes: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        if self.schema.column_names != list(self.frame.columns):
            raise ValueError(f"Block {self.schema.name!r}: schema and frame do not agree.")


class FeatureExtractor(ABC, Generic[Options]):
    """Turns the images of a cohort into a block of numbers, one image at a time.

    Nothing here may learn from the data: what learns lives inside the fold.

    Class attributes
    ----------------
    name : str
        Set by `register_extractor`; also the name of the block.
    title : str
        One line for ``benchmark list features``.
    version : int
        Part of the cache key; a change that alters numbers raises it.
    options_type : type
        A frozen pydantic dataclass; part of the cache key.
    image_s : float
        Expected seconds for an image that is not in the cache, for the plan; a rough guess.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    version: ClassVar[int]
    options_type: ClassVar[type]
    image_s: ClassVar[float]

    @abstractmethod
    def skip(self, cohort: Cohort) -> str | None:
        """Return the reason why the cohort cannot have this block, or None."""

    @abstractmethod
    def extract(
        self,
        cohort: Cohort,
        options: Options,
        *,
        cache: FeatureCache,
        random_state: int,
        progress: bool,
    ) -> FeatureBlock:
        """Compute the block for every case, taking from the cache what is there."""


EXTRACTORS: Registry[FeatureExtractor[Any]] = Registry("feature")


def register_extractor(name: str) -> Callable[[type], type]:
    """Class decorator: file a `FeatureExtractor` under `name`."""
    return EXTRACTORS.register(name)
