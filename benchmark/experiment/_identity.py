"""What makes two starts the same run: config, data and versions, but for what may change."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

__all__ = ["differences", "run_digest"]

# What may differ between two starts on the same folder. Rows and external cohorts can be added to
# a board, and images taken off its page; of the evaluation, only how finely it is done may change
# once predictions are there; where the data and the trials lie does not matter.
FREE: Mapping[str, tuple[str, ...]] = {
    "evaluation": ("n_resamples", "confidence"),
    "cohort": ("data",),
    "inner": ("storage",),
}

# Of the digest, in a study's name.
DIGEST_LENGTH = 12


def differences(
    before: Mapping[str, Any], now: Mapping[str, Any], *, extendable: tuple[str, ...]
) -> list[str]:
    """Return in what two descriptions of runs differ, as a user would call it.

    Parameters
    ----------
    before, now : mapping
        ``run.json`` of the two.
    extendable : tuple of str
        Keys of the config that may differ altogether.
    """
    first, second = (_flat(one["config"], extendable) for one in (before, now))
    differing = [key for key, value in second.items() if first.get(key) != value]
    if before["fingerprint"] != now["fingerprint"]:
        differing.append("the data")
    return differing + [
        f"the version of {name}"
        for name, version_now in now["versions"].items()
        if before["versions"].get(name) != version_now
    ]


def run_digest(description: Mapping[str, Any], *, extendable: tuple[str, ...]) -> str:
    """Return twelve hexadecimal digits that tell a run from any other."""
    config = _flat(description["config"], extendable)
    parts = [config, description["fingerprint"], description["versions"]]
    text = json.dumps(parts, sort_keys=True).encode()
    return hashlib.sha256(text).hexdigest()[:DIGEST_LENGTH]


def _flat(config: Mapping[str, Any], extendable: tuple[str, ...]) -> dict[str, Any]:
    """Return what must not differ, with the keys of the sections that are free in part."""
    flat = {key: value for key, value in config.items() if key not in (*extendable, *FREE)}
    for section, free in FREE.items():
        flat |= {f"{section}.{k}": v for k, v in config[section].items() if k not in free}
    return flat
