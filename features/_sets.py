"""Feature sets: named unions of blocks, and how a cohort's blocks are made."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from cohorts import (
    BLOCK_SEPARATOR,
    BenchmarkError,
    Cohort,
    Column,
    ImageModality,
    TabularModality,
    parse_options,
    unknown_name,
)
from features._blocks import (
    EXTRACTORS,
    BlockKind,
    BlockSchema,
    FeatureBlock,
    FeatureExtractor,
)
from features._cache import FeatureCache
from features._per_image import modality_records
from features._pixels import pixels_block
from features.imaging import ImagingOptions

__all__ = [
    "FINETUNED",
    "FeatureSet",
    "assemble",
    "available_sets",
    "block_extractors",
    "block_kinds",
    "block_modalities",
    "build_blocks",
    "check_options",
    "check_pixel_sizes",
    "extraction_s",
    "is_finetuned",
    "select_sets",
    "skipped_sets",
    "without_masks",
]


# Ends the name of a set that holds all tables beside an extractor's block.
TABULAR = "+tabular"

# Names the sets that hold the features of a backbone fine-tuned inside the fold.
FINETUNED = "embedding_finetuned"


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """A name on the board and the blocks behind it."""

    name: str
    blocks: tuple[str, ...]


def available_sets(cohort: Cohort) -> tuple[FeatureSet, ...]:
    """Return the feature sets whose modalities the cohort has.

    Tabular modalities stand alone and together, extractors alone and with the tables, so does
    ``embedding_finetuned``, everything else as ``all``, and the raw pixels, for networks, as
    ``image`` and ``image+tabular``. Blocks that need an expert's masks stand alone (together
    with the tables only where asked for by name), are no part of ``all``, and are left out
    where `skipped_sets` has a reason. Sets that would hold the same blocks are listed once.

    Raises
    ------
    BenchmarkError
        If a tabular modality has the name of a set that means something else.
    """
    left_out = {*skipped_sets(cohort)}
    left_out |= {f"{one.name}{TABULAR}" for one in EXTRACTORS if one.reads_masks}
    return tuple(one for one in _possible_sets(cohort) if one.name not in left_out)


def skipped_sets(cohort: Cohort) -> dict[str, str]:
    """Return the extractors that are left out unless asked for by name, with the reason."""
    reasons = {
        extractor.name: extractor.skip(images)
        for extractor, images in _extracted_blocks(cohort).values()
    }
    return {name: reason for name, reason in reasons.items() if reason is not None}


def _possible_sets(cohort: Cohort) -> tuple[FeatureSet, ...]:
    """Return every set that can be asked for by name."""
    tables = tuple(table.name for table in cohort.tables)
    extracted = _extracted_blocks(cohort)
    _check_modality_names(tables, {*extracted, *_pixel_blocks(cohort)})
    by_extractor: dict[str, tuple[str, ...]] = {}
    for name, (extractor, _) in extracted.items():
        by_extractor[extractor.name] = (*by_extractor.get(extractor.name, ()), name)
    pixels, finetuned = (_named_blocks(stem, cohort) for stem in ("image", FINETUNED))
    candidates = [FeatureSet("tabular", tables)] if len(tables) == 1 else []
    candidates += [FeatureSet(name, (name,)) for name in tables]
    candidates += [FeatureSet("tabular", tables)]
    candidates += [FeatureSet(name, blocks) for name, blocks in by_extractor.items()]
    if tables:
        candidates += [
            FeatureSet(f"{name}{TABULAR}", (*blocks, *tables))
            for name, blocks in by_extractor.items()
        ]
    candidates += [FeatureSet(FINETUNED, finetuned)]
    if tables and finetuned:
        candidates += [FeatureSet(f"{FINETUNED}{TABULAR}", (*finetuned, *tables))]
    without_masks = [
        name for name, (extractor, _) in extracted.items() if not extractor.reads_masks
    ]
    candidates += [FeatureSet("all", (*without_masks, *tables)), FeatureSet("image", pixels)]
    if tables and pixels:
        candidates += [FeatureSet("image+tabular", (*pixels, *tables))]
    return _first_of_each(candidates)


def block_kinds(cohort: Cohort) -> dict[str, BlockKind]:
    """Return the kind of every block that the cohort can have, before any is computed."""
    kinds: dict[str, BlockKind] = {table.name: "tabular" for table in cohort.tables}
    kinds |= dict.fromkeys(_extracted_blocks(cohort), "image_features")
    kinds |= {name: _pixel_kind(name) for name in _pixel_blocks(cohort)}
    return kinds


def block_modalities(cohort: Cohort) -> dict[str, str]:
    """Return the modality behind every block that the cohort can have."""
    found = {table.name: table.name for table in cohort.tables}
    found |= {name: images.name for name, (_, images) in _extracted_blocks(cohort).items()}
    found |= {name: images.name for name, images in _pixel_blocks(cohort).items()}
    return found


def block_extractors(cohort: Cohort) -> dict[str, str]:
    """Return the extractor behind every block of image features that the cohort can have."""
    return {name: extractor.name for name, (extractor, _) in _extracted_blocks(cohort).items()}


def is_finetuned(name: str) -> bool:
    """Return whether the feature set of this name needs networks that are trained in the fold.

    Examples
    --------
    >>> [is_finetuned(name) for name in ("embedding_finetuned+tabular", "embedding+tabular")]
    [True, False]
    """
    return name.removesuffix(TABULAR) == FINETUNED


def select_sets(cohort: Cohort, names: Sequence[str] | None) -> tuple[FeatureSet, ...]:
    """Return the feature sets of these names, or all that the cohort has.

    Raises
    ------
    BenchmarkError
        If the cohort has no such set; the message has the nearest name.
    """
    if names is None:
        return available_sets(cohort)
    known = {one.name: one for one in _possible_sets(cohort)}
    # A single tabular modality is known by its own name as well.
    known |= {table.name: FeatureSet(table.name, (table.name,)) for table in cohort.tables}
    for name in names:
        if name not in known:
            hint = "See: benchmark list features"
            where = f"cohort {cohort.info.name!r}"
            raise unknown_name("feature set", name, known, where=where, hint=hint)
    return tuple(known[name] for name in dict.fromkeys(names))


def extraction_s(cohort: Cohort, names: Collection[str]) -> float:
    """Return the expected seconds of computing these blocks with an empty cache; a rough guess."""
    return sum(
        extractor.image_s * sum(map(len, images.records))
        for name, (extractor, images) in _extracted_blocks(cohort).items()
        if name in names
    )


def build_blocks(
    cohort: Cohort,
    names: Iterable[str],
    *,
    options: Mapping[str, Mapping[str, Any]],
    imaging: ImagingOptions | None = None,
    cache: FeatureCache,
    random_state: int,
    progress: bool = False,
) -> dict[str, FeatureBlock]:
    """Make each named block for the whole cohort.

    Parameters
    ----------
    cohort : Cohort
        Its tables become blocks as they are; its images go through the extractors.
    names : iterable of str
        Block names, as `FeatureSet.blocks` lists them.
    options : mapping of str to mapping
        Extractor name -> its options.
    imaging : ImagingOptions, optional
        What is done to each image before anything is computed from it; by default the
        default steps.
    cache : FeatureCache
        Where the numbers of an image are kept.
    random_state : int
        Seed for random weights, where no others can be had.
    progress : bool, default=False
        Show a bar for each extractor.

    Returns
    -------
    dict of str to FeatureBlock
        In the order of `names`.
    """
    imaging = imaging or ImagingOptions()
    names = list(dict.fromkeys(names))
    behind = block_modalities(cohort)
    check_pixel_sizes(cohort, imaging, modalities={behind[name] for name in names})
    tables = {table.name: table for table in cohort.tables}
    pixels, extracted = _pixel_blocks(cohort), _extracted_blocks(cohort)
    blocks: dict[str, FeatureBlock] = {}
    for name in names:
        if name in tables:
            blocks[name] = _tabular_block(tables[name])
        elif name in pixels:
            blocks[name] = pixels_block(
                name, cohort.cases, pixels[name], imaging, kind=_pixel_kind(name)
            )
        else:
            extractor, images = extracted[name]
            parsed = _parsed_options(extractor, options)
            extractor.check(parsed)
            blocks[name] = extractor.extract(
                name,
                cohort.cases,
                images,
                extractor.resolve(images, parsed),
                imaging=imaging,
                cache=cache,
                random_state=random_state,
                progress=progress,
            )
    return blocks


def without_masks(cohort: Cohort, names: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Return the blocks that need an expert's masks which some image lacks.

    Parameters
    ----------
    cohort : Cohort
        The cases.
    names : iterable of str
        Block names.

    Returns
    -------
    dict of str to (int, int)
        Block -> images without a mask, and all images of its modality.
    """
    found: dict[str, tuple[int, int]] = {}
    for name, (extractor, images) in _extracted_blocks(cohort).items():
        if name in set(names) and extractor.reads_masks:
            records = modality_records(images)
            n_without = sum(not record.masks for record in records)
            if n_without:
                found[name] = n_without, len(records)
    return found


