"""Blocks of other cases, made as the blocks that models were trained on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from cohorts import BenchmarkError, Cohort, Column
from features._blocks import BlockSchema, FeatureBlock
from features._cache import FeatureCache
from features._sets import block_extractors, build_blocks
from features.imaging import ImagingOptions

__all__ = ["BlockRecipe", "rebuild_blocks"]

# Settings of a block that may differ where other cases are computed: numbers are the same to
# what one kind of processor differs from another.
PLACE = ("device",)


@dataclass(frozen=True)
class BlockRecipe:
    """What it takes to make the columns of a block again, without the block.

    Attributes
    ----------
    schema : BlockSchema
        Its columns.
    options : mapping
        The extractor's, with nothing left to decide.
    settings : mapping
        Everything that shaped its numbers, as plain values, the place left out.
    """

    schema: BlockSchema
    options: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, block: FeatureBlock) -> BlockRecipe:
        """Return the recipe of a block."""
        plain: dict[str, Any] = json.loads(json.dumps(dict(block.settings)))
        settings = {name: value for name, value in plain.items() if name not in PLACE}
        return cls(block.schema, dict(block.options), settings)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        about = asdict(self.schema) | {"options": self.options, "settings": self.settings}
        plain: dict[str, Any] = json.loads(json.dumps(about))
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> BlockRecipe:
        """Build the recipe that `to_dict` has written."""
        imaging = plain["imaging"]
        schema = BlockSchema(
            plain["name"],
            plain["modality"],
            plain["kind"],
            tuple(Column.from_dict(one) for one in plain["columns"]),
            None if imaging is None else ImagingOptions(**imaging),
        )
        return cls(schema, plain["options"], plain["settings"])

    def different(self, other: BlockRecipe) -> list[str]:
        """Return which settings differ, and whether columns do; their descriptions may."""
        ours, theirs = self.settings, other.settings
        found = sorted(key for key in {*ours, *theirs} if ours.get(key) != theirs.get(key))
        return found if _bare(self.schema) == _bare(other.schema) else [*found, "columns"]


def rebuild_blocks(
    cohort: Cohort,
    blocks: Mapping[str, FeatureBlock | BlockRecipe],
    *,
    imaging: ImagingOptions,
    cache: FeatureCache,
    random_state: int,
    progress: bool = False,
) -> dict[str, FeatureBlock]:
    """Make the same blocks of other cases, with everything as it was decided for the first ones.

    Parameters
    ----------
    cohort : Cohort
        The other cases; with the modalities and columns of the cohort that `blocks` are of.
    blocks : mapping of str to FeatureBlock or BlockRecipe
        What models are trained on, or how it was made.
    imaging : ImagingOptions
        As for `blocks`.
    cache : FeatureCache
        Where the numbers of an image are kept.
    random_state : int
        As for `blocks`.
    progress : bool, default=False
        Show a bar for each extractor.

    Returns
    -------
    dict of str to FeatureBlock
        The same names, columns, units and settings, one row per case of `cohort`.

    Raises
    ------
    BenchmarkError
        If columns or settings come out otherwise, as with other weights of a backbone.
    """
    extractors = block_extractors(cohort)
    made: dict[str, FeatureBlock] = {}
    for name, block in blocks.items():
        # The unit of one image modality may differ from that of another.
        options = {extractors[name]: block.options} if name in extractors else {}
        made |= build_blocks(
            cohort,
            [name],
            options=options,
            imaging=imaging,
            cache=cache,
            random_state=random_state,
            progress=progress,
        )
        wanted = BlockRecipe.of(block) if isinstance(block, FeatureBlock) else block
        different = wanted.different(BlockRecipe.of(made[name]))
        if different:
            raise BenchmarkError(
                f"The features {name!r} of these cases would not be those that the models were "
                f"trained on (different: {', '.join(different)}). Put back the weights or the "
                "version of sonobench that the run was made with."
            )
    return made


def _bare(schema: BlockSchema) -> BlockSchema:
    return replace(schema, columns=tuple(replace(one, description="") for one in schema.columns))
