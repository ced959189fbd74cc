"""Further tables, joined to the manifest on the case id, and what did not match."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from cohorts._cohort import Note, TabularModality
from cohorts._column_kinds import as_text, mark_missing
from cohorts._errors import BenchmarkError
from cohorts._manifest_options import JoinedTable, ManifestOptions
from cohorts._read_tables import RecordedTable, name_some, read_table

__all__ = ["case_ids", "match_cases", "onto_cases", "read_joined", "read_recorded"]


def read_recorded(path: Path, sheet: str | None, missing: Sequence[str]) -> RecordedTable:
    """Read a table and put NaN where a cell is missing."""
    table = read_table(path, sheet=sheet)
    marked = {name: mark_missing(table.frame[name], missing) for name in table.columns}
    return replace(table, frame=pd.DataFrame(marked, index=table.frame.index))


def read_joined(name: str, options: ManifestOptions, folder: Path) -> tuple[RecordedTable, str]:
    """Read the table of the modality `name`.

    Returns
    -------
    table : RecordedTable
        With NaN where a cell is missing.
    case : str
        Its case column.

    Raises
    ------
    BenchmarkError
        If the file or its case column does not exist, or the table is broken.
    """
    wanted: JoinedTable = options.tables[name]
    table = read_recorded(folder / Path(wanted.path).expanduser(), wanted.sheet, options.missing)
    case = wanted.case or options.case
    table.check_columns([case], role=f"case, of tables.{name}")
    table.check_columns(wanted.columns or (), role=f"columns, of tables.{name}")
    return table, case


def case_ids(table: RecordedTable, column: str) -> tuple[str, ...]:
    """Return the case id of each row as text.

    Raises
    ------
    BenchmarkError
        If one is missing or stands in two rows; the message has the rows.
    """
    cells = table.frame[column]
    missing = cells.index[cells.isna()].tolist()
    if missing:
        raise BenchmarkError(
            f"The case column {column!r} of {table.path.name} is empty in {len(missing)} row(s): "
            f"row {name_some(missing)}. Give every row a case id or delete it."
        )
    first: dict[str, object] = {}
    for row, case in cells.map(as_text).items():
        if case in first:
            raise BenchmarkError(
                f"The case id {case!r} stands in rows {first[case]} and {row} of "
                f"{table.path.name} (column {column!r}). Give every row its own case id; rows of "
                "the same patient share a value in the patient column."
            )
        first[case] = row
    return tuple(first)


def match_cases(
    name: str,
    table: RecordedTable,
    case: str,
    cases: Sequence[str],
    *,
    lacking: str = "missing",
) -> tuple[RecordedTable, Note]:
    """Keep the rows of a joined table that belong to a case, and report the others.

    Parameters
    ----------
    name : str
        The modality.
    table : RecordedTable
        As `read_joined` returns it.
    case : str
        Its case column.
    cases : sequence of str
        Case ids of the manifest.
    lacking : str, default="missing"
        What becomes of the values of cases without a row.

    Returns
    -------
    table : RecordedTable
        Its matching rows.
    note : Note
        How many rows matched, and how many did not on either side.

    Raises
    ------
    BenchmarkError
        If no case id matches, or one stands in two rows.
    """
    ids = case_ids(table, case)
    known = set(cases)
    matched = np.asarray([one in known for one in ids], dtype=bool)
    if not matched.any():
        raise BenchmarkError(
            f"No case id of {table.path.name} (column {case!r}, such as {ids[0]!r}) is among the "
            f"manifest's (such as {cases[0]!r}). Name the case column under tables.{name}, and "
            "write ids alike in both, leading zeros included."
        )
    n_matched = int(matched.sum())
    n_rows, n_cases = len(ids) - n_matched, len(cases) - n_matched
    text = (
        f"{table.path.name} ({name}) was joined on the case id. Matched: {n_matched}. Rows "
        f"that belong to no case, dropped: {n_rows}. Cases without a row there, whose values are "
        f"{lacking}: {n_cases}."
    )
    severity = "warning" if n_rows or n_cases else "info"
    note = Note("unmatched-cases", severity, text)  # type: ignore[arg-type]  # one of the two literals
    return replace(table, frame=table.frame[matched]), note


def onto_cases(
    modality: TabularModality, ids: Sequence[str], cases: Sequence[str]
) -> TabularModality:
    """Index a modality's rows by case id, in the order of `cases`; absent ones are missing."""
    by_id = modality.table.set_axis(pd.Index(list(ids), dtype=object), axis=0)
    return replace(modality, table=by_id.reindex(pd.Index(list(cases), dtype=object, name="case")))