def check_options(
    cohort: Cohort, names: Collection[str], options: Mapping[str, Mapping[str, Any]]
) -> None:
    """Check the options of every extractor whose block is among `names`.

    Raises
    ------
    BenchmarkError
        If an option is unknown or cannot be followed.
    """
    wanted = {
        extractor.name: extractor
        for name, (extractor, _) in _extracted_blocks(cohort).items()
        if name in names
    }
    for extractor in wanted.values():
        extractor.check(_parsed_options(extractor, options))


def _parsed_options(
    extractor: FeatureExtractor[Any], options: Mapping[str, Mapping[str, Any]]
) -> Any:
    where = f"feature_options.{extractor.name}"
    return parse_options(extractor.options_type, options.get(extractor.name, {}), where=where)


def check_pixel_sizes(
    cohort: Cohort, imaging: ImagingOptions, *, modalities: Collection[str] | None = None
) -> None:
    """Check that images which are to be resampled have a pixel size, all of them.

    Parameters
    ----------
    cohort : Cohort
        With the images.
    imaging : ImagingOptions
        What is to be done to them.
    modalities : collection of str, optional
        Those whose images are to be used; by default all.

    Raises
    ------
    BenchmarkError
        If `imaging` names a pixel size and an image has none to be resampled from.
    """
    used = [one for one in cohort.images if modalities is None or one.name in modalities]
    records = [record for images in used for record in modality_records(images)]
    n_unknown = sum(record.spacing_mm is None for record in records)
    if imaging.pixel_mm is not None and n_unknown:
        raise BenchmarkError(
            f"imaging.pixel_mm = {imaging.pixel_mm:g} needs the pixel size of every image, but "
            f"{n_unknown} of {len(records)} have none. Give it to the loader (for a manifest: "
            "spacing_mm under images), or leave pixel_mm out."
        )


