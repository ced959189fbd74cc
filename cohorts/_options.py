"""Plain mappings to frozen option objects, with errors that name the key."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import fields
from functools import lru_cache
from typing import Any, TypeVar, cast, get_type_hints

from pydantic import TypeAdapter, ValidationError

from cohorts._errors import BenchmarkError, unknown_name

__all__ = ["parse_options"]

T = TypeVar("T")


@lru_cache(maxsize=64)
def _adapter(options_type: Any) -> TypeAdapter[Any]:
    return TypeAdapter(options_type)


def parse_options(options_type: type[T], values: Mapping[str, Any], *, where: str) -> T:
    """Build a frozen pydantic dataclass from a mapping.

    Parameters
    ----------
    options_type : type
        A pydantic dataclass that forbids extra keys.
    values : mapping
        As read from YAML or the command line.
    where : str
        The file or flag the values came from.

    Returns
    -------
    options_type
        Validated.

    Raises
    ------
    BenchmarkError
        One sentence: the key, what came and what works; for an unknown key the nearest one.
    """
    try:
        adapter = _adapter(cast("Hashable", options_type))
        parsed: T = adapter.validate_python(dict(values))
    except ValidationError as error:
        raise _first_problem(error, options_type, where) from None
    return parsed


def _first_problem(error: ValidationError, options_type: type, where: str) -> BenchmarkError:
    problem = error.errors()[0]
    location = [str(part) for part in problem["loc"]]
    key = ".".join(location)
    if problem["type"] in {"unexpected_keyword_argument", "extra_forbidden"}:
        known = [field.name for field in fields(_type_at(options_type, location[:-1]))]
        inside = ".".join(location[:-1])
        place = f"{where}, under {inside}:" if inside else where
        return unknown_name("key", location[-1], known, where=place)
    if problem["type"] == "missing":
        inside = ".".join(location[:-1])
        place = f"{where}, under {inside}" if inside else where
        return BenchmarkError(f"{place}: the key {location[-1]!r} is missing; it must be given.")
    if problem["type"] in {"dataclass_type", "dataclass_exact_type"}:
        keys = ", ".join(field.name for field in fields(_type_at(options_type, location)))
        return BenchmarkError(
            f"{where}: {key} = {problem['input']!r} will not do: it takes keys and values, as in "
            f"{{key: value}}; its keys are {keys}."
        )
    message = problem["msg"].removeprefix("Value error, ")
    return BenchmarkError(
        f"{where}: {key or 'value'} = {problem['input']!r} will not do: {message}."
    )


def _type_at(options_type: Any, location: list[str]) -> Any:
    """Follow field names (and skip list indices and dict keys) to a nested dataclass."""
    current = options_type
    for part in location:
        found = _dataclass_in(get_type_hints(current).get(part))
        if found is not None:
            current = found
    return current


def _dataclass_in(annotation: Any) -> Any:
    if hasattr(annotation, "__dataclass_fields__"):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _dataclass_in(argument)
        if found is not None:
            return found
    return None
