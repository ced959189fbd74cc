"""Reading skops files: nothing in them is executed, and only named types are built."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import skops.io

from cohorts import BenchmarkError

__all__ = ["load_skops"]


def load_skops(path: Path, *, trusted: Sequence[str]) -> Any:
    """Read an object back.

    Parameters
    ----------
    path : Path
        A file that `skops.io.dump` wrote.
    trusted : sequence of str
        Full names of the types that it may hold beyond skops' own list.

    Raises
    ------
    BenchmarkError
        If the file names another type.
    """
    try:
        return skops.io.load(path, trusted=list(trusted))
    except skops.io.exceptions.UntrustedTypesFoundException as error:
        raise BenchmarkError(f"{path} is refused: {' '.join(str(error).split())}") from None
