"""A cohort of the user's own: one table with a row per case."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cohorts._case_format import CaseFormat, TableFormat
from cohorts._cohort import Cohort, CohortInfo, ImageModality, Note, TabularModality
from cohorts._column_kinds import as_text
from cohorts._errors import BenchmarkError
from cohorts._loading import CohortLoader, register_cohort
from cohorts._manifest_columns import build_modality, check_disjoint, choose_columns
from cohorts._manifest_dates import (
    DateReading,
    check_references,
    decide_reading,
    with_references,
)
from cohorts._manifest_images import image_columns, list_images, read_images
from cohorts._manifest_joins import case_ids, match_cases, onto_cases, read_joined, read_recorded
from cohorts._manifest_labels import choose_positive, read_labels
from cohorts._manifest_options import ColumnOptions, ManifestOptions
from cohorts._read_tables import RecordedTable, name_some, unknown_column

# The modality of columns without another role; the second where the first is taken.
DEFAULT_MODALITIES = ("clinical", "other")

UNKNOWN_SITE = "not recorded"

NO_DATA = "Cohort 'manifest' reads a table: give its path as data."

Part = tuple[RecordedTable, list[str], tuple[str, ...]]


@register_cohort("manifest")
class ManifestLoader(CohortLoader[ManifestOptions]):
    """Reads a CSV, Parquet or XLSX of one row per case, and what it points to.

    The options say which column is what; see `ManifestOptions`. Everything that can be wrong
    with them or with the tables is found before the first image is decoded.
    """

    title = "a table of your own (CSV, Parquet, XLSX): one row per case, any label set"
    options_type = ManifestOptions

    def load(self, data: Path | None, options: ManifestOptions) -> Cohort:
        """Read the table, the tables joined to it, and the headers of all images.

        Parameters
        ----------
        data : Path
            The table.
        options : ManifestOptions
            What its columns mean.

        Returns
        -------
        Cohort
            In the order of the table's rows.

        Raises
        ------
        BenchmarkError
            One sentence that names the file, the column or row, and what to do.
        """
        if data is None:
            raise BenchmarkError(NO_DATA)
        sources = _read_sources(data, options)
        main = sources.main
        cases = case_ids(main, options.case)
        classes, labels = read_labels(
            main.frame[options.label],
            column=options.label,
            where=main.path.name,
            classes=options.classes,
        )
        positive_class, notes = choose_positive(classes, labels)
        patients, patient_notes = _patients(main, options, cases)
        sites, site_notes = _sites(main, options)
        tables, table_notes = _tables(sources, options, cases)
        images, image_notes = _images(main, options)
        return Cohort(
            info=_info(data, options),
            cases=cases,
            patients=patients,
            classes=classes,
            labels=labels,
            positive_class=positive_class,
            images=images,
            tables=tables,
            sites=sites,
            notes=(
                *sources.notes,
                *notes,
                *patient_notes,
                *site_notes,
                *_post_diagnosis(options),
                *table_notes,
                *image_notes,
            ),
        )

    def case_format(
        self, cohort: Cohort, data: Path | None, options: ManifestOptions
    ) -> CaseFormat:
        """Return the manifest's own layout, with how its rows have shown that dates are read."""
        if data is None:
            raise BenchmarkError(NO_DATA)
        images = tuple(one.name for one in cohort.images)
        tables = tuple(
            TableFormat(one.name, one.columns, tuple(column.name for column in one.columns))
            for one in cohort.tables
        )
        return CaseFormat(options, images, tables, _date_readings(data, options))


@dataclass(frozen=True)
class Sources:
    """The manifest, and modality -> joined table and its case column."""

    main: RecordedTable
    joined: Mapping[str, tuple[RecordedTable, str]]

    @property
    def notes(self) -> tuple[Note, ...]:
        """What had to be guessed while reading."""
        others = (note for table, _ in self.joined.values() for note in table.notes)
        return (*self.main.notes, *others)


