"""The contract of a cohort loader, and the registry that finds one by name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from cohorts._case_format import CaseFormat, plain_format
from cohorts._cohort import Cohort
from cohorts._errors import BenchmarkError
from cohorts._options import parse_options
from cohorts._registry import Registry

__all__ = ["COHORTS", "CohortLoader", "case_format", "load_cohort", "register_cohort"]

Options = TypeVar("Options")


class CohortLoader(ABC, Generic[Options]):
    """Reads one kind of data set and returns a `Cohort`.

    Class attributes
    ----------------
    name : str
        Set by `register_cohort`.
    title : str
        One line for ``benchmark list cohorts``.
    needs_data : bool
        Whether a path must be given.
    options_type : type
        A frozen pydantic dataclass; unknown keys are refused.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    needs_data: ClassVar[bool] = True
    options_type: ClassVar[type]

    @abstractmethod
    def load(self, data: Path | None, options: Options) -> Cohort:
        """Read and validate everything except the pixels' meaning.

        Raises
        ------
        BenchmarkError
            If a file is missing, unreadable or inconsistent.
        """

    def case_format(
        self,
        cohort: Cohort,
        data: Path | None,  # noqa: ARG002  # the default has no need of it
        options: Options,  # noqa: ARG002  # the default has no need of it
    ) -> CaseFormat:
        """Return how new cases are read for models that are developed on a cohort of this loader.

        By default, from a plain table: see `plain_format`.

        Parameters
        ----------
        cohort : Cohort
            As loaded.
        data : Path or None
            What it was read from.
        options : options_type
            Of the same cohort.

        Raises
        ------
        BenchmarkError
            If what the cohort was read from can no longer be read.
        """
        return plain_format(cohort)


COHORTS: Registry[CohortLoader[Any]] = Registry("cohort")


def register_cohort(name: str) -> Callable[[type], type]:
    """Class decorator: file a `CohortLoader` under `name`."""
    return COHORTS.register(name)


def load_cohort(
    name: str,
    data: str | Path | None = None,
    options: Mapping[str, Any] | None = None,
    *,
    where: str = "the cohort options",
) -> Cohort:
    """Load a cohort by the name of its loader.

    Parameters
    ----------
    name : str
        A registered loader: see ``benchmark list cohorts``.
    data : path, optional
        File or folder to read; loaders that simulate need none.
    options : mapping, optional
        The loader's own options.
    where : str
        Where the options came from, for the error message.

    Returns
    -------
    Cohort
        Validated.

    Raises
    ------
    BenchmarkError
        If the loader, an option or the path is unknown, or the data are not sound.
    """
    loader = COHORTS.get(name, where=where)
    if loader.needs_data and data is None:
        raise BenchmarkError(
            f"Cohort {name!r} is read from disk: give its path with --data PATH "
            "or as data: under cohort: in the config."
        )
    path = None if data is None else Path(data)
    if path is not None and not path.exists():
        raise BenchmarkError(f"Cohort {name!r}: the path {str(path)!r} does not exist.")
    parsed: Any = parse_options(loader.options_type, options or {}, where=where)
    cohort = loader.load(path, parsed)
    cohort.check_classes()
    return cohort


def case_format(
    cohort: Cohort,
    *,
    loader: str,
    data: str | Path | None = None,
    options: Mapping[str, Any] | None = None,
    where: str = "the cohort options",
) -> CaseFormat:
    """Say how new cases are read for models that are developed on a cohort.

    Parameters
    ----------
    cohort : Cohort
        As loaded.
    loader, data, options, where
        As `load_cohort` was given them.

    Raises
    ------
    BenchmarkError
        If what the cohort was read from can no longer be read.
    """
    made_by = COHORTS.get(loader, where=where)
    parsed: Any = parse_options(made_by.options_type, options or {}, where=where)
    return made_by.case_format(cohort, None if data is None else Path(data), parsed)
