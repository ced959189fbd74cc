"""Tables as text, for the terminal."""

from __future__ import annotations

from collections.abc import Collection, Sequence

__all__ = ["aligned"]


def aligned(rows: Sequence[Sequence[str]], *, right: Collection[int] = ()) -> list[str]:
    r"""Return the rows as lines whose columns stand under each other.

    Parameters
    ----------
    rows : sequence of sequence of str
        The head first; all of one length.
    right : collection of int
        Columns that are set to the right, as numbers are.

    Examples
    --------
    >>> print("\n".join(aligned([["name", "n"], ["a", "10"]], right={1})))
    name   n
    a     10
    """
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