def _read_sources(data: Path, options: ManifestOptions) -> Sources:
    """Read every table and check every column name in the options."""
    main = read_recorded(data, options.sheet, options.missing)
    roles = _roles(options)
    for role, names in roles.items():
        main.check_columns(names, role=role)
    joined = {name: read_joined(name, options, data.parent) for name in options.tables}
    known = list(main.columns)
    known += [column for table, _ in joined.values() for column in table.columns]
    for key in ("exclude", "post_diagnosis", "columns"):
        for name in getattr(options, key):
            if name not in known:
                raise unknown_column(name, known, where=f"{data.name} ({key})")
    check_references(options, known, where=data.name)
    _check_names(options)
    _check_roles(main, options, roles)
    return Sources(main, joined)


def _roles(options: ManifestOptions) -> dict[str, tuple[str, ...]]:
    """Role -> the columns that have it and can therefore be no features."""
    single = {
        "case": options.case,
        "label": options.label,
        "patient": options.patient,
        "site": options.site,
    }
    roles = {f"images.{name}": image_columns(one) for name, one in options.images.items()}
    return roles | {role: (name,) for role, name in single.items() if name is not None}


def _check_names(options: ManifestOptions) -> None:
    names = [*options.images, *(options.modalities or {}), *options.tables]
    repeated = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if repeated:
        raise BenchmarkError(
            f"The modality {repeated[0]!r} is declared more than once under images, modalities "
            "and tables. Give each its own name."
        )


def _check_roles(
    main: RecordedTable, options: ManifestOptions, roles: Mapping[str, Iterable[str]]
) -> None:
    """Refuse a feature that is the label, an id or a path: it would leak or mean nothing."""
    role_of = {column: role for role, columns in roles.items() for column in columns}
    wanted = {f"modalities.{name}": names for name, names in (options.modalities or {}).items()}
    for place, columns in wanted.items():
        main.check_columns(columns, role=place)
    wanted |= {f"tables.{name}": one.columns or () for name, one in options.tables.items()}
    for place, columns in wanted.items():
        for column in columns:
            if column in role_of:
                raise BenchmarkError(
                    f"Column {column!r} is the manifest's {role_of[column]} and cannot be a "
                    f"feature too. Remove it from {place}."
                )


def _tables(
    sources: Sources, options: ManifestOptions, cases: tuple[str, ...]
) -> tuple[tuple[TabularModality, ...], tuple[Note, ...]]:
    """Choose, convert and join the columns of every tabular modality."""
    parts, notes = _parts(sources, options, cases)
    check_disjoint({name: columns for name, (_, columns, _) in parts.items()})
    modalities = []
    for name, (table, columns, ids) in parts.items():
        references = with_references(table, ids, sources.main, cases, options.columns)
        built, said = build_modality(
            name, table, columns, declared=options.columns, references=references
        )
        notes += said
        if built is not None:
            modalities.append(onto_cases(built, ids, cases))
    return tuple(modalities), tuple(notes)


def _date_readings(data: Path, options: ManifestOptions) -> dict[str, DateReading]:
    """Column of dates -> what its rows have shown, so that new cases are read as they were."""
    if not any(one.kind == "date" for one in options.columns.values()):
        return {}
    sources = _read_sources(data, options)
    cases = case_ids(sources.main, options.case)
    readings = {}
    for table, columns, ids in _parts(sources, options, cases)[0].values():
        references = with_references(table, ids, sources.main, cases, options.columns)
        for name in columns:
            if options.columns.get(name, ColumnOptions()).kind == "date":
                readings[name] = decide_reading(name, table, references, options.columns)
    return readings


def _parts(
    sources: Sources, options: ManifestOptions, cases: tuple[str, ...]
) -> tuple[dict[str, Part], list[Note]]:
    """Modality -> its table, its columns there, and the case of each row."""
    chosen, notes = _main_columns(sources.main, options)
    parts: dict[str, Part] = {
        name: (sources.main, columns, cases) for name, columns in chosen.items()
    }
    for name, (whole, case) in sources.joined.items():
        table, note = match_cases(name, whole, case, cases)
        columns, column_notes = _joined_columns(name, table, case, options)
        parts[name] = (table, columns, case_ids(table, case))
        notes += [note, *column_notes]
    return parts, notes


