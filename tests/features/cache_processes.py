"""Processes that share a cache and are killed; run by the tests, prints what it found as JSON."""

from __future__ import annotations

import json
import os
import signal
import sys
from functools import lru_cache
from pathlib import Path

import numpy as np

from features import CacheKey, FeatureCache

N_KEYS = 8
N_ROUNDS = 8
N_KILLED = 16

# Every so many of them kills itself instead, with a file written and not yet renamed.
DYING = 4

# Large enough for a kill to fall into the writing.
N_VALUES = 20_000


def key(number: int) -> CacheKey:
    return CacheKey("e-v1", f"{number:064x}")


@lru_cache
def values(number: int) -> np.ndarray:
    return np.random.default_rng(number).normal(size=N_VALUES)


def state(cache: FeatureCache, number: int) -> str:
    stored = cache.load(key(number))
    if stored is None:
        return "absent"
    return "right" if np.array_equal(stored, values(number)) else "wrong"


def counted(states: list[str]) -> dict[str, int]:
    return {name: states.count(name) for name in ("right", "wrong", "absent")}


def forked(work) -> int:
    """Start a process that does `work` and no more."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    return child


def share(folder: Path) -> dict[str, object]:
    """Two processes store keys that both and keys that only one of them has; we read meanwhile."""

    def write(first: int) -> None:
        cache = FeatureCache(folder)
        made = {n: values(n) for n in (*range(N_KEYS), *range(first, first + N_KEYS))}
        for _ in range(N_ROUNDS):
            for number, array in made.items():
                cache.store(key(number), array)

    children = {forked(lambda first=first: write(first)) for first in (N_KEYS, 2 * N_KEYS)}
    reader, seen = FeatureCache(folder), []
    while children:
        seen += [state(reader, number) for number in range(3 * N_KEYS)]
        done, _ = os.waitpid(-1, os.WNOHANG)
        children.discard(done)
    after = [state(reader, number) for number in range(3 * N_KEYS)]
    return {"meanwhile": counted(seen), "after": counted(after), "files": names(folder)}


def kill(folder: Path) -> dict[str, object]:
    """Kill writers at any moment, and let some die just before they rename."""
    for round_ in range(N_KILLED):
        told, tell = os.pipe()
        dies = round_ % DYING == 0
        child = forked(lambda tell=tell, dies=dies: write_for_ever(folder, tell, dies=dies))
        os.close(tell)
        for _ in range(1 + round_):
            # Empty once the writer is dead.
            if not os.read(told, 1):
                break
        if not dies:
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(told)
    cache = FeatureCache(folder)
    killed, left = [state(cache, number) for number in range(N_KEYS)], names(folder)
    for number in range(N_KEYS):
        cache.store(key(number), values(number))
    after = [state(cache, number) for number in range(N_KEYS)]
    return {"killed": counted(killed), "after": counted(after), "files": left}


def write_for_ever(folder: Path, tell: int, *, dies: bool) -> None:
    if dies:
        Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    cache, made = FeatureCache(folder), [values(number) for number in range(N_KEYS)]
    while True:
        for number in range(N_KEYS):
            os.write(tell, b".")
            cache.store(key(number), made[number])


def names(folder: Path) -> list[str]:
    return sorted({path.suffix for path in folder.rglob("*") if path.is_file()})


if __name__ == "__main__":
    root = Path(sys.argv[1])
    found = {"shared": share(root / "shared"), "killed": kill(root / "killed")}
    sys.stdout.write(json.dumps(found))