def assemble(blocks: Sequence[FeatureBlock]) -> pd.DataFrame:
    """Return the blocks side by side: shape (n_cases, sum of columns), indexed by case id."""
    return pd.concat([block.frame for block in blocks], axis=1)


def _check_modality_names(tables: Sequence[str], image_blocks: Collection[str]) -> None:
    stems = {"image", FINETUNED, *EXTRACTORS.names()}
    taken = {"all", *stems, *(f"{stem}+tabular" for stem in stems), *image_blocks}
    if len(tables) > 1:
        taken.add("tabular")
    for name in tables:
        if name in taken:
            raise BenchmarkError(
                f"A tabular modality cannot be called {name!r}, because a feature set of that name "
                f"means something else (taken: {', '.join(sorted(taken))}). Rename it."
            )


def _pixel_blocks(cohort: Cohort) -> dict[str, ImageModality]:
    """Return the blocks of images themselves: those for networks, and those to be embedded."""
    return {
        _block_name(stem, cohort, images): images
        for stem in ("image", FINETUNED)
        for images in cohort.images
    }


def _named_blocks(stem: str, cohort: Cohort) -> tuple[str, ...]:
    return tuple(_block_name(stem, cohort, images) for images in cohort.images)


def _pixel_kind(block: str) -> BlockKind:
    return "finetuned" if block.startswith(FINETUNED) else "pixels"


def _extracted_blocks(cohort: Cohort) -> dict[str, tuple[FeatureExtractor[Any], ImageModality]]:
    return {
        _block_name(extractor.name, cohort, images): (extractor, images)
        for extractor in EXTRACTORS
        for images in cohort.images
    }


def _block_name(stem: str, cohort: Cohort, images: ImageModality) -> str:
    return stem if len(cohort.images) == 1 else f"{stem}_{images.name}"


def _tabular_block(table: TabularModality) -> FeatureBlock:
    def prefixed(column: Column) -> Column:
        return replace(column, name=f"{table.name}{BLOCK_SEPARATOR}{column.name}")

    columns = tuple(prefixed(column) for column in table.columns)
    frame = table.table.set_axis([column.name for column in columns], axis=1)
    schema = BlockSchema(table.name, table.name, "tabular", columns)
    return FeatureBlock(schema, frame, table.notes)


def _first_of_each(candidates: Iterable[FeatureSet]) -> tuple[FeatureSet, ...]:
    kept: dict[frozenset[str], FeatureSet] = {}
    for one in candidates:
        if one.blocks:
            kept.setdefault(frozenset(one.blocks), one)
    return tuple(kept.values())