def _main_columns(
    main: RecordedTable, options: ManifestOptions
) -> tuple[dict[str, list[str]], list[Note]]:
    """Modality -> columns of the manifest itself."""
    barred = {*options.exclude, *options.post_diagnosis}
    if options.modalities is not None:
        return {
            name: [column for column in columns if column not in barred]
            for name, columns in options.modalities.items()
        }, []
    used = {*options.images, *options.tables}
    name = next((one for one in DEFAULT_MODALITIES if one not in used), DEFAULT_MODALITIES[-1])
    columns, notes = choose_columns(
        name, main, taken={*barred, *_with_role(options)}, declared=options.columns
    )
    return ({name: columns} if columns else {}), list(notes)


def _joined_columns(
    name: str, table: RecordedTable, case: str, options: ManifestOptions
) -> tuple[list[str], tuple[Note, ...]]:
    # A joined table may repeat the label or the patient; by its name it is barred there too.
    barred = {*options.exclude, *options.post_diagnosis, *_with_role(options), case}
    wanted = options.tables[name].columns
    if wanted is None:
        return choose_columns(name, table, taken=barred, declared=options.columns)
    return [column for column in wanted if column not in barred], ()


def _with_role(options: ManifestOptions) -> set[str]:
    return {column for columns in _roles(options).values() for column in columns}


def _patients(
    main: RecordedTable, options: ManifestOptions, cases: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[Note, ...]]:
    if options.patient is None:
        text = (
            "No patient column is declared, so every case counts as a patient of its own. If "
            "patients have several cases, declare it: else folds split patients, scores are too "
            "good and intervals too narrow."
        )
        return cases, (Note("patients-unknown", "warning", text),)
    cells = main.frame[options.patient]
    missing = cells.index[cells.isna()].tolist()
    if missing:
        raise BenchmarkError(
            f"The patient column {options.patient!r} of {main.path.name} is empty in "
            f"{len(missing)} row(s): row {name_some(missing)}. Fill in the patient, or a value of "
            "its own where the patient has no other case."
        )
    return tuple(as_text(cell) for cell in cells), ()


def _sites(
    main: RecordedTable, options: ManifestOptions
) -> tuple[tuple[str, ...] | None, tuple[Note, ...]]:
    if options.site is None:
        return None, ()
    cells = main.frame[options.site]
    n_missing = int(cells.isna().sum())
    sites = tuple(as_text(cell) for cell in cells.fillna(UNKNOWN_SITE))
    if not n_missing:
        return sites, ()
    text = f"{n_missing} of {len(sites)} cases have no site; they count as {UNKNOWN_SITE!r}."
    return sites, (Note("missing-sites", "warning", text),)


def _post_diagnosis(options: ManifestOptions) -> tuple[Note, ...]:
    if not options.post_diagnosis:
        return ()
    text = (
        f"Known only after the diagnosis and kept out of the features: "
        f"{', '.join(options.post_diagnosis)}."
    )
    return (Note("post-diagnosis-columns", "info", text),)


def _images(
    main: RecordedTable, options: ManifestOptions
) -> tuple[tuple[ImageModality, ...], tuple[Note, ...]]:
    """Check that the files of all modalities exist, then open them."""
    listed = {name: list_images(name, one, main) for name, one in options.images.items()}
    read = [read_images(name, images) for name, images in listed.items()]
    modalities = tuple(modality for found, _ in read for modality in found)
    return modalities, tuple(note for _, notes in read for note in notes)


def _info(data: Path, options: ManifestOptions) -> CohortInfo:
    return CohortInfo(
        name="manifest",
        title=options.title or data.stem,
        source=options.source,
        licence=options.licence,
        patients_known=options.patient is not None,
    )
