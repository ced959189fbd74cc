"""The URL of a storage of studies: checked, and shown without what it keeps secret."""

from __future__ import annotations

import re
from urllib.parse import quote

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from cohorts import BenchmarkError

__all__ = ["check_storage_url", "hide_secrets"]

HIDDEN = "***"

# The password between the name of a user and the name of a server.
PASSWORD = re.compile(r"(://[^:/?]*):[^/?]*@")

# Keys of a URL's query that hold secrets.
SECRET = re.compile(r"pass|secret|token|key", re.IGNORECASE)


def check_storage_url(url: str, *, where: str) -> None:
    """Refuse what is no URL of an Optuna storage.

    Raises
    ------
    BenchmarkError
        Without the value, which may hold a password.
    """
    try:
        make_url(url)
    except ArgumentError:
        raise BenchmarkError(
            f"{where}: inner.storage is no URL of a storage. Write one such as "
            "sqlite:///studies.db or postgresql://user@host/studies, or leave it out: trials are "
            "then kept in the run folder."
        ) from None


def hide_secrets(url: str | None) -> str | None:
    """Return a URL as it may be stored, in a run folder that others see.

    Examples
    --------
    >>> hide_secrets("postgresql://me:p@ss@host/studies?sslpassword=x")
    'postgresql://me:***@host/studies?sslpassword=***'
    """
    if url is None:
        return None
    # Passwords with an @ of their own are cut off at the last one.
    masked = PASSWORD.sub(rf"\1:{HIDDEN}@", url)
    try:
        parsed = make_url(masked)
    except ArgumentError:
        return HIDDEN
    shown = {key: HIDDEN if SECRET.search(key) else value for key, value in parsed.query.items()}
    text = parsed.set(query=shown).render_as_string(hide_password=True)
    return text.replace(quote(HIDDEN), HIDDEN)
