"""Seeds made of names: what is drawn for one thing does not depend on what stands beside it."""

from __future__ import annotations

import hashlib

__all__ = ["hashed_seed"]


def hashed_seed(text: str) -> int:
    """Return a seed in [0, 2³¹) that is the same wherever and whenever it is asked for.

    Examples
    --------
    >>> hashed_seed("0/outer/0") == hashed_seed("0/outer/0") != hashed_seed("0/outer/1")
    True
    """
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little") % (2**31)
