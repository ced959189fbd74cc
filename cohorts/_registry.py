"""One registry for every kind of component: cohorts, extractors, models, metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from cohorts._errors import unknown_name

__all__ = ["Registry"]

T = TypeVar("T")
C = TypeVar("C", bound=type)


class Registry(Generic[T]):
    """Named components, kept in the order of their registration.

    Components of other packages join through the entry-point group
    ``sonobench.<kind>s``: each entry point is imported, and its decorators do the rest.

    Parameters
    ----------
    kind : str
        What is registered, in the singular: ``"cohort"``, ``"model"``.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._items: dict[str, T] = {}
        self._plugins_loaded = False

    def register(self, name: str) -> Callable[[C], C]:
        """Return a class decorator that instantiates the class and files it under `name`.

        Raises
        ------
        ValueError
            If the name is taken.
        """

        def decorate(cls: C) -> C:
            if name in self._items:
                raise ValueError(f"A {self.kind} named {name!r} is already registered.")
            cls.name = name  # type: ignore[attr-defined]  # every component has a name
            self._items[name] = cls()
            return cls

        return decorate

    def get(self, name: str, *, where: str = "") -> T:
        """Return the component called `name`.

        Raises
        ------
        BenchmarkError
            If there is none; the message has the nearest known name.
        """
        self._load_plugins()
        if name not in self._items:
            hint = f"See: benchmark list {self.kind}s"
            raise unknown_name(self.kind, name, self._items, where=where, hint=hint)
        return self._items[name]

    def names(self) -> tuple[str, ...]:
        """Return every registered name, in order of registration."""
        self._load_plugins()
        return tuple(self._items)

    def __iter__(self) -> Iterator[T]:
        self._load_plugins()
        return iter(tuple(self._items.values()))

    def __contains__(self, name: object) -> bool:
        self._load_plugins()
        return name in self._items

    def _load_plugins(self) -> None:
        if self._plugins_loaded:
            return
        self._plugins_loaded = True
        for entry_point in entry_points(group=f"sonobench.{self.kind}s"):
            entry_point.load()
