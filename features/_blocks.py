"""Feature blocks: what one extractor makes of one modality, and how extractors are found."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Literal, NamedTuple, TypeVar

import pandas as pd

from cohorts import Column, ImageModality, Note, Registry
from features._cache import FeatureCache
from features.imaging import ImagingOptions

__all__ = [
    "EXTRACTORS",
    "PIXEL_KINDS",
    "BlockKind",
    "BlockSchema",
    "FeatureBlock",
    "FeatureExtractor",
    "FeatureText",
    "register_extractor",
]

BlockKind = Literal["tabular", "image_features", "pixels", "finetuned"]

# Kinds whose one column holds the images themselves.
PIXEL_KINDS: frozenset[BlockKind] = frozenset({"pixels", "finetuned"})

Options = TypeVar("Options")


class FeatureText(NamedTuple):
    """What a number of an image is.

    Attributes
    ----------
    name : str
        Without the block's name.
    unit : str
        Empty where there is none.
    family : str
        What it is computed together with.
    ibsi : str
        Code in the IBSI reference manual, where it has one.
    description : str
        Formula or source.
    """

    name: str
    unit: str = ""
    family: str = ""
    ibsi: str = ""
    description: str = ""


@dataclass(frozen=True)
class BlockSchema:
    """The columns of a block, without their values: all that a model needs to be built.

    Attributes
    ----------
    name : str
        Block name, such as ``"clinical"`` or ``"radiomics"``.
    modality : str
        The cohort modality it was made from.
    kind : {"tabular", "image_features", "pixels", "finetuned"}
        ``tabular``: recorded columns, still to be encoded inside the fold.
        ``image_features``: numbers computed from one image at a time.
        ``pixels``: one object column of `ImageRecord` tuples, for networks only.
        ``finetuned``: the same column, for classical models: inside the fold a network is
        fine-tuned on the training rows, and its features take the column's place.
    columns : tuple of Column
        Their names are ``"<block>__<column>"``; no modality holds the separator, so they are
        unique in a cohort.
    imaging : ImagingOptions or None
        Of images themselves: what is done to each image before a network sees it.
    """

    name: str
    modality: str
    kind: BlockKind
    columns: tuple[Column, ...]
    imaging: ImagingOptions | None = None

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
    settings : mapping
        Everything that shapes the numbers besides the images, as plain values.
    options : mapping
        The extractor's options with nothing left to decide: with them new patients get the
        same columns.
    regions : DataFrame or None
        Where each image was measured, if not all over: ``case``, ``image`` (its number in the
        case), ``origin`` (``expert``, ``automatic``, ``whole`` or ``none``), ``confidence``.
    """

    schema: BlockSchema
    frame: pd.DataFrame
    notes: tuple[Note, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    regions: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        if self.schema.column_names != list(self.frame.columns):
            raise ValueError(f"Block {self.schema.name!r}: schema and frame do not agree.")

    def digest(self) -> str:
        """Return the SHA-256 of columns, settings and values.

        Of pixels, columns and settings only: the cohort's fingerprint has the bytes.
        """
        digest = hashlib.sha256(repr((self.schema, sorted(self.settings.items()))).encode())
        if self.schema.kind not in PIXEL_KINDS:
            digest.update(self.frame.to_csv().encode())
        return digest.hexdigest()


class FeatureExtractor(ABC, Generic[Options]):
    """Turns the images of one modality into a block of numbers, one image at a time.

    Nothing here may learn from the data: what learns lives inside the fold.

    Class attributes
    ----------------
    name : str
        Set by `register_extractor`; also the name of the block, followed by ``_<modality>``
        where a cohort has several image modalities.
    title : str
        One line for ``benchmark list features``.
    version : int
        Part of the cache key; a change that alters numbers raises it.
    options_type : type
        A frozen pydantic dataclass; part of the cache key.
    image_s : float
        Expected seconds for an image that is not in the cache, for the plan; a rough guess.
    reads_masks : bool
        Whether it needs masks that came with the data; such a block stands alone, and is no
        part of ``all``.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    version: ClassVar[int]
    options_type: ClassVar[type]
    image_s: ClassVar[float] = 0.05
    reads_masks: ClassVar[bool] = False

    def resolve(self, images: ImageModality, options: Options) -> Options:  # noqa: ARG002  # the default decides nothing
        """Return the options with everything decided that depends on the cohort as a whole.

        With what comes back, new patients get the columns that the cohort got.
        """
        return options

    def check(self, options: Options) -> None:  # the default finds nothing wrong
        """Refuse options that cannot be followed, before anything is computed.

        Raises
        ------
        BenchmarkError
            If a file, a package or a name that the options need cannot be had.
        """

    def skip(self, images: ImageModality) -> str | None:  # noqa: ARG002  # the default skips nothing
        """Return why the block is not computed unless asked for by name, or None if it is."""
        return None

    @abstractmethod
    def describe(self, options: Options) -> list[FeatureText]:
        """Return the rows of the feature table: a line each, or one for many alike."""

    @abstractmethod
    def extract(
        self,
        name: str,
        cases: Sequence[str],
        images: ImageModality,
        options: Options,
        *,
        imaging: ImagingOptions,
        cache: FeatureCache,
        random_state: int,
        progress: bool,
    ) -> FeatureBlock:
        """Compute the block for every case, taking from the cache what is there.

        Parameters
        ----------
        name : str
            Of the block.
        cases : sequence of str
            Case ids.
        images : ImageModality
            Of the same cases; one that has none is NaN in the block.
        options : options_type
            As `resolve` returned them.
        imaging : ImagingOptions
            What is done to each image first; belongs to the settings of the block.
        cache : FeatureCache
            Where the numbers of an image are kept.
        random_state : int
            Seed for random weights, where no others can be had.
        progress : bool
            Show a bar.
        """


EXTRACTORS: Registry[FeatureExtractor[Any]] = Registry("feature")


def register_extractor(name: str) -> Callable[[type], type]:
    """Class decorator: file a `FeatureExtractor` under `name`."""
    return EXTRACTORS.register(name)
